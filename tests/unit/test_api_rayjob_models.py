"""A RayJob is parsed as users write it, and all that is wrong with it is named."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayfleet.api.base import FLOAT32_MAX
from rayfleet.api.nesting import TOO_DEEP, shallow_spec
from rayfleet.api.rayjob import (
    RayJobSpec,
    account,
    entrypoint_resources,
    parse_spec,
    runtime_env,
    validate,
    validate_status,
)
from rayfleet.api.rayjob.status import RayJobStatus
from rayfleet.api.violation import Violation
from support.rayjob_rows import build_job, job_fields


def refusal(fields: object) -> list[tuple[str, str]]:
    spec = parse_spec(fields)
    assert isinstance(spec, tuple), spec
    return [(violation.path, violation.message) for violation in spec]


class TestDefaults:
    def test_they_are_those_of_the_api(self) -> None:
        """Users know them."""
        spec = build_job({"entrypoint": None, "rayClusterSpec": None})
        assert (spec.submission_mode, spec.backoff_limit, spec.ttl_seconds_after_finished) == (
            "K8sJobMode",
            0,
            0,
        )
        assert (spec.entrypoint, spec.job_id, spec.runtime_env_yaml, spec.entrypoint_resources) == ("",) * 4
        assert (spec.suspend, spec.shutdown_after_job_finishes) == (False, False)
        assert (spec.active_deadline_seconds, spec.pre_running_deadline_seconds, spec.managed_by) == (
            None,
        ) * 3
        rule = {"policy": "DeleteSelf", "condition": {"jobStatus": "FAILED"}}
        strategy = build_job({"deletionStrategy": {"deletionRules": [rule]}}).deletion_strategy
        assert strategy is not None
        assert strategy.deletion_rules[0].condition.ttl_seconds == 0

    def test_our_own_are_off_until_they_are_asked_for(self) -> None:
        """Without them attempts are counted as users know it."""
        spec = build_job()
        assert (spec.retry_policy, spec.start_policy) == (None, None)
        policy = build_job({"retryPolicy": {}}).retry_policy
        assert policy is not None
        assert policy.model_dump() == {
            "infrastructure_limit": 3,
            "cluster": "Reuse",
            "backoff_seconds": 10,
            "max_backoff_seconds": 300,
        }


class TestReading:
    def test_names_are_those_of_the_api(self) -> None:
        """Also where automatic camel case would differ."""
        spec = build_job({"runtimeEnvYAML": "pip: [a]", "entrypointNumCpus": 1, "entrypointNumGpus": 0.5})
        assert (spec.runtime_env_yaml, spec.entrypoint_num_cpus, spec.entrypoint_num_gpus) == (
            "pip: [a]",
            1,
            0.5,
        )

    def test_null_is_absent(self) -> None:
        """Go programs write null for unset fields."""
        nothing = dict.fromkeys(
            ("deletionStrategy", "metadata", "submissionMode", "suspend", "clusterSelector")
        )
        assert parse_spec({**job_fields(), **nothing}) == build_job()

    def test_fields_that_hold_text_are_read_on_request(self) -> None:
        spec = build_job({"runtimeEnvYAML": "env_vars: {A: '1'}", "entrypointResources": '{"a": 1.5}'})
        assert runtime_env(spec) == {"env_vars": {"A": "1"}}
        assert entrypoint_resources(spec) == {"a": 1.5}
        assert (runtime_env(build_job()), entrypoint_resources(build_job())) == ({}, {})
        with pytest.raises(ValueError, match=r"must be a YAML map .*: it is not a map"):
            runtime_env(build_job({"runtimeEnvYAML": "[]"}))
        with pytest.raises(ValueError, match="must be a JSON object of numbers"):
            entrypoint_resources(build_job({"entrypointResources": "[]"}))


class TestRefusal:
    @pytest.mark.parametrize(
        ("fields", "path", "message"),
        [
            (
                {"submissionMode": "SubmitMode"},
                "spec.submissionMode",
                "must be 'K8sJobMode', 'HTTPMode', 'SidecarMode' or 'InteractiveMode', but is 'SubmitMode'.",
            ),
            ({"startPolicy": "Now"}, "spec.startPolicy", "must be 'AllWorkers' or 'Head', but is 'Now'."),
            ({"entrypoint": ["python"]}, "spec.entrypoint", "must be text, but is a list."),
            ({"metadata": {"a.b": 1}}, "spec.metadata[a.b]", "must be text, but is 1."),
            ({"clusterSelector": {"a": 1}}, "spec.clusterSelector[a]", "must be text, but is 1."),
            ({"entrypointNumCpus": "1"}, "spec.entrypointNumCpus", "must be a number, but is '1'."),
            ({"entrypointNumGpus": True}, "spec.entrypointNumGpus", "must be a number, but is true."),
            ({"entrypointNumGpus": float("nan")}, "spec.entrypointNumGpus", None),
            ({"entrypointNumGpus": 2 * FLOAT32_MAX}, "spec.entrypointNumGpus", None),
            ({"entrypointNumGpus": 10**400}, "spec.entrypointNumGpus", None),
            ({"backoffLimit": 1.5}, "spec.backoffLimit", "must be a whole number, but is 1.5."),
            (
                {"deletionStrategy": {"onSuccess": {"policy": "x"}}},
                "spec.deletionStrategy.onSuccess.policy",
                None,
            ),
            (
                {"deletionStrategy": {"deletionRules": [{"policy": "DeleteSelf"}]}},
                "spec.deletionStrategy.deletionRules[0].condition",
                "is required: set it.",
            ),
            (
                {"deletionStrategy": {"deletionRules": [{"policy": "DeleteSelf", "condition": {}}] * 13}},
                "spec.deletionStrategy.deletionRules",
                "must have at most 12 entries: remove some of them.",
            ),
            ({"rayClusterSpec": {}}, "spec.rayClusterSpec.headGroupSpec", "is required: set it."),
            (
                {"rayClusterSpec.headGroupSpec.rayStartParams": {"num-cpus": 1}},
                "spec.rayClusterSpec.headGroupSpec.rayStartParams[num-cpus]",
                "must be text, but is 1.",
            ),
        ],
    )
    def test_a_field_of_the_wrong_type_is_named(
        self, fields: dict[str, Any], path: str, message: str | None
    ) -> None:
        """Its path, what it must be and what it is."""
        ((where, words),) = refusal(job_fields(fields))
        assert where == path
        assert message is None or words == message
        assert len(words) < 200

    @pytest.mark.parametrize("spec", [None, [], "x", 1])
    def test_a_spec_that_is_not_an_object_is_refused(self, spec: object) -> None:
        assert refusal(spec)[0][0] == "spec"

    def test_a_spec_that_is_nested_too_deeply_is_refused(self) -> None:
        """It could not be written into a cluster; an API server takes it."""
        deep: dict[str, Any] = {}
        for _ in range(300):
            deep = {"a": deep}
        fields = job_fields({"rayClusterSpec.headGroupSpec.template": deep})
        ((path, message),) = refusal(fields)
        assert path.startswith("spec.rayClusterSpec.headGroupSpec.template.a.a")
        assert "nested too deeply" in message
        assert TOO_DEEP in shallow_spec(fields)
        assert refusal(shallow_spec(fields)) == [(path, message)]


FIELD_NAMES = [
    *sorted(field.alias or name for name, field in RayJobSpec.model_fields.items()),
    *("spec", "containers", "restartPolicy", "template", "headGroupSpec", "onSuccess", "deletionRules"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("aé0.-{[:\ud800\x00", max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(FIELD_NAMES),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(odd=JSON)
def test_any_json_gives_a_model_or_violations(odd: object) -> None:
    """And whatever the model holds, the rules judge it."""
    spec = parse_spec(odd)
    if isinstance(spec, RayJobSpec):
        spec = validate(spec, name="train")
    assert all(isinstance(violation, Violation) for violation in spec)


@given(odd=st.dictionaries(st.sampled_from(["spec", "metadata"]), JSON, max_size=2))
def test_no_template_stops_a_rule(odd: dict[str, Any]) -> None:
    """Templates may be any JSON."""
    fields = {"rayClusterSpec.headGroupSpec.template": odd, "submitterPodTemplate": odd}
    for mode in ("K8sJobMode", "SidecarMode"):
        spec = build_job({**fields, "submissionMode": mode})
        assert all(isinstance(violation, Violation) for violation in validate(spec, name="train"))


class TestValidation:
    def test_a_plain_job_breaks_no_rule(self) -> None:
        assert validate(build_job(), name="train") == ()

    def test_all_violations_are_returned_with_those_of_the_name_first(self) -> None:
        """A user should not have to fix one field at a time."""
        spec = build_job({"suspend": True, "rayClusterSpec.workerGroupSpecs.0.minReplicas": 9, "jobId": "/"})
        violations = validate(spec, name="Train")
        assert [violation.path for violation in violations] == [
            "metadata.name",
            "spec.suspend",
            "spec.jobId",
            "spec.rayClusterSpec.workerGroupSpecs[0].minReplicas",
        ]
        assert account(violations).startswith(
            "The RayJob metadata is invalid: metadata.name: should be a valid DNS1035 label"
        )
        assert account(violations[1:]).startswith("The RayJob spec is invalid: spec.suspend: needs")
        assert account(()) == ""

    def test_the_account_of_many_violations_is_cut(self) -> None:
        """It goes into a status and an event."""
        assert len(account([Violation("spec.a", "is wrong." * 50)] * 50)) < 1_100

    def test_annotations_of_the_job_count_as_the_clusters(self) -> None:
        """The cluster gets them."""
        annotations = {"ray.io/ft-enabled": "true"}
        options = {"rayClusterSpec.gcsFaultToleranceOptions": {"redisAddress": "redis:6379"}}
        (violation,) = validate(build_job(options), name="train", annotations=annotations)
        assert violation.path == "metadata.annotations[ray.io/ft-enabled]"

    def test_a_fault_of_one_group_is_a_fault_of_the_job(self) -> None:
        """There is no cluster to run the other groups on."""
        (violation,) = validate(
            build_job({"rayClusterSpec.workerGroupSpecs.0.labels": {"a": "-"}}), name="train"
        )
        assert violation.group is None

    def test_only_a_user_is_waited_for(self) -> None:
        """In any other mode nothing would end the wait."""
        waiting = RayJobStatus(job_deployment_status="Waiting")
        (violation,) = validate_status(build_job(), waiting)
        assert violation.path == "status.jobDeploymentStatus"
        assert "cannot be Waiting" in violation.message
        assert validate_status(build_job({"submissionMode": "InteractiveMode"}), waiting) == ()
        assert validate_status(build_job(), RayJobStatus(job_deployment_status="Running")) == ()
