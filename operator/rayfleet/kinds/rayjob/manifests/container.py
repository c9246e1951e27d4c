"""The container that submits: in a pod of its own, or next to the head."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from rayfleet.api.names import SUBMITTER
from rayfleet.kinds.raycluster.manifests.pod_template import Json, items, mapping, text
from rayfleet.kinds.rayjob.manifests.script import address_environment, command, submission_environment

_RESOURCES: Final = {
    "requests": {"cpu": "500m", "memory": "200Mi"},
    "limits": {"cpu": "1", "memory": "1Gi"},
}
_OF_IMAGE: Final = ("image", "imagePullPolicy")


class SubmissionOrder(Struct, frozen=True):
    """What a container submits, and where."""

    body: Mapping[str, Any]
    address: str
    """The dashboard's `host:port`."""
    auth: Sequence[Json] = ()
    """Variables with which it authenticates."""
    login_shell: bool = False


def default_container(head: Mapping[str, Any]) -> Json:
    """A submitter without a template: the head's image, under the head's security context."""
    return {
        "name": SUBMITTER,
        **_copied(head, *_OF_IMAGE, "securityContext"),
        "resources": _RESOURCES,
        # The last lines say why it failed, in the pod's status, too.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def submits_itself(container: Mapping[str, Any]) -> bool:
    """Whether the user has said how it submits."""
    return bool(items(container.get("command")))


def submitting(container: Mapping[str, Any], head: Mapping[str, Any], order: SubmissionOrder) -> Json:
    """The container with what it needs to submit; a user's command, image and token stay.

    `head` is the head's Ray container, whose image is used if the container names none.
    """
    own = submits_itself(container)
    image = {} if container.get("image") else _copied(head, *_OF_IMAGE)
    forced = address_environment(order.address, order.body["submission_id"])
    if not own:
        forced += submission_environment(order.body)
    return {
        **container,
        **image,
        **({} if own else command(login_shell=order.login_shell)),
        "env": _environment(container, forced, order.auth),
    }


def _environment(container: Mapping[str, Any], forced: Sequence[Json], auth: Sequence[Json]) -> list[Any]:
    """Ours come first, so that the user's variables may refer to them."""
    theirs = items(container.get("env"))
    named, ours = {_name(variable) for variable in theirs}, {variable["name"] for variable in forced}
    unless_set = (*auth, {"name": "PYTHONUNBUFFERED", "value": "1"})
    return [
        *forced,
        *(variable for variable in unless_set if variable["name"] not in named),
        *(variable for variable in theirs if _name(variable) not in ours),
    ]


def _copied(container: Mapping[str, Any], *fields: str) -> Json:
    return {field: container[field] for field in fields if container.get(field) is not None}


def _name(variable: object) -> str:
    return text(mapping(variable).get("name"))
