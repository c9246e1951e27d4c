"""The chart's values: each is explained, each is checked, and the README says what they are."""

import json
import re
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import yaml

from chart_readme.cli import CHART, main
from chart_readme.page import readme
from chart_readme.values import UncommentedValueError, Value, read_values
from chart_renders.renders import value_sets, values_of
from crds.cli import ROOT
from rayfleet.api.raycluster import RayClusterSpec, parse_spec
from rayfleet.api.raycluster.validation import validate

TEXT = (CHART / "values.yaml").read_text()
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
ONLY_IN_THE_SCHEMA = {"global"}
"""Values that Helm itself passes to every chart."""


def objects(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the schema with named fields, by path."""
    if "properties" in schema:
        yield path, schema
    for name, inner in (schema.get("$defs", {}) | schema.get("properties", {})).items():
        yield from objects(inner, f"{path}.{name}")
    if isinstance(schema.get("items"), dict):
        yield from objects(schema["items"], f"{path}[]")


def test_the_readme_matches_the_comments() -> None:
    """`make lint` checks the same."""
    assert (CHART / "README.md").read_text() == readme(read_values(TEXT))
    assert main(["--check"]) == 0


def test_a_value_has_its_comment_and_its_default_as_one_row() -> None:
    """A map has a row without a default if its parts have rows of their own."""
    (section,) = read_values("## One\n\n# A map.\na:\n  # Two\n  # lines.\n  b: [1]\n# Free.\nc:\n  d: 1\n")
    assert section.title == "One"
    rows = (Value("a", None, "A map."), Value("a.b", [1], "Two lines."), Value("c", {"d": 1}, "Free."))
    assert tuple(section.values) == rows


@pytest.mark.parametrize(
    ("text", "named"),
    [("## One\n\n# A map.\na:\n  # Two.\n  b: 1\n  c: 2\n", "a.c"), ("# Early.\na: 1\n## One\n", "a stands")],
)
def test_a_value_that_the_readme_would_lack_is_named(text: str, named: str) -> None:
    """So `make lint` fails instead."""
    with pytest.raises(UncommentedValueError, match=named):
        read_values(text)


def test_a_misspelt_value_is_refused_at_every_level() -> None:
    """No object whose fields are known takes others, except a volume, which has a field for each kind."""
    open_ones = [
        path for path, schema in objects(SCHEMA, "") if schema.get("additionalProperties") is not False
    ]
    assert open_ones == [".extraVolumes[]"]


def test_every_value_is_in_the_schema_and_every_field_of_the_schema_is_a_value() -> None:
    """Each has a default of a type that the schema accepts."""

    def compare(values: dict[str, Any], schema: dict[str, Any], path: str) -> None:
        known = set(schema["properties"]) - (ONLY_IN_THE_SCHEMA if not path else set())
        assert set(values) == known, path
        for name, value in values.items():
            inner = schema["properties"][name]
            if isinstance(value, dict) and value and "properties" in inner:
                compare(value, inner, f"{path}.{name}")

    values = yaml.safe_load(TEXT)
    values["scaling"]["ceilings"] = dict.fromkeys(
        SCHEMA["properties"]["scaling"]["properties"]["ceilings"]["properties"], 1
    )
    compare(values, SCHEMA, "")


@pytest.mark.parametrize(
    "quantity", ["0", "50m", "0.5", ".5", "2.", "96Mi", "1.5Gi", "1k", "1e3", "1E-3", "2E"]
)
def test_a_quantity_may_be_written_in_every_way_of_kubernetes(quantity: str) -> None:
    assert re.search(SCHEMA["$defs"]["quantity"]["pattern"], quantity)


@pytest.mark.parametrize("text", ["lots", "", "1 Gi", "1GB", "1gi", "Gi", "-1", "1.2.3", "1ki", "1Mi "])
def test_a_text_that_is_no_quantity_is_refused(text: str) -> None:
    assert not re.search(SCHEMA["$defs"]["quantity"]["pattern"], text)


def test_there_is_a_recorded_set_of_values_for_every_value() -> None:
    """Each value is set in at least one of those of which the renders are recorded."""

    def leaves(values: dict[str, Any], known: set[str], prefix: str = "") -> set[str]:
        found = set()
        for name, value in values.items():
            path = f"{prefix}{name}"
            found |= {path} if path in known else leaves(value, known, f"{path}.")
        return found

    defaults = {value.path: value.default for section in read_values(TEXT) for value in section.values}
    known = {path for path, default in defaults.items() if default is not None}
    given = [yaml.safe_load(values_of(name).read_text()) for name in value_sets()]
    assert len(given) >= 12
    missing = known - {"crds.enabled"} - set().union(*(leaves(values, known) for values in given))
    assert not missing, "set them in tests/golden/chart/values/, then `make chart-renders`"


class TestArtifactHub:
    ANNOTATIONS: ClassVar[dict[str, str]] = yaml.safe_load((CHART / "Chart.yaml").read_text())["annotations"]

    def test_the_crds_are_those_that_the_chart_installs(self) -> None:
        listed = {crd["name"] for crd in yaml.safe_load(self.ANNOTATIONS["artifacthub.io/crds"])}
        installed = {
            yaml.load(file.read_text(), yaml.CSafeLoader)["metadata"]["name"]
            for file in (ROOT / "crds").iterdir()
        }
        assert listed == installed

    def test_the_examples_break_no_rule(self) -> None:
        """A reader may copy them."""
        examples = yaml.safe_load(self.ANNOTATIONS["artifacthub.io/crdsExamples"])
        assert [example["kind"] for example in examples] == ["RayCluster"]
        for example in examples:
            spec = parse_spec(example["spec"])
            assert isinstance(spec, RayClusterSpec), spec
            assert not validate(spec, name=example["metadata"]["name"])
