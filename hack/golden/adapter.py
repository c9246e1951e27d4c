"""The operator behind plain JSON: the only file of this package that knows the operator's own types.

Input has its form on the wire: Kubernetes' objects, Ray's messages, HTTP statuses. Output uses the terms of
Kubernetes and Ray: verb, kind, name, group. Messages for people are always under one of the keys in
`golden.aspects.WORDS`. When the operator's types are moved or renamed, only this file changes, and no golden
file does.
"""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, TypeAlias

from google.protobuf.json_format import MessageToDict, ParseDict

from rayfleet.api.names import HEAD_GROUP
from rayfleet.api.raycluster import RayClusterSpec, parse_spec
from rayfleet.autoscaling import Decision
from rayfleet.autoscaling.limits import ceilings_from_annotations
from rayfleet.autoscaling.metrics import Reading, metric_replicas
from rayfleet.engine.memory import Remembered
from rayfleet.engine.outcome import Failed, NotTried, Outcome, Refused, Succeeded, Unanswered
from rayfleet.engine.statuses import status_patch
from rayfleet.errors import ApiFailure, GcsFailure, GcsTrouble, StatusCause, is_of_new_kind
from rayfleet.fleet.gpu_usage import GpuUsage
from rayfleet.kinds.raycluster.kind import decided, raycluster
from rayfleet.kinds.raycluster.manifests import head_pod, head_service, headless_service, worker_pods
from rayfleet.kinds.raycluster.memory import ClusterMemory
from rayfleet.kinds.raycluster.observe import View
from rayfleet.kinds.raycluster.plan import (
    Action,
    AdvanceHeadEpoch,
    CreatePod,
    CreateSecret,
    CreateService,
    DeletePod,
    DrainNode,
    Plan,
    RemoveFinalizer,
    ResizeGroups,
    SelectHead,
)
from rayfleet.kinds.raycluster.plan.ray_report import ray_report
from rayfleet.kinds.raycluster.pod_settings import PodSettings, WaitSize
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kinds.raycluster.sources.scaling import ScalingSources
from rayfleet.kinds.raycluster.status.heard import without_heard
from rayfleet.kube.cache import RootStore, Store
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.pods import Pod, pod_from_object
from rayfleet.kube.objects.roots import root_from_object
from rayfleet.kube.objects.services import Service, service_from_object
from rayfleet.ray.gcs import requests as gcs_requests
from rayfleet.ray.gcs.protocol import ray_pb2
from rayfleet.ray.gcs.replies import state_from
from rayfleet.ray.inventory import DeathCause
from rayfleet.ray.polling import Observation
from rayfleet.ray.polling.observation import Moment, observed
from rayfleet.settings.scaling import ScalingSettings, parse_scaling_settings

Json: TypeAlias = dict[str, Any]


class Operator:
    """One cluster as the operator observes it and decides on it, without I/O."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """`settings`: `pods` and `scaling`, the second as in the scaling settings file."""
        scaling = parse_scaling_settings(settings.get("scaling"))
        if not isinstance(scaling, ScalingSettings):
            raise TypeError(scaling)
        wait = settings.get("pods", {}).get("wait", {})
        pods = PodSettings(**{**settings.get("pods", {}), "wait": WaitSize(**wait)})
        self._clusters, self._pods, self._services = (
            RootStore("RayCluster"),
            Store(Pod, ["RayCluster"]),
            Store(Service, ["RayCluster"]),
        )
        self._seen: Json = {}
        self._heard: Observation | None = None
        heads: Any = SimpleNamespace(
            observation=lambda _: self._heard, trouble=lambda _: "", took=lambda *_: None, poke=None
        )
        sampler: Any = SimpleNamespace(metric_replicas=self._metric_replicas)
        ledger: Any = SimpleNamespace(
            usage=self._usage, note=lambda *_: None, begin=None, fail=None, give_back=lambda *_: None
        )
        reader: Any = None
        sources = ScalingSources(heads, sampler, reader, ledger, scaling.limits)
        self._view = View(self._clusters, self._pods, self._services, sources, pods)
        client: Any = None
        self._kind = raycluster(client, self._view, lambda _: self._seen.get("otherOperator"), decided)
        self._queries = scaling.queries
        self._memory = Remembered("", ClusterMemory())
        self._snapshot: Snapshot
        self._decided: Plan

    def decide(self, seen: Json) -> Json:
        """The plan for the current state."""
        self._snapshot = snapshot = self._observe(seen)
        self._decided = plan = self._kind.admit(snapshot, self._kind.plan(snapshot))
        return _plan(snapshot, plan)

    def conclude(self, seen: Json, outcomes: Sequence[Json]) -> Json:
        """What users see once the plan was carried out and its outcomes were recorded."""
        kind, before, plan, own = self._kind, self._snapshot, self._decided, self._memory.own
        came = kind.settle(own, before, plan, tuple(map(_outcome, plan.actions, outcomes)), before.now)
        later = self._observe(seen) if came else None
        snapshot = kind.conclude(own, before, later, plan, came)
        status, after = snapshot.cluster.status, kind.status(snapshot, plan, came)
        ours = kind.is_ours(snapshot.cluster)
        events = kind.events(snapshot, plan, came, status, after) if ours else ()
        return {
            "status": after,
            "changed": bool(status_patch(status, after)),
            "urgent": kind.is_urgent(status, after),
            "withoutHead": without_heard(status) != without_heard(after),
            "events": [
                {"type": e.type, "reason": e.reason, "action": e.action, "note": e.note, "byHead": e.heard}
                for e in events
            ],
            "toRay": _to_ray(snapshot, plan),
        }

    def _observe(self, seen: Json) -> Snapshot:
        """A snapshot of the current state, including answers since the last one."""
        self._seen = seen
        _take_in(self._pods, map(pod_from_object, seen["pods"]))
        _take_in(self._services, map(service_from_object, seen["services"]))
        self._clusters.apply(seen["cluster"])
        cluster = self._clusters.get(root_from_object(seen["cluster"], "RayCluster").key)
        if cluster is None:
            raise LookupError(seen["cluster"]["metadata"])
        now, monotonic = seen["now"], seen["monotonic"]
        if self._memory.uid != cluster.uid:
            self._memory = Remembered(cluster.uid, ClusterMemory())
        moment = self._memory.meet(cluster.generation, now, monotonic)
        self._memory.own.namespace_ceilings = ceilings_from_annotations(seen.get("namespaceAnnotations", {}))
        if (answer := seen.pop("ray", None)) is not None:
            known = self._heard or Observation(cluster.uid)
            deaths = {bytes.fromhex(node): DeathCause[cause] for node, cause in answer["deaths"].items()}
            self._heard, _ = observed(known, _state(answer), Moment(now, monotonic), deaths)
        self._kind.learn(cluster, self._memory.own, moment)
        return self._kind.observe(cluster, self._memory.own, moment)

    def _usage(self, _: Key) -> GpuUsage:
        return GpuUsage(**self._seen.get("gpus", {}))

    def _metric_replicas(self, _: Key) -> object:
        spec = parse_spec(self._seen["cluster"]["spec"])
        metrics = spec.autoscaler_options.metrics if isinstance(spec, RayClusterSpec) else ()
        readings = {name: Reading(**given) for name, given in self._seen.get("readings", {}).items()}
        return metric_replicas(metrics, readings, self._queries, self._seen["now"])


def bodies(manifest: Json) -> Json:
    """One pod of the head and of each group, and the Services, whether wanted or not."""
    cluster, spec = root_from_object(manifest, "RayCluster"), parse_spec(manifest["spec"])
    if not isinstance(spec, RayClusterSpec):
        return {}
    head = head_pod(cluster, spec, 0)
    found = {HEAD_GROUP: {"templateHash": head.template_hash, "body": head.body}}
    for group in spec.worker_group_specs:
        pods = worker_pods(cluster, spec, group)
        hosts = group.num_of_hosts
        body = pods.replica(0, 1, hosts).host(0) if hosts > 1 else pods.named(1, 0)
        found[group.group_name] = {"templateHash": pods.template_hash, "body": body}
    return {"pods": found, "services": [head_service(cluster, spec), headless_service(cluster)]}


def _take_in(store: Store[Any], there: Any) -> None:  # noqa: ANN401 - of pods or of Services
    left = {child.uid: child for child in store}
    for child in there:
        store.apply(child)
        left.pop(child.uid, None)
    for child in left.values():
        store.remove(child.namespace, child.name, child.uid)


def _state(answer: Json) -> Any:  # noqa: ANN401 - a state, or why there is none
    if (failure := answer.get("failure")) is not None:
        return GcsFailure(GcsTrouble(failure["trouble"]), failure["message"])
    return state_from(ParseDict(answer["reply"], ray_pb2.GetClusterResourceStateReply()).SerializeToString())


def _outcome(action: Action, given: Json) -> Outcome:
    match given:
        case {"tried": False}:
            return NotTried(action)
        case {"failure": fields}:
            causes = tuple(StatusCause(**cause) for cause in fields.get("causes", ()))
            failure = ApiFailure(**{**fields, "causes": causes})
            return NotTried(action) if is_of_new_kind(failure) else Failed(action, failure)
        case {"refusal": message}:
            return Refused(action, message)
        case {"unanswered": failure}:
            return Unanswered(action, GcsFailure(GcsTrouble(failure["trouble"]), failure["message"]))
        case _:
            return Succeeded(action, tuple(given.get("warnings", ())))


def _plan(snapshot: Snapshot, decided: Plan) -> Json:
    at_once = (*decided.deletes, *decided.drains, *([decided.select] if decided.select else ()))
    last = [decided.resize] if decided.resize else []
    stages = [("first", at_once), *enumerate(decided.stages, start=1), ("last", last)]
    return {
        "actions": [{"stage": stage, **_action(action)} for stage, actions in stages for action in actions],
        "requeueAfter": decided.requeue_after,
        "waits": [{"message": words} for words in decided.waits],
        "held": {"pods": dict(decided.held), "gpus": decided.held_gpus},
        "headEpoch": decided.head_epoch,
        "withheld": decided.withheld,
        "violations": [{"path": v.path, "group": v.group, "message": v.message} for v in snapshot.violations],
        "sizes": {
            group.group_name: {"replicas": decided.replicas(group), "pods": decided.pods(group)}
            for group in (snapshot.spec.worker_group_specs if snapshot.spec and not decided.withheld else ())
        },
        "scaling": _scaling(decided.decision) if decided.decision else None,
    }


def _action(action: Action) -> Json:
    said: Json = {"message": action.reason}
    match action:
        case CreatePod():
            said |= {"verb": "create", "kind": "Pod", "name": action.name, "body": action.body}
            said |= {"group": action.group, "nodeType": action.node_type, "replica": action.replica}
            said |= {"cause": action.cause.name, "templateHash": action.template_hash}
        case CreateService():
            said |= {"verb": "create", "kind": "Service", "name": action.name, "body": action.body}
        case CreateSecret():
            said |= {"verb": "create", "kind": "Secret", "name": action.name, "body": action.body}
            said |= {"generatedKey": action.token_key}
        case DeletePod():
            said |= {"verb": "delete", "kind": "Pod", "name": action.name, "uid": action.uid}
            said |= {"group": action.group, "nodeType": action.node_type, "replica": action.replica}
            said |= {"cause": action.cause.name}
        case DrainNode():
            said |= {"verb": "drain", "kind": "RayNode", "name": action.pod, "group": action.group}
            said |= {"nodeId": action.node_id.hex()}
        case SelectHead():
            said |= {"verb": "patch", "kind": "Service", "name": action.name, "uid": action.uid}
            said |= {"selector": {**action.selector, **dict.fromkeys(action.dropped)}}
        case ResizeGroups():
            said |= {"verb": "patch", "kind": "RayCluster"}
            said |= {
                "replicas": [{"at": c.place, "group": c.group, "to": c.replicas} for c in action.changes]
            }
        case RemoveFinalizer():
            said |= {"verb": "patch", "kind": "RayCluster", "removedFinalizer": action.finalizer}
        case AdvanceHeadEpoch():
            said |= {"verb": "patchStatus", "kind": "RayCluster", "headEpoch": action.epoch}
    return said


def _scaling(decision: Decision) -> Json:
    return {
        "known": decision.known,
        "active": decision.active,
        "summary": decision.summary,
        "nextLook": decision.next_look,
        "groups": {
            group.name: {
                "wanted": group.wanted,
                "launches": group.launches,
                "pending": group.pending,
                "late": group.late,
                "blocked": bool(group.blocked),
                "message": [group.reason, group.growth, group.blocked],
                "holds": [{"reason": str(hold.kind), "message": hold.message} for hold in group.holds],
            }
            for group in decision.groups
        },
        "drains": [
            {
                "group": d.group,
                "replica": d.replica,
                "pods": [n.instance_id for n in d.nodes],
                "message": d.message,
            }
            for d in decision.drains
        ],
        "cancels": [{"group": c.group, "pods": list(c.pods), "message": c.message} for c in decision.cancels],
        "demand": [
            {
                "kind": str(answer.kind),
                "gang": answer.gang,
                "resources": answer.shape.resources,
                "selectors": answer.shape.selectors,
                "count": answer.count,
                "unserved": answer.unserved,
                "placed": [(placed.group, str(placed.tier), placed.number) for placed in answer.placed],
                "holds": [{"reason": str(hold.kind), "message": hold.message} for hold in answer.holds],
            }
            for answer in decision.answers
        ],
        "oversized": [(shape.resources, shape.selectors) for shape in decision.oversized],
    }


def _to_ray(snapshot: Snapshot, decided: Plan) -> Json | None:
    """The ReportAutoscalingState of the pass."""
    spec, decision, state = snapshot.spec, decided.decision, snapshot.scaling.ray.state
    if spec is None or decision is None or state is None or not decision.known:
        return None
    request = ray_pb2.ReportAutoscalingStateRequest()
    request.ParseFromString(gcs_requests.report(ray_report(snapshot, spec, decision, dict(decided.held))))
    said: Json = MessageToDict(request.autoscaling_state)
    return said
