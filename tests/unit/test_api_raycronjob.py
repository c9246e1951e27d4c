"""A RayCronJob is parsed as users write it, and all that is wrong with it is named."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.status_schema import status_schema
from rayfleet.api.condition import StatusCondition
from rayfleet.api.raycronjob import RayCronJobSpec, parse_spec, validate, validation
from rayfleet.api.raycronjob.status import ActiveJob, CronJobConditionType, RayCronJobStatus, recorded
from rayfleet.api.raycronjob.validation import RULES, CronJobSubject, Rule
from rayfleet.api.status_model import StatusPart
from rayfleet.api.violation import Violation
from support.rayjob_rows import SELECTOR, job_fields
from support.stored_junk import JUNK, is_sound
from support.structural_schema import faults


def cron_fields(fields: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"schedule": "0 * * * *", "jobTemplate": job_fields(), **(fields or {})}


def build_cron(fields: Mapping[str, Any] | None = None) -> RayCronJobSpec:
    parsed = parse_spec(cron_fields(fields))
    assert isinstance(parsed, RayCronJobSpec), parsed
    return parsed


class TestModel:
    def test_what_is_not_set_is_as_the_api_has_it(self) -> None:
        spec = build_cron()
        assert (spec.time_zone, spec.suspend, spec.concurrency_policy) == (None, False, "Allow")
        assert spec.starting_deadline_seconds is None
        assert (spec.successful_jobs_history_limit, spec.failed_jobs_history_limit) == (None, None)
        assert (spec.job_template_metadata.labels, spec.job_template_metadata.annotations) == ({}, {})
        assert spec.job_template.entrypoint == "python train.py"

    def test_null_is_absent(self) -> None:
        """`suspend` may be null in this kind."""
        assert build_cron({"suspend": None, "timeZone": None, "jobTemplateMetadata": None}) == build_cron()

    @pytest.mark.parametrize(
        ("fields", "path"),
        [
            ({"schedule": None}, "spec.schedule"),
            ({"jobTemplate": None}, "spec.jobTemplate"),
            ({"jobTemplate": {"suspend": 1}}, "spec.jobTemplate.suspend"),
            ({"concurrencyPolicy": "Wait"}, "spec.concurrencyPolicy"),
            ({"startingDeadlineSeconds": -1}, "spec.startingDeadlineSeconds"),
            ({"jobTemplateMetadata": {"labels": {"a/b": 1}}}, "spec.jobTemplateMetadata.labels[a/b]"),
            ({"jobTemplateMetadata": {"annotations": {"a": 1}}}, "spec.jobTemplateMetadata.annotations[a]"),
        ],
    )
    def test_a_field_of_the_wrong_type_is_named(self, fields: dict[str, Any], path: str) -> None:
        violations = parse_spec(cron_fields(fields))
        assert isinstance(violations, tuple)
        assert [violation.path for violation in violations] == [path]


@dataclass(frozen=True)
class CronRow:
    rule: Rule
    path: str
    keywords: str
    broken: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    name: str = "nightly"
    fixed_name: str = "nightly"


def labels(**given: str) -> dict[str, Any]:
    return {"jobTemplateMetadata": {"labels": given}}


def annotations(given: Mapping[str, str]) -> dict[str, Any]:
    return {"jobTemplateMetadata": {"annotations": given}}


TEMPLATE, METADATA = "spec.jobTemplate", "spec.jobTemplateMetadata"
ON_SHARED = {"rayClusterSpec": None, "clusterSelector": SELECTOR}
OURS = "ray.io/cronjob-name"
ROWS = [
    CronRow(
        validation.name_fits_into_job_names,
        "metadata.name",
        "no more than 36 characters",
        name="c" * 37,
        fixed_name="c" * 36,
    ),
    CronRow(validation.name_begins_a_service_name, "metadata.name", "DNS1035", name="a.b", fixed_name="a-1"),
    *(
        CronRow(
            validation.schedule_can_be_read,
            "spec.schedule",
            words,
            {"schedule": text},
            {"schedule": "@daily"},
        )
        for text, words in (("soon", ""), ("TZ=UTC 0 * * * *", "contains TZ"), ("0 0 31 2 *", "never comes"))
    ),
    *(
        CronRow(
            validation.time_zone_is_known,
            "spec.timeZone",
            words,
            {"timeZone": zone},
            {"timeZone": "Asia/Tokyo"},
        )
        for zone, words in (("", "is empty"), ("Mars/Base", "is 'Mars/Base'"), ("../etc/passwd", "IANA"))
    ),
    CronRow(
        validation.metadata_is_possible,
        f"{METADATA}.labels[a b]",
        "valid key",
        labels(**{"a b": "c"}),
        labels(a="b"),
    ),
    CronRow(
        validation.metadata_is_possible,
        f"{METADATA}.labels[a]",
        "valid value",
        labels(a="b c"),
        labels(a="b"),
    ),
    CronRow(
        validation.metadata_is_possible,
        f"{METADATA}.annotations[a b]",
        "valid key",
        annotations({"a b": "c"}),
        annotations({"Example.com/A": "any text"}),
    ),
    CronRow(
        validation.metadata_is_possible,
        f"{METADATA}.annotations",
        "at most 200000 characters",
        annotations({"a": "x" * 200_000}),
        annotations({"a": "x" * 199_999}),
    ),
    CronRow(
        validation.metadata_leaves_ours_alone,
        f"{METADATA}.labels[{OURS}]",
        "is set by the operator",
        labels(**{OURS: "x"}),
    ),
    CronRow(
        validation.metadata_leaves_ours_alone,
        f"{METADATA}.annotations[ray.io/cronjob-scheduled-timestamp]",
        "is set by the operator",
        annotations({"ray.io/cronjob-scheduled-timestamp": "x"}),
    ),
    CronRow(
        validation.jobs_on_one_cluster_have_ids_of_their_own,
        f"{TEMPLATE}.jobId",
        "cannot be set with clusterSelector",
        {"jobTemplate": job_fields({"jobId": "a", **ON_SHARED})},
        {"jobTemplate": job_fields({"jobId": "a"})},
    ),
    CronRow(
        validation.template_is_valid,
        f"{TEMPLATE}.suspend",
        "not allowed to be suspended",
        {"jobTemplate": job_fields({"suspend": True})},
    ),
    CronRow(
        validation.template_is_valid,
        f"{TEMPLATE}.rayClusterSpec.authOptions.enableK8sTokenAuth",
        "needs spec.jobTemplate.rayClusterSpec.authOptions.mode token",
        {"jobTemplate": job_fields({"rayClusterSpec.authOptions": {"enableK8sTokenAuth": True}})},
    ),
    CronRow(
        validation.template_is_valid,
        f"{METADATA}.annotations[ray.io/ft-enabled]",
        "",
        {
            "jobTemplate": job_fields({"rayClusterSpec.gcsFaultToleranceOptions": {"redisAddress": "r:1"}}),
            **annotations({"ray.io/ft-enabled": "true"}),
        },
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.rule.__name__}-{row.keywords[:20]}")
def test_rule(row: CronRow) -> None:
    """The broken field is named in one sentence; the fixed twin passes."""
    violations = tuple(row.rule(CronJobSubject(row.name, build_cron(row.broken))))
    assert row.path in [violation.path for violation in violations]
    assert any(row.keywords in violation.message for violation in violations), violations
    for violation in violations:
        assert re.fullmatch(r"\S.*[^.]\.", violation.message), violation
    assert tuple(row.rule(CronJobSubject(row.fixed_name, build_cron(row.fixed)))) == ()


def test_every_rule_has_a_row() -> None:
    """A rule that is added without a test does not go unnoticed."""
    assert set(RULES) == {row.rule for row in ROWS}


def test_all_violations_are_returned_with_those_of_the_name_first() -> None:
    """A user should not have to fix one field at a time."""
    assert validate(build_cron(), name="nightly") == ()
    spec = build_cron({"schedule": "soon", "jobTemplate": job_fields({"jobId": "/"}), "timeZone": ""})
    assert [violation.path for violation in validate(spec, name="c" * 40)] == [
        "metadata.name",
        "spec.schedule",
        "spec.timeZone",
        "spec.jobTemplate.jobId",
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("a@*/ 1:", max_size=9),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from([field.alias or name for name, field in RayCronJobSpec.model_fields.items()]),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(odd=JSON)
def test_any_json_gives_a_model_or_violations(odd: object) -> None:
    """And whatever the model holds, the rules judge it."""
    for fields in (odd, cron_fields(odd) if isinstance(odd, dict) else odd):
        spec = parse_spec(fields)
        found = validate(spec, name="nightly") if isinstance(spec, RayCronJobSpec) else spec
        assert all(isinstance(violation, Violation) for violation in found)


WHEN = "2027-01-15T08:00:00Z"
FULL = RayCronJobStatus(
    active=(ActiveJob(name="nightly-30336480", uid="u"),),
    last_schedule_time=WHEN,
    last_successful_time=WHEN,
    next_schedule_time=WHEN,
    observed_schedule="0 2 * * *",
    counted_from=WHEN,
    observed_generation=7,
    conditions=(
        StatusCondition(type="Valid", status="True", last_transition_time=WHEN, reason="Valid", message=""),
    ),
)
MODELS: tuple[type[StatusPart], ...] = (RayCronJobStatus, ActiveJob)


class TestStatus:
    @pytest.mark.parametrize("model", MODELS)
    def test_whatever_is_stored_reads_as_its_type_or_as_absent(self, model: type[StatusPart]) -> None:
        """It raises nothing: anybody may have written it."""
        for name, of in model.fields.items():
            for junk in JUNK:
                assert is_sound(of.of, getattr(model.recorded({of.wire_name: junk}), name)), (name, junk)
        for junk in JUNK:
            assert recorded(junk).active == ()

    def test_a_written_status_can_be_read_back(self) -> None:
        read = recorded(json.loads(json.dumps(FULL.wire)))
        assert [(job.name, job.uid) for job in read.active] == [("nightly-30336480", "u")]
        assert (read.last_schedule_time, read.last_successful_time, read.observed_generation) == (
            WHEN,
            WHEN,
            7,
        )
        assert read.holds(CronJobConditionType.VALID)
        condition = read.condition(CronJobConditionType.VALID)
        assert condition is not None
        assert condition.reason == "Valid"
        assert list(faults(status_schema(RayCronJobStatus), FULL.wire)) == []
        assert set(FULL.wire) == set(RayCronJobStatus.names.values())
