"""The CRDs of RayJob and RayCronJob: fields that users know, our own, and nothing a Go client cannot read."""

import json
from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest
import yaml

from crds.cli import KUBERNETES_TYPES, ROOT
from crds.kinds import KINDS, Kind
from crds.kubernetes_types import KubernetesTypes
from crds.render import manifest
from crds.shortening import compact, without_descriptions, without_transitions
from rayfleet.api.crd_revisions import CRD_REVISIONS
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.api.rayjob import RayJobSpec

Schema: TypeAlias = dict[str, Any]

TYPES = KubernetesTypes.load(KUBERNETES_TYPES)
OF_KIND = {kind.kind: kind for kind in KINDS}
CRDS = {name: kind.crd(TYPES) for name, kind in OF_KIND.items()}
CLUSTER, JOB, CRON = (CRDS[name]["spec"]["versions"][0] for name in ("RayCluster", "RayJob", "RayCronJob"))
BOTH = pytest.mark.parametrize("v1", [JOB, CRON], ids=["RayJob", "RayCronJob"])
ALL = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)


def at(v1: Schema, path: str) -> Schema:
    """The schema of a field, by a path such as `spec.deletionStrategy.deletionRules[].policy`."""
    node: Schema = v1["schema"]["openAPIV3Schema"]
    for name in path.split("."):
        node = node["properties"][name.removesuffix("[]")]
        node = node["items"] if name.endswith("[]") else node
    return node


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from nodes(schema[key], f"{path}[]")


def rules(v1: Schema, path: str) -> list[str]:
    return [rule["rule"] for rule in at(v1, path).get("x-kubernetes-validations", ())]


NOT_REFUSING = {
    *("properties", "items", "additionalProperties", "description", "x-kubernetes-validations"),
    *("x-kubernetes-preserve-unknown-fields", "x-kubernetes-map-type"),
}


def refusing(node: Schema) -> Schema:
    """The part of a schema by which it refuses values of its field, but for rules about changes."""
    found = {key: value for key, value in node.items() if key not in NOT_REFUSING}
    if found.get("x-kubernetes-list-type") == "atomic":
        del found["x-kubernetes-list-type"]  # The default.
    rules = [rule for rule in node.get("x-kubernetes-validations", ()) if "oldSelf" not in rule["rule"]]
    return found | ({"rules": rules} if rules else {})


@ALL
def test_plain_kubectl_apply_can_hold_every_crd(kind: Kind) -> None:
    """It keeps a copy in an annotation of at most 256 KiB, next to others."""
    assert len(json.dumps(CRDS[kind.kind], separators=(",", ":"))) < 200_000


@ALL
def test_the_revision_of_every_crd_is_on_record(kind: Kind) -> None:
    assert CRD_REVISIONS[f"{kind.plural}.ray.io"] >= 1


@ALL
def test_a_manifest_has_what_the_crd_has(kind: Kind) -> None:
    """Numbers and patterns survive YAML."""
    assert yaml.load(manifest(CRDS[kind.kind]), yaml.CSafeLoader) == json.loads(json.dumps(CRDS[kind.kind]))


@ALL
def test_only_the_crds_of_kinds_that_are_served_are_installed(kind: Kind) -> None:
    """Another operator may serve the others, by CRDs of its own; the page says so."""
    for folder in ("crds", "charts/rayfleet/templates/crds"):
        assert (ROOT / folder / kind.file).exists() == kind.is_served
    page = (ROOT / kind.page).read_text()
    assert (f"This release does not act on {kind.kind}s yet" in page) != kind.is_served


class TestVersions:
    def test_v1alpha1_of_rayjob_is_listed_and_not_served(self) -> None:
        """Objects may once have been stored in it."""
        versions = CRDS["RayJob"]["spec"]["versions"]
        assert [(v["name"], v["served"], v["storage"]) for v in versions] == [
            ("v1", True, True),
            ("v1alpha1", False, False),
        ]

    def test_raycronjob_has_only_v1(self) -> None:
        assert [version["name"] for version in CRDS["RayCronJob"]["spec"]["versions"]] == ["v1"]

    @ALL
    def test_names_are_those_of_the_api(self, kind: Kind) -> None:
        names = CRDS[kind.kind]["spec"]["names"]
        assert names == {
            "kind": kind.kind,
            "listKind": f"{kind.kind}List",
            "plural": f"{kind.kind.lower()}s",
            "singular": kind.kind.lower(),
            "categories": ["all"],
        }


class TestColumns:
    def test_those_of_rayjob_come_first_and_ours_are_wide(self) -> None:
        columns = [(c["name"], c["jsonPath"], c["type"]) for c in JOB["additionalPrinterColumns"]]
        assert columns[:6] == [
            ("job status", ".status.jobStatus", "string"),
            ("deployment status", ".status.jobDeploymentStatus", "string"),
            ("ray cluster name", ".status.rayClusterName", "string"),
            ("start time", ".status.startTime", "string"),
            ("end time", ".status.endTime", "string"),
            ("age", ".metadata.creationTimestamp", "date"),
        ]
        assert [c.get("priority", 0) for c in JOB["additionalPrinterColumns"]] == [0] * 6 + [1] * 4

    def test_those_of_raycronjob_come_first_and_ours_are_wide(self) -> None:
        columns = [(c["name"], c["jsonPath"], c["type"]) for c in CRON["additionalPrinterColumns"]]
        assert columns[:5] == [
            ("schedule", ".spec.schedule", "string"),
            ("timezone", ".spec.timeZone", "string"),
            ("last schedule", ".status.lastScheduleTime", "date"),
            ("age", ".metadata.creationTimestamp", "date"),
            ("suspend", ".spec.suspend", "boolean"),
        ]
        assert [c.get("priority", 0) for c in CRON["additionalPrinterColumns"]] == [0] * 5 + [1] * 2

    @BOTH
    def test_columns_show_fields_that_exist(self, v1: Schema) -> None:
        paths = [c["jsonPath"].removeprefix(".") for c in v1["additionalPrinterColumns"]]
        for path in paths:
            if path.startswith(("spec", "status")) and "[" not in path:
                assert at(v1, path)


DELETION = "spec.deletionStrategy"
CONDITION = f"{DELETION}.deletionRules[].condition"


class TestRayJob:
    def test_defaults_are_those_of_the_api(self) -> None:
        """Other fields stay out of stored objects; those of a part that is not set, too."""
        fields = at(JOB, "spec")["properties"]
        assert {name: field["default"] for name, field in fields.items() if "default" in field} == {
            "submissionMode": "K8sJobMode",
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": 0,
        }
        assert at(JOB, f"{CONDITION}.ttlSeconds")["default"] == 0
        assert (at(JOB, "status.failed")["default"], at(JOB, "status.succeeded")["default"]) == (0, 0)
        assert at(JOB, "spec.rayClusterSpec.workerGroupSpecs[].maxReplicas")["default"] == 2**31 - 1
        assert "default" not in at(JOB, "spec.submitterConfig.backoffLimit")

    @pytest.mark.parametrize(
        ("path", "bound", "value"),
        [
            ("spec.preRunningDeadlineSeconds", "minimum", 1),
            ("spec.activeDeadlineSeconds", "minimum", 1),
            (f"{CONDITION}.ttlSeconds", "minimum", 0),
            (f"{DELETION}.deletionRules", "minItems", 1),
            (f"{DELETION}.deletionRules", "x-kubernetes-list-type", "atomic"),
            (
                f"{DELETION}.deletionRules[].policy",
                "enum",
                ["DeleteCluster", "DeleteWorkers", "DeleteSelf", "DeleteNone"],
            ),
            (
                f"{DELETION}.onSuccess.policy",
                "enum",
                ["DeleteCluster", "DeleteWorkers", "DeleteSelf", "DeleteNone"],
            ),
            (f"{CONDITION}.jobStatus", "enum", ["SUCCEEDED", "FAILED"]),
            (f"{CONDITION}.jobDeploymentStatus", "enum", ["Failed"]),
            ("spec.submissionMode", "enum", ["K8sJobMode", "HTTPMode", "SidecarMode", "InteractiveMode"]),
            ("spec.entrypointNumGpus", "type", "number"),
        ],
    )
    def test_bounds_and_choices_are_those_of_the_api(self, path: str, bound: str, value: object) -> None:
        """An unknown mode would end in a job that nobody submits."""
        assert at(JOB, path)[bound] == value

    def test_required_fields_are_those_of_the_api(self) -> None:
        """No more, or working manifests would be refused."""
        assert "required" not in at(JOB, "spec")
        assert at(JOB, f"{DELETION}.deletionRules[]")["required"] == ["condition", "policy"]
        assert at(JOB, "spec.rayClusterSpec")["required"] == ["headGroupSpec"]

    def test_every_field_of_the_models_is_there(self) -> None:
        """Under its name in manifests."""
        for path, model in (("spec", RayJobSpec), ("spec.rayClusterSpec", RayClusterSpec)):
            names = {field.alias or name for name, field in model.model_fields.items()}
            assert set(at(JOB, path)["properties"]) == names

    def test_rules_are_those_of_the_api_with_our_manager(self) -> None:
        assert rules(JOB, "spec.managedBy") == [
            "self == oldSelf",
            "self in ['ray.io/kuberay-operator', 'kueue.x-k8s.io/multikueue', 'rayfleet.io/operator']",
        ]
        assert len(rules(JOB, DELETION)) == 2
        assert len(rules(JOB, CONDITION)) == 2


class TestRayCronJob:
    def test_required_fields_and_bounds_are_those_of_the_api(self) -> None:
        assert at(CRON, "spec")["required"] == ["jobTemplate", "schedule"]
        assert at(CRON, "spec.timeZone")["minLength"] == 1
        assert at(CRON, "spec.concurrencyPolicy")["enum"] == ["Allow", "Forbid", "Replace"]
        assert at(CRON, "spec.startingDeadlineSeconds")["minimum"] == 0

    def test_fields_that_are_off_stay_out_of_stored_objects(self) -> None:
        assert [name for name, field in at(CRON, "spec")["properties"].items() if "default" in field] == []

    def test_the_template_is_the_spec_of_a_rayjob(self) -> None:
        """With its defaults, as the RayJob would get them anyway."""
        template, spec = at(CRON, "spec.jobTemplate"), at(JOB, "spec")
        assert without_transitions({**spec, "description": ""}) == {**template, "description": ""}

    def test_a_template_may_change(self) -> None:
        """It describes RayJobs that do not exist yet."""
        paths = [
            path
            for path, node in nodes(at(CRON, "spec"))
            if "oldSelf" in json.dumps(node.get("x-kubernetes-validations"))
        ]
        assert paths == []


class TestWhatAGoClientReads:
    """A Go client that cannot read one object cannot list its kind, so nothing in a schema is loose."""

    @BOTH
    def test_every_part_has_a_type(self, v1: Schema) -> None:
        schema = v1["schema"]["openAPIV3Schema"]
        assert [
            path for path, node in nodes(schema) if not {"type", "x-kubernetes-int-or-string"} & set(node)
        ] == []

    @BOTH
    def test_no_object_is_loose(self, v1: Schema) -> None:
        """Each has its fields, or what its values are; where a list must be empty, it does not matter."""
        schema = v1["schema"]["openAPIV3Schema"]
        loose = [
            path
            for path, node in nodes(schema)
            if node.get("type") == "object" and not {"properties", "additionalProperties"} & set(node)
        ]
        assert {path.rpartition(".")[2] for path in loose} == {
            "metadata",
            "ephemeralContainers[]",
            "managedFields[]",
        }
        assert all(path == ".metadata" or path.endswith("[]") for path in loose)

    @BOTH
    def test_a_cluster_is_as_strict_as_in_a_raycluster(self, v1: Schema) -> None:
        """Shortening takes nothing away by which a value is refused."""
        inside = "spec.jobTemplate." if v1 is CRON else "spec."
        template = at(CLUSTER, "spec.headGroupSpec.template")
        for path, whole in (("rayClusterSpec", at(CLUSTER, "spec")), ("submitterPodTemplate", template)):
            shortened = dict(nodes(at(v1, inside + path)))
            assert len(shortened) > 1000
            for place, node in nodes(whole):
                if "managedFields" not in place:
                    assert refusing(shortened[place]) == refusing(node), place


class TestShortening:
    def test_pods_and_containers_keep_unknown_fields(self) -> None:
        """Kubernetes adds fields to these in most releases."""
        pod = compact(TYPES).schema("PodTemplateSpec")["properties"]["spec"]
        container = pod["properties"]["containers"]["items"]
        for node in (
            pod,
            container,
            pod["properties"]["volumes"]["items"],
            container["properties"]["env"]["items"],
        ):
            assert node["x-kubernetes-preserve-unknown-fields"] is True
        assert "x-kubernetes-preserve-unknown-fields" not in container["properties"]["ports"]["items"]

    def test_a_field_that_is_called_description_stays(self) -> None:
        """Only the words about fields go."""
        schema = {
            "type": "object",
            "description": "words",
            "properties": {"description": {"type": "string", "description": "words"}},
        }
        assert without_descriptions(schema) == {
            "type": "object",
            "properties": {"description": {"type": "string"}},
        }

    def test_only_rules_about_changes_go(self) -> None:
        stays, goes = {"rule": "self > 0"}, {"rule": "self == oldSelf"}
        schema = {"type": "integer", "x-kubernetes-validations": [goes, stays]}
        assert without_transitions(schema) == {"type": "integer", "x-kubernetes-validations": [stays]}
        assert without_transitions({"type": "integer", "x-kubernetes-validations": [goes]}) == {
            "type": "integer"
        }
