"""Names of a cluster's objects."""

import hashlib
import re
from functools import lru_cache
from typing import Final

from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.kinds.raycluster.manifests.pod_template import mapping, text
from rayfleet.kinds.raycluster.pod_settings import DEFAULT_CLUSTER_DOMAIN
from rayfleet.kube.objects.roots import Root

_LONGEST: Final = 63
_LONGEST_SECRET: Final = 50
_HASH_LENGTH: Final = 5
# No vowels, and no 0, 1 or 3, which look like vowels: a hash never spells a word.
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
# Names are cut as if the index had this many digits, so that a group's pod names differ only in the index.
_INDEX_DIGITS: Final = 6
_NOT_IN_A_LABEL: Final = re.compile(r"[^a-z0-9]+")


def head_pod_name(cluster: Root, epoch: int) -> str:
    """`<cluster>-head-<h>`: one name per epoch."""
    suffix = f"-head-{short_hash(cluster.uid, str(epoch))}"
    return _stem(cluster.key.name, _LONGEST - len(suffix)) + suffix


def worker_pod_name(cluster: Root, group: str, index: int) -> str:
    """`<cluster>-<group>-worker-<h>-<n>`: h tells groups apart, even if their names are equal once cut."""
    suffix = f"-worker-{short_hash(cluster.uid, group)}-"
    digits = str(index)
    room = _LONGEST - len(suffix) - max(len(digits), _INDEX_DIGITS)
    return _stem(f"{cluster.key.name}-{group}", room) + suffix + digits


def replica_name(cluster: Root, group: str, first: int) -> str:
    """`<group>-<h>-<first>` for a multi-host replica; `first` is the index of its first host's pod."""
    suffix = f"-{short_hash(cluster.uid, group)}-"
    return group[: _LONGEST - len(suffix) - _INDEX_DIGITS] + suffix + str(first)


def headless_service_name(cluster: Root) -> str:
    """The Service through which the hosts of multi-host replicas find each other."""
    return f"{cluster.key.name}-headless"


def auth_secret_name(cluster: Root, spec: RayClusterSpec) -> str:
    """The Secret with the cluster's token: the user's, or one named like the cluster.

    A longer name is cut to its last 50 characters and made to begin with a letter, as KubeRay does.
    """
    if spec.auth_options.secret_name:
        return spec.auth_options.secret_name
    name = cluster.key.name[-_LONGEST_SECRET:]
    return name if name[:1].isalpha() else f"r{name[1:]}"


def head_service_name(cluster: Root, spec: RayClusterSpec) -> str:
    """The user's name for the head Service, or `<cluster>-head-svc`."""
    given = mapping(mapping(spec.head_group_spec.head_service).get("metadata"))
    return text(given.get("name")) or f"{cluster.key.name}-head-svc"


def fqdn(cluster: Root, spec: RayClusterSpec, cluster_domain: str = DEFAULT_CLUSTER_DOMAIN) -> str:
    """The host name by which workers find the head; without a domain, relative to their own."""
    name = f"{head_service_name(cluster, spec)}.{cluster.key.namespace}.svc"
    return f"{name}.{cluster_domain}" if cluster_domain else name


@lru_cache(maxsize=1024)
def short_hash(*parts: str) -> str:
    """Five characters that follow from `parts`, for the end of a name."""
    # "/" is in neither a uid nor a group name, so no two pairs read the same.
    number = int.from_bytes(hashlib.sha256("/".join(parts).encode()).digest()[:8])
    characters = ""
    for _ in range(_HASH_LENGTH):
        number, place = divmod(number, len(_ALPHABET))
        characters += _ALPHABET[place]
    return characters


def _stem(name: str, longest: int) -> str:
    """`name` as the start of a DNS-1123 label of at most `longest` characters."""
    return _NOT_IN_A_LABEL.sub("-", name.lower()).strip("-")[:longest].rstrip("-")
