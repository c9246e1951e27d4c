"""Waits that only time ends cause a pass at their end: a plan changes with time only when it said so."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from rayfleet.autoscaling import Memory
from rayfleet.autoscaling.limits import CostCeilings, ScalingLimits
from rayfleet.fleet.gpu_usage import GpuUsage
from rayfleet.kinds.raycluster.leaving.ray_nodes import DEAD_SECONDS
from rayfleet.kinds.raycluster.plan import Plan, plan
from rayfleet.kinds.raycluster.scaling_view import ScalingView, Sizing
from rayfleet.kinds.raycluster.snapshot import Hold, Settling
from rayfleet.kinds.raycluster.sources.ray_memory import SETTLE_SECONDS, RayMemory
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Root
from rayfleet.ray.inventory import DeathCause
from rayfleet.ray.polling import Moment, Observation
from rayfleet.ray.state import Demand, NodeStatus, RayNode, RayState
from support.builders import (
    NOW,
    changed,
    cluster,
    group,
    head,
    parsed,
    ray_ended,
    replica,
    snapshot,
    spec,
    template,
    worker,
)
from support.queued_clusters import GPU_TASK, creates, heard, node, scaled, view

HORIZON = 5000.0
"""Seconds. Longer than any wait of the operator."""
AGES = st.sampled_from(
    [0.0, 0.5, 1.0, 2.0, 5.0, 9.0, 10.0, 15.0, 29.0, 30.0, 60.0, 69.0, 70.0, 299.0, 301.0, 900.0]
)
ENDED: dict[str, Any] = {"end": ray_ended(), "ready": False, "created": NOW - 4}
T = TypeVar("T")
FEATURES = [
    *(
        "unready",
        "ended",
        "deleting",
        "idle",
        "dead",
        "drain",
        "keep",
        "session",
        "hosts",
        "hold",
        "behavior",
    ),
    *("ceiling", "max", "fixed"),
]
UNREADY = st.sampled_from(
    [
        ("Unschedulable", "", False),
        ("SchedulingGated", "", False),
        ("", "", False),
        ("ImagePullBackOff", "ray", True),
        ("ContainerCreating", "ray", False),
        ("ContainerCreating", "ray", True),
        ("PodInitializing", "wait-gcs-ready", True),
        ("CreateContainerConfigError", "ray", True),
        ("CrashLoopBackOff", "ray", True),
        ("ContainersNotReady", "ray", True),
    ]
)


@dataclass(slots=True)
class World:
    """A cluster in which only the time changes."""

    of: Root
    pods: list[Pod]
    seen: Observation | None
    ray: RayMemory
    held: dict[str, Hold]
    settling: dict[str, Settling]
    new_gpus_until: float
    limits: ScalingLimits
    memory: Memory = field(default_factory=Memory)
    acted_on: dict[str, Sizing] = field(default_factory=dict)

    def at(self, now: float) -> Plan:
        """The plan at that time. A head that answers keeps its answer."""
        seen = self.seen
        if seen is not None and seen.state is not None and seen.failure is None:
            nodes = tuple(
                replace(one, idle_seconds=one.idle_seconds + now - NOW)
                if one.status is NodeStatus.IDLE
                else one
                for one in seen.state.nodes
            )
            seen = replace(seen, state=replace(seen.state, nodes=nodes), taken=Moment(now, now))
        usage = GpuUsage()
        if now < self.new_gpus_until:
            usage = GpuUsage(new_in_total=2, renewed_in=self.new_gpus_until - now)
        view = ScalingView(
            heard(deepcopy(self.ray), seen, self.pods, now), self.acted_on, (), self.limits, usage=usage
        )
        scaling = view if self.of.spec.get("enableInTreeAutoscaling") else ScalingView()
        around: dict[str, Any] = {"held": self.held, "settling": self.settling, "scaling": scaling}
        return plan(snapshot(self.of, self.pods, now=now, **around), self.memory)

    def settle(self) -> None:
        """Update the memory as passes do, until another pass at the same moment changes nothing."""
        self.ray.learn(self.seen, self.pods, NOW)
        for _ in range(2):
            decided = self.at(NOW)
            if decided.decision is not None:
                self.memory = decided.decision.memory
                groups = parsed(self.of.spec).worker_group_specs
                self.acted_on = {g.group_name: Sizing(decided.replicas(g), g.replicas) for g in groups}


def does(decided: Plan) -> object:
    """The effects of a plan, without its wake-up time and its memory for the next."""
    said = None
    if decided.decision is not None:
        said = replace(decided.decision, next_look=None, memory=Memory())
    return decided.actions, decided.waits, said


def of(draw: st.DrawFn, features: set[str], feature: str, values: Sequence[T], usual: T) -> T:
    """A value for worlds with a feature, the usual one otherwise."""
    return draw(st.sampled_from(values)) if feature in features else usual


@st.composite
def groups(draw: st.DrawFn, features: set[str]) -> list[dict[str, Any]]:
    fallback = of(draw, features, "unready", [None, 0, 3, 400], None)
    most = of(draw, features, "max", [0, 1], 3)
    first = group(
        "gpu",
        replicas=draw(st.integers(0, most)),
        maxReplicas=most,
        template=template(gpu="1"),
        failurePolicy={"joinTimeoutSeconds": of(draw, features, "unready", [0, 20, 300], 300)},
        **({} if fallback is None else {"fallback": {"groups": ["cheap"], "afterSeconds": fallback}}),
    )
    made = [first, group("cheap", replicas=0, maxReplicas=2, template=template(gpu="1"))]
    if "hosts" in features:
        made.append(group("tpu", replicas=1, maxReplicas=2, numOfHosts=2, template=template(gpu="1")))
    return made


@st.composite
def behaviors(draw: st.DrawFn, features: set[str]) -> dict[str, Any]:
    rules: dict[str, Any] = {}
    for name in ("scaleUp", "scaleDown"):
        rules[name] = {"stabilizationWindowSeconds": of(draw, features, "behavior", [0, 20, 300], 0)}
        if of(draw, features, "behavior", [True, False], usual=False):
            rules[name]["policies"] = [{"type": "Pods", "value": 1, "periodSeconds": 45}]
    return rules


@st.composite
def states(draw: st.DrawFn, pod: Pod, features: set[str]) -> Pod:
    age = draw(AGES)
    pod = replace(pod, created=NOW - age, readiness_since=NOW - age)
    kinds = ["ready", *(kind for kind in ("unready", "ended", "deleting") if kind in features)]
    kind = draw(st.sampled_from(kinds))
    if kind == "ended":
        return changed(pod, ready=False, end=ray_ended())
    if kind != "unready":
        return replace(pod, deleting=kind == "deleting")
    reason, container, sandboxed = draw(UNREADY)
    return changed(
        pod,
        ready=False,
        phase="Running" if reason == "ContainersNotReady" else "Pending",
        unready_reason=reason,
        unready_container=container,
        sandboxed=sandboxed,
        node_name="node-1" if container else "",
    )


@st.composite
def answers(draw: st.DrawFn, pods: list[Pod], features: set[str]) -> Observation | None:
    """The head's answer, unless there is none yet."""
    statuses: list[NodeStatus | None] = [NodeStatus.IDLE] if "idle" in features else []
    statuses += [NodeStatus.DEAD, NodeStatus.DRAINING] if "dead" in features else []
    statuses += [None] if features & {"unready", "session", "max"} else []
    statuses += [NodeStatus.RUNNING]
    nodes = []
    for pod in pods:
        status = draw(st.sampled_from(statuses)) if pod.node_type == "worker" else NodeStatus.RUNNING
        if status is not None and pod.ready:
            nodes.append(node(pod, status, idle=draw(AGES) if status is NodeStatus.IDLE else 0.0))
    tasks = draw(st.sampled_from([0, 0, 1, 3]))
    state = RayState("new", 7, tuple(nodes), (Demand(GPU_TASK, tasks),) if tasks else (), (), ())
    began = Moment(NOW - draw(AGES), 0.0)
    dead = [one.node_id for one in nodes if one.status is NodeStatus.DEAD]
    causes = {node_id: draw(st.sampled_from([DeathCause.UNKNOWN, DeathCause.DRAIN_IDLE])) for node_id in dead}
    seen = Observation("uid", state, Moment(NOW, NOW), session_since=began, deaths=causes)
    return None if draw(st.integers(0, 9)) == 9 else seen


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Worlds with some of the possible waits, because an earlier one would hide the others."""
    features = {draw(st.sampled_from(FEATURES)), *draw(st.sets(st.sampled_from(FEATURES), max_size=2))}
    options = {"idleTimeoutSeconds": draw(st.sampled_from([1, 60])), "behavior": draw(behaviors(features))}
    scales = "fixed" not in features
    fields: dict[str, Any] = {"autoscalerOptions": options} if scales else {}
    made = cluster(spec(*draw(groups(features)), enableInTreeAutoscaling=scales, **fields))
    workers = [worker(made, n + 1) for n in range(draw(st.sampled_from([1, 2, 3, 0])))]
    workers += replica(made, 1, hosts=2)[: draw(st.integers(0, 2))] if "hosts" in features else []
    pods = [head(made), *(draw(states(pod, features)) for pod in workers)]
    ids = {node(pod).node_id: pod.name for pod in pods[1:]}
    times = (
        st.dictionaries(st.sampled_from(sorted(ids)), AGES.map(lambda age: NOW - age)) if ids else st.just({})
    )
    seldom = {name: draw(times) if name in features else {} for name in ("dead", "drain", "keep")}
    ray = RayMemory(
        alive={one: name for one, name in ids.items() if "session" in features and draw(st.booleans())},
        dead_since=seldom["dead"],
        drained=seldom["drain"],
        kept={one: at + 2.0 for one, at in seldom["keep"].items()},
        session=of(draw, features, "session", ["new", "old", ""], "new"),
    )
    again = Settling(NOW + draw(AGES), 2, frozenset(pod.uid for pod in pods if pod.ended))
    hold = Hold(NOW + draw(AGES), "exceeded quota", NOW - draw(AGES))
    return World(
        made,
        pods,
        draw(answers(pods, features)),
        ray,
        of(draw, features, "hold", [{"gpu": hold}, {"tpu": hold}], {}),
        of(draw, features, "ended", [{}, {"gpu": again}, {"tpu": again}], {}),
        NOW + draw(AGES),
        ScalingLimits(ceilings=CostCeilings(new_gpus_per_minute=2 if "ceiling" in features else None)),
    )


@settings(max_examples=120)
@given(world=worlds(), part=st.sampled_from([0.1, 0.5, 0.99]))
def test_a_plan_changes_by_time_alone_only_when_it_asked_to_be_woken(world: World, part: float) -> None:
    """Otherwise the cluster would stand still until somebody touches it."""
    world.settle()
    before = world.at(NOW)
    asked = HORIZON if before.requeue_after is None else before.requeue_after
    later = world.at(NOW + part * asked)
    assert does(later) == does(before)


def test_a_dead_node_whose_pod_lives_is_looked_at_when_its_time_to_rejoin_is_over() -> None:
    """Two tasks ran, one node died by itself, one task waits: its pod is replaced."""
    of = scaled(group={"maxReplicas": 3})
    pods = [head(of), worker(of, 1), worker(of, 2)]
    nodes = [node(pods[0]), node(pods[1], NodeStatus.DEAD), node(pods[2])]
    ray, seen = RayMemory(session="session"), answered(nodes, 1)
    around = {"acted_on": {"gpu": Sizing(2, 0)}}
    first = plan(snapshot(of, pods, scaling=view([], ray=heard(ray, seen, pods, NOW), **around)))
    assert not first.deletes
    assert first.requeue_after == DEAD_SECONDS
    now = NOW + DEAD_SECONDS
    later = heard(ray, replace(seen, taken=Moment(now, now)), pods, now)
    second = plan(snapshot(of, pods, now=now, scaling=view([], ray=later, **around)))
    assert [delete.name for delete in second.deletes] == [pods[1].name]
    assert len(creates(second)) == 1


def test_a_replaced_head_scales_again_when_the_settling_time_is_over() -> None:
    """One of two old workers has joined the new head, the other runs on; three tasks wait."""
    of = scaled(group={"maxReplicas": 3})
    pods = [head(of, epoch=1), worker(of, 1), worker(of, 2)]
    ray = RayMemory(session="before", alive={b"1": pods[1].name, b"2": pods[2].name})
    seen, around = answered([node(pods[0]), node(pods[1])], 2), {"acted_on": {"gpu": Sizing(2, 0)}}
    first = plan(snapshot(of, pods, scaling=view([], ray=heard(ray, seen, pods, NOW), **around)))
    assert first.decision is not None
    assert not first.decision.known
    assert first.requeue_after == SETTLE_SECONDS
    now = NOW + SETTLE_SECONDS
    later = heard(ray, replace(seen, taken=Moment(now, now)), pods, now)
    second = plan(snapshot(of, pods, now=now, scaling=view([], ray=later, **around)))
    assert second.decision is not None
    assert second.decision.known
    assert second.decision.group("gpu").wanted == 3
    assert len(creates(second)) == 1


def answered(nodes: list[RayNode], tasks: int) -> Observation:
    state = RayState("session", 7, tuple(nodes), (Demand(GPU_TASK, tasks),), (), ())
    return Observation("uid", state, Moment(NOW, NOW), session_since=Moment(NOW, NOW))


def test_an_ended_pod_is_handled_in_time_though_its_group_is_held_for_longer() -> None:
    """It is deleted once it has settled; only a create must wait for the hold."""
    hold = Hold(NOW + 60, "exceeded quota", NOW)
    for of, pod, name in (
        (cluster(spec(group(replicas=2))), worker(cluster(), 1, **ENDED), "gpu"),
        (
            cluster(spec(group("tpu", replicas=2, numOfHosts=2))),
            changed(replica(cluster(), 1, hosts=2)[0], **ENDED),
            "tpu",
        ),
    ):
        decided = plan(snapshot(of, [head(of), pod], held={name: hold}, headless=True))
        assert decided.requeue_after == 6.0
