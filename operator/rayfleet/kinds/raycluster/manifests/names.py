"""Names of what a cluster consists of."""

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
# No vowels, and none of 0, 1 and 3, which look like them: a hash never spells a word.
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
# Names are cut as if the index had this many digits, so that pods of one group differ in the index only.
_INDEX_DIGITS: Final = 6
_NOT_IN_A_LABEL: Final = re.compile(r"[^a-z0-9]+")


def head_pod_name(cluster: Root, epoch: int) -> str:
    """`<cluster>-head-<h>`: another one for each epoch, the same one for the same epoch."""
    suffix = f"-head-{_short_hash(cluster.uid, str(epoch))}"
    return _stem(cluster.key.name, _LONGEST - len(suffix)) + suffix


def worker_pod_name(cluster: Root, group: str, index: int) -> str:
    """`<cluster>-<group>-worker-<h>-<n>`: h tells groups apart, even those that look alike when cut."""
    suffix = f"-worker-{_short_hash(cluster.uid, group)}-"
    digits = str(index)
    room = _LONGEST - len(suffix) - max(len(digits), _INDEX_DIGITS)
    return _stem(f"{cluster.key.name}-{group}", room) + suffix + digits


def replica_name(cluster: Root, group: str, first: int) -> str:
    """`<group>-<h>-<first>` of a multi-host replica, `first` being the index of its first host's pod."""
    suffix = f"-{_short_hash(cluster.uid, group)}-"
    return group[: _LONGEST - len(suffix) - _INDEX_DIGITS] + suffix + str(first)


def headless_service_name(cluster: Root) -> str:
    """The Service by which the hosts of multi-host replicas find each other."""
    return f"{cluster.key.name}-headless"


def auth_secret_name(cluster: Root, spec: RayClusterSpec) -> str:
    """The Secret with the cluster's token: the user's, or one named like the cluster.

    Of a longer name the last 50 characters count, made to begin with a letter, as Ray's users know it.
    """
    if spec.auth_options.secret_name:
        return spec.auth_options.secret_name
    name = cluster.key.name[-_LONGEST_SECRET:]
    return name if name[:1].isalpha() else f"r{name[1:]}"


def head_service_name(cluster: Root, spec: RayClusterSpec) -> str:
    """The name that the user gave the head Service, or `<cluster>-head-svc`."""
    given = mapping(mapping(spec.head_group_spec.head_service).get("metadata"))
    return text(given.get("name")) or f"{cluster.key.name}-head-svc"


def fqdn(cluster: Root, spec: RayClusterSpec, cluster_domain: str = DEFAULT_CLUSTER_DOMAIN) -> str:
    """The host name by which workers find the head; without a domain, relative to that of their own."""
    name = f"{head_service_name(cluster, spec)}.{cluster.key.namespace}.svc"
    return f"{name}.{cluster_domain}" if cluster_domain else name


@lru_cache(maxsize=1024)
def _short_hash(*parts: str) -> str:
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
