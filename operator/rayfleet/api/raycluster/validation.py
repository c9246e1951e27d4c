"""Validates a well-typed cluster against all rules."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from rayfleet.api.raycluster.rules import (
    autoscaling,
    fault_tolerance,
    groups,
    history_server,
    metadata,
    security,
    start_params,
    upgrade,
)
from rayfleet.api.raycluster.rules.subject import Findings, Subject
from rayfleet.api.raycluster.spec import RayClusterSpec
from rayfleet.api.violation import Violation

Rule: TypeAlias = Callable[[Subject], Findings]

# No rule requires that minReplicas and maxReplicas are both set, since the schema's defaults fill them in.
RULES: Final[tuple[Rule, ...]] = (
    metadata.name_fits_into_pod_names,
    metadata.name_is_a_service_name,
    metadata.manager_is_known,
    upgrade.owner_decides_on_upgrades,
    upgrade.rolling_update_can_move,
    groups.template_has_a_container,
    groups.resources_are_set_in_one_place,
    groups.resources_are_amounts,
    groups.resource_names_are_few,
    groups.labels_have_their_own_field,
    groups.labels_are_valid,
    groups.group_name_is_a_label_value,
    groups.group_names_are_unique,
    groups.bounds_are_not_negative,
    groups.bounds_are_in_order,
    groups.replica_has_a_host,
    groups.backoff_bounds_are_in_order,
    groups.fallback_leads_to_another_group,
    groups.scale_gates_have_names_of_their_own,
    start_params.names_are_flags,
    start_params.values_are_words,
    start_params.amounts_are_whole_numbers,
    start_params.resources_are_named_amounts,
    start_params.amounts_are_known_where_they_are_counted,
    start_params.ports_are_ports,
    start_params.dashboard_is_on_or_off,
    autoscaling.v2_needs_autoscaling,
    autoscaling.version_is_set_in_one_place,
    autoscaling.v2_needs_pods_that_do_not_restart,
    autoscaling.idle_timeout_is_not_negative,
    autoscaling.group_idle_timeout_needs_v2,
    autoscaling.priority_needs_a_ray_that_knows_it,
    autoscaling.suspended_group_is_not_autoscaled,
    autoscaling.start_command_is_not_overwritten,
    autoscaling.metric_scales_a_group,
    fault_tolerance.legacy_annotation_is_alone,
    fault_tolerance.redis_address_means_fault_tolerance,
    fault_tolerance.redis_user_is_set_in_the_options,
    fault_tolerance.options_are_the_only_place,
    fault_tolerance.redis_has_an_address,
    fault_tolerance.redis_has_no_volume,
    fault_tolerance.rocksdb_has_no_redis,
    fault_tolerance.given_claim_is_taken_as_it_is,
    fault_tolerance.storage_size_is_an_amount,
    fault_tolerance.rocksdb_is_set_up_by_the_operator,
    security.tokens_need_a_ray_that_knows_them,
    security.kubernetes_tokens_need_a_ray_that_knows_them,
    security.kubernetes_tokens_are_tokens,
    security.network_rules_match_the_mode,
    security.network_policy_groups_exist,
    security.network_policy_names_are_possible,
    security.tls_is_set_up_by_the_operator,
    history_server.collector_is_described,
    history_server.collector_has_an_image,
    history_server.collector_name_is_free,
    history_server.collector_environment_is_left_to_the_operator,
    history_server.collector_storage_is_complete,
)


def validate(
    spec: RayClusterSpec,
    *,
    name: str,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> tuple[Violation, ...]:
    """Every rule that the cluster breaks, in the order of `RULES`; empty if it is valid."""
    subject = Subject(name, labels or {}, annotations or {}, spec)
    return tuple(violation for rule in RULES for violation in rule(subject))
