"""The proxy with which other tests cut connections works."""

import socket
from collections.abc import Iterator

import pytest

from support.proxy import TcpProxy, tcp_proxy

SECONDS = 5.0


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(SECONDS)
        yield listening


@pytest.fixture
def proxy(server: socket.socket) -> Iterator[TcpProxy]:
    with tcp_proxy(f"https://127.0.0.1:{server.getsockname()[1]}") as proxy:
        yield proxy


@pytest.fixture
def ends(server: socket.socket, proxy: TcpProxy) -> Iterator[tuple[socket.socket, socket.socket]]:
    """The two ends of a connection through the proxy."""
    with socket.create_connection(("127.0.0.1", proxy.port), SECONDS) as client:
        there, _ = server.accept()
        with there:
            there.settimeout(SECONDS)
            yield client, there


Ends = tuple[socket.socket, socket.socket]


def test_bytes_go_both_ways(ends: Ends, proxy: TcpProxy) -> None:
    client, there = ends
    client.sendall(b"question")
    assert there.recv(100) == b"question"
    there.sendall(b"answer")
    assert client.recv(100) == b"answer"
    assert (proxy.accepted, proxy.connections) == (1, 1)


def test_an_end_is_passed_on(ends: Ends) -> None:
    client, there = ends
    there.close()

    assert client.recv(100) == b""


def test_a_cut_connection_is_lost_and_a_new_one_works(
    ends: Ends, proxy: TcpProxy, server: socket.socket
) -> None:
    client, _ = ends
    proxy.cut()

    with pytest.raises(ConnectionError):
        client.recv(100)
    with socket.create_connection(("127.0.0.1", proxy.port), SECONDS):
        server.accept()[0].close()


def test_stalled_bytes_arrive_later(ends: Ends, proxy: TcpProxy) -> None:
    client, there = ends
    proxy.stall()
    client.sendall(b"late")
    there.settimeout(0.2)
    with pytest.raises(TimeoutError):
        there.recv(100)

    proxy.accept()

    there.settimeout(SECONDS)
    assert there.recv(100) == b"late"


def test_connections_are_refused_until_accepted_again(
    ends: Ends, proxy: TcpProxy, server: socket.socket
) -> None:
    client, _ = ends
    proxy.refuse()

    with pytest.raises(ConnectionError):
        client.recv(100)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), SECONDS)

    proxy.accept()
    with socket.create_connection(("127.0.0.1", proxy.port), SECONDS):
        server.accept()[0].close()
