"""The invariants of the plan, after every step of simulated runs (hypothesis).

The world is a handful of values: pods that start, end and vanish, a spec that changes, writes that are
carried out, refused or cut off in between.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rayfleet.api.names import Label
from rayfleet.kinds.raycluster.plan import AdvanceHeadEpoch, CreatePod, CreateService, DeletePod, Plan, plan
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kinds.raycluster.status import compute_status
from rayfleet.kube.objects.pods import Host, Pod
from rayfleet.kube.objects.roots import Root
from rayfleet.kube.objects.services import Service
from support.builders import NOW, changed, cluster, group, parsed, ray_ended, snapshot, spec
from support.builders import head as head_of
from support.builders import service as service_of
from support.builders import worker as worker_of

GROUPS = ("cpu", "gpu", "tpu")
HOSTS = {"cpu": 1, "gpu": 1, "tpu": 2}
MAXIMUM = 5


@dataclass
class World:
    """One cluster and its children, as an API server would hold them."""

    sizes: dict[str, int]
    status: dict[str, Any] = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)
    services: tuple[Service, ...] = ()
    now: float = NOW
    serial: int = 0

    @property
    def cluster(self) -> Root:
        groups = [
            group(name, replicas=size, maxReplicas=MAXIMUM, numOfHosts=HOSTS[name])
            for name, size in self.sizes.items()
        ]
        fields = spec(*groups) if groups else {**spec(), "workerGroupSpecs": []}
        return cluster(fields, status=self.status)

    def snapshot(self) -> Snapshot:
        of = self.cluster
        pods = sorted(self.pods.values(), key=lambda pod: (pod.created, pod.name))
        return snapshot(of, pods, services=self.services, spec=parsed(of.spec), now=self.now)

    def carry_out(self, action: object) -> None:
        match action:
            case AdvanceHeadEpoch(epoch=epoch):
                self.status = {**self.status, "headEpoch": epoch}
            case CreateService(name=name):
                self.services = (*self.services, service_of(self.cluster, name))
            case CreatePod(name=name):
                if name not in self.pods:  # Otherwise the API server answers 409.
                    self.pods[name] = self._pod(action)
            case DeletePod(name=name, uid=uid):
                if name in self.pods and self.pods[name].uid == uid:
                    self.pods[name] = changed(self.pods[name], deleting=True, ready=False)

    def _pod(self, action: CreatePod) -> Pod:
        self.serial += 1
        annotations = action.body["metadata"]["annotations"]
        host = _host(action.body["metadata"]["labels"])
        fresh: dict[str, Any] = {
            "name": action.name,
            "uid": f"uid-{self.serial}",
            "created": self.now,
            "phase": "Pending",
            "ready": False,
            "template_hash": action.template_hash,
            "host": host,
        }
        if action.node_type == "head":
            return head_of(self.cluster, epoch=int(annotations["rayfleet.io/head-epoch"]), **fresh)
        index = int(annotations["rayfleet.io/index"])
        return worker_of(self.cluster, index, group_name=action.group, **fresh)

    def report(self, decided: Plan) -> None:
        self.status = compute_status(self.snapshot(), decided, ())


def _host(labels: Mapping[str, str]) -> Host | None:
    if Label.REPLICA_NAME not in labels:
        return None
    place, index = labels[Label.REPLICA_INDEX], labels[Label.REPLICA_HOST_INDEX]
    return Host(labels[Label.REPLICA_NAME], int(place), int(index))


class Runs(RuleBasedStateMachine):
    """Any order of steps, faults and changes of mind."""

    @initialize(sizes=st.dictionaries(st.sampled_from(GROUPS), st.integers(0, MAXIMUM)))
    def begin(self, sizes: dict[str, int]) -> None:
        self.world = World(dict(sizes))
        self.head_names: set[str] = set()

    @rule(upto=st.integers(0, 12), reported=st.booleans())
    def a_pass_that_may_be_killed(self, upto: int, reported: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
        """Carry out the first `upto` actions; the status is written only if the pass got to its end."""
        decided = plan(self.world.snapshot())
        self.check_bounds(decided)
        for action in decided.actions[:upto]:
            self.world.carry_out(action)
            self.one_living_head()
        if reported and upto >= len(decided.actions):
            self.world.report(decided)

    @rule(data=st.data())
    @precondition(lambda self: self.world.pods)
    def something_happens_to_a_pod(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.world.pods)))
        pod = self.world.pods[name]
        happens = data.draw(st.sampled_from(["starts", "ends", "deleted", "vanishes"]))
        if happens == "starts" and pod.active:
            self.world.pods[name] = changed(pod, phase="Running", ready=True)
        elif happens == "ends":
            self.world.pods[name] = changed(pod, ready=False, end=ray_ended())
        elif happens == "deleted":
            self.world.pods[name] = changed(pod, deleting=True, ready=False)
        elif pod.deleting:
            del self.world.pods[name]

    @rule(seconds=st.floats(0, 30))
    def time_passes(self, seconds: float) -> None:
        self.world.now += seconds

    @rule(sizes=st.dictionaries(st.sampled_from(GROUPS), st.integers(0, MAXIMUM)))
    def the_user_changes_the_sizes(self, sizes: dict[str, int]) -> None:
        self.world.sizes = dict(sizes)

    @rule()
    def the_status_is_wiped(self) -> None:
        self.world.status = {}

    @invariant()
    def one_living_head(self) -> None:
        heads = [p for p in self.world.pods.values() if p.node_type == "head" and not p.ended]
        assert len(heads) <= 1, [pod.name for pod in heads]

    def check_bounds(self, decided: Plan) -> None:
        deleted = {delete.uid for delete in decided.deletes}
        assert deleted <= {pod.uid for pod in self.world.pods.values()}
        for name in self.world.sizes:
            pods = [p for p in self.world.pods.values() if p.group == name]
            creates = sum(isinstance(a, CreatePod) and a.group == name for a in decided.actions)
            before = sum(pod.active for pod in pods)
            active = sum(pod.active and pod.uid not in deleted for pod in pods) + creates
            most = MAXIMUM * HOSTS[name]
            assert active <= max(most, before)
            assert creates == 0 or before + creates <= most
        self.check_replicas(decided)

    def check_replicas(self, decided: Plan) -> None:
        """A plan that touches a replica leaves all of it, or nothing."""
        deleted = {delete.uid for delete in decided.deletes}
        created = [a for a in decided.actions if isinstance(a, CreatePod) and a.replica]
        touched = {a.replica for a in created}
        touched |= {p.host.replica for p in self.world.pods.values() if p.host and p.uid in deleted}
        for replica in touched:
            pods = [p for p in self.world.pods.values() if p.host and p.host.replica == replica]
            left = [p for p in pods if p.uid not in deleted and not p.deleting]
            assert len(left) + sum(a.replica == replica for a in created) in {0, HOSTS["tpu"]}

    def teardown(self) -> None:
        """Without further faults every run ends as the spec says, and then nothing is done."""
        if not hasattr(self, "world"):
            return
        for _ in range(12):
            self.world.now += 11
            for name, pod in list(self.world.pods.items()):
                if pod.deleting:
                    del self.world.pods[name]
                elif not pod.ended:
                    self.world.pods[name] = changed(pod, phase="Running", ready=True)
            decided = plan(self.world.snapshot())
            for action in decided.actions:
                self.world.carry_out(action)
            self.world.report(decided)
        assert plan(self.world.snapshot()).actions == ()
        sizes = {name: sum(p.group == name for p in self.world.pods.values()) for name in self.world.sizes}
        assert sizes == {name: size * HOSTS[name] for name, size in self.world.sizes.items()}
        hosts = [pod.host for pod in self.world.pods.values() if pod.host is not None]
        assert len({(host.replica, host.host_index) for host in hosts}) == len(hosts)
        assert len({host.replica for host in hosts}) * HOSTS["tpu"] == len(hosts)
        assert len({(host.replica_index, host.host_index) for host in hosts}) == len(hosts)
        assert self.world.status["conditions"]
        before = dict(self.world.status)
        self.world.now += 3600
        self.world.report(plan(self.world.snapshot()))
        assert self.world.status == before


TestRuns = Runs.TestCase
TestRuns.settings = settings(max_examples=60, stateful_step_count=25)


@given(
    st.dictionaries(st.sampled_from(GROUPS), st.integers(0, MAXIMUM)),
    st.lists(st.tuples(st.sampled_from(GROUPS), st.integers(1, 9), st.booleans(), st.booleans())),
)
@settings(deadline=None)
def test_the_same_snapshot_gives_the_same_plan(
    sizes: dict[str, int], workers: list[tuple[str, int, bool, bool]]
) -> None:
    """The order of the pods, which the cache does not define, does not matter."""
    world = World(dict(sizes))
    of = world.cluster
    for name, index, deleting, ended in workers:
        pod = worker_of(of, index, group_name=name, deleting=deleting, end=ray_ended() if ended else None)
        world.pods[pod.name] = pod
    first = plan(world.snapshot())
    world.pods = dict(reversed(world.pods.items()))
    assert plan(world.snapshot()) == first
