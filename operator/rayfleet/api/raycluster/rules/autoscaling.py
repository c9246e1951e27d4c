"""Rules about autoscaling."""

from typing import Final, Literal

from rayfleet.api.quantity import parse_quantity
from rayfleet.api.raycluster.ray_version import RayVersion, ray_version_of
from rayfleet.api.raycluster.rules.subject import Findings, Subject, first_env, pod_spec
from rayfleet.api.raycluster.scaler import ENV_TRUE, FIRST_WITH_V2, V2_ENV
from rayfleet.api.violation import Violation

START_COMMAND_ENV: Final = "KUBERAY_GEN_AUTOSCALER_START_CMD"
_FIRST_WITH_PRIORITY: Final = RayVersion(2, 56)


def asks_for_v2(subject: Subject) -> bool:
    """Whether the manifest asks explicitly for version 2 of Ray's autoscaler."""
    return subject.spec.autoscaler_options.version == "v2" or subject.head.env_value(V2_ENV) in ENV_TRUE


def autoscaler_version(subject: Subject) -> Literal["v1", "v2"]:
    """The version that runs: as requested, else as Ray decides, else (if Ray's version is unknown) v2."""
    asked = subject.spec.autoscaler_options.version
    if asked is not None:
        return asked
    env = subject.head.env_value(V2_ENV)
    if env is not None:
        return "v2" if env in ENV_TRUE else "v1"
    ray = ray_version_of(subject.spec)
    return "v1" if ray is not None and ray < FIRST_WITH_V2 else "v2"


def v2_needs_autoscaling(subject: Subject) -> Findings:
    """The variable alone scales nothing."""
    if not subject.spec.enable_in_tree_autoscaling and subject.head.env_value(V2_ENV) in ENV_TRUE:
        yield Violation(
            f"{subject.head.ray_container_path}.env",
            f"must not set {V2_ENV} without enableInTreeAutoscaling: switch it on, or remove the variable.",
        )


def version_is_set_in_one_place(subject: Subject) -> Findings:
    """With two sources it would be unclear which one counts."""
    if subject.spec.autoscaler_options.version is not None and subject.head.env(V2_ENV):
        yield Violation(
            "spec.autoscalerOptions.version",
            f"must not be set together with the head's environment variable {V2_ENV}: remove the variable.",
        )


def v2_needs_pods_that_do_not_restart(subject: Subject) -> Findings:
    """A restarted container would be a new Ray node under the old node's name."""
    if not (subject.spec.enable_in_tree_autoscaling and asks_for_v2(subject)):
        return
    for group in subject.groups:
        restart = pod_spec(group.spec.template).get("restartPolicy")
        if isinstance(restart, str) and restart not in {"", "Never"}:
            yield Violation(
                f"{group.path}.template.spec.restartPolicy",
                f"must be Never or unset under version v2 of the autoscaler, but is '{restart}'.",
            )


def idle_timeout_is_not_negative(subject: Subject) -> Findings:
    """Idle time cannot be negative."""
    places: list[tuple[str, int | None]] = [
        ("spec.autoscalerOptions", subject.spec.autoscaler_options.idle_timeout_seconds),
        *((path, group.idle_timeout_seconds) for path, group in subject.workers),
    ]
    for path, seconds in places:
        if seconds is not None and seconds < 0:
            yield Violation(f"{path}.idleTimeoutSeconds", f"must not be negative, but is {seconds}.")


def group_idle_timeout_needs_v2(subject: Subject) -> Findings:
    """Version 1 has one timeout for all groups."""
    if autoscaler_version(subject) == "v2":
        return
    for path, group in subject.workers:
        if group.idle_timeout_seconds is not None:
            yield Violation(
                f"{path}.idleTimeoutSeconds",
                "needs version v2 of the autoscaler: set autoscalerOptions.version to v2 (Ray 2.47 or later),"
                " or use autoscalerOptions.idleTimeoutSeconds.",
            )


def priority_needs_a_ray_that_knows_it(subject: Subject) -> Findings:
    """An older autoscaler would silently ignore it. 0, the default, asks for nothing."""
    ray = ray_version_of(subject.spec)
    if ray is not None and ray >= _FIRST_WITH_PRIORITY and autoscaler_version(subject) == "v2":
        return
    for path, group in subject.workers:
        if group.priority != 0:
            yield Violation(
                f"{path}.priority",
                f"needs Ray {_FIRST_WITH_PRIORITY} or later (it is {_shown(ray)}) and version v2 of the"
                " autoscaler: set spec.rayVersion and autoscalerOptions.version, or remove the priority.",
            )


def _shown(ray: RayVersion | None) -> str:
    return "unknown" if ray is None else str(ray)


def suspended_group_is_not_autoscaled(subject: Subject) -> Findings:
    """The autoscaler would refill the suspended group."""
    if not subject.spec.enable_in_tree_autoscaling:
        return
    for path, group in subject.workers:
        if group.suspend:
            yield Violation(
                f"{path}.suspend",
                "cannot be used with autoscaling: set enableInTreeAutoscaling to false, or maxReplicas to 0.",
            )


def start_command_is_not_overwritten(subject: Subject) -> Findings:
    """The variable holds what the operator generated."""
    if first_env(subject.spec.autoscaler_options.env, START_COMMAND_ENV):
        yield Violation(
            "spec.autoscalerOptions.env",
            f"must not set {START_COMMAND_ENV}, which the operator sets: remove it.",
        )


def metric_scales_a_group(subject: Subject) -> Findings:
    """A value can only scale an existing group, and only by a target above 0."""
    for index, metric in enumerate(subject.spec.autoscaler_options.metrics):
        path = f"spec.autoscalerOptions.metrics[{index}]"
        if metric.worker_group not in subject.group_names:
            yield Violation(
                f"{path}.workerGroup",
                f"must name a worker group of this cluster, but there is no '{metric.worker_group}'.",
            )
        if not metric.query:
            yield Violation(f"{path}.query", "must name a query of the operator's settings, but is empty.")
        try:
            positive = parse_quantity(metric.target_value) > 0
        except ValueError as wrong:
            yield Violation(f"{path}.targetValue", str(wrong))
            continue
        if not positive:
            yield Violation(f"{path}.targetValue", f"must be more than 0, but is {metric.target_value}.")
