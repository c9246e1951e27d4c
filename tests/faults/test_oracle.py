"""The oracle on handwritten histories: those it accepts, and those it complains about."""

import pytest

from support.faults.oracle import judge
from support.faults.recorded import Recording


def started() -> Recording:
    """A cluster of two workers."""
    return Recording({"a": 2}).head(0).worker(1).worker(2)


def slices(replicas: int = 2) -> Recording:
    """A cluster of two replicas, x and y, of two hosts each; the spec may ask for fewer afterwards."""
    made = Recording({}).spec({"tpu": 2}, numOfHosts=2).head(0)
    for number in (1, 2, 3, 4):
        made = made.host(number, "x" if number <= 2 else "y", (number - 1) % 2)
    return made.spec({"tpu": replicas}, numOfHosts=2)


def part() -> Recording:
    """One replica, x, of which only one host was made."""
    return Recording({}).spec({"tpu": 1}, numOfHosts=2).head(0).host(1, "x", 0)


def under_a_ceiling() -> Recording:
    """Two workers of two GPUs each, under a ceiling of four."""
    return Recording({"a": 3}).ceiling(4).head(0).worker(1, gpus=2).worker(2, gpus=2)


def held() -> Recording:
    """A deleted cluster that a finalizer holds, and whose pods are terminating."""
    return started().deleted().terminates("a-1").terminates("head-0").terminates("a-2")


RIGHT = {
    "a worker in the place of one that is gone": (
        under_a_ceiling().terminates("a-1", by_operator=False).goes("a-1").worker(3, gpus=2)
    ),
    "a worker beside one that has ended": under_a_ceiling().ends("a-1").worker(3, gpus=2),
    "a worker without GPUs under a full ceiling": under_a_ceiling().worker(3),
    "a part that is completed": part().host(2, "x", 1),
    "a replica that lost a host": slices(2)
    .terminates("tpu-1", by_operator=False)
    .terminates("tpu-2")
    .goes("tpu-1")
    .goes("tpu-2")
    .host(5, "z", 0)
    .host(6, "z", 1),
    "a replica that is too many": slices(1).terminates("tpu-4").terminates("tpu-3"),
    "a start": started(),
    "a scale-down": started().spec({"a": 1}).terminates("a-2").goes("a-2"),
    "a group that is removed": started().spec({}).terminates("a-1").terminates("a-2"),
    "a worker that is named": started()
    .spec({"a": 2}, scaleStrategy={"workersToDelete": ["a-1"]})
    .terminates("a-1"),
    "a worker that has ended": started().ends("a-1").terminates("a-1").worker(3),
    "a worker that somebody deleted": started().terminates("a-1", by_operator=False).worker(3),
    "a worker that was relabelled": started().changes("a-1", group="b").changes("a-2", node_type="x"),
    "a worker that was taken from view is replaced": started().changes("a-1", cluster="").worker(3),
    "a worker without an owner is replaced": started().changes("a-1", disown=True).worker(3),
    "a head that was set aside and then deleted": started()
    .changes("head-0", node_type="aside")
    .terminates("head-0", by_operator=False)
    .goes("head-0")
    .head(1),
    "a head that is gone": started().terminates("head-0", by_operator=False).goes("head-0").head(1),
    "a head that has ended": started().ends("head-0").head(1).terminates("head-0"),
    "a deleted cluster that is held": (held().goes("head-0").goes("a-1").ends("a-2").let_go()),
}
WRONG = {
    "pod a-3 of 1 GPUs was created beside 4, of 4 that there may be": under_a_ceiling().worker(3, gpus=1),
    "pod a-3 of 2 GPUs was created beside 4": (
        under_a_ceiling().terminates("a-1", by_operator=False).worker(3, gpus=2)
    ),
    "replica x is left with 1 of 2 hosts": part(),
    "replica y is left with 1 of 2 hosts": slices(1).terminates("tpu-4"),
    "pod tpu-5 was made for replica x, which had been whole": (
        slices(2).terminates("tpu-1", by_operator=False).host(5, "x", 0)
    ),
    "pod tpu-2 is a host that replica x has": part().host(2, "x", 0),
    "pod tpu-1 was deleted, a worker that was wanted": slices(2).terminates("tpu-1").terminates("tpu-2"),
    "head head-1 was created while head-0 may live": started().head(1),
    "head head-1 was created while head-0": started().terminates("head-0", by_operator=False).head(1),
    "head head-1 was created while head-0 may": started().changes("head-0", node_type="aside").head(1),
    "head head-1 was created while head-0 ma": (
        started().changes("head-0", node_type="", group="", cluster="", disown=True).head(1)
    ),
    "pod a-3 is number 3 of group a": started().changes("a-1", group="b").worker(3),
    "pod a-1 was deleted, a worker that": started().changes("a-1", group="b").terminates("a-1"),
    "delete pods a-1 hit what no cluster": started().changes("a-1", disown=True).terminates("a-1"),
    "pod head-0 was deleted, a head": started().changes("head-0", node_type="worker").terminates("head-0"),
    "pod a-3 is number 3 of group a, of which 2 are wanted": started().worker(3),
    "pod a-9 is number 6 of group a, of which 5 are wanted": (
        started().spec({"a": 9}).worker(3).worker(4).worker(5).worker(9)
    ),
    "pod b-1 is number 1 of group b, of which None are wanted": started().worker(1, "b"),
    "pod a-2 was deleted, a worker that was wanted": started().terminates("a-2"),
    "pod a-1 was deleted, a worker that was wanted": started()
    .spec({"a": 1})
    .terminates("a-2")
    .terminates("a-1"),
    "pod head-0 was deleted, a head that may live": started().terminates("head-0"),
    "delete pods x hit what no cluster owns": started().stranger("x").terminates("x"),
    "delete pods a-2 names no uid": started().spec({"a": 1}).writes("delete", "pods", "a-2"),
    "delete services demo-head-svc is no write of this operator's": (
        started().writes("delete", "services", "demo-head-svc")
    ),
    "patch rayclusters demo is no write of this operator's": started().writes("patch", "rayclusters", "demo"),
    "cluster demo was let go while a-2 may write to Redis": held().goes("head-0").goes("a-1").let_go(),
    "cluster demo was let go while head-0, a-1": started().deleted().let_go(),
    "number 2 of group a is there twice: a-twin": Recording({"a": 3})
    .head(0)
    .worker(2)
    .worker(2, name="a-twin"),
}


@pytest.mark.parametrize("recording", RIGHT.values(), ids=RIGHT)
def test_the_oracle_accepts_correct_histories(recording: Recording) -> None:
    assert judge(recording.run) == []


@pytest.mark.parametrize(("words", "recording"), WRONG.items(), ids=WRONG)
def test_the_oracle_finds_each_fault(words: str, recording: Recording) -> None:
    """The finding names what is wrong, and where."""
    assert [finding for finding in judge(recording.run) if words in finding]
