"""Settings: flags override the environment, which overrides the defaults."""

import pytest

from rayfleet.kinds.raycluster.pod_settings import PodSettings, WaitSize
from rayfleet.settings.flags import parse


def test_without_flags_every_namespace_is_in_scope() -> None:
    """The ports are those of the chart."""
    settings = parse([], {})
    assert (settings.namespaces, settings.health_port, settings.log_level) == ((), 8081, "INFO")
    assert settings.metrics_port == 8080


def test_namespaces_may_be_repeated_or_listed_and_count_once() -> None:
    """`--namespace a --namespace b,a` means a and b."""
    assert parse(["--namespace", "a", "--namespace", "b,a"], {}).namespaces == ("a", "b")


def test_a_flag_overrides_the_environment() -> None:
    """Both override the default."""
    environment = {"RAYFLEET_LOG_LEVEL": "debug", "RAYFLEET_HEALTH_PORT": "9000"}
    settings = parse(["--health-port", "9001"], environment)
    assert (settings.log_level, settings.health_port) == ("DEBUG", 9001)


def test_nodes_are_followed_only_if_a_flag_says_so() -> None:
    """Nothing uses them yet, so the right to read them is not needed."""
    assert not parse([], {}).watch_nodes
    assert parse(["--watch-nodes", "true"], {}).watch_nodes
    assert parse([], {"RAYFLEET_WATCH_NODES": "true"}).watch_nodes


def test_settings_for_pods_come_from_flags_or_kuberays_variables() -> None:
    """A flag overrides our variable, which overrides KubeRay's."""
    assert parse([], {}).pods == PodSettings()
    theirs = {"CLUSTER_DOMAIN": "corp.example.", "ENABLE_INIT_CONTAINER_INJECTION": "False"}
    assert parse([], theirs).pods == PodSettings("corp.example", waits=False)
    ours = {"RAYFLEET_CLUSTER_DOMAIN": "", "RAYFLEET_WAIT_FOR_HEAD": "true", "RAYFLEET_WAIT_CPU": "1"}
    assert parse(["--wait-memory=64Mi"], theirs | ours).pods == PodSettings("", wait=WaitSize("1", "64Mi"))


@pytest.mark.parametrize("text", ["0", "", "no", "FALSE", " "])
def test_a_variable_of_kuberay_is_parsed_as_kuberay_does(text: str) -> None:
    """Anything but false is true there; ours are parsed strictly."""
    theirs = {"ENABLE_INIT_CONTAINER_INJECTION": text}
    assert parse([], theirs).pods == PodSettings(waits=text != "FALSE")
    with pytest.raises(SystemExit):
        parse([], {"RAYFLEET_WAIT_FOR_HEAD": "0"})


@pytest.mark.parametrize("text", ["", " ", "corp_example", "a" * 201])
def test_an_invalid_cluster_domain_in_kuberays_variable_is_ignored(text: str) -> None:
    """The default is used then."""
    assert parse([], {"CLUSTER_DOMAIN": text}).pods == PodSettings()


BAD = [
    (["--cluster-domain", "corp_example"], "--cluster-domain", "is not a DNS domain"),
    (["--cluster-domain", "a" * 201], "--cluster-domain", "is not a DNS domain"),
    (["--wait-for-head", "perhaps"], "--wait-for-head", "is neither true nor false"),
    (["--watch-nodes", "yes"], "--watch-nodes", "is neither true nor false"),
    (["--wait-cpu", "0"], "--wait-cpu", "is not a quantity above 0"),
    (["--wait-memory", "much"], "--wait-memory", "is not a quantity above 0"),
    (["--health-port", "70000"], "--health-port", "is not a port (0 to 65535)"),
    (["--metrics-port", "http"], "--metrics-port", "is not a port (0 to 65535)"),
    (["--write-concurrency", "0"], "--write-concurrency", "is not a whole number above 0"),
    (["--log-level", "loud"], "--log-level", "invalid choice: 'loud'"),
]


@pytest.mark.parametrize(("arguments", "flag", "words"), BAD)
def test_a_bad_setting_ends_the_process_and_names_the_flag(
    arguments: list[str], flag: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints one sentence and has exit status 2."""
    with pytest.raises(SystemExit) as ended:
        parse(arguments, {})
    assert ended.value.code == 2
    assert flag in (error := capsys.readouterr().err)
    assert words in error


def test_a_bad_environment_variable_is_bad_input_too() -> None:
    """There is no traceback."""
    with pytest.raises(SystemExit):
        parse([], {"RAYFLEET_HEALTH_PORT": "http"})
