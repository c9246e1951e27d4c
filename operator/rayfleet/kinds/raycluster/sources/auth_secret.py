"""The Secret with a cluster's token: the only place that generates one. It is sent, and kept nowhere."""

import secrets

from msgspec.structs import replace

from rayfleet.engine.outcome import Failed, Outcome, Succeeded, outcome_of
from rayfleet.errors import ApiFailure, Policy, policy
from rayfleet.kinds.raycluster.actions import CreateSecret
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.objects.resources import SECRETS
from rayfleet.kube.objects.roots import Root

TOKEN_BYTES = 32
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""Metadata only: for an existing Secret we need the owner, not the token."""
REMEDY = "or name a Secret of your own in spec.authOptions.secretName"


async def create_auth_secret(client: KubeClient, cluster: Root, action: CreateSecret) -> Outcome:
    """Create the Secret with a random token. An existing one stays as it is, if it is this cluster's."""
    collection = SECRETS.collection(cluster.key.namespace)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    body = {**action.body, "stringData": {action.token_key: token}}
    answer = await client.create(collection, body)
    if not isinstance(answer, ApiFailure):
        return Succeeded(action)
    if policy(answer) is Policy.CONFLICT:
        return outcome_of(action, await _unless_ours(client, cluster, action, answer))
    # A webhook's refusal may repeat the request.
    message = answer.message.replace(token, "...")
    if policy(answer) in {Policy.DENIED, Policy.INVALID}:
        message = f"{message}; {REMEDY}"
    return Failed(action, replace(answer, message=message, causes=()))


async def _unless_ours(
    client: KubeClient, cluster: Root, action: CreateSecret, conflict: ApiFailure
) -> ApiFailure | None:
    path = SECRETS.path(cluster.key.namespace, action.name)
    existing = await client.request("get", path, accept=METADATA_ONLY)
    if isinstance(existing, ApiFailure):
        return existing
    owners = existing["metadata"].get("ownerReferences") or ()
    if any(owner.get("uid") == cluster.uid for owner in owners):
        return None
    message = f"Secret {action.name} exists and does not belong to this cluster: remove it, {REMEDY}"
    return replace(conflict, message=message)
