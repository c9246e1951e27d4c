"""Who wrote what, from the API server's audit log."""

import json
from collections import Counter
from pathlib import Path

from support.operator_process import RELEASE

OPERATOR = f"system:serviceaccount:{RELEASE}:{RELEASE}"
MUTATING = {"create", "update", "patch", "delete", "deletecollection"}


def operator_writes(audit_log: Path, namespace: str) -> Counter[str]:
    """The operator's mutating calls in a namespace, such as `create pods` and `patch rayclusters/status`.

    Those to its own Lease are left out.
    """
    writes: Counter[str] = Counter()
    for line in audit_log.read_text().splitlines():
        entry = json.loads(line)
        target = entry.get("objectRef") or {}
        if (
            entry["stage"] == "ResponseComplete"
            and entry["verb"] in MUTATING
            and entry["user"]["username"] == OPERATOR
            and target.get("namespace") == namespace
            and target["resource"] != "leases"
        ):
            resource = "/".join(filter(None, (target["resource"], target.get("subresource"))))
            writes[f"{entry['verb']} {resource}"] += 1
    return writes
