"""Fields that this version does not act on yet: what it does instead, in words for the user.

A field that asks for protection or for patience is never dropped in silence: nothing is created for
that cluster until the field is acted on or removed. Any other field is left out, and said so.
"""

from collections.abc import Callable
from dataclasses import dataclass

from rayfleet.api import RayClusterSpec, WorkerGroupSpec, needs_sidecar


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A field that is set but not acted on."""

    path: str
    instead: str
    withholds: bool
    """Nothing is created while it is set: for the whole cluster, or for `group` alone."""
    group: str | None = None


@dataclass(frozen=True, slots=True)
class _Rule:
    path: str
    is_set: Callable[[RayClusterSpec], bool]
    instead: str
    withholds: bool = False


_RULES = (
    _Rule("spec.suspend", lambda s: s.suspend, "no pod is created, none is removed", withholds=True),
    _Rule("spec.idleSuspend", lambda s: s.idle_suspend, "no pod is created, none is removed", withholds=True),
    _Rule(
        "spec.tlsOptions.enabled",
        lambda s: s.tls_options is not None and s.tls_options.enabled,
        "nothing is created, as the traffic would be plain",
        withholds=True,
    ),
    _Rule(
        "spec.networkPolicy",
        lambda s: s.network_policy is not None,
        "nothing is created, as the cluster would be reachable",
        withholds=True,
    ),
    _Rule(
        "spec.autoscalerOptions.runtime",
        lambda s: s.enable_in_tree_autoscaling and needs_sidecar(s),
        "Ray's own autoscaler is not run beside the head, and groups keep the size in replicas",
    ),
    _Rule(
        "spec.gcsFaultToleranceOptions",
        lambda s: s.gcs_fault_tolerance_options is not None,
        "a head that is replaced starts empty",
    ),
    _Rule(
        "spec.headGroupSpec.enableIngress",
        lambda s: s.head_group_spec.enable_ingress,
        "no Ingress is created",
    ),
    _Rule(
        "spec.historyServerOptions",
        lambda s: s.history_server_options is not None,
        "no collector runs",
    ),
    _Rule(
        "spec.upgradeStrategy.type",
        lambda s: s.upgrade_strategy is not None and s.upgrade_strategy.type != "None",
        "a changed template applies to new pods only",
    ),
    _Rule(
        "spec.idleTerminationOptions",
        lambda s: s.idle_termination_options is not None,
        "an idle cluster stays",
    ),
    _Rule(
        "spec.drainOptions",
        lambda s: "drain_options" in s.model_fields_set,
        "pods are deleted without a drain",
    ),
)


def _unsupported_of_group(index: int, group: WorkerGroupSpec) -> tuple[Unsupported, ...]:
    at = f"spec.workerGroupSpecs[{index}]"
    found = []
    if group.suspend:
        words = "no pod of the group is created, none is removed"
        found.append(Unsupported(f"{at}.suspend", words, withholds=True, group=group.group_name))
    if "failure_policy" in group.model_fields_set:
        found.append(
            Unsupported(f"{at}.failurePolicy", "pods that end are replaced at once", withholds=False)
        )
    return tuple(found)


def unsupported(spec: RayClusterSpec) -> tuple[Unsupported, ...]:
    """Every field of `spec` that is set and not acted on, in the order of the API reference."""
    of_cluster = tuple(
        Unsupported(rule.path, rule.instead, rule.withholds) for rule in _RULES if rule.is_set(spec)
    )
    of_groups = (
        found
        for index, group in enumerate(spec.worker_group_specs)
        for found in _unsupported_of_group(index, group)
    )
    return (*of_cluster, *of_groups)
