"""The ceilings of a namespace are read when needed, and unread ones never permit growth."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from rayfleet.autoscaling.limits import MAX_GPUS, NamespaceCeilings
from rayfleet.fleet.namespace_ceilings import FRESH_SECONDS, NamespaceCeilingsReader
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.credentials import Credentials
from support.wire import Answering, Wire, fails, says, wire


def namespace(gpus: str) -> Answering:
    return says({"kind": "Namespace", "metadata": {"name": "team-a", "annotations": {MAX_GPUS: gpus}}})


@dataclass
class Scene:
    """A reader, its server and its clock."""

    reader: NamespaceCeilingsReader
    server: Wire
    now: float = 0.0

    async def limits(self) -> list[int]:
        return [ceiling.limit for ceiling in (await self.reader.read("team-a")).ceilings]


@asynccontextmanager
async def _scene(*answers: Answering) -> AsyncIterator[Scene]:
    async with wire(*answers) as server, KubeClient(Credentials(server.url)) as client:
        scene = Scene(NamespaceCeilingsReader(client, clock=lambda: scene.now), server)
        yield scene


async def test_a_reading_counts_for_a_while() -> None:
    """Then only this namespace is read again."""
    async with _scene(namespace("8"), namespace("4")) as scene:
        assert [await scene.limits() for _ in range(3)] == [[8], [8], [8]]
        assert [request.target for request in scene.server.requests] == ["/api/v1/namespaces/team-a"]
        scene.now = FRESH_SECONDS
        assert await scene.limits() == [4]


async def test_a_namespace_without_annotations_has_no_ceilings() -> None:
    """A namespace that is gone has none either."""
    gone = fails(404, "NotFound", "not found", kind="namespaces", name="team-a")
    for answer in (says({"metadata": {"name": "team-a"}}), gone):
        async with _scene(answer) as scene:
            assert await scene.reader.read("team-a") == NamespaceCeilings()
            assert scene.reader.unavailable is None


async def test_a_404_that_is_not_about_the_namespace_lifts_no_ceiling() -> None:
    """A proxy may answer so for a moment."""
    async with _scene(says(b"404 page not found", 404), namespace("8"), says(b"no", 404)) as scene:
        assert await scene.limits() == [0]
        assert await scene.limits() == [8]
        scene.now = FRESH_SECONDS
        assert await scene.limits() == [8]


async def test_without_the_right_there_are_no_such_ceilings_and_a_metric_shows_it() -> None:
    """That holds until the right is granted."""
    async with _scene(fails(403, "Forbidden", "may not get namespaces"), namespace("8")) as scene:
        assert await scene.reader.read("team-a") == NamespaceCeilings()
        assert scene.reader.unavailable == "may not get namespaces"
        scene.now = FRESH_SECONDS
        assert await scene.limits() == [8]
        assert scene.reader.unavailable is None


async def test_while_the_server_fails_the_last_reading_counts() -> None:
    """Before the first reading, nothing is added."""
    async with _scene(fails(503, "Unavailable", "later"), namespace("8"), fails(500, "", "boom")) as scene:
        unknown = await scene.reader.read("team-a")
        assert [ceiling.limit for ceiling in unknown.ceilings] == [0]
        assert "later" in unknown.faults[0]
        assert await scene.limits() == [8]
        scene.now = FRESH_SECONDS
        assert await scene.limits() == [8]
