"""What a submitter container runs, and what it is told.

The job's entrypoint is text for a shell on the cluster. It passes none on its way there: the container gets
the whole submission as JSON in its environment, and a Python program sends it (`submitter_program.py`).
"""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

import orjson

from rayfleet.api.names import SUBMITTER
from rayfleet.kinds.raycluster.manifests.pod_template import Json

DASHBOARD: Final = "RAY_DASHBOARD_ADDRESS"
JOB_ID: Final = "RAY_JOB_SUBMISSION_ID"
SUBMISSION: Final = "RAYFLEET_SUBMISSION"
"""The variable with the JSON that is submitted. Unlike the others, only the program below needs it."""

LARGEST_SUBMISSION: Final = 128 * 1024 - len(f"{SUBMISSION}=") - 1
"""Bytes of that JSON: Linux starts no process with a longer variable."""

REFUSED: Final = 65
LOST: Final = 69
"""Exit codes of the program after which another attempt of the same submitter is useless (see there)."""

_PROGRAM: Final = files("rayfleet.kinds.rayjob").joinpath("submitter_program.py").read_text("utf-8")

# The Python of the image's Ray, if there are several.
_START: Final = """\
for python in python3 python; do
  "$python" -c 'import importlib.util, sys; sys.exit(not importlib.util.find_spec("ray"))' 2>/dev/null &&
    exec "$python" -uc "$1"
done
exec python3 -uc "$1"
"""


def command(*, login_shell: bool = False) -> Json:
    """`command` and `args` of a submitter; a login shell finds Python where only a profile sets the PATH."""
    return {
        "command": ["/bin/bash", "-cel" if login_shell else "-ce", "--"],
        "args": [_START, SUBMITTER, _PROGRAM],
    }


def address_environment(address: str, job_id: str) -> list[Json]:
    """Where a submitter submits, and under which id; any program that submits to Ray may read these.

    `address` is the dashboard's `host:port`.
    """
    return [_variable(DASHBOARD, address), _variable(JOB_ID, job_id)]


def submission_environment(body: Mapping[str, Any]) -> list[Json]:
    """What the program submits."""
    return [_variable(SUBMISSION, orjson.dumps(body).decode())]


def fits(body: Mapping[str, Any]) -> bool:
    """Whether a submitter can be given this; only HTTPMode has no such limit."""
    return len(orjson.dumps(body)) <= LARGEST_SUBMISSION


def _variable(name: str, text: str) -> Json:
    """A variable with exactly this text: Kubernetes replaces `$(NAME)`, but leaves one dollar sign of two."""
    return {"name": name, "value": text.replace("$", "$$")}
