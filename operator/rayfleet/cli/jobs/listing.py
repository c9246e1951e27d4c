"""`rayfleet jobs`: the jobs of a namespace, or of all."""

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rayfleet.cli.api_server import ApiServer, api_server
from rayfleet.cli.documents import dumped
from rayfleet.cli.errors import CommandError
from rayfleet.cli.jobs.rows import JobRow, row_data, row_of, rows_text
from rayfleet.cli.paths import paths_of
from rayfleet.cli.unread import unread
from rayfleet.errors import ApiFailure
from rayfleet.kinds.rayjob.served import RAYJOBS

PAGE: Final = 500
"""Jobs read in one request."""
_EXPIRED: Final = 410


def jobs(given: argparse.Namespace) -> str:
    """What the command prints. Raises CommandError if the jobs cannot be read."""
    with api_server(given.kubeconfig, given.context) as server:
        namespace = "" if given.all_namespaces else given.namespace or server.namespace
        found = [*_read(server, namespace)]
    now = time.time()
    rows = sorted(
        (row_of(item, now) for item in found), key=lambda row: (row.namespace, -row.created, row.name)
    )
    match given.output:
        case "text":
            return rows_text(rows, namespaces=given.all_namespaces) or _nothing(namespace)
        case "name":
            return "".join(f"rayjob/{row.name}\n" for row in rows)
        case output:
            return dumped(_data(rows), output)


def _read(server: ApiServer, namespace: str) -> Iterator[Mapping[str, Any]]:
    more = {"limit": str(PAGE)}
    while True:
        answer = server.get(paths_of(RAYJOBS, namespace), **more)
        if isinstance(answer, ApiFailure):
            if answer.status == _EXPIRED:
                raise CommandError("the list has changed too much while it was read: run the command again.")
            raise CommandError(unread(answer, server, RAYJOBS, namespace))
        yield from answer.get("items") or ()
        rest = (answer.get("metadata") or {}).get("continue")
        if not rest:
            return
        more["continue"] = str(rest)


def _data(rows: Sequence[JobRow]) -> dict[str, Any]:
    return {"jobs": [row_data(row) for row in rows]}


def _nothing(namespace: str) -> str:
    return f"There are no RayJobs in {f'namespace {namespace}' if namespace else 'any namespace'}.\n"
