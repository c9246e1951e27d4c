"""Pods of a cluster that belongs to a RayService."""

from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.kinds.raycluster.plan import plan
from rayfleet.kube.objects.roots import Root
from support import builders
from support.manifest_samples import built_head, built_worker, cluster, environment, ray, spec, template
from support.web_pages import asked, pages

OF_A_SERVICE = {"ray.io/originated-from-crd": "RayService", "ray.io/originated-from-cr-name": "chat"}
VARIABLES = {
    "RAY_timeout_ms_task_wait_for_death_info": "0",
    "RAY_gcs_server_request_timeout_seconds": "5",
    "RAY_SERVE_KV_TIMEOUT_S": "5",
}


def serving() -> Root:
    return replace(cluster(), labels=OF_A_SERVICE)


def test_its_workers_take_requests_and_its_head_does_not_yet() -> None:
    """The Service selects by this label; a template's own value wins."""
    own = spec(worker={"template": template({"labels": {"ray.io/serve": "false"}})})
    assert built_worker(spec(), serving())["metadata"]["labels"]["ray.io/serve"] == "true"
    assert built_head(spec(), serving())["metadata"]["labels"]["ray.io/serve"] == "false"
    assert built_worker(own, serving())["metadata"]["labels"]["ray.io/serve"] == "false"


@pytest.mark.parametrize("labels", [{}, {"ray.io/originated-from-crd": "RayJob"}])
def test_pods_of_other_clusters_have_no_serve_settings(labels: dict[str, str]) -> None:
    """They have neither the label, nor the variables, nor the check."""
    of = replace(cluster(), labels=labels)
    for body in (built_head(spec(), of), built_worker(spec(), of)):
        assert "ray.io/serve" not in body["metadata"]["labels"]
        assert not VARIABLES.keys() & environment(ray(body)).keys()
        assert ray(body)["readinessProbe"]["failureThreshold"] == 10


def test_ray_is_configured_to_notice_lost_nodes_soon() -> None:
    """It gets three variables, unless the user sets them."""
    own = template(env=[{"name": "RAY_SERVE_KV_TIMEOUT_S", "value": "9"}])
    for body in (built_head(spec(), serving()), built_worker(spec(), serving())):
        assert VARIABLES.items() <= environment(ray(body)).items()
    assert (
        environment(ray(built_worker(spec(worker={"template": own}), serving())))["RAY_SERVE_KV_TIMEOUT_S"]
        == "9"
    )


RAYLET, PROXY = "/api/local_raylet_healthz", "/-/healthz"
UP, DOWN = (200, "success"), (503, "draining")


@pytest.mark.parametrize(
    ("answers", "is_ready"),
    [
        ({RAYLET: UP, PROXY: UP}, True),
        ({RAYLET: UP, PROXY: DOWN}, False),
        ({RAYLET: UP}, False),
        ({PROXY: UP}, False),
    ],
)
def test_a_worker_is_ready_while_its_own_proxy_answers(
    answers: dict[str, tuple[int, str]], *, is_ready: bool
) -> None:
    """One without a replica gets no requests; it is out after one failed probe, and not killed for it."""
    with pages(answers) as port:
        declared = [{"name": "http", "containerPort": 1}, {"name": "serve", "containerPort": int(port)}]
        params = {"dashboard-agent-listen-port": port}
        of = spec(worker={"template": template(ports=declared), "rayStartParams": params})
        container = ray(built_worker(of, serving()))
        assert (asked(container) == 0) is is_ready
    assert container["readinessProbe"]["failureThreshold"] == 1
    assert "httpGet" in container["livenessProbe"]


@pytest.mark.parametrize(
    ("declared", "port"),
    [(None, 8000), ([{"name": "serve", "containerPort": 9000}], 9000), ([{"name": "serve"}, 7], 8000)],
)
def test_the_proxy_is_probed_on_the_containers_port(declared: object, port: int) -> None:
    """It is the port named `serve`."""
    body = built_worker(spec(worker={"template": template(ports=declared)}), serving())
    assert ray(body)["readinessProbe"]["exec"]["command"][-1] == f"{port}/-/healthz"


def test_the_users_own_probe_is_kept_and_the_head_has_the_usual_one() -> None:
    """A head without a proxy is still a head."""
    own: dict[str, Any] = {"tcpSocket": {"port": 1}}
    worker = built_worker(spec(worker={"template": template(readinessProbe=own)}), serving())
    assert ray(worker)["readinessProbe"] == own
    assert ray(built_head(spec(), serving()))["readinessProbe"] == ray(built_head(spec()))["readinessProbe"]


def test_pods_that_an_earlier_release_made_for_a_ray_service_are_kept() -> None:
    """They have another template hash, and neither label nor check: only new pods have them."""
    of = replace(builders.cluster(), labels=OF_A_SERVICE)
    pods = [builders.head(of, template_hash="0123456789abcdef")]
    pods += [builders.worker(of, index, template_hash="0123456789abcdef") for index in (1, 2, 3)]
    assert plan(builders.snapshot(of, pods)).actions == ()
