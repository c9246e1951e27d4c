"""Groups whose pods the API server refuses, such as for a quota: read from the condition and the events."""

import re
from collections.abc import Mapping
from typing import Final

from rayfleet.explain.noted import noted_time
from rayfleet.explain.sources import Sources
from rayfleet.kinds.raycluster.snapshot import Hold
from rayfleet.kinds.raycluster.status.conditions import ConditionType, stored_conditions

_REFUSED: Final = re.compile(r"group (?P<group>\S+): (?P<words>.+)", re.DOTALL)
_CREATED: Final = re.compile(r"Created [0-9]+ pods? in group (?P<group>\S+):")
AGAIN_SECONDS: Final = 1.0
"""Until the next attempt: the operator alone knows when that is, and it is not far off."""


def refused_groups(sources: Sources) -> Mapping[str, Hold]:
    """By name; none once nothing fails any more."""
    failure = next(
        (
            one
            for one in stored_conditions(sources.cluster.status)
            if one.get("type") == ConditionType.REPLICA_FAILURE and one.get("status") == "True"
        ),
        None,
    )
    if failure is None:
        return {}
    words: dict[str, str] = {}
    for event in sources.events:
        if event.reason == "FailedToCreateWorkerPod" and (match := _REFUSED.fullmatch(event.message)):
            words[match["group"]] = match["words"]
        elif event.reason == "CreatedWorkerPod" and (match := _CREATED.match(event.message)):
            words.pop(match["group"], None)
    if match := _REFUSED.fullmatch(str(failure.get("message") or "")):
        words[match["group"]] = match["words"]
    since = noted_time(failure.get("lastTransitionTime"))
    return {group: Hold(sources.now + AGAIN_SECONDS, said, since) for group, said in words.items()}
