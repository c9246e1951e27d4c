"""The operator on real nodes, installed as a platform engineer would do it."""

import re
from dataclasses import dataclass
from typing import Any

from demo.kubectl import Kubectl
from images import build
from rayfleet.kube.leases import LEASE_NAME
from support.cluster_api import ClusterApi
from support.operator_process import RELEASE, install_chart
from support.waiting import eventually
from testbed import beds, binaries
from testbed.progress import QUIET
from testbed.record import Bed

Object = dict[str, Any]

_OPERATOR = "app.kubernetes.io/name=rayfleet"
_REPLICAS = 2
_LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{RELEASE}/leases/{LEASE_NAME}"
_START_SECONDS = 60
_LINES = 40
_IDLE_NEWS = re.compile(r"Normal\s+(Scheduled|Pulled|Created|Started|Starting|Node\w+|RegisteredNode)\s")


@dataclass(frozen=True)
class Installation:
    """A Kubernetes with GPU nodes on which the operator runs in a pod, with the rights of its chart."""

    api: ClusterApi
    kubectl: Kubectl

    def operator_pod(self) -> Object:
        """The pod of the operator that leads. Fails unless every replica is ready and one leads."""
        pods = {pod["metadata"]["name"]: pod for pod in self.api.namespace(RELEASE).living_pods(_OPERATOR)}
        assert len(pods) == _REPLICAS, f"{len(pods)} operator pods"
        for name, pod in pods.items():
            assert is_ready(pod), f"{name} is not ready"
        leader = self.api.call("GET", _LEASE)["spec"]["holderIdentity"]
        assert leader in pods, f"{leader or 'nobody'} leads"
        return pods[leader]

    def await_operator(self, *, other_than: Object | None = None) -> Object:
        """The leader's pod, once every replica is ready; one that is not `other_than`."""
        before = other_than["metadata"]["uid"] if other_than else ""

        def ready() -> Object | None:
            pod = self.operator_pod()
            return pod if pod["metadata"]["uid"] != before else None

        return eventually("the operator to be ready", ready, seconds=_START_SECONDS, why=self.why)

    def why(self) -> str:
        """What explains a wait that timed out: pods, clusters, events and the operator's last lines."""
        log = ("logs", f"--namespace={RELEASE}", f"--selector={_OPERATOR}", f"--tail={_LINES}", "--prefix")
        everywhere = ("--all-namespaces", "--output=wide")
        events = self.kubectl.attempt("get", "events", "--all-namespaces", "--sort-by=.lastTimestamp")
        telling = [line for line in events.splitlines() if not _IDLE_NEWS.search(line)]
        parts = {
            "Pods": self.kubectl.attempt("get", "pods", *everywhere),
            "RayClusters": self.kubectl.attempt("get", "rayclusters", *everywhere),
            "Events": "\n".join(telling[-_LINES:]),
            "The operator's log": self.kubectl.attempt(*log),
        }
        return "".join(f"\n\n{title}:\n{text}" for title, text in parts.items())


def install(bed: Bed) -> Installation:
    """Install the chart, wait until the operator is ready, and have Ray's image on the nodes."""
    operator = build.ensure("operator", QUIET)
    beds.load_image(bed, operator.archive)
    repository, _, tag = operator.reference.rpartition(":")
    install_chart(bed.kubeconfig, f"image.repository={repository}", f"image.tag={tag}", "jobs.enabled=true")
    beds.load_image(bed, build.ensure("ray", QUIET).archive)  # while the operator starts
    made = Installation(ClusterApi(bed.kubeconfig), Kubectl(binaries.path("kubectl"), bed.kubeconfig))
    made.await_operator()
    return made


def is_ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
