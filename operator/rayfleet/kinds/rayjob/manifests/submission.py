"""The submission of a job, whoever sends it."""

import math
import struct

from rayfleet.api.rayjob import RayJobSpec, entrypoint_resources, runtime_env
from rayfleet.kinds.raycluster.manifests.pod_template import Json

_DIGITS = (6, 7, 8)
"""Significant digits that may suffice to tell a number from all others that a `float32` can hold."""


def job_submission(spec: RayJobSpec, job_id: str) -> Json:
    """The body of `POST /api/jobs/` for a valid spec. What is empty or zero is left out."""
    given = {
        "runtime_env": dict(runtime_env(spec)),
        "metadata": dict(spec.metadata),
        "entrypoint_num_cpus": _amount(spec.entrypoint_num_cpus),
        "entrypoint_num_gpus": _amount(spec.entrypoint_num_gpus),
        "entrypoint_resources": dict(entrypoint_resources(spec)),
    }
    optional = {field: value for field, value in given.items() if value}
    return {"entrypoint": spec.entrypoint, "submission_id": job_id, **optional}


def _amount(given: float | None) -> float:
    """The amount as somebody wrote it. A Go client that reads 1.1 as a `float32` writes 1.100000023841858."""
    if given is None or not 0 < given < math.inf:
        return 0.0
    shorter = (float(f"{given:.{digits}g}") for digits in _DIGITS)
    return next((number for number in shorter if _float32(number) == _float32(given)), given)


def _float32(number: float) -> bytes:
    try:
        return struct.pack("f", number)
    except OverflowError:
        return b""
