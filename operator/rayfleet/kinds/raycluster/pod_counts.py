"""Counters of pods created and deleted for clusters, by cause, for Prometheus."""

from typing import Final

from rayfleet.api.names import NodeType
from rayfleet.engine.outcome import Outcome, Succeeded
from rayfleet.kinds.raycluster.actions import Cause, CreatePod, DeletePod
from rayfleet.telemetry.metrics import definitions
from rayfleet.telemetry.metrics.recorder import Recorder

_CREATED: Final = (
    (NodeType.HEAD, Cause.MISSING),
    (NodeType.HEAD, Cause.REPLACEMENT),
    (NodeType.WORKER, Cause.MISSING),
)
_DELETED: Final = (
    (NodeType.HEAD, Cause.ENDED),
    (NodeType.HEAD, Cause.SUPERSEDED),
    (NodeType.WORKER, Cause.ENDED),
    (NodeType.WORKER, Cause.SURPLUS),
    (NodeType.WORKER, Cause.REQUESTED),
    (NodeType.WORKER, Cause.GROUP_REMOVED),
)


class PodCounts:
    """The two counters. Every series exists from the start, at 0, so that its first increase is seen."""

    def __init__(self, recorder: Recorder) -> None:
        self._created = recorder.series(definitions.PODS_CREATED, map(_labels, _CREATED))
        self._deleted = recorder.series(definitions.PODS_DELETED, map(_labels, _DELETED))

    def count(self, outcome: Outcome) -> None:
        """Count the pod that an action created or deleted."""
        match outcome:
            case Succeeded(CreatePod(node_type=node_type, cause=cause)):
                self._created[_labels((node_type, cause))].inc()
            case Succeeded(DeletePod(node_type=node_type, cause=cause)):
                self._deleted[_labels((node_type, cause))].inc()


def _labels(series: tuple[str, Cause]) -> tuple[str, str]:
    node_type, cause = series
    return node_type, cause.value.replace(" ", "_")
