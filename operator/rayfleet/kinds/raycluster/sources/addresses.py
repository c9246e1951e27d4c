"""Whether the pod that is meant is the one at an address: by the API server, not by what a cache recalls."""

from rayfleet.errors import ApiFailure
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.pods import Pod, pod_from_object
from rayfleet.kube.objects.resources import PODS


class PodAddresses:
    """Looks each pod up once for each address: an address of a pod that is gone may be another's by now."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._known: dict[Key, tuple[str, str]] = {}
        """Of each cluster, the uid and the address of the head that was found there."""

    async def trouble(self, key: Key, pod: Pod) -> str:
        """Why a secret must not be sent to the pod's address, in words; empty where it may be."""
        meant = (pod.uid, pod.pod_ip)
        if self._known.get(key) == meant:
            return ""
        answer = await self._client.get(PODS.path(pod.namespace, pod.name))
        if isinstance(answer, ApiFailure):
            return f"the head pod {pod.name} cannot be looked up, so no token is sent: {answer.message}"
        found = pod_from_object(answer)
        if (found.uid, found.pod_ip) != meant or not found.active:
            return f"the head pod {pod.name} is not at {pod.pod_ip} any more, so no token is sent"
        self._known[key] = meant
        return ""

    def doubt(self, key: Key) -> None:
        """Nobody, or somebody else, has answered there: look again before the next secret is sent."""
        self._known.pop(key, None)
