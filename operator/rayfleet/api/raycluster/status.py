"""The status of a RayCluster, as it is read, written, and described in the CRD.

Much of it is a memory from which decisions continue after the operator has been replaced. What it means to
Ray's users and to Kueue follows the RayCluster API.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Final

from rayfleet.api.condition import StatusCondition
from rayfleet.api.status_model import (
    REQUIRED,
    Flag,
    Generation,
    ListKey,
    Named,
    Number,
    Quantity,
    Size,
    StatusPart,
    Text,
    Time,
)

STATE_READY: Final = "ready"
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_FEW: Final = 4
"""Up to this many groups, a search is faster than an index by name."""


class ConditionType(StrEnum):
    """The conditions that this operator writes.

    The first three mean what they mean to Ray's users and to Kueue.
    """

    HEAD_POD_READY = "HeadPodReady"
    PROVISIONED = "RayClusterProvisioned"
    REPLICA_FAILURE = "ReplicaFailure"
    READY = "Ready"
    """Every desired pod exists and is ready now. Unlike `RayClusterProvisioned` it can become False again."""
    VALID = "Valid"
    """The stored spec can be acted on."""
    SUPPORTED = "Supported"
    """False while the spec sets a field that this version does not act on; absent otherwise."""
    AUTOSCALING = "Autoscaling"
    """The queue is known and all of it is served, or about to be; absent if nobody scales the cluster."""
    MANAGED = "Managed"
    """False while another operator of this API is alive; absent otherwise."""


class HeldReason(StrEnum):
    """Why pods of a group cannot be created."""

    QUOTA_EXCEEDED = "QuotaExceeded"
    LIMIT_RANGE = "LimitRange"
    FAILED_CREATE = "FailedCreate"
    """The API server refuses them for another reason, or does not answer."""
    TEMPLATE_REFUSED = "TemplateRefused"
    """The API server refuses their template, and no template that it accepted is known."""
    CEILING = "Ceiling"
    """They would take more GPUs than a ceiling allows."""


class HeadStatus(StatusPart):
    """The head."""

    __slots__ = ()

    pod_ip: Annotated[Text, Named("podIP"), "Address of the head pod."] = ""
    pod_name: Annotated[Text, "Name of the newest head pod that may still be running."] = ""
    service_ip: Annotated[
        Text, Named("serviceIP"), "Address of the head's Service; if that is headless, of the head pod."
    ] = ""
    service_name: Annotated[Text, "Name of the head's Service."] = ""


class WorkerGroupStatus(StatusPart):
    """One worker group."""

    __slots__ = ()

    group_name: Annotated[Text, REQUIRED, "Name of the group."] = ""
    desired: Annotated[Size, "Pods that the group should have now: `numOfHosts` for each replica."] = None
    observed_replicas: Annotated[Size, "Value of `replicas` in the spec that was last acted on."] = None
    replicas: Annotated[Size, "Pods of the group that exist and count towards its size."] = None
    ready: Annotated[Size, "Those of them that are ready."] = None
    pending: Annotated[Size, "Those of them that have not started."] = None
    last_index: Annotated[
        Number,
        "Highest number in the name of a pod of this group; in a multi-host group, of a complete replica.",
    ] = None
    reason: Annotated[
        Text,
        "Why pods of the group cannot be created: `QuotaExceeded`, `LimitRange`, `FailedCreate` (refused for"
        " another reason, or not answered), `TemplateRefused` or `Ceiling`; else absent.",
    ] = ""
    message: Annotated[Text, "The API server's message, or which ceiling holds back how many pods."] = ""
    since: Annotated[Time, "Since when they have not been created for this reason."] = None


class QueueStatus(StatusPart):
    """What is known about the head's queue."""

    __slots__ = ()

    known: Annotated[Flag, "Whether decisions use the head's answers."] = None
    since: Annotated[Time, "Since when they do not; absent before the head was asked."] = None
    message: Annotated[Text, "Why they do not."] = ""


class UnservedDemand(StatusPart):
    """Demand that gets no node."""

    __slots__ = ()

    kind: Annotated[Text, "What asks: tasks, a gang, or `request_resources`."] = ""
    resources: Annotated[Mapping[str, Text], "What each requests."] = _NOTHING
    reason: Annotated[
        Text, "Why: `Infeasible`, `Max`, `Ceiling`, `Blocked`, `Withheld`, `Rate` or `TooMuch`."
    ] = ""
    message: Annotated[Text, "Why, for each group that could take it."] = ""


class AutoscalerStatus(StatusPart):
    """How the cluster follows its queue."""

    __slots__ = ()

    summary: Annotated[Text, "The last decision on sizes, in a sentence."] = ""
    queue: Annotated[QueueStatus, "Whether the queue is known."] = QueueStatus()
    unserved: Annotated[tuple[UnservedDemand, ...], "Demand that gets no node, and why."] = ()
    faults: Annotated[tuple[Text, ...], "What is wrong with metrics and ceilings."] = ()


class RayClusterStatus(StatusPart):
    """The status of a RayCluster."""

    __slots__ = ()

    state: Annotated[Text, "`ready` once all pods have been ready at the same time."] = ""
    reason: Annotated[Text, "Not written by this operator; KubeRay writes the last error."] = ""
    desired_cpu: Annotated[Quantity, Named("desiredCPU"), "CPUs of the head and all desired workers."] = ""
    desired_memory: Annotated[Quantity, "Their memory."] = ""
    desired_gpu: Annotated[Quantity, Named("desiredGPU"), "Their GPUs."] = ""
    desired_tpu: Annotated[Quantity, Named("desiredTPU"), "Their TPU chips."] = ""
    last_update_time: Annotated[Time, "When this status last changed."] = None
    state_transition_times: Annotated[Mapping[str, Time], "When each state was reached."] = _NOTHING
    endpoints: Annotated[Mapping[str, Text], "Ports of the head's Service, by name."] = _NOTHING
    head: Annotated[HeadStatus, "The head pod and its Service."] = HeadStatus()
    ready_worker_replicas: Annotated[Size, "Worker pods that are ready."] = None
    available_worker_replicas: Annotated[Size, "Worker pods that exist and are not being removed."] = None
    desired_worker_replicas: Annotated[Size, "Worker pods that should exist now."] = None
    min_worker_replicas: Annotated[Size, "Sum of the groups' minima, in pods."] = None
    max_worker_replicas: Annotated[Size, "Sum of the groups' maxima, in pods."] = None
    observed_generation: Annotated[Generation, "Generation of the spec that this status is about."] = None
    conditions: Annotated[tuple[StatusCondition, ...], ListKey("type"), "The conditions of the cluster."] = ()
    unknown_fields: Annotated[
        tuple[Text, ...],
        "Paths of fields in pod templates that Kubernetes does not know, until they are fixed; 20 at most.",
    ] = ()
    head_epoch: Annotated[
        Number, "How many times the head has been replaced; it is part of the head pod's name."
    ] = None
    worker_groups: Annotated[
        tuple[WorkerGroupStatus, ...],
        ListKey("groupName"),
        "Sizes of each worker group, and why its pods cannot be created.",
    ] = ()
    autoscaler: Annotated[
        AutoscalerStatus,
        "How the cluster follows its queue; it changes with the decision. Absent if nobody scales it.",
    ] = AutoscalerStatus()
    left_out: Annotated[
        Text, "What was left out to keep this status within 64 KiB; absent if nothing was."
    ] = ""

    def group(self, name: str) -> WorkerGroupStatus:
        """What is recorded for a worker group; an empty record if there is none."""
        groups = self.worker_groups
        if len(groups) <= _FEW:
            return next((group for group in groups if group.group_name == name), _NO_GROUP)
        return self.once("groups by name", self._groups_by_name).get(name, _NO_GROUP)

    def _groups_by_name(self) -> Mapping[str, WorkerGroupStatus]:
        # In reverse, so that the first group of a name counts.
        return {group.group_name: group for group in reversed(self.worker_groups)}

    def condition(self, kind: ConditionType) -> StatusCondition | None:
        """The first condition of this type."""
        return next((condition for condition in self.conditions if condition.type == kind), None)

    def holds(self, kind: ConditionType) -> bool:
        """Whether a condition is True."""
        return any(condition.type == kind and condition.holds for condition in self.conditions)


_NO_GROUP: Final = WorkerGroupStatus()


def recorded(status: object) -> RayClusterStatus:
    """A stored status. Does not raise, whatever it holds."""
    return RayClusterStatus.recorded(status)
