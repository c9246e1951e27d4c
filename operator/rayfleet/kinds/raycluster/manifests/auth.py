"""How Ray's processes show who they are to each other (`authOptions`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

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
"""Under which a Secret holds the token."""

_TOKEN: Final = "RAY_AUTH_TOKEN"  # noqa: S105 - the name of a variable

_VOLUME: Final = "ray-token"
_PATH: Final = "/var/run/secrets/ray.io/serviceaccount"
# Where Ray looks for a Kubernetes token unless it is told otherwise: the file `token` at that path.
_PROJECTED: Final[Json] = {
    "name": _VOLUME,
    "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]},
}


@dataclass(frozen=True, slots=True)
class NodeAuth:
    """What a Ray container needs to be let in by the others."""

    env: tuple[Json, ...]
    kubernetes: bool
    """The token is that of the pod's service account, from a file, and not from a Secret."""


def node_auth(cluster: Root, spec: RayClusterSpec) -> NodeAuth | None:
    """None where calls need no token."""
    auth = spec.auth_options
    if auth.mode != "token":
        return None
    mode = {"name": "RAY_AUTH_MODE", "value": "token"}
    if auth.enable_k8s_token_auth:
        return NodeAuth((mode, {"name": "RAY_ENABLE_K8S_TOKEN_AUTH", "value": "true"}), kubernetes=True)
    reference = {"name": auth_secret_name(cluster, spec), "key": TOKEN_KEY}
    token = {"name": _TOKEN, "valueFrom": {"secretKeyRef": reference}}
    return NodeAuth((mode, token), kubernetes=False)


def with_kubernetes_token(container: Mapping[str, Any], volumes: object) -> tuple[Json, list[Any]]:
    """The container and the pod's volumes, with a token of the pod's service account where Ray reads one."""
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


@dataclass(frozen=True, slots=True)
class SecretKey:
    """One entry of a Secret of the cluster's namespace."""

    name: str
    key: str


def head_token(cluster: Root, spec: RayClusterSpec) -> SecretKey | str | None:
    """The token that the head goes by, or where it is: its template's own, or else the cluster's.

    None where the template takes it from where only the pod can read it.
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
    """The Secret with the cluster's token, but for the token, which belongs under `stringData`."""
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
    """Whether the Secret is ours to make: a token is needed that nobody else provides."""
    auth = spec.auth_options
    return auth.mode == "token" and not auth.enable_k8s_token_auth and not auth.secret_name
