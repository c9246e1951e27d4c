"""Answers of a Ray head become values, and invalid ones failures with messages."""

from base64 import b64decode
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from rayfleet.ray.gcs.books import actors_from, jobs_from, nodes_from, version_from
from rayfleet.ray.gcs.bounds import MOST_CHOICES, Unbelievable
from rayfleet.ray.gcs.protocol import ray_pb2
from rayfleet.ray.gcs.replies import drain_from, state_from
from rayfleet.ray.inventory import ActorState
from rayfleet.ray.state import (
    Choice,
    Demand,
    Gang,
    LabelConstraint,
    Locality,
    NodeStatus,
    RayState,
    Shape,
    Strategy,
)
from support.stand_in_gcs import node, state

CAPTURED = b64decode(
    (Path(__file__).parents[1] / "support" / "captured-ray-state.base64").read_text().replace("\n", "")
)
READERS = [state_from, drain_from, nodes_from, actors_from, jobs_from, version_from]


def on(*values: str) -> LabelConstraint:
    return LabelConstraint("ray.io/accelerator-type", values)


def read(message: ray_pb2.GetClusterResourceStateReply) -> RayState:
    return state_from(message.SerializeToString())


def request(label_operator: int = 1, **resources: float) -> ray_pb2.ResourceRequest:
    constraint = ray_pb2.LabelConstraint(label_key="zone", operator=label_operator, label_values=["b", "a"])
    return ray_pb2.ResourceRequest(
        resources_bundle=resources,
        label_selectors=[ray_pb2.LabelSelector(label_constraints=[constraint])],
    )


def waiting(request: ray_pb2.ResourceRequest, count: int = 1) -> ray_pb2.GetClusterResourceStateReply:
    reply = state()
    reply.cluster_resource_state.pending_resource_requests.add(request=request, count=count)
    return reply


def test_demand_of_a_real_head_is_grouped_by_shape() -> None:
    """Resources, counts and label selectors are read; a selector without a condition is dropped."""
    one = (("CPU", 1.0), ("GPU", 1.0))
    assert state_from(CAPTURED).demands == (
        Demand(Shape(one), 18),
        Demand(Shape(one, ((on("H100", "H200"),),)), 2),
        Demand(Shape((("CPU", 1.0), ("GPU", 8.0))), 3),
        Demand(Shape((("CPU", 2.0), ("GPU", 4.0)), ((on("A100"),),)), 7),
    )


def test_gangs_of_a_real_head_have_their_strategy_and_their_bundles_selectors() -> None:
    """Only the details have the strategy, and the legacy list of bundles has no selectors."""
    gangs = {gang.strategy: gang for gang in state_from(CAPTURED).gangs}
    assert gangs[Strategy.STRICT_SPREAD].bundles == (Demand(Shape((("CPU", 1.0), ("GPU", 1.0))), 4),)
    assert gangs[Strategy.STRICT_SPREAD].name == "7ef3e1c16fe4248c98a533a0df8301000000"
    assert gangs[Strategy.PACK].bundles == (Demand(Shape((("CPU", 8.0), ("GPU", 8.0))), 2),)
    assert gangs[Strategy.STRICT_PACK].bundles == (Demand(Shape((("GPU", 4.0),), ((on("A100"),),)), 2),)


def test_nodes_of_a_real_head_are_known_by_the_name_of_their_pod() -> None:
    """They have their group, resources and idle time."""
    said = state_from(CAPTURED)
    nodes = {each.instance_id: each for each in said.nodes}
    assert set(nodes) == {"c1-head", "c1-gpu-h100-1", "c1-gpu-h100-2"}
    assert nodes["c1-head"].status is NodeStatus.IDLE
    assert nodes["c1-head"].idle_seconds == 50.308
    busy = nodes["c1-gpu-h100-1"]
    assert (busy.group, busy.status, busy.ip) == ("gpu-h100", NodeStatus.RUNNING, "10.200.0.11")
    assert dict(busy.total)["GPU"] == 1.0
    assert "GPU" not in dict(busy.available)
    assert dict(busy.labels)["ray.io/accelerator-type"] == "H100"
    assert "Busy workers on node." in busy.activity
    assert (said.version, said.session[:8]) == (167, "session_")


def test_a_gang_of_an_older_head_is_read_from_the_legacy_list() -> None:
    """It has no bundle selectors."""
    reply = state()
    reply.cluster_resource_state.pending_gang_resource_requests.add(
        requests=[request(GPU=1)], details="ab:SPREAD|PENDING"
    )
    (gang,) = read(reply).gangs
    assert (gang.name, gang.strategy, gang.bundles[0].count) == ("ab", Strategy.SPREAD, 1)


def gang_of(*choices: ray_pb2.BundleSelector) -> Gang:
    reply = state()
    reply.cluster_resource_state.pending_gang_resource_requests.add(
        details="ab:PACK|PENDING", bundle_selectors=choices
    )
    (gang,) = read(reply).gangs
    return gang


def within(label: str, strategy: int = 2, *values: str) -> ray_pb2.LocalityRequirement:
    constraint = ray_pb2.LabelConstraint(label_key="zone", operator=1, label_values=values)
    return ray_pb2.LocalityRequirement(
        locality_constraint=ray_pb2.LocalityConstraint(label_name=label, placement_strategy=strategy),
        label_selector=ray_pb2.LabelSelector(label_constraints=[constraint] if values else []),
    )


def test_the_alternatives_of_a_gang_keep_their_order() -> None:
    """The first is the request itself; an empty one is dropped."""
    bundles = [ray_pb2.ResourceRequest(resources_bundle={"GPU": n}) for n in (4, 2, 1)]
    found = gang_of(
        ray_pb2.BundleSelector(resource_requests=bundles[:1] * 2, locality_requirement=within("domain")),
        ray_pb2.BundleSelector(resource_requests=bundles[1:2]),
        ray_pb2.BundleSelector(),
        ray_pb2.BundleSelector(resource_requests=bundles[2:], locality_requirement=within("rack")),
    )
    assert found.bundles == (Demand(Shape((("GPU", 4.0),)), 2),)
    assert found.locality == Locality("domain")
    assert found.others == (
        Choice((Demand(Shape((("GPU", 2.0),)), 1),)),
        Choice((Demand(Shape((("GPU", 1.0),)), 1),), Locality("rack")),
    )


ZONE_A = (LabelConstraint("zone", ("a",)),)


@pytest.mark.parametrize(
    ("asked", "locality"),
    [
        (within("domain", 0), Locality("domain")),
        (within("domain", 2), Locality("domain")),
        (within("domain", 2, "a"), Locality("domain", among=ZONE_A)),
        (within("domain", 3, "a"), Locality("domain", apart=True, among=ZONE_A)),
        (within("domain", 1), None),
        (within("domain", 1, "a"), Locality("", among=ZONE_A)),
        (within("", 2), None),
        (within("", 2, "a"), Locality("", among=ZONE_A)),
        (within("domain", 9), Locality("domain", among=(LabelConstraint("domain", ()),))),
    ],
)
def test_a_locality_restricts_all_bundles_to_one_domain(
    asked: ray_pb2.LocalityRequirement, locality: Locality | None
) -> None:
    """A mere preference is ignored, and no node satisfies an unknown condition."""
    bundle = ray_pb2.ResourceRequest(resources_bundle={"GPU": 1})
    choice = ray_pb2.BundleSelector(resource_requests=[bundle], locality_requirement=asked)
    assert gang_of(choice).locality == locality


def test_a_gang_with_too_many_alternatives_is_too_large() -> None:
    """One at the bound is read."""
    bundle = ray_pb2.ResourceRequest(resources_bundle={"GPU": 1})
    choice = ray_pb2.BundleSelector(resource_requests=[bundle])
    assert len(gang_of(*[choice] * MOST_CHOICES).others) == MOST_CHOICES - 1
    with pytest.raises(Unbelievable, match="17 alternatives for one placement group"):
        gang_of(*[choice] * (MOST_CHOICES + 1))


def test_equal_gangs_with_different_bundles_have_an_order() -> None:
    """A hostile head may repeat names."""
    reply = state()
    for amount in (2, 1):
        reply.cluster_resource_state.pending_gang_resource_requests.add(
            requests=[request(GPU=amount)], details="ab:PACK|PENDING"
        )
    assert [gang.bundles[0].shape.resources[0][1] for gang in read(reply).gangs] == [1.0, 2.0]


def test_request_resources_are_kept_apart_from_demand() -> None:
    """They count busy nodes, too."""
    reply = state()
    each = reply.cluster_resource_state.cluster_resource_constraints.add()
    each.resource_requests.add(request=request(GPU=2), count=2)
    assert read(reply).constraints == ((Demand(read(waiting(request(GPU=2))).demands[0].shape, 2),),)


def test_equal_shapes_are_one_demand_and_empty_ones_are_dropped() -> None:
    """A count or an amount of 0 requests nothing."""
    reply = waiting(request(GPU=1, CPU=0), 2)
    reply.cluster_resource_state.pending_resource_requests.add(request=request(GPU=1), count=3)
    reply.cluster_resource_state.pending_resource_requests.add(request=request(GPU=4), count=0)
    (demand,) = read(reply).demands
    assert (demand.count, demand.shape.resources) == (5, (("GPU", 1.0),))


def test_fallback_selectors_keep_their_order_and_negation() -> None:
    """The first choice first; "any node" may be the last one."""
    asked = request(2, GPU=1)
    asked.label_selectors.add()
    (demand,) = read(waiting(asked)).demands
    assert demand.shape.selectors == ((LabelConstraint("zone", ("a", "b"), negated=True),), ())


def test_no_node_satisfies_an_unknown_condition() -> None:
    """Waiting is better than starting a node that does not fit."""
    (demand,) = read(waiting(request(7, GPU=1))).demands
    assert demand.shape.selectors == ((LabelConstraint("zone", ()),),)


@pytest.mark.parametrize("status", [0, 1, 9, -4])
def test_an_unknown_node_status_counts_as_busy(status: int) -> None:
    """Busy nodes are left alone."""
    (found,) = read(state(node("w-1", status=status))).nodes
    assert (found.status, found.idle_seconds) == (NodeStatus.RUNNING, 0.0)


def test_an_unknown_strategy_requires_only_the_bundles() -> None:
    """A later Ray may format details differently."""
    reply = state()
    for details in ("ab:SLICE|PENDING", "what", ""):
        reply.cluster_resource_state.pending_gang_resource_requests.add(
            requests=[request(GPU=1)], details=details
        )
    assert {gang.strategy for gang in read(reply).gangs} == {Strategy.PACK}


def test_unknown_fields_are_skipped() -> None:
    """A newer head sends more."""
    unknown = b"\xfa\x3e\x05hello"  # Field 1007.
    known, found = state_from(CAPTURED), state_from(CAPTURED + unknown)
    assert replace(found, size=known.size) == known


def test_a_node_whose_workers_wait_may_have_negative_resources_left() -> None:
    """Ray lets CPUs go below 0 when workers that waited go on."""
    said = node("w-1", status=1, CPU=4.0)
    said.available_resources["CPU"] = -1.0
    assert read(state(said)).nodes[0].available == ()


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (waiting(request(GPU=float("nan"))), "nan is not a possible amount of the resource 'GPU'"),
        (waiting(request(GPU=float("inf"))), "inf is not a possible amount"),
        (waiting(request(GPU=-1)), "-1 is not a possible amount"),
        (waiting(request(GPU=1e300)), "1e\\+300 is not a possible amount"),
        (waiting(request(GPU=1), -1), "a count of -1"),
        (waiting(request(GPU=1), 1 << 62), "a count of 4611686018427387904"),
        (state(node("w-1", GPU=-1.0)), "-1 is not a possible amount"),
        (state(node("w" * 29)), "29 bytes instead of 28"),
    ],
)
def test_an_impossible_answer_is_refused(reply: ray_pb2.GetClusterResourceStateReply, words: str) -> None:
    """The rest of such an answer is refused, too."""
    with pytest.raises(Unbelievable, match=words):
        read(reply)


def test_a_string_that_is_not_utf_8_is_refused() -> None:
    """Here it is the session name."""
    with pytest.raises(Unbelievable, match="GetClusterResourceStateReply"):
        state_from(b"\x0a\x04\x3a\x02\xff\xfe")


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_raise_nothing_else(raw: bytes) -> None:
    """Every reader accepts any bytes."""
    for reader in READERS:
        try:
            reader(raw)
        except Unbelievable as error:
            assert str(error)  # noqa: PT017 - it may or may not be raised


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(CAPTURED)), st.integers(0, len(CAPTURED) - 1), st.binary(max_size=9))
def test_a_real_answer_that_is_cut_or_damaged_raises_nothing_else(cut: int, at: int, damage: bytes) -> None:
    """Almost valid answers get further than noise."""
    for raw in (CAPTURED[:cut], CAPTURED[:at] + damage + CAPTURED[at + len(damage) :]):
        try:
            state_from(raw)
        except Unbelievable as error:
            assert str(error)  # noqa: PT017 - it may or may not be raised


def test_actors_have_their_remaining_restarts() -> None:
    """-1 means any number of restarts, and an unknown state counts as alive."""
    reply = ray_pb2.GetAllActorInfoReply(
        actor_table_data=[
            ray_pb2.ActorTableData(max_restarts=3, num_restarts=1, state=2, class_name="A"),
            ray_pb2.ActorTableData(max_restarts=-1, num_restarts=9, state=77, placement_group_id=b"\x01"),
        ]
    )
    first, second = actors_from(reply.SerializeToString())
    assert (first.restarts_left, first.state, first.class_name) == (2, ActorState.ALIVE, "A")
    assert (second.restarts_left, second.state, second.placement_group) == (None, ActorState.ALIVE, "01")


def test_a_status_that_is_not_ok_is_a_failure_with_its_message() -> None:
    """The rest of the answer may look fine."""
    reply = ray_pb2.CheckAliveReply(status=ray_pb2.GcsStatus(code=5, message="no"), ray_version="2.60.0")
    with pytest.raises(Unbelievable, match="status 5: no"):
        version_from(reply.SerializeToString())
