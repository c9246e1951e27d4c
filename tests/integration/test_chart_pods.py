"""The chart's values for pods: their rendering by the real helm, and the operator's parsing of it."""

import subprocess

import pytest
import yaml

from rayfleet.kinds.raycluster.pod_settings import PodSettings, WaitSize
from rayfleet.settings.flags import parse
from support.operator_process import RELEASE, REPOSITORY
from testbed import binaries

ONLY = "templates/deployment.yaml"


def rendered(*values: str) -> subprocess.CompletedProcess[str]:
    """The Deployment with these `--set` values."""
    settings = [f"--set={value}" for value in values]
    chart = str(REPOSITORY / "charts" / "rayfleet")
    return subprocess.run(
        [str(binaries.path("helm")), "template", RELEASE, chart, f"--show-only={ONLY}", *settings],
        capture_output=True,
        text=True,
        check=False,
    )


VALUES = [
    ([], PodSettings()),
    (
        ["pods.clusterDomain=corp.example", "pods.waitForHead.cpu=1"],
        PodSettings("corp.example", wait=WaitSize("1")),
    ),
    (["pods.clusterDomain=", "pods.waitForHead.enabled=false"], PodSettings("", waits=False)),
    (["pods.waitForHead.memory=64Mi"], PodSettings(wait=WaitSize(memory="64Mi"))),
]


@pytest.mark.parametrize(("values", "pods"), VALUES)
def test_values_for_pods_become_flags(values: list[str], pods: PodSettings) -> None:
    """The operator understands each of them."""
    done = rendered(*values)
    assert done.returncode == 0, done.stderr
    container = yaml.safe_load(done.stdout)["spec"]["template"]["spec"]["containers"][0]
    flags = [flag for flag in container["args"] if not flag.startswith("--scaling-config=")]
    assert parse(flags, {}).pods == pods


@pytest.mark.parametrize("variable", ["CLUSTER_DOMAIN", "ENABLE_INIT_CONTAINER_INJECTION"])
def test_a_default_of_the_chart_does_not_override_kuberays_variable(variable: str) -> None:
    """No user has set it, so the operator's environment counts."""
    done = rendered()
    container = yaml.safe_load(done.stdout)["spec"]["template"]["spec"]["containers"][0]
    flags = [flag for flag in container["args"] if not flag.startswith("--scaling-config=")]
    values = {"CLUSTER_DOMAIN": "corp.example", "ENABLE_INIT_CONTAINER_INJECTION": "false"}
    assert parse(flags, {variable: values[variable]}).pods != PodSettings()


BAD = [
    ("pods.clusterDomain=corp_example", "clusterDomain"),
    ("pods.waitForHead.enabled=often", "enabled"),
    ("pods.waitForHead.cpu=much", "cpu"),
    ("pods.waitForHeads.cpu=1", "waitForHeads"),
]


@pytest.mark.parametrize(("value", "named"), BAD)
def test_a_bad_value_is_refused_by_name(value: str, named: str) -> None:
    """It is refused before anything is installed."""
    done = rendered(value)
    assert done.returncode != 0
    assert named in done.stderr
