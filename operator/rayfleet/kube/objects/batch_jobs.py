"""Kubernetes Jobs, trimmed."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from rayfleet.kube.objects.keys import JsonObject, Owner, controller_of
from rayfleet.kube.objects.timestamps import unix_seconds

LONGEST_WORDS: Final = 512
_NOTHING: Final[Mapping[str, Any]] = {}


class BatchJob(Struct, frozen=True):
    """A Job (batch/v1), trimmed: whose it is, and whether and how it has finished."""

    namespace: str
    name: str
    uid: str
    resource_version: int
    owner: Owner | None
    deleting: bool
    succeeded: bool = False
    failed: bool = False
    reason: str = ""
    message: str = ""
    finished: float = 0.0
    """Unix seconds when it succeeded or failed; 0 if it has not."""


def batch_job_from_object(obj: JsonObject) -> BatchJob:
    """Trim a Job object."""
    metadata, status = obj["metadata"], obj.get("status") or {}
    held = {c.get("type"): c for c in status.get("conditions") or () if c.get("status") == "True"}
    end = held.get("Complete") or held.get("Failed") or _NOTHING
    return BatchJob(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=int(metadata["resourceVersion"]),
        owner=controller_of(metadata),
        deleting="deletionTimestamp" in metadata,
        succeeded="Complete" in held,
        failed="Failed" in held and "Complete" not in held,
        reason=str(end.get("reason") or "")[:LONGEST_WORDS],
        message=str(end.get("message") or "")[:LONGEST_WORDS],
        finished=unix_seconds(end.get("lastTransitionTime")),
    )
