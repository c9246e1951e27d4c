"""The operator's calls, from the API server's audit log, which counts the same way for any operator."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

MUTATING = frozenset({"create", "update", "patch", "delete", "deletecollection"})
LEASES = "leases"


class AuditLog:
    """The calls of one user since a mark."""

    def __init__(self, file: Path, user: str) -> None:
        self._file = file
        self._user = user
        self._mark = 0

    def mark(self) -> None:
        """Count from here on."""
        self._mark = self._file.stat().st_size if self._file.exists() else 0

    def calls(self) -> Counter[str]:
        """The number of calls by kind, such as `create pods` or `patch rayclusters/status`."""
        return Counter(call(entry) for entry in self.entries())

    def entries(self) -> list[dict[str, Any]]:
        """The user's calls that have been answered."""
        with self._file.open("rb") as log:
            log.seek(self._mark)
            entries = [orjson.loads(line) for line in log.read().splitlines() if line.endswith(b"}")]
        return [entry for entry in entries if entry["user"]["username"] == self._user]


def call(entry: dict[str, Any]) -> str:
    """Verb, resource and subresource of an audit entry."""
    target = entry.get("objectRef") or {}
    resource = "/".join(filter(None, (target.get("resource", ""), target.get("subresource"))))
    return f"{entry['verb']} {resource}".strip()


def mutating(calls: Counter[str]) -> int:
    """Writes, without those to the Lease, which depend on time, not on work."""
    return sum(n for name, n in calls.items() if _is_write(name) and LEASES not in name)


def by_verb(calls: Counter[str]) -> dict[str, int]:
    verbs: Counter[str] = Counter()
    for name, n in calls.items():
        verbs[name.partition(" ")[0]] += n
    return dict(verbs)


def _is_write(name: str) -> bool:
    return name.partition(" ")[0] in MUTATING


def bodies(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The posted objects that the log contains."""
    return [entry["requestObject"] for entry in entries if "requestObject" in entry]
