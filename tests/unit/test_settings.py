"""Settings: flags before the environment before the defaults."""

import pytest

from rayfleet.kinds.raycluster.pod_settings import PodSettings, WaitSize
from rayfleet.settings.flags import parse


def test_without_flags_every_namespace_is_in_scope() -> None:
    """And the ports are the chart's."""
    settings = parse([], {})
    assert (settings.namespaces, settings.health_port, settings.log_level) == ((), 8081, "INFO")
    assert settings.metrics_port == 8080


def test_namespaces_may_be_repeated_or_listed_and_count_once() -> None:
    """`--namespace a --namespace b,a` is a and b."""
    assert parse(["--namespace", "a", "--namespace", "b,a"], {}).namespaces == ("a", "b")


def test_a_flag_goes_before_the_environment() -> None:
    """Both before the default."""
    environment = {"RAYFLEET_LOG_LEVEL": "debug", "RAYFLEET_HEALTH_PORT": "9000"}
    settings = parse(["--health-port", "9001"], environment)
    assert (settings.log_level, settings.health_port) == ("DEBUG", 9001)


def test_nodes_are_followed_only_where_it_is_said() -> None:
    """Nothing acts on them yet, so nothing asks for the right to read them."""
    assert not parse([], {}).watch_nodes
    assert parse(["--watch-nodes", "true"], {}).watch_nodes
    assert parse([], {"RAYFLEET_WATCH_NODES": "true"}).watch_nodes


def test_what_goes_into_pods_is_set_by_flags_or_by_the_variables_that_kuberay_has_for_it() -> None:
    """A flag goes before our variable, that before theirs."""
    assert parse([], {}).pods == PodSettings()
    theirs = {"CLUSTER_DOMAIN": "corp.example.", "ENABLE_INIT_CONTAINER_INJECTION": "False"}
    assert parse([], theirs).pods == PodSettings("corp.example", waits=False)
    ours = {"RAYFLEET_CLUSTER_DOMAIN": "", "RAYFLEET_WAIT_FOR_HEAD": "true", "RAYFLEET_WAIT_CPU": "1"}
    assert parse(["--wait-memory=64Mi"], theirs | ours).pods == PodSettings("", wait=WaitSize("1", "64Mi"))


@pytest.mark.parametrize("text", ["0", "", "no", "FALSE", " "])
def test_a_variable_of_kuberays_is_read_as_kuberay_reads_it(text: str) -> None:
    """Whatever is not false is true there; ours are read strictly."""
    theirs = {"ENABLE_INIT_CONTAINER_INJECTION": text}
    assert parse([], theirs).pods == PodSettings(waits=text != "FALSE")
    with pytest.raises(SystemExit):
        parse([], {"RAYFLEET_WAIT_FOR_HEAD": "0"})


@pytest.mark.parametrize("text", ["", " ", "corp_example", "a" * 201])
def test_a_cluster_domain_of_kuberays_that_is_none_ends_no_process(text: str) -> None:
    """The default counts then."""
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
    """One sentence, exit status 2."""
    with pytest.raises(SystemExit) as ended:
        parse(arguments, {})
    assert ended.value.code == 2
    assert flag in (error := capsys.readouterr().err)
    assert words in error


def test_a_bad_environment_variable_is_bad_input_too() -> None:
    """Not a traceback."""
    with pytest.raises(SystemExit):
        parse([], {"RAYFLEET_HEALTH_PORT": "http"})
