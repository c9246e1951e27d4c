"""A request to an API server, parsed: who does what to which object."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

_VERBS: Final = {
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
    "GET": "get",
}
_MUTATING: Final = frozenset({"create", "update", "patch", "delete", "deletecollection", "drain"})


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `resource` includes the subresource, such as `rayclusters/status`.

    A drain that Ray is asked for is one too: `drain nodes`, by the pod's name.
    """

    verb: str
    resource: str
    namespace: str
    name: str
    query: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def mutating(self) -> bool:
        """Whether it changes anything but a Lease, whose renewal does not matter here."""
        return self.verb in _MUTATING and self.resource != "leases"

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} {self.name or self.created_name}".rstrip()

    @property
    def created_name(self) -> str:
        """The name that a create asks for; empty for a generated one."""
        return str((self.body.get("metadata") or {}).get("name") or "")

    @property
    def uid(self) -> str:
        """The uid that a delete insists on."""
        return str((self.body.get("preconditions") or {}).get("uid") or "")


def parse_call(method: str, target: str, body: bytes) -> Call:
    """Parse a request. `target` is its path with its query."""
    url = urlsplit(target)
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    parts = [part for part in url.path.split("/") if part]
    # /api/v1/... and /apis/GROUP/VERSION/...
    parts = parts[2:] if parts[:1] == ["api"] else parts[3:]
    namespace = ""
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    resource, name = (*parts[:2], "", "")[:2]
    if len(parts) > 2:
        resource += "/" + "/".join(parts[2:])
    verb = _VERBS.get(method, method.lower())
    if verb == "get" and resource and not name:
        verb = "watch" if query.get("watch") in {"true", "1"} else "list"
    if verb == "delete" and not name:
        verb = "deletecollection"
    return Call(verb, resource, namespace, name, query, _decoded(body))


def _decoded(body: bytes) -> Mapping[str, Any]:
    decoded = json.loads(body) if body else {}
    return decoded if isinstance(decoded, dict) else {}
