"""What users and nodes do, as values: scenarios that run undisturbed first, then with faults."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from support.builders import group, raycluster, spec, template
from support.cluster_api import Namespace, ended
from support.faults.history import History
from support.faults.wanted import (
    CLUSTER,
    GPUS,
    GROUP,
    HEAD,
    HOSTS,
    NODE_TYPE,
    REDIS_FINALIZER,
    Fleet,
    Sizes,
    Wanted,
    active,
    labels,
)
from support.waiting import eventually

MAXIMUM = 10


@dataclass(frozen=True, slots=True)
class Apply:
    """A user creates clusters, or changes the groups of existing ones."""

    fleet: Fleet

    def act(self, namespace: Namespace, history: History) -> None:
        there = {cluster["metadata"]["name"] for cluster in history.objects("rayclusters")}
        for name, sizes in self.fleet.items():
            if name in there:
                written = namespace.patch(name, {"workerGroupSpecs": _groups(sizes)})
            else:
                written = namespace.apply(raycluster(name, spec_fields=spec_of(sizes)))
            history.catch_up("rayclusters", written)


@dataclass(frozen=True, slots=True)
class Delete:
    """A user deletes a cluster."""

    cluster: str

    def act(self, namespace: Namespace, history: History) -> None:
        namespace.delete_cluster(self.cluster)
        there = history.objects
        eventually(
            f"{self.cluster} to be on its way out",
            lambda: all(
                "deletionTimestamp" in c["metadata"]
                for c in there("rayclusters")
                if c["metadata"]["name"] == self.cluster
            ),
        )


@dataclass(frozen=True, slots=True)
class Lose:
    """A pod of a cluster's group is deleted behind the operator's back, or its containers end."""

    cluster: str
    group: str
    ends: bool = False

    def act(self, namespace: Namespace, history: History) -> None:
        pods = namespace.living_pods(f"{CLUSTER}={self.cluster},{GROUP}={self.group}")
        name, uid = min((pod["metadata"]["name"], pod["metadata"]["uid"]) for pod in pods)
        if self.ends:
            namespace.set_pod_status(name, ended())
        else:
            namespace.delete_pod(name)

        def lost() -> bool:
            there = (pod for pod in history.objects("pods") if pod["metadata"]["uid"] == uid)
            return not any(active(pod) for pod in there)

        eventually(f"pod {name} to be lost", lost)


@dataclass(frozen=True, slots=True)
class Change:
    """Somebody changes the labels of a group's pod (None removes one), or removes its owner."""

    cluster: str
    group: str
    labels: Mapping[str, str | None]
    disown: bool = False

    def act(self, namespace: Namespace, history: History) -> None:
        pods = namespace.living_pods(f"{CLUSTER}={self.cluster},{GROUP}={self.group}")
        pod = min(pods, key=lambda pod: str(pod["metadata"]["name"]))
        owners = [] if self.disown else pod["metadata"]["ownerReferences"]
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        namespace.change_pod(name, {"labels": self.labels, "ownerReferences": owners})

        def changed() -> bool:
            there = next(p for p in history.objects("pods") if p["metadata"]["uid"] == uid)
            known = labels(there)
            return all(known.get(key) == text for key, text in self.labels.items()) and (
                not self.disown or not there["metadata"].get("ownerReferences")
            )

        eventually(f"pod {name} to be changed", changed)


@dataclass(frozen=True, slots=True)
class Finalize:
    """KubeRay's finalizer is on a cluster, left by the operator that ran it before."""

    cluster: str

    def act(self, namespace: Namespace, history: History) -> None:
        namespace.change_cluster(self.cluster, {"finalizers": [REDIS_FINALIZER]})

        def seen() -> bool:
            return any(
                REDIS_FINALIZER in c["metadata"].get("finalizers", ())
                for c in history.objects("rayclusters")
                if c["metadata"]["name"] == self.cluster
            )

        eventually(f"{self.cluster} to have the finalizer", seen)


Step: TypeAlias = Apply | Delete | Lose | Change | Finalize


@dataclass(frozen=True, slots=True)
class Scenario:
    """`given` exists and is at rest before anything is disturbed; then the steps follow."""

    name: str
    given: Fleet
    steps: tuple[Step, ...]
    writes: int
    """The most mutating calls that the operator makes for the steps if nothing disturbs it."""
    max_gpus: int | None = None
    """The ceiling that an annotation of the namespace sets before anything else."""

    def wanted_after(self, index: int) -> Wanted:
        """The desired state after a step."""
        fleet: Mapping[str, Sizes] = dict(self.given)
        for step in self.steps[: index + 1]:
            match step:
                case Apply(fleet=changed):
                    fleet = {**fleet, **changed}
                case Delete(cluster=name):
                    fleet = {other: sizes for other, sizes in fleet.items() if other != name}
        return Wanted(fleet)


def spec_of(sizes: Sizes, maximum: int = MAXIMUM) -> dict[str, object]:
    """A spec with these worker groups and no others."""
    return {**spec(), "workerGroupSpecs": _groups(sizes, maximum)}


def _groups(sizes: Sizes, maximum: int = MAXIMUM) -> list[dict[str, object]]:
    return [
        group(
            name,
            replicas=size,
            maxReplicas=maximum,
            numOfHosts=HOSTS.get(name, 1),
            template=template(gpu=str(GPUS[name])) if name in GPUS else template(),
        )
        for name, size in sizes.items()
    ]


DEMO: Fleet = {"demo": {"a": 2}}

SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("create", {}, (Apply(DEMO),), writes=9),
        Scenario("scale-up", DEMO, (Apply({"demo": {"a": 4}}),), writes=6),
        Scenario("scale-down", {"demo": {"a": 3}}, (Apply({"demo": {"a": 1}}),), writes=6),
        Scenario(
            "group-added-and-removed",
            DEMO,
            (Apply({"demo": {"a": 2, "b": 2}}), Apply({"demo": {"b": 2}})),
            writes=12,
        ),
        Scenario("worker-lost", DEMO, (Lose("demo", "a"),), writes=6),
        Scenario("head-lost", DEMO, (Lose("demo", "headgroup"),), writes=8),
        Scenario("two-clusters", {}, (Apply({"one": {"a": 1}, "two": {"a": 1, "b": 1}}),), writes=16),
        # Last: a garbage collector needs half a minute to know a new kind.
        Scenario("delete", DEMO, (Delete("demo"),), writes=2),
    )
}

MULTI_HOST: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("multi-host", {}, (Apply({"demo": {"tpu": 2}}),), writes=11),
        Scenario("host-lost", {"demo": {"tpu": 1}}, (Lose("demo", "tpu"),), writes=8),
    )
}
"""Replicas of two hosts each, kept apart because only faults of creates and deletes concern them."""

HELD: Mapping[str, Scenario] = {
    "held-delete": Scenario(
        "held-delete", {"demo": {"a": 2}, "other": {"a": 1}}, (Finalize("demo"), Delete("demo")), writes=12
    )
}
"""A deleted cluster that KubeRay's finalizer holds, beside one that stays: its pods go first."""

_AND_ON = Apply({"demo": {"a": 3}})
"""A step after a change, so that the operator acts on what the change has left."""

CHANGED: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(f"{group}-{name}", DEMO, (Change("demo", group, labels, disown), _AND_ON), writes=10)
        for group in (HEAD, "a")
        for name, labels, disown in (
            ("set-aside", {NODE_TYPE: "aside"}, False),
            ("taken-for-another", {NODE_TYPE: "worker" if group == HEAD else "head"}, False),
            ("of-another-group", {GROUP: "b"}, False),
            ("of-another-cluster", {CLUSTER: "other"}, False),
            ("out-of-view", {CLUSTER: None}, False),
            ("bare", {CLUSTER: None, NODE_TYPE: None, GROUP: None}, False),
            ("without-an-owner", {}, True),
        )
    )
}
"""A living pod is changed. A head is never given a second one beside it; a worker that the operator sees no
more, or does not own any more, is replaced once; none is deleted for it."""

UNDER_A_CEILING = Scenario(
    "ceiling",
    {"one": {"capped": 3}},
    # The first has to give back what the second gets.
    (Apply({"one": {"capped": 1}, "two": {"capped": 2}}),),
    writes=14,
    max_gpus=3,
)
