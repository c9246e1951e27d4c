"""The RayJob of a tick, and which tick a RayJob is of."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rayfleet.kinds.raycronjob.manifests import job_name, rayjob, read_time, tick_of, write_time
from support.crons import MINUTE, TEMPLATE, UID, at, cron, settings

SECONDS = timedelta(seconds=30)
TICK = at("02 10:00")


def test_the_job_of_a_tick_is_the_template_under_a_name_made_from_the_tick() -> None:
    """Name, label and annotation are those that KubeRay's users know."""
    body = rayjob(cron(), settings(labels={"team": "vision"}, annotations={"note": "x"}), TICK)
    assert body == {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {
            "name": "nightly-30066360",
            "namespace": "ml",
            "labels": {"team": "vision", "ray.io/cronjob-name": "nightly"},
            "annotations": {"note": "x", "ray.io/cronjob-scheduled-timestamp": "2027-03-02T10:00:00Z"},
            "ownerReferences": [
                {
                    "apiVersion": "ray.io/v1",
                    "kind": "RayCronJob",
                    "name": "nightly",
                    "uid": UID,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": TEMPLATE,
    }


def test_the_labels_by_which_jobs_are_known_cannot_be_overwritten() -> None:
    """A tenant's label would hide the job from its own RayCronJob."""
    given = settings(
        labels={"ray.io/cronjob-name": "other"}, annotations={"ray.io/cronjob-scheduled-timestamp": "never"}
    )
    metadata = rayjob(cron(), given, TICK)["metadata"]
    assert metadata["labels"] == {"ray.io/cronjob-name": "nightly"}
    assert metadata["annotations"] == {"ray.io/cronjob-scheduled-timestamp": "2027-03-02T10:00:00Z"}


@pytest.mark.parametrize("gap", [SECONDS, MINUTE, timedelta(days=1)])
@hypothesis_settings(max_examples=30)
@given(cron_name=st.from_regex(r"[a-z][a-z0-9-]{0,34}[a-z0-9]", fullmatch=True), number=st.integers(1, 4000))
def test_every_tick_has_a_name_of_its_own_that_fits_and_tells_the_tick(
    gap: timedelta, cron_name: str, number: int
) -> None:
    """A RayJob's name has at most 47 characters, and that of a RayCronJob at most 36."""
    ticks = [TICK + (number + count) * gap for count in range(2)]
    first, second = (job_name(cron_name, tick, gap) for tick in ticks)
    assert first != second
    assert len(first) <= 47
    assert tick_of(cron_name, first, write_time(ticks[0])) == ticks[0]


STAMPS = [
    ("2027-03-02T10:00:13Z", "10:00:13"),
    ("2027-03-02T11:00:13+01:00", "10:00:13"),
    ("2027-03-02T10:00:13.7Z", "10:00:13"),
    (None, "10:00:00"),
    ("", "10:00:00"),
    ("soon", "10:00:00"),
    ("2027-03-02T10:01:00Z", "10:00:00"),
    ("2027-03-02T09:59:59Z", "10:00:00"),
    ("2027-03-02T10:00:13", "10:00:00"),
    ("9999-12-31T23:59:59-23:59", "10:00:00"),
]


@pytest.mark.parametrize(("stamp", "expected"), STAMPS)
def test_an_annotation_may_only_tell_the_second_within_the_minute_of_the_name(
    stamp: str | None, expected: str
) -> None:
    """Anybody may change an annotation, and nobody a name."""
    assert tick_of("nightly", "nightly-30066360", stamp) == at(f"02 {expected}")


@pytest.mark.parametrize(
    "name", ["nightly", "nightly-", "nightly-x", "nightly--1", "other-30066360", "nightly-٣"]
)
def test_another_kind_of_name_tells_no_tick(name: str) -> None:
    """A RayJob that somebody else created may have this RayCronJob as its owner."""
    assert tick_of("nightly", name, "2027-03-02T10:00:00Z") is None


def test_a_number_of_any_length_is_read_or_not_without_an_error() -> None:
    """Names are written by tenants."""
    assert tick_of("nightly", "nightly-" + "9" * 11, None) == datetime.fromtimestamp(99_999_999_999, UTC)
    assert tick_of("nightly", "nightly-" + "9" * 200, None) is None


def test_times_are_written_as_kubernetes_writes_them() -> None:
    """Whole seconds of UTC."""
    assert write_time(datetime(2027, 3, 2, 11, 0, 0, 999_999, tzinfo=UTC)) == "2027-03-02T11:00:00Z"
    assert read_time("2027-03-02T11:00:00.9Z") == at("02 11:00")
    assert read_time(write_time(TICK)) == TICK
