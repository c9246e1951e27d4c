"""What Ray is told of a job, in every mode."""

from typing import Any

import orjson
import pytest

from rayfleet.kinds.rayjob.manifests.submission import job_submission
from support.rayjob_samples import rayjob, spec_of


def submitted(**fields: Any) -> dict[str, Any]:
    return job_submission(spec_of(rayjob(**fields)), "train-x7k2p")


def test_what_is_empty_or_zero_is_left_out() -> None:
    """Older versions of Ray do not know the newer fields."""
    fields = {"runtimeEnvYAML": "", "metadata": {}, "entrypointNumCpus": 0, "entrypointNumGpus": -1}
    assert submitted(**fields, entrypointResources="{}") == {
        "entrypoint": "python main.py",
        "submission_id": "train-x7k2p",
    }


def test_everything_that_is_set_is_submitted() -> None:
    given = {
        "runtimeEnvYAML": "env_vars:\n  A: '$HOME'\npip: [requests]\n",
        "metadata": {"team": "a"},
        "entrypointNumCpus": 1.1,
        "entrypointNumGpus": 2,
        "entrypointResources": '{"node": 0.5}',
    }
    assert submitted(**given) == {
        "entrypoint": "python main.py",
        "submission_id": "train-x7k2p",
        "runtime_env": {"env_vars": {"A": "$HOME"}, "pip": ["requests"]},
        "metadata": {"team": "a"},
        "entrypoint_num_cpus": 1.1,
        "entrypoint_num_gpus": 2,
        "entrypoint_resources": {"node": 0.5},
    }


@pytest.mark.parametrize("entrypoint", ["", "  a && b\n", "echo $X `y` 'z' \u00e9 \u706b"])
def test_the_entrypoint_is_the_users_own_text(entrypoint: str) -> None:
    """Not even its spaces change: it is a text for a shell."""
    assert submitted(entrypoint=entrypoint)["entrypoint"] == entrypoint


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        (1.1, b"1.1"),
        (1.100000023841858, b"1.1"),
        (0.1, b"0.1"),
        (0.3333333432674408, b"0.33333334"),
        (16777217.0, b"16777217.0"),
        (3.4028234663852886e38, b"3.4028235e+38"),
    ],
)
def test_a_number_is_sent_as_it_was_written(stored: float, sent: bytes) -> None:
    """Go keeps it as a `float32`, and writes more digits than the user did."""
    assert orjson.dumps(submitted(entrypointNumCpus=stored)["entrypoint_num_cpus"]) == sent
