"""What is asked of the machine."""

import os
from pathlib import Path

import pytest

from testbed import prerequisites


def test_no_service_is_started_by_what_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Debian asks one program before it starts anything; ours is there while we install, and only then."""
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(prerequisites, "_POLICY", policy)
    with prerequisites._services_left_off():
        assert os.access(policy, os.X_OK)
        assert policy.read_text().endswith("exit 101\n")
    assert not policy.exists()


def test_a_policy_that_is_there_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is somebody else's."""
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    monkeypatch.setattr(prerequisites, "_POLICY", policy)
    with prerequisites._services_left_off():
        assert policy.read_text() == "#!/bin/sh\nexit 0\n"
    assert policy.read_text() == "#!/bin/sh\nexit 0\n"
