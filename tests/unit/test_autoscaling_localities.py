"""Placement groups that need all bundles within one value of a label, or have alternatives."""

from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.autoscaling import AutoscalingPolicy, Decision, HoldKind, Memory, Worker, WorkerGroup, decide
from rayfleet.ray.state import Choice, Demand, Gang, LabelConstraint, Locality, RayNode, Strategy
from support.demand_cases import node, pods, resources, state, tasks

DOMAIN = "ray.io/gpu-domain"
NVL = Locality(DOMAIN)
A, B = (
    WorkerGroup(name, resources(CPU=8, GPU=4), ((DOMAIN, name),), max_replicas=2)
    for name in ("dom-a", "dom-b")
)
PLAIN = WorkerGroup("plain", resources(CPU=8, GPU=4), max_replicas=9)


def gang(count: int, *, strategy: Strategy = Strategy.PACK, **fields: Any) -> Gang:
    """A gang of so many bundles of four GPUs."""
    return Gang("ab12", strategy, (tasks(count, GPU=4),), **{"locality": NVL, **fields})


def there(name: str, domain: str, *, free: float = 4.0, group: WorkerGroup = PLAIN) -> RayNode:
    labels = ((DOMAIN, domain),)
    return node(name, group.name, group.resources, available=resources(CPU=8, GPU=free), labels=labels)


def decided(one: Gang, *groups: WorkerGroup, nodes: tuple[RayNode, ...] = (), **policy: Any) -> Decision:
    workers: tuple[Worker, ...] = pods(*nodes)
    given = [replace(g, desired=sum(w.group == g.name for w in workers)) for g in groups]
    return decide(
        state(gangs=[one], nodes=nodes), given, workers, AutoscalingPolicy(**policy), Memory(), now=1000
    )


def wanted(decision: Decision) -> dict[str, int]:
    return {group.name: group.wanted for group in decision.groups if group.wanted}


def held(decision: Decision) -> list[tuple[HoldKind, str]]:
    return [(hold.kind, hold.message) for answer in decision.answers for hold in answer.holds]


def test_all_bundles_are_started_in_one_group_of_one_domain() -> None:
    """They are not spread over domains."""
    assert wanted(decided(gang(2), A, B)) == {"dom-a": 2}
    assert wanted(decided(gang(2, locality=None), A, B, PLAIN)) != {}


def test_the_domain_that_starts_least_is_taken() -> None:
    """One free node of b runs: one more there is enough."""
    assert wanted(decided(gang(2), A, B, nodes=(there("b-1", "dom-b", group=B),))) == {"dom-b": 2}


def test_running_nodes_are_used_by_their_own_labels() -> None:
    """The nodes have three domains, their group states none; only one domain has room for both."""
    nodes = (
        there("x-1", "x"),
        there("x-2", "x", free=0),
        there("y-1", "y"),
        there("y-2", "y"),
        there("z-1", "z", free=0),
    )
    decision = decided(gang(2), PLAIN, nodes=nodes)
    assert decision.answers[0].unserved == 0
    assert wanted(decision) == {"plain": 5}
    assert decision.answers[0].shape.selectors == ((LabelConstraint(DOMAIN, ("y",)),),)


def test_a_domain_that_is_too_small_serves_nobody() -> None:
    """Each domain has two nodes, and three are needed: nothing starts, and the message says why."""
    decision = decided(gang(3), A, B)
    assert wanted(decision) == {}
    remark = f"(all of its bundles are needed at once within one value of {DOMAIN})"
    words = f"dom-a is at its max of 2 replicas {remark}"
    assert held(decision) == [(HoldKind.MAX, words)]


def test_a_label_that_no_group_has_is_reported_as_infeasible() -> None:
    """New nodes of a group without the label may be in any domain."""
    decision = decided(gang(2), PLAIN)
    assert wanted(decision) == {}
    words = (
        "no running node and no group has this label, or they have too few values of it"
        f" (all of its bundles are needed at once within one value of {DOMAIN})"
    )
    assert held(decision) == [(HoldKind.INFEASIBLE, words)]
    assert decision.answers[0].count == decision.answers[0].unserved == 2


def test_no_new_node_is_expected_in_a_domain_that_only_running_nodes_have() -> None:
    """One is free in x; the domain of the next one is not known."""
    nodes = (there("x-1", "x"), there("y-1", "y", free=0))
    decision = decided(gang(2), PLAIN, nodes=nodes)
    assert wanted(decision) == {"plain": 2}
    assert decision.answers[0].unserved == 2


def test_a_domain_that_nodes_share_by_chance_is_not_expected_of_the_next_node() -> None:
    """One free node runs in x; the second would start anywhere."""
    learned = replace(PLAIN, labels=((DOMAIN, "x"),), learned_labels=frozenset({DOMAIN}))
    decision = decided(gang(2), learned, nodes=(there("x-1", "x"),))
    assert wanted(decision) == {"plain": 1}
    ordinary = state(tasks(1, (LabelConstraint(DOMAIN, ("x",)),), GPU=4))
    found = decide(ordinary, [learned], (), AutoscalingPolicy(), Memory(), now=1000)
    assert wanted(found) == {"plain": 1}, "a task by itself may try"


@pytest.mark.parametrize("strategy", [Strategy.STRICT_SPREAD, Strategy.SPREAD, Strategy.PACK])
def test_the_strategy_of_bundles_on_nodes_holds_within_the_domain(strategy: Strategy) -> None:
    """Two bundles of two GPUs get one node, unless they must be spread."""
    one = Gang("ab12", strategy, (tasks(2, GPU=2),), NVL)
    assert wanted(decided(one, A, B)) == {"dom-a": 2 if strategy is Strategy.STRICT_SPREAD else 1}


def test_further_selectors_of_the_domain_count() -> None:
    """The one of two domains that has the right nodes."""
    spot = (LabelConstraint("ray.io/market-type", ("spot",)),)
    cheap = replace(B, labels=(*B.labels, ("ray.io/market-type", "spot")))
    assert wanted(decided(gang(1, locality=Locality(DOMAIN, among=spot)), A, cheap)) == {"dom-b": 1}


def test_nodes_may_be_chosen_without_a_domain() -> None:
    """The request only selects nodes."""
    by_name = (LabelConstraint(DOMAIN, ("dom-b",)),)
    assert wanted(decided(gang(2, locality=Locality("", among=by_name)), A, B)) == {"dom-b": 2}


def test_selectors_of_bundles_hold_within_the_domain() -> None:
    """Each of their alternatives is tried in order."""
    market = "ray.io/market-type"
    first, other = (LabelConstraint(market, ("spot",)),), (LabelConstraint(market, ("on-demand",)),)
    dear = replace(A, labels=tuple(sorted((*A.labels, (market, "on-demand")))))
    one = Gang("ab12", Strategy.PACK, (Demand(tasks(1, first, other, GPU=4).shape, 2),), NVL)
    assert wanted(decided(one, dear, B)) == {"dom-a": 2}


def test_bundles_that_need_different_domains_get_them() -> None:
    """Each gets its own, and nothing is placed if there are too few."""
    apart = Locality(DOMAIN, apart=True)
    assert wanted(decided(gang(2, locality=apart), A, B)) == {"dom-a": 1, "dom-b": 1}
    decision = decided(gang(3, locality=apart), A, B)
    assert wanted(decision) == {}
    assert held(decision)[0][0] is HoldKind.INFEASIBLE


def test_the_next_alternative_is_used_if_the_first_does_not_fit() -> None:
    """The order is: four GPUs each within a domain, else two each, else CPUs."""
    small = Choice((tasks(2, GPU=2),), NVL)
    cpus = Choice((tasks(2, CPU=8),))
    assert wanted(decided(gang(2, others=(small, cpus)), A, PLAIN)) == {"dom-a": 2}
    assert wanted(decided(gang(3, others=(small, cpus)), A, PLAIN)) == {"dom-a": 1}
    cpu = WorkerGroup("cpu", resources(CPU=8), max_replicas=9)
    assert wanted(decided(gang(3, others=(small, cpus)), cpu)) == {"cpu": 2}


def test_the_first_alternative_is_used_even_if_a_later_one_is_cheaper() -> None:
    """A preference does not depend on cost."""
    running = node("cpu-1", "cpu", resources(CPU=16))
    cpu = WorkerGroup("cpu", resources(CPU=16), max_replicas=9)
    one = gang(1, others=(Choice((tasks(1, CPU=8),)),))
    assert wanted(decided(one, A, cpu, nodes=(running,)))["dom-a"] == 1


def test_many_domains_cost_no_more_than_a_few() -> None:
    """The head reports each node as a domain of its own; idle ones are considered first."""
    nodes = (*(there(f"n-{n}", f"d-{n}", free=0) for n in range(300)), there("free", "zz-free"))
    decision = decided(gang(1), replace(PLAIN, max_replicas=400), nodes=nodes)
    assert decision.answers[0].unserved == 0


def test_two_such_groups_do_not_share_the_same_room() -> None:
    """Each gets its own domain."""
    both = [gang(2), gang(2)._replace(name="cd34")]
    decision = decide(state(gangs=both), [A, B], (), AutoscalingPolicy(), Memory(), now=1000)
    assert wanted(decision) == {"dom-a": 2, "dom-b": 2}
