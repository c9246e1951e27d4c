"""The chart grants for each feature the rights that docs/security.md says it takes."""

import re
from pathlib import Path

import pytest
import yaml

from support.chart import CHART, must_helm, of_kind, render_file
from support.operator_process import RELEASE, REPOSITORY

Right = tuple[str, str, str]
"""Where (a namespace, or `*`), on what, and which verb."""

PAGE = (REPOSITORY / "docs" / "security.md").read_text()
SECTION = "## Which feature takes which right"
OPERATORS = "rayfleet-system"
SWITCHES: dict[str, tuple[str, str, str]] = {
    "tokenAuth.enabled": ("true", "false", ""),
    "autoscaling.targetSpec": ("true", "false", ""),
    "finalizers.release": ("true", "false", "autoscaling: {targetSpec: false}"),
    "crds.check": ("true", "false", "watchNamespaces: [a]"),
    "otherOperator.namespaces": ("[kuberay]", "[]", "watchNamespaces: [a]"),
    "nodes.watch": ("true", "false", ""),
    "jobs.enabled": ("true", "false", "autoscaling: {targetSpec: false}"),
}
"""The values with and without the feature, and further values for both."""


def rows() -> list[tuple[str, set[tuple[str, str]], str]]:
    """Feature, rights and value, from the table."""
    text = PAGE.partition(SECTION)[2].partition("\n## ")[0]
    cells = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line[:1] == "|"
    ]
    return [(feature, rights_in(rights), value) for feature, rights, value in cells[2:]]


def rights_in(cell: str) -> set[tuple[str, str]]:
    """The resources and verbs."""
    found = re.findall(r"`([^`]+)`: ([a-z, ]+)", cell)
    return {
        (name.rpartition("k8s.io/")[2], verb.strip()) for name, verbs in found for verb in verbs.split(",")
    }


def granted(file: Path, text: str) -> set[Right]:
    """All that the chart grants with these values."""
    file.write_text(text)
    objects = render_file(file, namespace=OPERATORS)
    return {
        (role["metadata"].get("namespace", "*"), resource, verb)
        for role in of_kind("Role", objects) + of_kind("ClusterRole", objects)
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_there_is_a_switch_for_every_optional_feature() -> None:
    """A test below covers each."""
    named = {re.findall(r"`([a-zA-Z.]+)`,", value)[0] for _, _, value in rows() if value != "always"}
    assert named == set(SWITCHES)


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_switch_adds_exactly_the_rights_of_its_feature(tmp_path: Path, switch: str) -> None:
    """It removes the same."""
    on, off, others = SWITCHES[switch]
    (rights,) = (rights for _, rights, value in rows() if f"`{switch}`" in value)
    section, _, name = switch.partition(".")
    others = f"{others}\n"
    with_it = granted(tmp_path / "on.yaml", f"{others}{section}: {{{name}: {on}}}\n")
    without = granted(tmp_path / "off.yaml", f"{others}{section}: {{{name}: {off}}}\n")
    assert without < with_it
    assert {(resource, verb) for _, resource, verb in with_it - without} == rights


@pytest.mark.parametrize("namespaces", ["[]", "[a, b]"])
def test_the_rights_without_features_are_those_for_running_clusters(tmp_path: Path, namespaces: str) -> None:
    """A ClusterRole grants them, or a Role in each namespace."""
    everything_off = "tokenAuth: {enabled: false}\nautoscaling: {targetSpec: false}\n"
    found = granted(tmp_path / "values.yaml", f"{everything_off}watchNamespaces: {namespaces}\n")
    always = set().union(*(rights for _, rights, value in rows() if value == "always"))
    if namespaces == "[]":
        always |= {("customresourcedefinitions", "get")}
    named = {(resource.removeprefix("local"), verb) for _, resource, verb in found}
    assert named == always
    where = {place for place, *_ in found}
    assert where == ({"*", OPERATORS} if namespaces == "[]" else {"a", "b", OPERATORS})


def notes(file: Path, text: str) -> str:
    """What helm says after an installation."""
    file.write_text(text)
    options = ("--dry-run=client", "--set=crds.enabled=false", f"--values={file}")
    return must_helm("install", RELEASE, str(CHART), *options).partition("NOTES:")[2]


def test_an_installation_for_some_namespaces_says_what_it_lacks(tmp_path: Path) -> None:
    """The notes have the value that changes it; the documentation has each, too."""
    said = notes(tmp_path / "values.yaml", "watchNamespaces: [team-a, team-b]")
    assert "RayClusters of the namespaces team-a, team-b" in said
    lacking = {"watchNamespaces", "scaling.ceilings.gpusTotal", "otherOperator.namespaces", "crds.check"}
    assert set(re.findall(r"`([a-zA-Z.]+)`", said)) >= lacking
    section = PAGE.partition("## What the operator lacks with `watchNamespaces`")[2].partition("\n## ")[0]
    assert all(f"`{value}" in section for value in lacking)
    said = notes(tmp_path / "values.yaml", "watchNamespaces: [a]\ncrds: {check: true}")
    assert "crds.check" not in said


@pytest.mark.parametrize(
    ("switches", "words"),
    [
        ("crds: {check: true}", "except to read its CRD. So"),
        ("nodes: {watch: true}", "except to read nodes. So"),
        ("crds: {check: true}\nnodes: {watch: true}", "except to read its CRD and nodes. So"),
        ("nodes: null\ncrds: {check: true}", "except to read its CRD. So"),
        ("nodes: null\ncrds: {check: null}", "no right elsewhere. So"),
    ],
)
def test_rights_on_the_whole_cluster_are_named_if_there_are_any(
    tmp_path: Path, switches: str, words: str
) -> None:
    """Values that an earlier release did not have may be absent."""
    assert words in notes(tmp_path / "values.yaml", f"watchNamespaces: [a]\n{switches}")


def test_an_installation_for_all_namespaces_lacks_nothing(tmp_path: Path) -> None:
    said = notes(tmp_path / "values.yaml", "image: {repository: registry.example.com/operator}")
    assert "RayClusters of all namespaces" in said
    assert "no right elsewhere" not in said
    assert "registry" not in said


def test_an_image_that_no_registry_has_is_named(tmp_path: Path) -> None:
    """The default image is one: none is published."""
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    said = notes(tmp_path / "values.yaml", "{}")
    assert f"The image localhost/rayfleet/operator:{version} is in no registry" in said
