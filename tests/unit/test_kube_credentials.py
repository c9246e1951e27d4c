"""The sources of credentials, and the sentence that says why they are unusable."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayfleet.kube.client.credentials import BearerToken, Credentials, CredentialsError, in_cluster
from rayfleet.kube.client.kubeconfig import from_kubeconfig
from rayfleet.kube.client.login import connection_info, find_credentials

SERVER = "https://10.0.0.1:6443"
PEM = b"-----BEGIN CERTIFICATE-----"


def _kubeconfig(
    folder: Path,
    *,
    cluster: Mapping[str, Any] | None = None,
    user: Mapping[str, Any] | None = None,
    name: str = "config",
) -> Path:
    path = folder / name
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "ml"}}],
        "clusters": [{"name": "k", "cluster": {"server": SERVER} | dict(cluster or {})}],
        "users": [{"name": "u", "user": dict(user or {})}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


def _data(pem: bytes) -> str:
    return base64.b64encode(pem).decode()


def test_certificates_may_be_data(tmp_path: Path) -> None:
    path = _kubeconfig(
        tmp_path,
        cluster={"certificate-authority-data": _data(b"ca")},
        user={"client-certificate-data": _data(b"cert"), "client-key-data": _data(b"key")},
    )

    assert from_kubeconfig([path]) == Credentials(
        SERVER, ca=b"ca", certificate=b"cert", key=b"key", namespace="ml"
    )


def test_certificates_may_be_files_beside_the_kubeconfig(tmp_path: Path) -> None:
    path = _kubeconfig(
        tmp_path,
        cluster={"certificate-authority": "ca.crt"},
        user={"client-certificate": "/abs/cert", "client-key": "key"},
    )

    found = from_kubeconfig([path])

    assert (found.ca, found.certificate, found.key) == (
        tmp_path / "ca.crt",
        Path("/abs/cert"),
        tmp_path / "key",
    )


@pytest.mark.parametrize(
    ("user", "token"),
    [({"token": "t"}, "t"), ({"tokenFile": "/run/token", "token": "t"}, Path("/run/token"))],
)
def test_a_token_may_be_given_or_in_a_file(tmp_path: Path, user: dict[str, str], token: object) -> None:
    """A file takes precedence over a value, as with kubectl."""
    assert from_kubeconfig([_kubeconfig(tmp_path, user=user)]).token == token


def test_the_first_of_several_files_wins(tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.write_text("current-context: c\nclusters: [{name: k, cluster: {server: 'https://first'}}]\n")
    second = _kubeconfig(tmp_path, user={"token": "t"}, name="second")

    found = find_credentials(f"{first}:{tmp_path / 'absent'}:{second}", {})

    assert (found.server, found.token) == ("https://first", "t")


@pytest.mark.parametrize(
    ("cluster", "user", "words"),
    [
        ({}, {"exec": {"command": "aws"}}, "asks for an exec plugin (exec)"),
        ({}, {"auth-provider": {"name": "gcp"}}, "asks for an auth provider (auth-provider)"),
        ({}, {"username": "u", "password": "p"}, "asks for a user name and password (username)"),
        ({"proxy-url": "http://p"}, {}, "asks for a proxy (proxy-url)"),
        ({"server": ""}, {}, "has no server"),
        (
            {"certificate-authority-data": "%%%"},
            {},
            "certificate-authority-data of the kubeconfig is not base64",
        ),
    ],
)
def test_unsupported_credentials_are_refused_in_a_sentence(
    tmp_path: Path, cluster: dict[str, Any], user: dict[str, Any], words: str
) -> None:
    path = _kubeconfig(tmp_path, cluster=cluster, user=user)

    with pytest.raises(CredentialsError) as refusal:
        from_kubeconfig([path])

    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "There is no kubeconfig at"),
        ("a: [", "cannot be read"),
        ("just words", "is not a mapping"),
        ("{}", "has no current-context"),
        ("current-context: c", "has no context named c"),
    ],
)
def test_a_broken_kubeconfig_is_refused_in_a_sentence(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "config"
    if text is not None:
        path.write_text(text)

    with pytest.raises(CredentialsError) as refusal:
        from_kubeconfig([path])

    assert words in str(refusal.value)
    assert str(path) in str(refusal.value)


def test_a_pod_uses_its_service_account(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    (tmp_path / "namespace").write_text("rayfleet")
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}

    assert in_cluster(environment, tmp_path) == Credentials(
        "https://[fd00::1]:443", ca=tmp_path / "ca.crt", token=tmp_path / "token", namespace="rayfleet"
    )


def test_outside_a_cluster_there_is_no_service_account(tmp_path: Path) -> None:
    assert in_cluster({}, tmp_path) is None


def test_without_any_credentials_one_sentence_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="name a kubeconfig with --kubeconfig"):
        find_credentials(None, {"HOME": str(tmp_path)})


def test_the_kubeconfig_in_the_home_folder_is_used_last(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    _kubeconfig(tmp_path / ".kube")

    assert find_credentials(None, {"HOME": str(tmp_path)}).server == SERVER


def test_a_token_file_is_read_again_each_minute(tmp_path: Path) -> None:
    path, now = tmp_path / "token", [0.0]
    path.write_text("old\n")
    token = BearerToken(path, lambda: now[0])
    assert token.current() == "old"
    path.write_text("new\n")

    now[0] = 59.0
    before = token.current()
    now[0] = 60.0

    assert (before, token.current()) == ("old", "new")


def test_the_last_token_is_used_if_its_file_vanishes(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    token = BearerToken(path, lambda: 0.0)
    token.current()
    path.unlink()

    assert token.reread() == "old"


def test_a_missing_token_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match=r"The token file .* cannot be read"):
        BearerToken(tmp_path / "token", lambda: 0.0).current()


@pytest.mark.parametrize("ca", [b"no certificate", Path("/nowhere/ca.crt")], ids=["data", "file"])
def test_invalid_certificates_are_refused_in_a_sentence(ca: Path | bytes) -> None:
    with pytest.raises(CredentialsError, match=f"The certificates for {SERVER} cannot be used"):
        Credentials(SERVER, ca=ca).ssl_context()


def test_secrets_are_not_shown() -> None:
    shown = repr(Credentials(SERVER, key=b"KEYKEY", token="TOKTOK"))  # noqa: S106 - no secret

    assert "KEYKEY" not in shown
    assert "TOKTOK" not in shown


def test_kopf_gets_the_same_credentials_with_the_current_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("now\n")

    info = connection_info(
        Credentials(SERVER, ca=Path("/ca"), certificate=PEM, key=PEM, token=token, namespace="ml")
    )

    assert (info.server, info.ca_path, info.certificate_data, info.private_key_data) == (
        SERVER,
        Path("/ca"),
        PEM,
        PEM,
    )
    assert (info.token, info.default_namespace) == ("now", "ml")
