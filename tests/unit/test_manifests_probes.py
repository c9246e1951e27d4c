"""Probes of the Ray container, run for real if they are scripts."""

import pytest

from rayfleet.api.raycluster import RayClusterSpec
from support.manifest_samples import built_head, built_worker, ray, spec, template
from support.web_pages import asked, pages

HEALTHZ = {"path": "/api/healthz", "port": 52365}
HEAD_TIMING = {"timeoutSeconds": 5, "periodSeconds": 5, "successThreshold": 1}
WORKER_TIMING = {"timeoutSeconds": 2, "periodSeconds": 5, "successThreshold": 1}
LIVENESS = {"initialDelaySeconds": 30, "failureThreshold": 120}
READINESS = {"initialDelaySeconds": 10, "failureThreshold": 10}


@pytest.mark.parametrize("version", ["2.53.0", "2.60.0", "v2.100.1", "3.0"])
def test_the_probes_request_rays_single_health_page(version: str) -> None:
    """Since 2.53 the agent's page covers the whole node."""
    head, worker = ray(built_head(spec(rayVersion=version))), ray(built_worker(spec(rayVersion=version)))

    assert head["livenessProbe"] == {"httpGet": HEALTHZ, **HEAD_TIMING, **LIVENESS}
    assert head["readinessProbe"] == {"httpGet": HEALTHZ, **HEAD_TIMING, **READINESS}
    assert worker["livenessProbe"] == {"httpGet": HEALTHZ, **WORKER_TIMING, **LIVENESS}
    assert worker["readinessProbe"] == {"httpGet": HEALTHZ, **WORKER_TIMING, **READINESS}


def test_the_page_is_on_the_agents_port() -> None:
    """`dashboard-agent-listen-port` sets it; a port that only the shell knows cannot be used."""
    for given, port in (("1234", 1234), ('"1234"', 1234), ("$PORT", 52365), ("0", 52365), ("70000", 52365)):
        moved = spec(worker={"rayStartParams": {"dashboard-agent-listen-port": given}})
        assert ray(built_worker(moved))["livenessProbe"]["httpGet"]["port"] == port


def test_a_users_probe_is_kept() -> None:
    """The other one is still generated, and null means none."""
    own = {"tcpSocket": {"port": 1}}
    container = ray(built_head(spec(head={"template": template(livenessProbe=own, readinessProbe=None)})))

    assert container["livenessProbe"] == own
    assert container["readinessProbe"]["httpGet"] == HEALTHZ


@pytest.mark.parametrize("stated", [None, "", "nightly", "latest"])
@pytest.mark.parametrize(
    ("image", "one_page"),
    [
        ("rayproject/ray:2.9.0-py310", False),
        ("rayproject/ray:2.52.1", False),
        ("rayproject/ray:2.60.0-py312-gpu", True),
        ("rayproject/ray:nightly", False),
        ("rayproject/ray", False),
        ("registry.example/train:2.60.0", False),
    ],
)
def test_without_a_version_the_probes_follow_the_image_or_work_for_every_ray(
    stated: str | None, image: str, *, one_page: bool
) -> None:
    """An older Ray lacks that page: the pod would never be ready, and be killed after ten minutes."""
    group = {"template": template(image=image)}
    of = spec(head=group, worker=group, rayVersion=stated)
    for container in (ray(built_head(of)), ray(built_worker(of))):
        for probe in (container["livenessProbe"], container["readinessProbe"]):
            assert ("httpGet" in probe, "exec" in probe) == (one_page, not one_page)


def old(agent: str, dashboard: str = "1") -> RayClusterSpec:
    params = {"dashboard-agent-listen-port": agent, "dashboard-port": dashboard}
    group = {"rayStartParams": params}
    return spec(head=group, worker=group, rayVersion="2.52.1")


RAYLET = "/api/local_raylet_healthz"
GCS = "/api/gcs_healthz"
UP = (200, "success")
DOWN = (503, "Local Raylet failed")


@pytest.mark.parametrize(
    ("answers", "worker_is_up", "head_is_up"),
    [
        ({RAYLET: UP, GCS: UP}, True, True),
        ({RAYLET: UP, GCS: DOWN}, True, False),
        ({RAYLET: UP}, True, False),
        ({RAYLET: DOWN, GCS: UP}, False, False),
    ],
)
def test_an_older_ray_has_a_page_for_each_part(
    answers: dict[str, tuple[int, str]], *, worker_is_up: bool, head_is_up: bool
) -> None:
    """Before 2.53 the raylet and, on the head, the GCS have pages of their own."""
    with pages(answers) as port:
        assert (asked(ray(built_worker(old(port)))) == 0) is worker_is_up
        assert (asked(ray(built_head(old(port, port)))) == 0) is head_is_up


def test_the_probe_of_an_older_ray_fails_if_nothing_listens() -> None:
    """Nobody listens on port 1."""
    assert asked(ray(built_worker(old("1")))) == 1


def test_the_probe_of_an_older_head_without_a_dashboard_skips_the_gcs_page() -> None:
    """The dashboard serves the GCS page."""
    head = {"rayStartParams": {"include-dashboard": "False"}}
    command = ray(built_head(spec(head=head, rayVersion="2.47.0")))["livenessProbe"]["exec"]["command"]

    assert command[-2:] == ["healthz", "52365/api/local_raylet_healthz"]
