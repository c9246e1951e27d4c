"""A head's queue, requested with the user's own rights and read by the operator's own code."""

import asyncio
import base64
import binascii
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.cli.api_server import ApiServer
from rayfleet.cli.port_forward import ForwardError, forwarded, refused
from rayfleet.errors import ApiFailure, GcsFailure, GcsTrouble
from rayfleet.explain.sources import Queue
from rayfleet.kinds.raycluster.manifests import SecretKey, gcs_port, head_token
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.resources import SECRETS
from rayfleet.kube.objects.roots import Root
from rayfleet.ray.gcs.client import GcsClient
from rayfleet.ray.state import RayState

SILENT = "SETTINGS frame"
"""Part of gRPC's message about a server that sends nothing."""


class FoundToken(Struct, frozen=True):
    """The token to send, or why there is none. Its repr hides the value."""

    value: str | None
    trouble: str = ""

    def __repr__(self) -> str:
        return f"FoundToken(trouble={self.trouble!r})"


def ask_head(server: ApiServer, cluster: Root, spec: RayClusterSpec, head: Pod) -> Queue:
    """Ask the head for its queue. The answer holds any failure as a message; it never holds a token."""
    port = gcs_port(spec.head_group_spec)
    if not port.isdigit():
        return Queue(None, f"the GCS port of the head is {port!r}, which only its own shell knows")
    token = find_token(server, cluster, spec)
    if token.trouble:
        return Queue(None, token.trouble)
    # Connection trouble is reported below, in one sentence, not by gRPC.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        with forwarded(server, cluster.key.namespace, head.name, int(port)) as (address, forward):
            answer = asyncio.run(_state(address, token.value))
            forward_error = forward.error
    except ForwardError as error:
        return Queue(None, refused(error, head.name))
    if isinstance(answer, GcsFailure):
        message = forward_error or answer.message.replace(address, f"pod/{head.name}:{port}")
        if SILENT in message:
            message = f"pod/{head.name}:{port} accepts the connection but sends nothing"
        if answer.trouble is GcsTrouble.UNAUTHENTICATED:
            message = f"it does not accept the token in the cluster's Secret: {message}"
        return Queue(None, f"the head does not answer: {' '.join(message.split())}")
    return Queue(answer)


async def _state(address: str, token: str | None) -> RayState | GcsFailure:
    client = GcsClient(address, token)
    try:
        return await client.resource_state()
    finally:
        await client.close()


def find_token(server: ApiServer, cluster: Root, spec: RayClusterSpec) -> FoundToken:
    """The token that the head requires, from its Secret with the user's rights; empty if it requires none."""
    auth = spec.auth_options
    if auth.mode != "token":
        return FoundToken(None)
    if auth.enable_k8s_token_auth:
        message = (
            "the head requires a Kubernetes token (authOptions.enableK8sTokenAuth), which is not sent to it"
        )
        return FoundToken(None, message)
    place = head_token(cluster, spec)
    if place is None:
        return FoundToken(None, "only the head's own pod can read the source of its RAY_AUTH_TOKEN")
    if isinstance(place, str):
        return FoundToken(place)
    name = quote(place.name, safe="")
    secret = server.get(SECRETS.path(cluster.key.namespace, name))
    if isinstance(secret, ApiFailure):
        return FoundToken(
            None, f"the head requires the token of Secret {name}, which you cannot read: {secret.message}"
        )
    return _decoded(place, secret)


def _decoded(place: SecretKey, secret: Mapping[str, Any]) -> FoundToken:
    try:
        value = base64.b64decode(str((secret.get("data") or {}).get(place.key) or ""), validate=True)
        text = value.decode("ascii").strip()
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    return (
        FoundToken(text)
        if text
        else FoundToken(None, f"Secret {place.name} has no token under the key {place.key}")
    )
