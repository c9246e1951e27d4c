"""Posted events: valid for the API server, each warning once, and few about a head's answers."""

from rayfleet.engine.event import Event
from rayfleet.engine.pacing import ReportBudget
from rayfleet.kinds.raycluster.children import RAYCLUSTERS
from support.builders import NOW, UID, spec
from support.kept_cluster import reporting

QUOTA = Event("Warning", "FailedToCreateWorkerPod", "Create", "group gpu: exceeded quota")
CREATED = Event(
    "Normal", "CreatedWorkerPod", "Create", "Created 1 pod in group gpu: why", settles=QUOTA.reason
)


async def test_an_event_names_its_cluster_and_who_reports() -> None:
    """It has the fields of events.k8s.io/v1; a name that is too long for the API server is cut."""
    async with reporting(spec(), name="demo") as of:
        await of.recorder.post(RAYCLUSTERS, of.api.cluster, [CREATED], NOW, ReportBudget())
        (posted,) = of.api.events
    assert posted["metadata"] == {"generateName": "demo-", "namespace": "ml"}
    assert posted["regarding"] == {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "namespace": "ml",
        "name": "demo",
        "uid": UID,
        "resourceVersion": "1000",
    }
    assert (posted["type"], posted["reason"], posted["action"]) == ("Normal", "CreatedWorkerPod", "Create")
    assert (posted["note"], posted["eventTime"]) == (CREATED.note, "2027-01-15T08:00:00.000000Z")
    assert (posted["reportingController"], posted["reportingInstance"]) == (
        "rayfleet.io/operator",
        "operator-1",
    )


async def test_the_same_warning_is_posted_once_until_its_cause_is_over() -> None:
    """After that it is posted again."""
    async with reporting(spec()) as of:
        budget = ReportBudget()
        for events in ([QUOTA], [QUOTA, QUOTA], [CREATED], [QUOTA]):
            await of.recorder.post(RAYCLUSTERS, of.api.cluster, events, NOW, budget)
        assert [event["reason"] for event in of.api.events] == [
            QUOTA.reason,
            CREATED.reason,
            QUOTA.reason,
        ]


async def test_a_warning_about_a_cluster_does_not_silence_its_successor_of_the_same_name() -> None:
    """Nothing of an old uid is kept."""
    async with reporting(spec()) as of:
        for budget in (ReportBudget(), ReportBudget()):
            await of.recorder.post(RAYCLUSTERS, of.api.cluster, [QUOTA], NOW, budget)
        assert len(of.api.events) == 2
        assert not any(isinstance(kept, dict) for kept in vars(of.recorder).values())


async def test_an_event_that_cannot_be_posted_is_not_posted_again() -> None:
    """It is only information."""
    async with reporting(spec()) as of:
        budget = ReportBudget()
        of.api.failing = frozenset({"POST"})
        await of.recorder.post(RAYCLUSTERS, of.api.cluster, [QUOTA], NOW, budget)
        of.api.failing = frozenset()
        await of.recorder.post(RAYCLUSTERS, of.api.cluster, [QUOTA], NOW, budget)
        assert of.api.events == []
        assert len(of.api.server.requests) == 1
