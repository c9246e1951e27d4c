"""Fields of pod templates that Kubernetes does not know are named as long as they exist."""

from typing import Any

from rayfleet.engine.outcome import Outcome, Succeeded
from rayfleet.kinds.raycluster.plan import CreatePod, Plan
from rayfleet.kinds.raycluster.status import compute_status
from rayfleet.kinds.raycluster.status.unknown_fields import MOST
from support.builders import cluster, group, head, snapshot, spec, template, worker

MISSPELT = {"spec": {**template()["spec"], "nodeSelectors": {"a": "b"}}}
PATH = "spec.workerGroupSpecs[1].template.spec.nodeSelectors"
WARNING = 'unknown field "spec.nodeSelectors"'


def made(group_name: str, *warnings: str) -> Outcome:
    return Succeeded(CreatePod("worker", group_name, "x", "h", {}, "wanted"), warnings=warnings)


def status_after(
    *outcomes: Outcome, before: dict[str, Any] | None = None, of_template: dict[str, Any] = MISSPELT
) -> dict[str, Any]:
    fields = spec(group("gpu", replicas=0), group("cpu", replicas=1, template=of_template))
    of = cluster(fields, status=before)
    return compute_status(snapshot(of, [head(of), worker(of, 1, group_name="cpu")]), Plan(), outcomes)


def supported(status: dict[str, Any]) -> str:
    return next((c["message"] for c in status["conditions"] if c["type"] == "Supported"), "")


def test_an_unknown_field_of_a_template_is_named_by_its_path() -> None:
    """The message has the remedy, and is only about the field."""
    status = status_after(made("cpu", WARNING, "spec.x is deprecated"))
    assert status["unknownFields"] == [PATH]
    assert supported(status).startswith(f"{PATH} is unknown to this Kubernetes and has no effect: check")


def test_an_unknown_field_is_named_until_it_is_removed() -> None:
    """A new process, and a new spec with the same field, keep it; nothing is written repeatedly."""
    before = status_after(before=status_after(made("cpu", WARNING)))
    assert before["unknownFields"] == [PATH]
    assert status_after(before=before) == before
    fixed = status_after(before=before, of_template=template())
    assert "unknownFields" not in fixed
    assert supported(fixed) == ""


def test_a_pod_that_is_created_without_a_warning_ends_it() -> None:
    """In its own group: Kubernetes was updated, and knows the field by now."""
    before = status_after(made("cpu", WARNING))
    assert status_after(made("gpu"), before=before)["unknownFields"] == [PATH]
    assert "unknownFields" not in status_after(made("cpu"), before=before)


def test_the_named_fields_are_bounded_and_other_warnings_are_dropped() -> None:
    """A warning may come from anybody's webhook."""
    many = [f'unknown field "spec.f{n}"' for n in range(500)]
    odd = ['unknown field "nothing of ours"', 'unknown field "spec.' + "x" * 500 + '"', "no"]
    assert len(status_after(made("cpu", *many))["unknownFields"]) == MOST
    assert "unknownFields" not in status_after(made("cpu", *odd))
    stored: dict[str, Any] = {"unknownFields": [3, None, "spec.workerGroupSpecs[9].x", "spec..[", "y" * 9**5]}
    assert "unknownFields" not in status_after(before=stored)
    assert "unknownFields" not in status_after(before={"unknownFields": "x"})
