"""Who wrote what, from the API server's audit log."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from support.operator_process import RELEASE

OPERATOR = f"system:serviceaccount:{RELEASE}:{RELEASE}"
MUTATING = {"create", "update", "patch", "delete", "deletecollection"}


@dataclass(frozen=True, slots=True)
class Write:
    """A mutating call of an operator, a Lease's apart."""

    at: float
    """When it came in; Unix seconds."""
    agent: str
    """Its User-Agent."""
    words: str
    """Such as `create pods demo-head-x`."""


def writes_by_agent(audit_log: Path, namespace: str) -> Iterator[Write]:
    """The operators' mutating calls in a namespace, oldest first."""
    for entry in _entries(audit_log, namespace):
        target = entry["objectRef"]
        at = datetime.fromisoformat(entry["requestReceivedTimestamp"]).timestamp()
        words = f"{entry['verb']} {target['resource']} {target.get('name', '')}".rstrip()
        yield Write(at, entry.get("userAgent", ""), words)


def _entries(audit_log: Path, namespace: str) -> Iterator[dict[str, Any]]:
    # The API server is writing: the text after the last end of a line is not complete yet. Nor is what lies
    # between two of the other characters at which `splitlines` splits, as a name in the log may hold them.
    *lines, _ = audit_log.read_bytes().split(b"\n")
    for line in lines:
        entry = json.loads(line)
        target = entry.get("objectRef") or {}
        if (
            entry["stage"] == "ResponseComplete"
            and entry["verb"] in MUTATING
            and entry["user"]["username"] == OPERATOR
            and target.get("namespace") == namespace
            and target["resource"] != "leases"
        ):
            yield entry


def operator_writes(audit_log: Path, namespace: str) -> Counter[str]:
    """The operator's mutating calls in a namespace, such as `create pods` and `patch rayclusters/status`.

    Those to its own Lease are left out.
    """
    writes: Counter[str] = Counter()
    for entry in _entries(audit_log, namespace):
        target = entry["objectRef"]
        resource = "/".join(filter(None, (target["resource"], target.get("subresource"))))
        writes[f"{entry['verb']} {resource}"] += 1
    return writes
