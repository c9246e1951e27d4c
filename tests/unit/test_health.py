"""The answers of the probes."""

import pytest
from aiohttp import ClientSession

from rayfleet.telemetry.health import HealthServer
from support.operator_process import free_ports

REMARKS = ("namespace x is unavailable: 403", "pods in namespace y: no connection")


async def answer_of(
    path: str, trouble: str | None, remarks: tuple[str, ...] = REMARKS
) -> tuple[int, list[str]]:
    (port,) = free_ports(1)
    server = HealthServer(
        "127.0.0.1", port, healthy=lambda: trouble, ready=lambda: trouble, remarks=lambda: remarks
    )
    await server.start()
    try:
        async with ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, (await answer.text()).splitlines()
    finally:
        await server.stop()


@pytest.mark.parametrize(("trouble", "status"), [(None, 200), ("the Lease cannot be used", 503)])
async def test_readyz_names_all_trouble_even_if_it_is_ready(trouble: str | None, status: int) -> None:
    assert await answer_of("/readyz", trouble) == (status, [trouble or "ok", *REMARKS])


async def test_readyz_repeats_nothing() -> None:
    assert await answer_of("/readyz", REMARKS[1]) == (503, [REMARKS[1], REMARKS[0]])


async def test_healthz_says_only_whether_the_process_lives() -> None:
    assert await answer_of("/healthz", None) == (200, ["ok"])
    assert await answer_of("/healthz", "the event loop hangs") == (503, ["the event loop hangs"])
