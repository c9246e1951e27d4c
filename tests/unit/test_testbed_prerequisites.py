"""The requirements on the machine."""

import os
from pathlib import Path

import pytest

from testbed import prerequisites


def test_installed_packages_start_no_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Debian asks one program before it starts a service; ours exists only while we install."""
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(prerequisites, "_POLICY", policy)
    with prerequisites._services_left_off():
        assert os.access(policy, os.X_OK)
        assert policy.read_text().endswith("exit 101\n")
    assert not policy.exists()


def test_an_existing_policy_is_not_changed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is somebody else's."""
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    monkeypatch.setattr(prerequisites, "_POLICY", policy)
    with prerequisites._services_left_off():
        assert policy.read_text() == "#!/bin/sh\nexit 0\n"
    assert policy.read_text() == "#!/bin/sh\nexit 0\n"
