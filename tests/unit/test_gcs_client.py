"""Calls to a Ray head end with an answer, or with a failure that says what to do."""

from collections.abc import AsyncIterator

import grpc
import pytest

from rayfleet.errors import GcsFailure, GcsTrouble
from rayfleet.kube.client.calls import GcsCalls
from rayfleet.ray.gcs.bounds import LARGEST_ANSWER
from rayfleet.ray.gcs.client import GcsClient
from rayfleet.ray.gcs.protocol import ray_pb2
from rayfleet.ray.state import AutoscalingReport, Drain, DrainReason, PendingLaunch, PendingPod, Shape
from support.stand_in_gcs import STATE, StandInGcs, node, state

ID = b"n" * 28
TOKEN = "a-very-secret-token"  # noqa: S105 - of nothing


@pytest.fixture
async def gcs() -> AsyncIterator[StandInGcs]:
    made = StandInGcs()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def client(gcs: StandInGcs) -> AsyncIterator[GcsClient]:
    made = GcsClient(gcs.address)
    yield made
    await made.close()


def trouble(answer: object) -> GcsTrouble:
    assert isinstance(answer, GcsFailure), answer
    assert answer.message
    return answer.trouble


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (grpc.StatusCode.UNAVAILABLE, GcsTrouble.UNREACHABLE),
        (grpc.StatusCode.CANCELLED, GcsTrouble.UNREACHABLE),
        (grpc.StatusCode.PERMISSION_DENIED, GcsTrouble.UNAUTHENTICATED),
        (grpc.StatusCode.ABORTED, GcsTrouble.INVALID),
        (grpc.StatusCode.UNKNOWN, GcsTrouble.INVALID),
    ],
)
async def test_a_refusal_has_its_kind_and_a_short_message_on_one_line(
    gcs: StandInGcs, client: GcsClient, code: grpc.StatusCode, expected: GcsTrouble
) -> None:
    """A hostile head may send anything of any length."""
    gcs.refuses(STATE, code, "no\x1b[31m\n" + "x" * 900)
    answer = await client.resource_state()
    assert trouble(answer) is expected
    assert isinstance(answer, GcsFailure)
    assert len(answer.message) < 350
    assert answer.message.isprintable()


async def test_calls_that_are_not_answered_or_not_known_are_told_apart(
    gcs: StandInGcs, client: GcsClient
) -> None:
    """They are counted separately, too."""
    assert trouble(await client.ray_version()) is GcsTrouble.UNIMPLEMENTED
    gcs.hangs(STATE)
    assert trouble(await client.resource_state(0.1)) is GcsTrouble.DEADLINE
    calls = GcsCalls()
    nobody = GcsClient("127.0.0.1:1", calls=calls)
    assert trouble(await nobody.resource_state()) is GcsTrouble.UNREACHABLE
    assert calls.by_method_and_outcome == {(STATE, "unreachable"): 1}
    assert calls.durations[STATE].counts[-1] == 1, "the time until a failure counts, too"
    await nobody.close()


async def test_an_answer_that_is_too_large_is_not_read(gcs: StandInGcs, client: GcsClient) -> None:
    """Its length does not matter."""
    gcs.says(STATE, b"\0" * (LARGEST_ANSWER + 1))
    assert trouble(await client.resource_state()) is GcsTrouble.TOO_LARGE


async def test_a_large_answer_is_parsed_in_a_thread(gcs: StandInGcs, client: GcsClient) -> None:
    """A thousand nodes are read like one."""
    gcs.says(STATE, state(*(node(f"w-{n}", CPU=1.0) for n in range(1000))))
    said = await client.resource_state()
    assert not isinstance(said, GcsFailure)
    assert len(said.nodes) == 1000


async def test_a_token_is_sent_and_never_shown() -> None:
    """Not even where a head repeats it."""
    gcs = StandInGcs(token=TOKEN)
    gcs.says("CheckAlive", ray_pb2.CheckAliveReply(ray_version="2.60.0"))
    await gcs.start()
    for token, expected in ((TOKEN, "2.60.0"), (TOKEN + "x", None), (None, None), ("two\nlines", None)):
        client = GcsClient(gcs.address, token)
        answer = await client.ray_version()
        await client.close()
        if expected is None:
            assert trouble(answer) is GcsTrouble.UNAUTHENTICATED
            assert TOKEN not in repr(answer)
        else:
            assert answer == expected
    await gcs.stop()


@pytest.mark.parametrize("node_id", [b"", b"abc", b"n" * 29])
async def test_a_node_id_of_the_wrong_length_is_not_sent(
    gcs: StandInGcs, client: GcsClient, node_id: bytes
) -> None:
    """It would crash the head."""
    assert trouble(await client.drain_node(node_id, DrainReason.PREEMPTION, "w")) is GcsTrouble.INVALID
    assert trouble(await client.unregister_node(node_id, "gone")) is GcsTrouble.INVALID
    assert not gcs.requests


async def test_a_drain_sends_the_request_and_returns_the_answer(gcs: StandInGcs, client: GcsClient) -> None:
    """The deadline is in milliseconds; a refusal has Ray's message."""
    gcs.says("DrainNode", ray_pb2.DrainNodeReply(rejection_reason_message="no longer idle"))
    assert await client.drain_node(ID, DrainReason.PREEMPTION, "shrink", 12.5) == Drain(
        accepted=False, refusal="no longer idle"
    )
    sent = ray_pb2.DrainNodeRequest.FromString(gcs.requests[-1][1])
    assert (sent.node_id, sent.reason, sent.reason_message) == (ID, 2, "shrink")
    assert sent.deadline_timestamp_ms == 12_500
    gcs.says("DrainNode", ray_pb2.DrainNodeReply(is_accepted=True))
    assert await client.drain_node(ID, DrainReason.IDLE_TERMINATION, "idle") == Drain(accepted=True)


async def test_a_report_has_launches_pending_pods_and_infeasible_shapes(
    gcs: StandInGcs, client: GcsClient
) -> None:
    """Ray shows them in `ray status`."""
    gcs.says("ReportAutoscalingState", ray_pb2.ReportAutoscalingStateReply())
    report = AutoscalingReport(
        version=7,
        seen_version=3,
        launches=(PendingLaunch("gpu", 2, 100.0),),
        pods=(PendingPod("gpu", "c-gpu-1", "", "no node has room"),),
        infeasible=(Shape((("GPU", 8.0),)),),
    )
    assert await client.report_autoscaling(report) is None
    sent = ray_pb2.ReportAutoscalingStateRequest.FromString(gcs.requests[-1][1]).autoscaling_state
    assert (sent.autoscaler_state_version, sent.pending_instance_requests[0].count) == (7, 2)
    assert sent.pending_instances[0].details == "no node has room"
    assert dict(sent.infeasible_resource_requests[0].resources_bundle) == {"GPU": 8.0}


async def test_a_client_can_be_used_after_it_was_closed(gcs: StandInGcs, client: GcsClient) -> None:
    """It connects again."""
    gcs.says(STATE, state(node("w-1")))
    assert not isinstance(await client.resource_state(), GcsFailure)
    await client.close()
    assert not isinstance(await client.resource_state(), GcsFailure)
