"""The generated CRD says what the models say, and keeps what they do not know."""

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from crds.cli import KUBERNETES_TYPES, ROOT, generated, main, outdated
from crds.kubernetes_types import QUANTITY, TIME, KubernetesTypes, reduced
from crds.model_schema import model_schema
from crds.raycluster import raycluster_crd
from crds.render import chart_template
from crds.revisions import Revisions
from rayfleet.api.crd_revisions import CRD_REVISIONS
from rayfleet.api.quantity import parse_quantity
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.kube.informer.crd_age import trouble_with

CRD = raycluster_crd(KubernetesTypes.load(KUBERNETES_TYPES))
V1: dict[str, Any] = CRD["spec"]["versions"][0]
SCHEMA: dict[str, Any] = V1["schema"]["openAPIV3Schema"]
SPEC: dict[str, Any] = SCHEMA["properties"]["spec"]
GROUP: dict[str, Any] = SPEC["properties"]["workerGroupSpecs"]["items"]


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from nodes(schema[key], f"{path}[]")


def at(path: str) -> dict[str, Any]:
    node = SPEC
    for name in path.split("."):
        node = node["properties"][name]
        node = node.get("items", node)
    return node


class TestFiles:
    def test_the_committed_files_are_what_the_models_say(self) -> None:
        """A model that is changed without `make crds` does not go unnoticed."""
        assert outdated() == []
        assert main(["--check"]) == 0

    def test_a_generated_file_that_differs_or_is_missing_is_named(self, tmp_path: Path) -> None:
        """Its path is in the message, so that nobody has to look for it."""
        files = generated()
        crd, chart, *others = files
        for path in (crd, chart):
            (tmp_path / path).parent.mkdir(parents=True)
            (tmp_path / path).write_text(files[path])
        (tmp_path / crd).write_text("# edited by hand")
        assert outdated(tmp_path) == [crd, *others]

    def test_plain_kubectl_apply_can_hold_it(self) -> None:
        """It keeps a copy in an annotation of at most 256 KiB."""
        assert len(json.dumps(CRD, separators=(",", ":"))) < 200_000

    def test_the_chart_has_the_same_crd_and_keeps_it(self) -> None:
        """Removing the release must not remove every cluster."""
        template = generated()["charts/rayfleet/templates/crds/ray.io_rayclusters.yaml"]
        condition, *lines, end = template.splitlines()
        assert (condition[:6], end) == ("{{- if", "{{- end }}")
        chart = yaml.load("\n".join(lines), yaml.CSafeLoader)
        manifest = yaml.load(generated()["crds/ray.io_rayclusters.yaml"], yaml.CSafeLoader)
        assert chart["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
        assert chart == manifest

    def test_the_crd_has_the_revision_that_the_operator_compares_it_with(self) -> None:
        """Otherwise each operator would call its own CRD old."""
        manifest = yaml.load((ROOT / "crds/ray.io_rayclusters.yaml").read_text(), yaml.CSafeLoader)
        revision = CRD_REVISIONS["rayclusters.ray.io"]
        assert trouble_with("x", manifest, revision) is None
        assert trouble_with("x", manifest, revision + 1) is not None

    def test_text_of_the_crd_is_not_a_template_in_the_chart(self) -> None:
        """Two braces start a template; in a CRD they are text."""
        text = chart_template({"metadata": {"name": "x"}, "text": "a{{b"})
        assert 'a{{ "{{" }}b' in text

    def test_the_reference_page_has_every_field(self) -> None:
        """Each has its type, its default and its meaning."""
        page = (ROOT / "docs/reference/raycluster.md").read_text()
        for model in models(RayClusterSpec):
            for name, field in model.model_fields.items():
                assert f"| `{field.alias or name}` |" in page
        assert "| `maxReplicas` | integer, at least 0 | `2147483647` |" in page
        assert "| `headGroupSpec` | [HeadGroupSpec](#headgroupspec) | required | The head. |" in page


def test_a_revision_rises_with_each_change_of_a_crd_and_with_nothing_else() -> None:
    """A new CRD starts with 1; written revisions are read back."""

    def crd(*fields: str) -> dict[str, Any]:
        schema = {"description": "A thing.", "properties": {key: {"type": "string"} for key in fields}}
        served = {"served": True, "schema": {"openAPIV3Schema": schema}}
        return {"metadata": {"name": "a"}, "spec": {"versions": [served, {"served": False, "schema": {}}]}}

    def description_of(numbered: dict[str, Any]) -> str:
        return str(numbered["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"])

    revisions = Revisions({}, {})
    assert description_of(revisions.numbered(crd("x"))) == "A thing. Schema revision 1 of rayfleet."
    module: dict[str, Any] = {}
    exec(revisions.module(), module)  # noqa: S102 - it is Python
    recorded = Revisions(module["CRD_REVISIONS"], module["CRD_DIGESTS"])
    assert recorded.numbered(crd("x")) == revisions.numbered(crd("x"))
    assert description_of(recorded.numbered(crd("x", "y"))) == "A thing. Schema revision 2 of rayfleet."


def models(model: type[BaseModel]) -> set[type[BaseModel]]:
    found = {model}
    for field in model.model_fields.values():
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(part, type) and issubclass(part, BaseModel):
                found |= models(part)
    return found


class TestSchema:
    def test_the_schema_keeps_unknown_fields(self) -> None:
        """Every object in it does."""
        closed = [
            path
            for path, node in nodes(SCHEMA)
            if node.get("type") == "object"
            and "additionalProperties" not in node
            and path != ".metadata"
            and not node.get("x-kubernetes-preserve-unknown-fields")
        ]
        assert closed == []

    def test_every_part_has_a_type(self) -> None:
        """A structural schema requires it."""
        assert [
            path for path, node in nodes(SCHEMA) if not {"type", "x-kubernetes-int-or-string"} & set(node)
        ] == []

    def test_defaults_are_those_of_the_api(self) -> None:
        """The API server fills in what tools read without defaults of their own."""
        defaults = {name: node["default"] for name, node in GROUP["properties"].items() if "default" in node}
        assert defaults == {
            "replicas": 0,
            "minReplicas": 0,
            "maxReplicas": 2147483647,
            "numOfHosts": 1,
            "priority": 0,
        }
        assert at("networkPolicy.mode")["default"] == "DenyAll"
        assert at("drainOptions.voluntarySeconds")["default"] == 600
        assert at("workerGroupSpecs.failurePolicy.nodeFailureThreshold")["default"] == 3
        assert "default" not in at("workerGroupSpecs.failurePolicy.maxSurge")

    def test_fields_that_are_off_stay_out_of_stored_objects(self) -> None:
        """A default in every object would look like drift to a tool that compares."""
        assert [name for name, node in SPEC["properties"].items() if "default" in node] == []

    def test_required_fields_are_those_of_the_api(self) -> None:
        """No more are required, or working manifests would be refused."""
        assert SPEC["required"] == ["headGroupSpec"]
        assert at("headGroupSpec")["required"] == ["template"]
        assert GROUP["required"] == ["groupName", "template"]

    @pytest.mark.parametrize(
        ("path", "values"),
        [
            ("autoscalerOptions.upscalingMode", ["Default", "Aggressive", "Conservative"]),
            ("autoscalerOptions.version", ["v1", "v2"]),
            ("autoscalerOptions.runtime", ["Operator", "Sidecar"]),
            ("autoscalerOptions.metrics.type", ["Prometheus"]),
            ("gcsFaultToleranceOptions.backend", ["redis", "rocksdb"]),
            ("upgradeStrategy.type", ["None", "Recreate", "RollingUpdate"]),
            ("authOptions.mode", ["disabled", "token"]),
            ("networkPolicy.mode", ["DenyAll", "DenyAllIngress", "DenyAllEgress"]),
            ("idleTerminationOptions.policy", ["Suspend", "Delete"]),
        ],
    )
    def test_a_choice_is_an_enum(self, path: str, values: list[str]) -> None:
        """The API server refuses any other value."""
        assert at(path)["enum"] == values

    def test_groups_are_told_apart_by_name(self) -> None:
        """Server-side apply merges them, and two of one name are refused."""
        groups = SPEC["properties"]["workerGroupSpecs"]
        assert groups["x-kubernetes-list-type"] == "map"
        assert groups["x-kubernetes-list-map-keys"] == ["groupName"]

    def test_a_bound_of_ours_is_a_bound_of_the_schema(self) -> None:
        """More than 0 means at least 1 for an integer."""
        assert at("idleTerminationOptions.timeoutSeconds")["minimum"] == 1
        assert at("autoscalerOptions.behavior.scaleUp.stabilizationWindowSeconds")["maximum"] == 3600

    def test_v1_is_stored_and_v1alpha1_is_listed(self) -> None:
        """An object that was once stored as v1alpha1 does not block the CRD."""
        versions = [(v["name"], v["served"], v["storage"]) for v in CRD["spec"]["versions"]]
        assert versions == [("v1", True, True), ("v1alpha1", False, False)]

    def test_columns_are_those_that_users_know_and_one_more(self) -> None:
        """`status` stays as tools expect it; `ready` is the current state."""
        names = [column["name"] for column in V1["additionalPrinterColumns"]]
        assert names[:4] == ["desired workers", "available workers", "cpus", "memory"]
        assert names[4:] == ["gpus", "tpus", "status", "ready", "age", "head pod IP", "head service IP"]


class Choice(BaseModel):
    either: int | str


def test_a_type_that_a_crd_cannot_express_is_an_error() -> None:
    """The schema must not accept anything instead."""
    with pytest.raises(ValueError, match="a structural schema cannot say"):
        model_schema(Choice, KubernetesTypes.load(KUBERNETES_TYPES))


def test_a_time_is_a_day_of_the_calendar() -> None:
    """Go cannot parse a 30th of February, and then not the object either."""
    for year in (1900, 2000, 2026, 2028):
        for month in range(14):
            for day in range(33):
                text = f"{year}-{month:02}-{day:02}"
                try:
                    real = bool(date.fromisoformat(text))
                except ValueError:
                    real = False
                assert bool(re.search(TIME["pattern"], f"{text}T23:59:59Z")) is real, text


@settings(max_examples=50)
@given(text=st.from_regex(re.compile(QUANTITY["pattern"], re.ASCII), fullmatch=True))
def test_every_quantity_that_the_schema_accepts_can_be_parsed(text: str) -> None:
    """The operator must parse whatever the API server accepts."""
    assert parse_quantity(text).is_finite()


def test_reducing_keeps_types_and_drops_descriptions() -> None:
    """Descriptions are most of Kubernetes' schemas; the rest still refuses wrong types."""
    core, meta = "io.k8s.api.core.v1.", "io.k8s.apimachinery.pkg.apis.meta.v1."
    leaf = {"type": "string", "description": "long", "enum": ["a"], "default": ""}
    described: dict[str, Any] = {core + name: {"type": "object", "properties": {"a": leaf}} for name in CORE}
    described |= {f"io.k8s.api.networking.v1.{name}": {"type": "object"} for name in NETWORKING}
    described[core + "PodTemplateSpec"]["properties"] = {
        "spec": {"allOf": [{"$ref": f"#/components/schemas/{core}PodSpec"}], "default": {}},
        "when": {"$ref": f"#/components/schemas/{meta}Time"},
    }
    port = {"type": "integer", "format": "int32", "description": "long"}
    described[core + "Port"] = {
        "type": "object",
        "properties": {"port": port, "protocol": leaf},
        "required": ["port"],
    }
    described[core + "EphemeralContainer"] = {"type": "object"}
    keys = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"]}
    entries = {
        "type": "array",
        "items": {"$ref": core + "Port"},
        "x-kubernetes-patch-merge-key": "port",
        **keys,
    }
    ephemeral = {"type": "array", "items": {"$ref": core + "EphemeralContainer"}}
    described[core + "PodSpec"] = {
        "type": "object",
        "properties": {"ports": entries, "ephemeralContainers": ephemeral},
    }

    schema = KubernetesTypes("v1", reduced(described)).schema("PodTemplateSpec")

    assert schema["properties"]["when"] == TIME
    assert schema["properties"]["spec"]["properties"]["ports"] == {
        "type": "array",
        **keys,
        "items": {
            "type": "object",
            "required": ["port"],
            "properties": {
                "port": {"type": "integer", "format": "int32"},
                "protocol": {"type": "string", "default": "TCP"},
            },
            "x-kubernetes-preserve-unknown-fields": True,
        },
    }


CORE = (
    *("PodTemplateSpec", "Service", "ResourceRequirements", "SecurityContext", "EnvVar", "EnvFromSource"),
    *("EnvVarSource", "VolumeMount"),
)
NETWORKING = ("IngressTLS", "NetworkPolicyIngressRule", "NetworkPolicyEgressRule")
