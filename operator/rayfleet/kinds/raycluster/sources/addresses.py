"""Whether an address belongs to the intended pod, according to the API server, not to a cache."""

from rayfleet.errors import ApiFailure
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.pods import Pod, pod_from_object
from rayfleet.kube.objects.resources import PODS


class PodAddresses:
    """Looks each pod up once per address: the address of a deleted pod may belong to another one by now."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._known: dict[Key, tuple[str, str]] = {}
        """The uid and address of each cluster's verified head."""

    async def trouble(self, key: Key, pod: Pod) -> str:
        """Why a secret must not be sent to the pod's address; empty if it may be."""
        expected = (pod.uid, pod.pod_ip)
        if self._known.get(key) == expected:
            return ""
        answer = await self._client.get(PODS.path(pod.namespace, pod.name))
        if isinstance(answer, ApiFailure):
            return f"the head pod {pod.name} cannot be read, so no token is sent: {answer.message}"
        live = pod_from_object(answer)
        if (live.uid, live.pod_ip) != expected or not live.active:
            return f"the head pod {pod.name} is no longer at {pod.pod_ip}, so no token is sent"
        self._known[key] = expected
        return ""

    def doubt(self, key: Key) -> None:
        """The pod did not answer, or another one did: verify again before the next secret is sent."""
        self._known.pop(key, None)
