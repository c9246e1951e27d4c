"""The pure parts of the fault proxy: parsing calls, matching rules, and disturbing events."""

import random

import pytest

from support.faults.call import Call, parse_call
from support.faults.rules import Answer, Match, Rule, Script, StreamFaults
from support.faults.streams import MISSED_UNTIL, Disturbance, gone

BUSY, AWAY = Answer(429, "TooManyRequests"), Answer(503, "ServiceUnavailable")
PODS = "/api/v1/namespaces/ns/pods"
CLUSTERS = "/apis/ray.io/v1/namespaces/ns/rayclusters"
LINES = [b"1", b"2", b"3"]


@pytest.mark.parametrize(
    ("method", "target", "words", "mutating"),
    [
        ("GET", PODS, "list pods", False),
        ("GET", f"{PODS}?watch=true", "watch pods", False),
        ("GET", "/api/v1/pods", "list pods", False),
        ("GET", f"{PODS}/a", "get pods a", False),
        ("POST", PODS, "create pods", True),
        ("DELETE", f"{PODS}/a", "delete pods a", True),
        ("PATCH", f"{CLUSTERS}/demo/status", "patch rayclusters/status demo", True),
        ("PATCH", "/apis/coordination.k8s.io/v1/namespaces/ns/leases/x", "patch leases x", False),
        ("GET", "/apis/ray.io/v1", "get", False),
    ],
)
def test_a_request_is_parsed(method: str, target: str, words: str, *, mutating: bool) -> None:
    """A call has a verb, a resource and a name; the renewal of a Lease does not count as mutating."""
    call = parse_call(method, target, b"")
    assert (str(call), call.mutating) == (words, mutating)


def call(verb: str = "create", resource: str = "pods") -> Call:
    return Call(verb, resource, "ns", "x", {}, {})


def test_only_the_nth_matching_call_is_disturbed() -> None:
    """Calls that do not match do not count."""
    script = Script([Rule(Match(mutating=True), (BUSY,), nth=2)])
    calls = [call(), call("list"), call(), call()]
    assert [script.decide(each) for each in calls] == [None, None, BUSY, None]
    assert script.applied == 1


def test_the_first_rule_that_applies_counts() -> None:
    script = Script([Rule(Match(("create",)), (BUSY,)), Rule(Match(), (AWAY,))])
    assert [script.decide(call()), script.decide(call("list"))] == [BUSY, AWAY]


def test_leases_are_left_alone_unless_a_rule_says_otherwise() -> None:
    """Otherwise every fault would be one of leader election."""
    lease = call("patch", "leases")
    assert Script([Rule(Match(), (BUSY,))]).decide(lease) is None
    assert Script([Rule(Match(), (BUSY,), leases=True)]).decide(lease) == BUSY


def test_the_same_seed_gives_the_same_faults() -> None:
    rules = [Rule(Match(), (BUSY, AWAY), chance=0.5)]
    first, second = Script(rules, 7), Script(rules, 7)
    assert [first.decide(call()) for _ in range(50)] == [second.decide(call()) for _ in range(50)]


def test_a_script_with_a_duration_ends_after_it() -> None:
    script = Script([Rule(Match(), (BUSY,))], seconds=0.0)
    script.begin()
    assert script.over
    assert script.decide(call()) is None


def disturbed(faults: StreamFaults) -> tuple[Disturbance, list[bytes]]:
    disturbance = Disturbance(faults, random.Random(1))  # noqa: S311 - chance in a test
    said = [word for line in LINES for word in disturbance.take(line, 0.0)]
    return disturbance, said


def test_without_faults_events_pass_unchanged() -> None:
    assert disturbed(StreamFaults())[1] == LINES


def test_events_are_duplicated_and_swapped() -> None:
    """The last of an odd number is held back until another comes or some time has passed."""
    assert disturbed(StreamFaults(double=1.0))[1] == [b"1", b"1", b"2", b"2", b"3", b"3"]
    disturbance, said = disturbed(StreamFaults(reorder=1.0))
    assert said == [b"2", b"1"]
    assert disturbance.pass_time(1.0) == [b"3"]


def test_after_a_missed_event_a_stream_is_silent_and_ends() -> None:
    """No stream of a real server goes on with a hole in it."""
    disturbance, said = disturbed(StreamFaults(miss=1.0))
    assert said == []
    assert disturbance.pass_time(MISSED_UNTIL) == [gone()]
    assert disturbance.over
