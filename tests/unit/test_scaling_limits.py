"""Ceilings on the cost of scaling."""

import pytest

from rayfleet.autoscaling.limits import (
    MAX_GPUS,
    MAX_GPUS_PER_CLUSTER,
    MAX_NEW_GPUS_PER_MINUTE,
    Ceiling,
    CeilingScope,
    CostCeilings,
    ceilings_from_annotations,
    ceilings_from_settings,
    unknown_ceilings,
)


def test_the_annotations_of_a_namespace_are_ceilings() -> None:
    """Each names its annotation; other annotations do not matter."""
    annotations = {MAX_GPUS: "8", MAX_GPUS_PER_CLUSTER: "4", MAX_NEW_GPUS_PER_MINUTE: "2", "other": "x"}
    read = ceilings_from_annotations(annotations)
    assert {ceiling.scope: ceiling.limit for ceiling in read.ceilings} == {
        CeilingScope.NAMESPACE: 8,
        CeilingScope.CLUSTER: 4,
        CeilingScope.NAMESPACE_PER_MINUTE: 2,
    }
    assert read.faults == ()
    assert str(read.ceilings[0]) == (
        "at most 4 GPUs of the cluster (annotation rayfleet.io/max-gpus-per-cluster of the namespace)"
    )


@pytest.mark.parametrize("text", ["", "eight", "-1", "1.5", "8 ", "1e3", "9" * 12, "٨"])
def test_an_annotation_that_is_not_a_number_stops_all_growth(text: str) -> None:
    """A typo must not lift a limit, and is reported."""
    read = ceilings_from_annotations({MAX_GPUS: text})
    assert [ceiling.limit for ceiling in read.ceilings] == [0]
    assert "rayfleet.io/max-gpus of the namespace must be a whole number" in read.faults[0]


def test_an_unread_namespace_stops_all_growth() -> None:
    """Growth resumes once it was read."""
    unknown = unknown_ceilings("no answer within 2 s")
    assert unknown.ceilings[0].limit == 0
    assert "no answer within 2 s" in unknown.faults[0]


def test_ceilings_of_the_settings_name_their_source() -> None:
    """Unset values are not ceilings, but 0 is."""
    assert ceilings_from_settings(CostCeilings()) == ()
    assert ceilings_from_settings(CostCeilings(gpus_total=0, new_gpus_per_minute=16)) == (
        Ceiling(CeilingScope.TOTAL, 0, "ceilings.gpusTotal of the operator's settings"),
        Ceiling(CeilingScope.TOTAL_PER_MINUTE, 16, "ceilings.newGpusPerMinute of the operator's settings"),
    )
