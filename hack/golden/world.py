"""One RayCluster and its children, as an API server stores them: plain objects."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from golden import kubelet
from golden.kubelet import timestamp

Json: TypeAlias = dict[str, Any]
Answers: TypeAlias = Callable[[Json], Json | None]
"""Returns how an action fails, or the API server's warning; None if neither."""

NOW: Final = 1_800_000_000.0
"""Unix seconds; an arbitrary time."""
UID: Final = "5f0a3c1e-0000-4000-8000-000000000001"
TAKEN: Final[Json] = {"status": 409, "reason": "AlreadyExists"}


class World:
    """The existing objects, and the effect of writes."""

    def __init__(self, spec: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> None:
        own = {"namespace": "ml", "uid": UID, "generation": 1, "creationTimestamp": timestamp(NOW)}
        self.now = self.monotonic = NOW
        self._versions = 1000
        self.cluster: Json = {
            "apiVersion": "ray.io/v1",
            "kind": "RayCluster",
            "metadata": {"name": "demo", **(metadata or {}), **own},
            "spec": spec,
            "status": {},
        }
        self.pods: dict[str, Json] = {}
        self.services: dict[str, Json] = {}
        self.around: Json = {}
        """The surroundings: another operator, annotations of the namespace, others' GPUs, metrics."""
        self.refusal: Json | None = None
        """How every create of a pod currently fails."""
        self.changed(self.cluster)

    def seen(self) -> Json:
        """The current state of everything, to be read at once and not kept."""
        return {
            "cluster": self.cluster,
            "pods": list(self.pods.values()),
            "services": list(self.services.values()),
            "now": self.now,
            "monotonic": self.monotonic,
            **self.around,
        }

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.monotonic += seconds

    def changed(self, obj: Json) -> None:
        """Somebody has written to an object."""
        self._versions += 1
        obj["metadata"]["resourceVersion"] = str(self._versions)

    def set_spec(self, spec: Mapping[str, Any]) -> None:
        self.cluster["spec"] = spec
        self.cluster["metadata"]["generation"] += 1
        self.changed(self.cluster)

    def set_status(self, status: Mapping[str, Any]) -> None:
        self.cluster["status"] = status
        self.changed(self.cluster)

    def becomes(self, name: str, change: kubelet.Change) -> None:
        """Change a pod."""
        pod = self.pods[name]
        change(pod, self.now)
        self.changed(pod)

    def stop(self, name: str) -> None:
        """The pod is being deleted, and its containers are about to end."""
        pod = self.pods[name]
        pod["metadata"].setdefault("deletionTimestamp", timestamp(self.now + 30))
        self.changed(pod)

    def add(self, pod: Json) -> None:
        """Add a pod that this operator did not create, or that another cluster owns."""
        self._store(self.pods, pod)

    def carry_out(self, actions: Sequence[Json], answers: Answers) -> list[Json]:
        """Carry out a plan, stage after stage while each succeeds; return the outcomes."""
        outcomes: list[Json] = []
        failed_at, broken = len(actions) + 1, set[str]()
        for action in actions:
            stage, group = action["stage"], action.get("group", "")
            late = isinstance(stage, int) and stage > failed_at
            outcome = {"tried": False} if late or group in broken else self._do(action, answers)
            if outcome.keys() - {"warnings"} and isinstance(stage, int):
                failed_at = min(failed_at, stage)
                broken |= {group} if group else set()
            outcomes.append(outcome)
        return [
            {**outcome, "pod": self.pods[action["name"]]}
            if not outcome.keys() - {"warnings"} and (action["verb"], action["kind"]) == ("create", "Pod")
            else outcome
            for action, outcome in zip(actions, outcomes, strict=True)
        ]

    def _do(self, action: Json, answers: Answers) -> Json:
        answer = answers(action) or {}
        if answer.keys() - {"warnings"}:
            return answer
        match action["verb"], action["kind"]:
            case "create", "Pod":
                there = self.pods.get(action["name"])
                if there is not None and "deletionTimestamp" in there["metadata"]:
                    return {"failure": {**TAKEN, "message": f'pods "{action["name"]}" already exists'}}
                self._store(self.pods, action["body"], status={"phase": "Pending"})
            case "create", "Service":
                self._store(self.services, action["body"])
            case "delete", "Pod":
                if action["name"] in self.pods:
                    self.stop(action["name"])
            case "patch", "Service":
                service = self.services[action["name"]]
                selector = {**service["spec"].get("selector", {}), **action["selector"]}
                service["spec"]["selector"] = {key: value for key, value in selector.items() if value}
                self.changed(service)
            case "patchStatus", "RayCluster":
                self.set_status({**self.cluster["status"], "headEpoch": action["headEpoch"]})
            case "patch", "RayCluster":
                self._patch_cluster(action)
        return answer

    def _patch_cluster(self, action: Json) -> None:
        finalizers = self.cluster["metadata"].get("finalizers", [])
        if action.get("removedFinalizer") in finalizers:
            left = [one for one in finalizers if one != action["removedFinalizer"]]
            self.cluster["metadata"]["finalizers"] = left
            self.changed(self.cluster)
        if action.get("replicas"):
            groups = list(self.cluster["spec"]["workerGroupSpecs"])
            for change in action["replicas"]:
                groups[change["at"]] = {**groups[change["at"]], "replicas": change["to"]}
            self.set_spec({**self.cluster["spec"], "workerGroupSpecs": groups})

    def _store(self, objects: dict[str, Json], body: Json, **fields: object) -> None:
        name = body["metadata"]["name"]
        if name in objects:  # An earlier write created it, and its answer was lost.
            return
        own = {"uid": f"uid-{self._versions}", "creationTimestamp": timestamp(self.now), "namespace": "ml"}
        obj = {**body, **fields, "metadata": {**own, **body["metadata"]}, "spec": {**body["spec"]}}
        objects[name] = obj
        self.changed(obj)
