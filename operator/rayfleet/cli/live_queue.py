"""What a head says about its queue, asked with the user's own rights and read by the operator's own code."""

import asyncio
import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.cli.api_server import ApiServer
from rayfleet.cli.port_forward import ForwardError, forwarded
from rayfleet.errors import ApiFailure, GcsFailure, GcsTrouble
from rayfleet.explain.sources import Queue
from rayfleet.kinds.raycluster.manifests import SecretKey, gcs_port, head_token
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.resources import SECRETS
from rayfleet.kube.objects.roots import Root
from rayfleet.ray.gcs.client import GcsClient
from rayfleet.ray.state import RayState

FORBIDDEN = 403
SILENT = "SETTINGS frame"
"""In gRPC's words for a server that does not begin to speak."""


@dataclass(frozen=True, slots=True)
class Token:
    """The token to send, or why there is none. It does not show when it is printed."""

    value: str | None = field(repr=False)
    trouble: str = ""


def ask_head(server: ApiServer, cluster: Root, spec: RayClusterSpec, head: Pod) -> Queue:
    """Ask the head for its queue. All that can go wrong is in the answer, in words; no token is."""
    port = gcs_port(spec.head_group_spec)
    if not port.isdigit():
        return Queue(None, f"the GCS port of the head is {port!r}, which only its own shell knows")
    token = find_token(server, cluster, spec)
    if token.trouble:
        return Queue(None, token.trouble)
    # What gRPC has to say about connections is said below, in one sentence.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        with forwarded(server, cluster.key.namespace, head.name, int(port)) as (address, forward):
            answer = asyncio.run(_state(address, token.value))
            said = forward.error
    except ForwardError as error:
        return Queue(None, _refused(error, head))
    if isinstance(answer, GcsFailure):
        words = said or answer.message.replace(address, f"pod/{head.name}:{port}")
        if SILENT in words:
            words = f"pod/{head.name}:{port} takes a connection and says nothing"
        if answer.trouble is GcsTrouble.UNAUTHENTICATED:
            words = f"it does not accept the token that the cluster's Secret holds: {words}"
        return Queue(None, f"the head does not answer: {' '.join(words.split())}")
    return Queue(answer)


async def _state(address: str, token: str | None) -> RayState | GcsFailure:
    client = GcsClient(address, token)
    try:
        return await client.resource_state()
    finally:
        await client.close()


def _refused(error: ForwardError, head: Pod) -> str:
    if error.status == FORBIDDEN:
        verbs = "ask for the verbs get and create on pods/portforward"
        return f"you may not port-forward to the head ({verbs}): {error}"
    return f"no port-forward to pod {head.name}: {error}"


def find_token(server: ApiServer, cluster: Root, spec: RayClusterSpec) -> Token:
    """The token that the head asks for, from its Secret by the user's rights; none where it asks for none."""
    auth = spec.auth_options
    if auth.mode != "token":
        return Token(None)
    if auth.enable_k8s_token_auth:
        words = (
            "the head asks for a Kubernetes token (authOptions.enableK8sTokenAuth), which is not sent to it"
        )
        return Token(None, words)
    place = head_token(cluster, spec)
    if place is None:
        return Token(None, "the head's RAY_AUTH_TOKEN comes from where only its pod can read it")
    if isinstance(place, str):
        return Token(place)
    name = quote(place.name, safe="")
    found = server.get(SECRETS.path(cluster.key.namespace, name))
    if isinstance(found, ApiFailure):
        return Token(
            None, f"the head asks for the token of Secret {name}, which you cannot read: {found.message}"
        )
    return _decoded(place, found)


def _decoded(place: SecretKey, secret: Mapping[str, Any]) -> Token:
    try:
        value = base64.b64decode(str((secret.get("data") or {}).get(place.key) or ""), validate=True)
        text = value.decode("ascii").strip()
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    return Token(text) if text else Token(None, f"Secret {place.name} has no token under the key {place.key}")
