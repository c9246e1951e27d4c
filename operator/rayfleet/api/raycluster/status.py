"""The status of a RayCluster: what it says, as it is read, written, and described in the CRD.

Much of it is a memory: what a decision goes on from after the operator has been replaced. What it means to
Ray's users and to Kueue is as the RayCluster API has it.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Final

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
    choice,
)

STATE_READY: Final = "ready"
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_FEW: Final = 4
"""Groups that are looked through faster than they are sorted by name."""


class ConditionType(StrEnum):
    """The conditions that this operator writes."""

    HEAD_POD_READY = "HeadPodReady"
    PROVISIONED = "RayClusterProvisioned"
    REPLICA_FAILURE = "ReplicaFailure"
    READY = "Ready"
    """Every pod that is wanted is there and ready now. Unlike `RayClusterProvisioned` it can be lost."""
    VALID = "Valid"
    """The stored spec can be acted on."""
    SUPPORTED = "Supported"
    """False while the spec sets a field that this version does not act on; absent otherwise."""
    AUTOSCALING = "Autoscaling"
    """The queue is known and all of it is served, or about to be; absent where nobody scales."""
    MANAGED = "Managed"
    """False while another operator of this API is alive; absent otherwise."""


class HeldReason(StrEnum):
    """Why pods of a group cannot be created."""

    QUOTA_EXCEEDED = "QuotaExceeded"
    LIMIT_RANGE = "LimitRange"
    FAILED_CREATE = "FailedCreate"
    """The API server refuses them for another reason, or does not answer."""
    TEMPLATE_REFUSED = "TemplateRefused"
    """The API server does not take their template, and none that it took is known."""
    CEILING = "Ceiling"
    """They would take more GPUs than there may be."""


class HeadStatus(StatusPart):
    """The head."""

    __slots__ = ()

    pod_ip: Annotated[Text, Named("podIP"), "Address of the head pod."] = ""
    pod_name: Annotated[Text, "Name of the newest head pod that may live."] = ""
    service_ip: Annotated[
        Text, Named("serviceIP"), "Address of the head's Service; of a headless one, that of the head pod."
    ] = ""
    service_name: Annotated[Text, "Name of the head's Service."] = ""


class StatusCondition(StatusPart):
    """One condition, as Kubernetes has them."""

    __slots__ = ()

    type: Annotated[Text, REQUIRED, "What it is about; one of each."] = ""
    status: Annotated[str, choice("True", "False", "Unknown"), REQUIRED, "Whether it holds."] = ""
    observed_generation: Annotated[Generation, "Generation of the spec that it was judged by."] = None
    last_transition_time: Annotated[Time, REQUIRED, "Since when it has that status."] = None
    reason: Annotated[Text, REQUIRED, "Why, in one word."] = ""
    message: Annotated[Text, REQUIRED, "Why, in words."] = ""

    @property
    def holds(self) -> bool:
        """Whether it is true."""
        return self.status == "True"


class WorkerGroupStatus(StatusPart):
    """One worker group."""

    __slots__ = ()

    group_name: Annotated[Text, REQUIRED, "Name of the group."] = ""
    desired: Annotated[Size, "Pods that the group is to have now: `numOfHosts` of each replica."] = None
    observed_replicas: Annotated[Size, "Value of `replicas` in the spec that was last acted on."] = None
    replicas: Annotated[Size, "Pods of the group that exist and count towards its size."] = None
    ready: Annotated[Size, "Those of them that are ready."] = None
    pending: Annotated[Size, "Those of them that have not been started."] = None
    last_index: Annotated[
        Number,
        "Highest number in a pod's name of this group; of a multi-host group, of a replica that was whole.",
    ] = None
    reason: Annotated[
        Text,
        "Why pods of the group cannot be created: `QuotaExceeded`, `LimitRange`, `FailedCreate` (refused for"
        " another reason, or not answered), `TemplateRefused` or `Ceiling`; else absent.",
    ] = ""
    message: Annotated[Text, "The API server's words, or which ceiling holds how many pods."] = ""
    since: Annotated[Time, "Since when they cannot be created for that reason."] = None


class QueueStatus(StatusPart):
    """What is known of the head's queue."""

    __slots__ = ()

    known: Annotated[Flag, "Whether the head's answers are decided by."] = None
    since: Annotated[Time, "Since when they are not; absent before the head was asked."] = None
    message: Annotated[Text, "Why they are not."] = ""


class UnservedDemand(StatusPart):
    """Demand that gets no node."""

    __slots__ = ()

    kind: Annotated[Text, "What asks: tasks, a gang, or `request_resources`."] = ""
    resources: Annotated[Mapping[str, Text], "What each asks for."] = _NOTHING
    reason: Annotated[
        Text, "Why: `Infeasible`, `Max`, `Ceiling`, `Blocked`, `Withheld`, `Rate` or `TooMuch`."
    ] = ""
    message: Annotated[Text, "Why, in words, for each group that could take it."] = ""


class AutoscalerStatus(StatusPart):
    """How the cluster follows its queue."""

    __slots__ = ()

    summary: Annotated[Text, "The last decision on sizes, in words."] = ""
    queue: Annotated[QueueStatus, "Whether the queue is known."] = QueueStatus()
    unserved: Annotated[tuple[UnservedDemand, ...], "Demand that gets no node, and why."] = ()
    faults: Annotated[tuple[Text, ...], "What is wrong with metrics and ceilings."] = ()


class RayClusterStatus(StatusPart):
    """The status of a RayCluster."""

    __slots__ = ()

    state: Annotated[Text, "`ready` from the first time that all pods were ready together."] = ""
    reason: Annotated[Text, "Not written here; KubeRay has the last error there."] = ""
    desired_cpu: Annotated[Quantity, Named("desiredCPU"), "CPUs of the head and of every wanted worker."] = ""
    desired_memory: Annotated[Quantity, "Their memory."] = ""
    desired_gpu: Annotated[Quantity, Named("desiredGPU"), "Their GPUs."] = ""
    desired_tpu: Annotated[Quantity, Named("desiredTPU"), "Their TPU chips."] = ""
    last_update_time: Annotated[Time, "When this status last changed."] = None
    state_transition_times: Annotated[Mapping[str, Time], "When each state was reached."] = _NOTHING
    endpoints: Annotated[Mapping[str, Text], "Ports of the head's Service, by name."] = _NOTHING
    head: Annotated[HeadStatus, "The head pod and its Service."] = HeadStatus()
    ready_worker_replicas: Annotated[Size, "Worker pods that are ready."] = None
    available_worker_replicas: Annotated[Size, "Worker pods that exist and are not on their way out."] = None
    desired_worker_replicas: Annotated[Size, "Worker pods that there are to be now."] = None
    min_worker_replicas: Annotated[Size, "Sum of the groups' minima, in pods."] = None
    max_worker_replicas: Annotated[Size, "Sum of the groups' maxima, in pods."] = None
    observed_generation: Annotated[Generation, "Generation of the spec that this status is about."] = None
    conditions: Annotated[
        tuple[StatusCondition, ...], ListKey("type"), "What is true of the cluster now."
    ] = ()
    unknown_fields: Annotated[
        tuple[Text, ...],
        "Paths of fields in pod templates that Kubernetes does not know, until they are mended; 20 at most.",
    ] = ()
    head_epoch: Annotated[Number, "How often the head was replaced; it is part of the head pod's name."] = (
        None
    )
    worker_groups: Annotated[
        tuple[WorkerGroupStatus, ...],
        ListKey("groupName"),
        "Sizes of each worker group, and why its pods cannot be created.",
    ] = ()
    autoscaler: Annotated[
        AutoscalerStatus,
        "How the cluster follows its queue; it changes with the decision. Absent where nobody scales it.",
    ] = AutoscalerStatus()
    left_out: Annotated[
        Text, "What this status would have beyond 64 KiB; absent where nothing is left out."
    ] = ""

    def group(self, name: str) -> WorkerGroupStatus:
        """What is noted of a worker group; nothing of one that is not there."""
        groups = self.worker_groups
        if len(groups) <= _FEW:
            return next((one for one in groups if one.group_name == name), _NO_GROUP)
        return self.once("groups by name", self._groups_by_name).get(name, _NO_GROUP)

    def _groups_by_name(self) -> Mapping[str, WorkerGroupStatus]:
        return {one.group_name: one for one in reversed(self.worker_groups)}  # The first of a name counts.

    def condition(self, kind: ConditionType) -> StatusCondition | None:
        """The first of a type."""
        return next((one for one in self.conditions if one.type == kind), None)

    def holds(self, kind: ConditionType) -> bool:
        """Whether a condition is True."""
        return any(one.type == kind and one.holds for one in self.conditions)


_NO_GROUP: Final = WorkerGroupStatus()


def recorded(status: object) -> RayClusterStatus:
    """What a stored status says; it raises nothing, whatever is there."""
    return RayClusterStatus.recorded(status)
