"""The messages of Ray's protocol match their definition."""

import subprocess
import sys
from pathlib import Path

import pytest

from protocol import cli

OPERATOR = Path(__file__).parents[2] / "operator"


def test_the_messages_match_their_definition() -> None:
    """`make lint` checks the same."""
    assert cli.main(["--check"]) == 0


def test_a_difference_is_reported_with_its_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message has the file and the command that writes it."""
    assert cli.outdated(tmp_path) == ["ray_pb2.py", "ray_pb2.pyi"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "outdated", lambda: ["ray_pb2.py"])
        assert cli.main(["--check"]) == 1
    assert "run `make protocol`" in capsys.readouterr().err


def test_our_messages_and_rays_can_be_loaded_in_one_process() -> None:
    """A test or a notebook may load both."""
    code = (
        "from rayfleet.ray.gcs.protocol import ray_pb2 as ours\n"
        "import sys, importlib.util\n"
        "sys.path.insert(0, importlib.util.find_spec('ray').submodule_search_locations[0] + '/core')\n"
        "from generated import autoscaler_pb2 as rays\n"
        "said = rays.GetClusterResourceStateReply()\n"
        "said.cluster_resource_state.node_states.add(instance_id='w-1', status='IDLE')\n"
        "read = ours.GetClusterResourceStateReply.FromString(said.SerializeToString())\n"
        "print(read.cluster_resource_state.node_states[0].instance_id)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(OPERATOR)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.stdout.strip(), ran.stderr) == ("w-1", "")
