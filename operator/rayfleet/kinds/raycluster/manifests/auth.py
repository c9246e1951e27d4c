"""How Ray's processes authenticate to each other (`authOptions`)."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from rayfleet.api.names import Label
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.kinds.raycluster.manifests.metadata import owner_reference
from rayfleet.kinds.raycluster.manifests.names import auth_secret_name
from rayfleet.kinds.raycluster.manifests.pod_template import (
    Json,
    items,
    mapping,
    objects,
    ray_container,
    text,
)
from rayfleet.kube.objects.roots import Root

TOKEN_KEY: Final = "auth_token"  # noqa: S105 - the name of a key, no token
"""The key under which a Secret holds the token."""

_TOKEN: Final = "RAY_AUTH_TOKEN"  # noqa: S105 - the name of a variable

_VOLUME: Final = "ray-token"
_PATH: Final = "/var/run/secrets/ray.io/serviceaccount"
# Ray looks for a Kubernetes token by default in the file `token` at that path.
_PROJECTED: Final[Json] = {
    "name": _VOLUME,
    "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]},
}


class NodeAuth(Struct, frozen=True):
    """What a Ray container needs to authenticate to the others."""

    env: tuple[Json, ...]
    kubernetes: bool
    """The token is the pod's service account token, from a file, not one from a Secret."""


def node_auth(cluster: Root, spec: RayClusterSpec) -> NodeAuth | None:
    """None if calls need no token."""
    auth = spec.auth_options
    if auth.mode != "token":
        return None
    mode = {"name": "RAY_AUTH_MODE", "value": "token"}
    if auth.enable_k8s_token_auth:
        return NodeAuth((mode, {"name": "RAY_ENABLE_K8S_TOKEN_AUTH", "value": "true"}), kubernetes=True)
    reference = {"name": auth_secret_name(cluster, spec), "key": TOKEN_KEY}
    token = {"name": _TOKEN, "valueFrom": {"secretKeyRef": reference}}
    return NodeAuth((mode, token), kubernetes=False)


def client_auth(cluster: Root, spec: RayClusterSpec) -> NodeAuth | None:
    """What a container that calls the head needs: the head's own token, if its template has one."""
    auth = node_auth(cluster, spec)
    env = ray_container(spec.head_group_spec.template).get("env")
    own = [variable for variable in objects(env) if variable.get("name") == _TOKEN]
    if auth is None or not own:
        return auth
    others = (variable for variable in auth.env if variable["name"] != _TOKEN)
    return NodeAuth((*others, {**own[-1]}), auth.kubernetes)


def with_kubernetes_token(container: Mapping[str, Any], volumes: object) -> tuple[Json, list[Any]]:
    """The container and the pod's volumes, with the service account token mounted where Ray reads it."""
    theirs = list(items(volumes))
    mounts = items(container.get("volumeMounts"))
    if any(text(mapping(mount).get("mountPath")).rstrip("/") == _PATH for mount in mounts):
        return {**container}, theirs
    if not any(volume.get("name") == _VOLUME for volume in objects(volumes)):
        theirs.append(_PROJECTED)
    return {
        **container,
        "volumeMounts": [*mounts, {"name": _VOLUME, "mountPath": _PATH, "readOnly": True}],
    }, theirs


class SecretKey(Struct, frozen=True):
    """One entry of a Secret in the cluster's namespace."""

    name: str
    key: str


def head_token(cluster: Root, spec: RayClusterSpec) -> SecretKey | str | None:
    """The head's token, or where to read it: the template's own token, or else the cluster's Secret.

    None if only the pod itself can read the template's source.
    """
    env = ray_container(spec.head_group_spec.template).get("env")
    own = [variable for variable in objects(env) if variable.get("name") == _TOKEN]
    if not own:
        return SecretKey(auth_secret_name(cluster, spec), TOKEN_KEY)
    value = text(own[-1].get("value"))
    if value:
        return None if "$(" in value else value
    reference = mapping(mapping(own[-1].get("valueFrom")).get("secretKeyRef"))
    name, key = text(reference.get("name")), text(reference.get("key"))
    return SecretKey(name, key) if name and key else None


def auth_secret(cluster: Root, name: str) -> Json:
    """The Secret for the cluster's token, without the token, which goes into `stringData`."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": cluster.key.namespace,
            "labels": {Label.CLUSTER: cluster.key.name},
            "ownerReferences": [owner_reference(cluster)],
        },
        "type": "Opaque",
    }


def makes_auth_secret(spec: RayClusterSpec) -> bool:
    """Whether the operator creates the Secret: a token is needed and nobody else provides it."""
    auth = spec.auth_options
    return auth.mode == "token" and not auth.enable_k8s_token_auth and not auth.secret_name
