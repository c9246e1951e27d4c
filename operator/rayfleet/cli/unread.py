"""Why an object cannot be read or written, as the sentence that its user gets."""

from rayfleet.api.names import API_VERSION
from rayfleet.cli.api_server import ApiServer
from rayfleet.errors import NO_ANSWER, ApiFailure
from rayfleet.kube.objects.resources import Resource

UNAUTHENTICATED, NOT_FOUND = 401, 404
_UNKNOWN_KIND = "could not find the requested resource"


def unread(failure: ApiFailure, server: ApiServer, of: Resource, namespace: str, name: str = "") -> str:
    """Why the object `name`, or the objects of a namespace (or of all) without one, cannot be read."""
    if (general := unanswered(failure, server, of)) is not None:
        return general
    where = f"in namespace {namespace}" if namespace else "in all namespaces"
    if failure.status == NOT_FOUND and name:
        return (
            f"there is no {of.kind} {name} {where}: run `kubectl get {of.plural} -A`, and name the namespace"
            " with -n."
        )
    what = f"{of.kind} {name}" if name else f"{of.kind}s"
    return f"{what} {where} cannot be read: {failure.message}"


def unanswered(failure: ApiFailure, server: ApiServer, of: Resource) -> str | None:
    """What is wrong with the API server itself, or with the credentials; None if it is something else."""
    host = server.configuration.host
    if failure.status == NO_ANSWER:
        return (
            f"the API server {host} cannot be reached ({failure.message}): is it up, and is this the right"
            " --context?"
        )
    if failure.status == UNAUTHENTICATED:
        return (
            f"the API server {host} does not accept the credentials of the kubeconfig ({failure.message}):"
            " log in again, or choose another --context."
        )
    if failure.status == NOT_FOUND and _UNKNOWN_KIND in failure.message:
        return (
            f"this cluster does not know {of.kind} of {API_VERSION}: install the operator, or choose another"
            " --context."
        )
    return None
