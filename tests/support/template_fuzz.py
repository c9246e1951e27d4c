"""A search for a cluster that the API server accepts and whose pods it cannot parse."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from rayfleet.api.raycluster import RayClusterSpec, parse_spec, validate
from rayfleet.kinds.raycluster.manifests import head_pod, worker_pods
from rayfleet.kube.objects.roots import root_from_object
from support.cluster_api import ApiError, ClusterApi

CLUSTERS = "/apis/ray.io/v1/namespaces/default/rayclusters"
PODS = "/api/v1/namespaces/default/pods"
# Only other checks refuse with these: admission, and a lookup by an odd name.
NO_VERDICT_ON_THE_SHAPE = (403, 500)


class TemplateFuzz:
    """Stores odd templates in dry runs, and creates the pods of accepted ones in dry runs."""

    def __init__(self, api: ClusterApi) -> None:
        self._api = api
        self.outcomes: Counter[str] = Counter()

    def judge(self, template: dict[str, Any]) -> None:
        """Fail if the cluster is accepted and its pods cannot be parsed."""
        group = {"groupName": "gpu", "template": template}
        spec = {"headGroupSpec": {"template": template}, "workerGroupSpecs": [group]}
        body = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "dry"}, "spec": spec}
        taken = self._dry_run(CLUSTERS, body, template)
        if isinstance(taken, ApiError):
            self.outcomes["cluster refused"] += 1
            return
        parsed = parse_spec(taken["spec"])
        assert isinstance(parsed, RayClusterSpec), (
            f"the API server accepted {template}, the operator says {parsed}"
        )
        if validate(parsed, name="dry"):
            self.outcomes["cluster invalid"] += 1
            return
        for pod in self._pods(taken, parsed):
            answer = self._dry_run(PODS, pod, template)
            self.outcomes["pod refused" if isinstance(answer, ApiError) else "pod taken"] += 1

    def _dry_run(self, path: str, body: object, template: object) -> dict[str, Any] | ApiError:
        try:
            return self._api.call("POST", path, body, dryRun="All")
        except ApiError as refused:
            allowed = {422, *NO_VERDICT_ON_THE_SHAPE} if path == PODS else {422}
            if refused.status not in allowed:
                raise AssertionError(f"{template} led to {refused}") from refused
            return refused

    @staticmethod
    def _pods(taken: dict[str, Any], spec: RayClusterSpec) -> Iterator[dict[str, Any]]:
        owner = root_from_object(
            {**taken, "metadata": {**taken["metadata"], "resourceVersion": "1"}}, "RayCluster"
        )
        yield dict(head_pod(owner, spec, 1).body)
        yield dict(worker_pods(owner, spec, spec.worker_group_specs[0]).named(1))
