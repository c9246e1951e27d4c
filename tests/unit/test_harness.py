"""Parts of the other tiers' harness that have failed on a busy machine."""

import json
from pathlib import Path

import pytest

from support.api_answers import api_answers
from support.audit import OPERATOR, operator_writes
from support.cluster_api import ClusterApi


def entry(name: str) -> str:
    """A line of an audit log."""
    target = {"namespace": "ml", "resource": "pods", "name": name}
    said = {
        "stage": "ResponseComplete",
        "verb": "create",
        "user": {"username": OPERATOR},
        "objectRef": target,
    }
    return json.dumps(said, ensure_ascii=False)


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_an_audit_log_is_read_while_it_is_being_written(tmp_path: Path, cut: int) -> None:
    """The text may end in the middle of a character, or contain other kinds of line ends."""
    log = tmp_path / "audit.log"
    whole, begun = entry("a\u2028b\x85"), entry("\N{GREEK SMALL LETTER ALPHA}" * 30)
    log.write_bytes(f"{whole}\n{whole}\n".encode() + begun.encode()[:-cut])
    assert operator_writes(log, "ml") == {"create pods": 2}


def test_a_client_for_another_thread_reads_no_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment may change at that moment."""

    def changed() -> dict[str, str]:
        raise KeyError("PYTEST_CURRENT_TEST")

    with api_answers() as server:
        server.answers["/version"] = 200, {"major": "1"}
        api = ClusterApi(server.kubeconfig(tmp_path))
        monkeypatch.setattr("kubernetes.client.configuration.getproxies", changed)
        another = api.another()
        assert another.call("GET", "/version") == {"major": "1"}
        another.close()
        api.close()
