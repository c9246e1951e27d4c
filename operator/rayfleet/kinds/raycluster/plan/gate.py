"""What keeps pods from being created: the one gate of every create, and gates on the growth of a group."""

from collections.abc import Callable
from typing import Final, NamedTuple

from rayfleet.api.raycluster import RayClusterSpec, WorkerGroupSpec
from rayfleet.autoscaling.words import several
from rayfleet.kinds.raycluster.snapshot import Snapshot

_MOST_NAMED: Final = 3


class Closed(NamedTuple):
    """Why no pod of a group is created now."""

    words: str
    later: float | None = None
    """Seconds until it may be tried again; none where time alone does not help."""


def closed(snapshot: Snapshot, group: str, template_hash: Callable[[], str]) -> Closed | None:
    """What keeps the missing pods of `group` from being created; none where nothing does.

    What has ended and is left in its place for now is not missing. The template is built where it counts.
    """
    hold = snapshot.held.get(group)
    if hold is not None and hold.until > snapshot.now:
        return Closed(hold.words, hold.until - snapshot.now)
    if group in snapshot.withheld:
        return Closed(snapshot.withheld[group])
    refusal = snapshot.refused.get(template_hash())
    return None if refusal is None else Closed(refusal)


def gate_words(group: WorkerGroupSpec) -> str:
    """Which gates keep a group from growing; empty where none does."""
    names = [gate.name for gate in group.scale_strategy.scale_gate]
    if not names:
        return ""
    named = several(names[:_MOST_NAMED], len(names))
    return f"it does not grow: gated by {named} (scaleStrategy.scaleGate)"


def gated_groups(spec: RayClusterSpec) -> dict[str, str]:
    """The groups that are gated, and by what."""
    return {group.group_name: words for group in spec.worker_group_specs if (words := gate_words(group))}
