"""The scenarios, in the order in which they run: those with a thousand clusters share them, at the end."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from benchmarks.lab import Figures, Lab
from benchmarks.scenarios.big import one_big_cluster
from benchmarks.scenarios.empty_queues import follow_empty_queues
from benchmarks.scenarios.fleet import memory, quiet, restart
from benchmarks.scenarios.hostile_head import follow_hostile_head
from benchmarks.scenarios.replacement import replace_among_many, replace_quiet
from benchmarks.scenarios.waves import create_clusters, grow_clusters


@dataclass(frozen=True)
class Scenario:
    """What is measured, in words with sizes, and how."""

    title: str
    run: Callable[[Lab], Awaitable[Figures]]
    needs_raw: bool = False


SCENARIOS = {
    "create": Scenario(
        "{create_clusters:,} clusters x (1 + {create_workers}) at once", create_clusters, needs_raw=True
    ),
    "grow": Scenario("{grow_clusters:,} clusters 0 -> {grow_workers:,}", grow_clusters, needs_raw=True),
    "big": Scenario("1 cluster 0 -> {big_workers:,} -> 0", one_big_cluster, needs_raw=True),
    "replace": Scenario("worker pod deleted -> replacement created, quiet", replace_quiet),
    "hostile": Scenario("a head with the hardest answers that are read", follow_hostile_head),
    "memory": Scenario("memory of {fleet:,} clusters x (1 + 3)", memory),
    "replace-among-many": Scenario("the same with {fleet:,} quiet clusters", replace_among_many),
    "restart": Scenario("restart with {fleet:,} clusters", restart),
    "quiet": Scenario("{fleet:,} quiet clusters, {quiet_seconds:.0f} s", quiet),
    "queue": Scenario("the same, following empty queues, {queue_seconds:.0f} s", follow_empty_queues),
}
