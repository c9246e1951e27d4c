"""The models parse what users write, and name what they cannot parse."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from pydantic import ValidationError

from rayfleet.api.base import ApiModel
from rayfleet.api.raycluster import RayClusterSpec, RayVersion, parse_ray_version, parse_spec
from rayfleet.api.violation import Violation

TEMPLATE: dict[str, Any] = {
    "spec": {"containers": [{"name": "ray", "image": "ray:2.60.0", "odd": [1, None]}]}
}


def read(**fields: object) -> RayClusterSpec:
    spec = parse_spec({"headGroupSpec": {"template": TEMPLATE}, **fields})
    assert isinstance(spec, RayClusterSpec), spec
    return spec


def refusal(**fields: object) -> list[tuple[str, str]]:
    spec = parse_spec({"headGroupSpec": {"template": TEMPLATE}, **fields})
    assert isinstance(spec, tuple), spec
    return [(violation.path, violation.message) for violation in spec]


class TestDefaults:
    def test_a_group_has_the_defaults_of_the_api(self) -> None:
        """Ray's users know them."""
        (group,) = read(workerGroupSpecs=[{"groupName": "gpu", "template": TEMPLATE}]).worker_group_specs
        sizes = (group.replicas, group.min_replicas, group.max_replicas, group.num_of_hosts, group.priority)
        assert sizes == (0, 0, 2_147_483_647, 1, 0)
        assert (group.idle_timeout_seconds, group.suspend, group.scale_strategy.workers_to_delete) == (
            None,
            False,
            (),
        )

    def test_a_cluster_has_the_defaults_of_the_api(self) -> None:
        """Everything optional is off."""
        spec = read()
        assert spec.head_group_spec.service_type == "ClusterIP"
        assert (spec.enable_in_tree_autoscaling, spec.suspend, spec.managed_by) == (False, False, None)
        assert spec.auth_options.mode == "disabled"
        options = (
            spec.gcs_fault_tolerance_options,
            spec.network_policy,
            spec.tls_options,
            spec.upgrade_strategy,
        )
        assert options == (None, None, None, None)

    def test_our_own_fields_have_their_defaults(self) -> None:
        """The documentation promises them."""
        (group,) = read(workerGroupSpecs=[{"groupName": "gpu", "template": TEMPLATE}]).worker_group_specs
        policy = group.failure_policy
        assert policy.model_dump() == {
            "initial_backoff_seconds": 1,
            "max_backoff_seconds": 300,
            "node_failure_threshold": 3,
            "node_exclusion_seconds": 3600,
            "node_not_ready_seconds": 60,
            "join_timeout_seconds": 300,
            "max_surge": None,
        }
        assert read().drain_options.model_dump() == {"voluntary_seconds": 600, "involuntary_seconds": 60}
        options = read().autoscaler_options
        assert (options.runtime, options.target, options.metrics) == (None, "Status", ())


class TestReading:
    def test_names_are_those_of_the_api(self) -> None:
        """Also where automatic camel case would differ."""
        assert read(
            authOptions={"mode": "token", "enableK8sTokenAuth": True}
        ).auth_options.enable_k8s_token_auth

    def test_null_is_absent(self) -> None:
        """The API server treats it so: Go programs write null for unset fields."""
        spec = read(suspend=None, autoscalerOptions=None, workerGroupSpecs=None, rayVersion=None)
        assert spec == read()

    def test_a_template_is_kept_as_it_is(self) -> None:
        """Nothing in it is parsed, completed or dropped."""
        assert read().head_group_spec.template == TEMPLATE

    def test_an_unknown_field_is_ignored(self) -> None:
        """A manifest of a later version still works."""
        assert read(ofTomorrow={"a": 1}) == read()

    def test_a_whole_number_may_be_written_with_a_point(self) -> None:
        """JSON has one kind of number."""
        (group,) = read(
            workerGroupSpecs=[{"groupName": "gpu", "template": TEMPLATE, "replicas": 2.0}]
        ).worker_group_specs
        assert group.replicas == 2

    @pytest.mark.parametrize(
        ("written", "size"),
        [
            (2**31, 2**31),
            (2.0**40, 2**40),
            ("1Gi", "1Gi"),
            (2**63, "9223372036854775808"),
            (1e30, str(int(1e30))),
        ],
    )
    def test_a_quantity_may_be_a_number_of_any_size(self, written: object, size: object) -> None:
        """A volume's size in bytes is larger than other numbers."""
        options = read(gcsFaultToleranceOptions={"storage": {"size": written}}).gcs_fault_tolerance_options
        assert options is not None
        assert options.storage is not None
        assert options.storage.size == size

    def test_a_spec_cannot_be_changed(self) -> None:
        """Plans are made from values."""
        with pytest.raises(ValidationError, match="frozen"):
            read().suspend = True


class TestRefusal:
    def test_each_wrong_field_is_named(self) -> None:
        """All of them are named at once, by path."""
        params = {"num-cpus": 2, "memory": 3}
        group = {"template": TEMPLATE, "replicas": "many", "rayStartParams": params}
        assert refusal(workerGroupSpecs=[group], suspend="yes", upgradeStrategy={"type": "Now"}) == [
            ("spec.workerGroupSpecs[0].groupName", "is required: set it."),
            ("spec.workerGroupSpecs[0].replicas", "must be a whole number, but is 'many'."),
            ("spec.workerGroupSpecs[0].rayStartParams[num-cpus]", "must be text, but is 2."),
            ("spec.workerGroupSpecs[0].rayStartParams[memory]", "must be text, but is 3."),
            ("spec.upgradeStrategy.type", "must be 'None', 'Recreate' or 'RollingUpdate', but is 'Now'."),
            ("spec.suspend", "must be true or false, but is 'yes'."),
        ]

    @pytest.mark.parametrize(
        ("fields", "path", "message"),
        [
            ({"headGroupSpec": []}, "spec.headGroupSpec", "must be an object, but is a list."),
            ({"headGroupSpec": {}}, "spec.headGroupSpec.template", "is required: set it."),
            ({"workerGroupSpecs": "x"}, "spec.workerGroupSpecs", "must be a list, but is 'x'."),
            ({"workerGroupSpecs": {}}, "spec.workerGroupSpecs", "must be a list, but is an object."),
            ({"workerGroupSpecs": [None]}, "spec.workerGroupSpecs[0]", "must be an object, but is null."),
            ({"rayVersion": True}, "spec.rayVersion", "must be text, but is true."),
            (
                {"drainOptions": {"voluntarySeconds": -1}},
                "spec.drainOptions.voluntarySeconds",
                "must be at least 0, but is -1.",
            ),
            (
                {"drainOptions": {"voluntarySeconds": float("nan")}},
                "spec.drainOptions.voluntarySeconds",
                "must be a whole number, but is nan.",
            ),
            (
                {"drainOptions": {"voluntarySeconds": 2**31}},
                "spec.drainOptions.voluntarySeconds",
                "must be between -2147483648 and 2147483647, but is 2147483648.",
            ),
            (
                {"idleTerminationOptions": {"timeoutSeconds": 0, "policy": "Delete"}},
                "spec.idleTerminationOptions.timeoutSeconds",
                "must be more than 0, but is 0.",
            ),
            (
                {"autoscalerOptions": {"behavior": {"scaleUp": {"stabilizationWindowSeconds": 3601}}}},
                "spec.autoscalerOptions.behavior.scaleUp.stabilizationWindowSeconds",
                "must be at most 3600, but is 3601.",
            ),
            (
                {"upgradeStrategy": {"type": "RollingUpdate", "maxSurge": [1]}},
                "spec.upgradeStrategy.maxSurge",
                "must be a whole number or text, but is a list.",
            ),
            ({"managedBy": 7}, "spec.managedBy", "must be text, but is 7."),
            ({"networkPolicy": {"mode": "x" * 99}}, "spec.networkPolicy.mode", None),
        ],
    )
    def test_a_field_of_the_wrong_type_is_named(
        self, fields: dict[str, Any], path: str, message: str | None
    ) -> None:
        """The message has its path, its required and actual type, and never pages of input."""
        ((where, words),) = refusal(**fields)
        assert where == path
        assert message is None or words == message
        assert len(words) < 200

    @pytest.mark.parametrize("spec", [None, [], "x", 1, 0.5, True])
    def test_a_spec_that_is_not_an_object_is_refused(self, spec: object) -> None:
        """Whatever else it is."""
        (violation,) = parse_spec(spec)
        assert isinstance(violation, Violation)
        assert violation.path == "spec"
        assert str(violation).startswith("spec: must be an object, but is ")


FIELD_NAMES = sorted(
    {field.alias or name for model in ApiModel.__subclasses__() for name, field in model.model_fields.items()}
    | {
        "template",
        "groupName",
        "replicas",
        "rayStartParams",
        "mode",
        "type",
        "env",
        "storage",
        "metrics",
        "groups",
    }
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("aé0.-\ud800\x00", max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELD_NAMES) | st.text("ab", max_size=2), inner, max_size=5)
    ),
    max_leaves=15,
)


@given(spec=JSON)
def test_any_json_gives_a_model_or_violations(spec: object) -> None:
    """It never raises an exception."""
    answer = parse_spec(spec)
    if not isinstance(answer, RayClusterSpec):
        assert answer
        assert all(isinstance(violation, Struct) for violation in answer)


def test_a_deeply_nested_spec_gives_a_violation() -> None:
    """The API server takes 10,000 levels, Python's stack does not."""
    deep: object = {}
    for _ in range(10_000):
        deep = {"a": deep}
    answer = parse_spec({"headGroupSpec": {"template": deep}})
    assert isinstance(answer, tuple)
    assert [violation.path[:30] for violation in answer] == ["spec.headGroupSpec.template.a."]
    assert isinstance(parse_spec({"headGroupSpec": {"template": {}, "rayStartParams": deep}}), tuple)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("2.60.0", RayVersion(2, 60)),
        ("2.60", RayVersion(2, 60)),
        ("v2.9.3", RayVersion(2, 9, 3)),
        ("2.60.0rc1", RayVersion(2, 60)),
        ("3.0.0.dev0", RayVersion(3, 0)),
        ("2.52.0-py311", RayVersion(2, 52)),
        ("", None),
        ("nightly", None),
        ("2", None),
        ("2.x", None),
    ],
)
def test_a_ray_version_is_read(text: str, version: RayVersion | None) -> None:
    """The forms in manifests are read; anything else is not a version."""
    assert parse_ray_version(text) == version
