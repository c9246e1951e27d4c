"""The token with which the operator authenticates to a cluster's GCS, from the cluster's Secret."""

import base64
import binascii
import time
from collections.abc import Callable

from msgspec import Struct

from rayfleet.api.names import is_object_name
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.errors import ApiFailure
from rayfleet.kinds.raycluster.manifests import SecretKey, head_token
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.resources import SECRETS
from rayfleet.kube.objects.roots import Root

REREAD_SECONDS = 10.0
"""The least time between two reads of a cluster's Secret whose token is missing or refused."""
LONGEST_REREAD_SECONDS = 80.0
"""It doubles with each read that does not help, up to this: no event says that a Secret was fixed."""
LONGEST_TOKEN = 64 * 1024


class Token(Struct, frozen=True):
    """A token. Its repr hides the value."""

    value: str

    def __repr__(self) -> str:
        return "Token()"


class NoToken(Struct, frozen=True):
    """Why there is no token for a cluster that needs one, as a message for its user."""

    message: str


class _Read(Struct):
    uid: str
    place: SecretKey
    at: float
    result: Token | NoToken
    refused: bool = False
    in_vain: int = 0
    """Earlier reads that did not help."""

    @property
    def due(self) -> float:
        """When it may be read again."""
        wait: float = REREAD_SECONDS * 2 ** min(self.in_vain, 30)
        return self.at + min(wait, LONGEST_REREAD_SECONDS)

    @property
    def doubtful(self) -> bool:
        return self.refused or isinstance(self.result, NoToken)


class ClusterTokens:
    """Reads each token once, by name, and again only if it was refused or missing."""

    def __init__(self, client: KubeClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._read: dict[Key, _Read] = {}

    async def token(self, cluster: Root, spec: RayClusterSpec) -> Token | NoToken | None:
        """The token to send to the cluster's GCS; None if it requires none."""
        place = _place(cluster, spec)
        if not isinstance(place, SecretKey):
            self._read.pop(cluster.key, None)
            return place
        known = self._read.get(cluster.key)
        if known is not None and (known.uid, known.place) != (cluster.uid, place):
            known = None
        if known is not None and not self._is_due(known):
            return known.result
        result = await self._get(cluster, place)
        in_vain = known.in_vain + 1 if known is not None else 0
        self._read[cluster.key] = _Read(cluster.uid, place, self._clock(), result, in_vain=in_vain)
        return result

    def again_in(self, key: Key) -> float | None:
        """Seconds until a missing or refused token may be read again; None if time does not help."""
        known = self._read.get(key)
        return None if known is None else max(known.due - self._clock(), 0.0)

    def refused(self, key: Key) -> None:
        """The cluster has answered UNAUTHENTICATED: its Secret may hold another token by now."""
        if key in self._read:
            self._read[key].refused = True

    def forget(self, key: Key) -> None:
        """The cluster is gone."""
        self._read.pop(key, None)

    def _is_due(self, known: _Read) -> bool:
        return known.doubtful and self._clock() >= known.due

    async def _get(self, cluster: Root, place: SecretKey) -> Token | NoToken:
        name = place.name
        if not is_object_name(name):
            # A tenant's text: in a path, "../" would lead to another namespace.
            return NoToken("the name of the Secret with the cluster's token is not a valid object name")
        answer = await self._client.get(SECRETS.path(cluster.key.namespace, name))
        if isinstance(answer, ApiFailure):
            return NoToken(f"the cluster's token cannot be read from Secret {name}: {answer.message}")
        data = answer.get("data")
        encoded = data.get(place.key) if isinstance(data, dict) else None
        try:
            value = base64.b64decode(str(encoded or ""), validate=True).decode("ascii")
        except (binascii.Error, UnicodeDecodeError):
            value = ""
        return _token(value) or NoToken(
            f"Secret {name} has no token under the key {place.key}: put one there, in plain ASCII"
        )


def _place(cluster: Root, spec: RayClusterSpec) -> SecretKey | Token | NoToken | None:
    """The token's place, if that is a Secret; else the token or the reason why there is none."""
    auth = spec.auth_options
    if auth.mode != "token":
        return None
    if auth.enable_k8s_token_auth:
        # The head belongs to the user, who could use our token with all our rights.
        return NoToken(
            "spec.authOptions.enableK8sTokenAuth: the operator does not send its own Kubernetes token to"
            " a head, so it cannot ask this one about its queue; use a Secret to have the cluster scaled"
        )
    place = head_token(cluster, spec)
    if place is None:
        return NoToken(
            "the head's RAY_AUTH_TOKEN is not read from a Secret, so the operator cannot ask it about its"
            " queue: use a secretKeyRef, or spec.authOptions.secretName"
        )
    if isinstance(place, str):
        return _token(place) or NoToken("the head's RAY_AUTH_TOKEN is not a token: put plain ASCII there")
    return place


def _token(value: str) -> Token | None:
    """A token goes into a header, which takes only printable characters on one line."""
    value = value.strip()
    fits = value.isascii() and value.isprintable() and 0 < len(value) <= LONGEST_TOKEN
    return Token(value) if fits else None
