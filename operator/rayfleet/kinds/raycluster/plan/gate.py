"""What keeps pods from being created: the single gate before every create, and gates on a group's growth."""

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
    """Seconds until the next attempt; None if time alone does not help."""


def closed(snapshot: Snapshot, group: str, template_hash: Callable[[], str]) -> Closed | None:
    """What keeps the missing pods of `group` from being created; None if nothing does.

    Ended pods that stay for now are not missing. The template is built only if needed.
    """
    hold = snapshot.held.get(group)
    if hold is not None and hold.until > snapshot.now:
        return Closed(hold.words, hold.until - snapshot.now)
    if group in snapshot.withheld:
        return Closed(snapshot.withheld[group])
    refusal = snapshot.refused.get(template_hash())
    return None if refusal is None else Closed(refusal)


def gate_words(group: WorkerGroupSpec) -> str:
    """The gates that keep a group from growing; empty if there are none."""
    names = [gate.name for gate in group.scale_strategy.scale_gate]
    if not names:
        return ""
    named = several(names[:_MOST_NAMED], len(names))
    return f"it does not grow: gated by {named} (scaleStrategy.scaleGate)"


def gated_groups(spec: RayClusterSpec) -> dict[str, str]:
    """The gated groups, and their gates."""
    return {group.group_name: words for group in spec.worker_group_specs if (words := gate_words(group))}
