"""An explanation as text: the most important part first, everything within a hundred columns."""

from collections.abc import Iterator, Sequence

from rayfleet.api.base import INT32_MAX
from rayfleet.cli.answers import demand_table
from rayfleet.cli.durations import duration
from rayfleet.cli.tables import section, sentence, table
from rayfleet.explain.explanation import Explanation, GroupNote
from rayfleet.explain.sources import EventNote

IDLE_SHOWN = 20
PENDING_SHOWN = 20
LIST_THE_OPERATOR = "kubectl get pods --all-namespaces --selector app.kubernetes.io/name=rayfleet"


def explanation_text(of: Explanation) -> str:
    """The whole explanation."""
    return "".join(
        (
            f"RayCluster {of.namespace}/{of.name}\n",
            *_head(of),
            section("Groups", _groups(of)),
            section("Queue", _queue(of)),
            section("Pods that are not ready", _pending(of)),
            section("Idle nodes", _idle(of)),
            section("Next", _next(of)),
            section("Events", events_table(of.events, of.now)),
        )
    )


def _head(of: Explanation) -> Iterator[str]:
    if not of.scaled:
        yield sentence(
            "The operator does not scale this cluster by its queue: replicas sets the size of its groups"
            " (see spec.enableInTreeAutoscaling and spec.autoscalerOptions.runtime)."
        )
    elif not of.known:
        what = "is not acted on" if of.seen else "cannot be seen from here"
        yield sentence(f"The queue {what}: {of.trouble}.")
        yield sentence("The following is what the operator recorded in the status.")
    for one in of.conditions:
        since = f" for {duration(of.now - one.since)}" if one.since else ""
        words = f": {one.message}" if one.message else ""
        yield sentence(f"{one.type}={one.holds} ({one.reason}){since}{words}")
    for words in of.faults:
        yield sentence(f"Fault: {words}")
    for words in of.missing:
        yield sentence(f"Not known: {words}")


def _groups(of: Explanation) -> str:
    rows = []
    for one in of.groups:
        most = "-" if one.most >= INT32_MAX else str(one.most)
        there, ready = ("-" if count is None else str(count) for count in (one.there, one.ready))
        counts = (str(one.wanted), there, ready, str(one.least), most)
        idle = f"{one.idle_timeout} s" if of.scaled else "-"
        rows.append((one.name, *counts, idle, one.reason or _trouble(one) or "-"))
    heads = ("GROUP", "WANTED", "PODS", "READY", "MIN", "MAX", "IDLE TIMEOUT", "WHY")
    return table(heads, rows, numbers=heads[1:7])


def _trouble(one: GroupNote) -> str:
    """What is wrong with a group that no decision is made about."""
    held = "" if one.held is None else f"its pods cannot be created: {one.held.message}"
    fault = f"its pods do not start: {one.not_starting}" if one.not_starting else ""
    return "; ".join(filter(None, (held, fault)))


def _queue(of: Explanation) -> str:
    if of.known:
        return (demand_table(of.answers) or "Nothing waits.\n") if of.scaled else ""
    rows = [
        (
            one.words,
            one.kind,
            one.reason,
            one.message,
        )
        for one in of.noted
    ]
    return table(("DEMAND", "KIND", "HELD BY", "WHY"), rows)


def _pending(of: Explanation) -> str:
    rows = [
        (
            one.name,
            one.group,
            duration(of.now - one.since),
            one.words,
        )
        for one in of.pending
    ]
    return table(("POD", "GROUP", "FOR", "WAITS FOR"), rows[:PENDING_SHOWN]) + _more(len(rows), PENDING_SHOWN)


def _idle(of: Explanation) -> str:
    rows = []
    for one in of.idle:
        when = "stays: " if one.goes_in is None else "now: " if not one.goes_in else ""
        if one.goes_in:
            when = f"in {duration(one.goes_in)}, "
        rows.append((one.pod, one.group, duration(one.idle), duration(one.timeout), f"{when}{one.words}"))
    heads = ("POD", "GROUP", "IDLE FOR", "TIMEOUT", "LEAVES")
    return table(heads, rows[:IDLE_SHOWN]) + _more(len(rows), IDLE_SHOWN)


def _next(of: Explanation) -> str:
    now = "now" if of.silent_since is None else "due"
    lines = [sentence(f"{now if step.due else _when(step.seconds)}: {step.words}") for step in of.steps]
    if of.silent_since is not None:
        since = duration(of.now - of.silent_since)
        acted = f"The operator last acted on this cluster {since} ago, and it acts within seconds"
        lines.append(sentence(f"{acted}: if the same is due when you ask again, does it run?"))
        lines.append(f"  {LIST_THE_OPERATOR}\n")
    return "".join(lines) or ("Nothing, unless something changes.\n" if of.scaled and of.known else "")


def _when(seconds: float) -> str:
    return f"in {duration(seconds)}" if seconds else "now"


def events_table(events: Sequence[EventNote], now: float) -> str:
    """Events, oldest first; empty without any."""
    rows = []
    for one in events:
        times = f" (x{one.times})" if one.times > 1 else ""
        rows.append((f"{duration(now - one.time)} ago", one.reason, f"{one.message}{times}"))
    return table(("WHEN", "REASON", "WHAT"), rows)


def _more(count: int, shown: int) -> str:
    return f"and {count - shown} more\n" if count > shown else ""
