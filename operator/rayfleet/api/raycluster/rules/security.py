"""Rules about tokens, network policies and mutual TLS."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from rayfleet.api.raycluster.ray_version import RayVersion, parse_ray_version, ray_version_of
from rayfleet.api.raycluster.rules.subject import Findings, Json, Subject, first_env, objects
from rayfleet.api.raycluster.security import NetworkPolicyRules
from rayfleet.api.violation import Violation

_AUTH: Final = "spec.authOptions"
_POLICY: Final = "spec.networkPolicy"
_FIRST_WITH_TOKENS: Final = RayVersion(2, 52)
_FIRST_WITH_KUBERNETES_TOKENS: Final = RayVersion(2, 55)
_DNS_1123: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_TLS_ENV: Final = ("RAY_USE_TLS", "RAY_TLS_SERVER_CERT", "RAY_TLS_SERVER_KEY", "RAY_TLS_CA_CERT")
_TLS_VOLUME: Final = "ray-tls"
_TLS_PATH: Final = "/etc/ray/tls"


def tokens_need_a_ray_that_knows_them(subject: Subject) -> Findings:
    """An older Ray would run without tokens while the manifest says that they are needed."""
    if subject.spec.auth_options.mode == "token":
        yield from _at_least(subject, _FIRST_WITH_TOKENS, f"{_AUTH}.mode token")


def kubernetes_tokens_need_a_ray_that_knows_them(subject: Subject) -> Findings:
    """The same for tokens that Kubernetes verifies."""
    if subject.spec.auth_options.enable_k8s_token_auth:
        yield from _at_least(subject, _FIRST_WITH_KUBERNETES_TOKENS, f"{_AUTH}.enableK8sTokenAuth")


def kubernetes_tokens_are_tokens(subject: Subject) -> Findings:
    """They are one form of the mode `token`, and need no Secret."""
    auth = subject.spec.auth_options
    if not auth.enable_k8s_token_auth:
        return
    if auth.mode != "token":
        yield Violation(f"{_AUTH}.enableK8sTokenAuth", f"needs {_AUTH}.mode token: set it.")
    if auth.secret_name:
        yield Violation(
            f"{_AUTH}.secretName", "must not be set together with enableK8sTokenAuth: remove one."
        )


def network_rules_match_the_mode(subject: Subject) -> Findings:
    """A rule for an open direction would suggest that it is closed."""
    policy = subject.spec.network_policy
    if policy is None:
        return
    for path, rules in _network_rules(subject):
        if policy.mode == "DenyAllEgress" and rules.ingress_rules:
            yield Violation(
                f"{path}.ingressRules",
                f"has no effect with {_POLICY}.mode DenyAllEgress: remove it, or use DenyAll.",
            )
        if policy.mode == "DenyAllIngress" and rules.egress_rules:
            yield Violation(
                f"{path}.egressRules",
                f"has no effect with {_POLICY}.mode DenyAllIngress: remove it, or use DenyAll.",
            )


def network_policy_groups_exist(subject: Subject) -> Findings:
    """Rules for a missing group protect nothing."""
    policy = subject.spec.network_policy
    for index, group in enumerate(policy.worker_groups if policy else ()):
        if group.group_name not in subject.group_names:
            yield Violation(
                f"{_POLICY}.workerGroups[{index}].groupName",
                f"must name a worker group of this cluster, but there is no '{group.group_name}'.",
            )


def network_policy_names_are_possible(subject: Subject) -> Findings:
    """Each group's policy object is named after the group."""
    if subject.spec.network_policy is None:
        return
    for path, group in subject.workers:
        if not _DNS_1123.fullmatch(group.group_name):
            yield Violation(
                f"{path}.groupName",
                f"must be a DNS-1123 label under {_POLICY}, but is '{group.group_name}':"
                " use lower case letters, digits and '-'.",
            )


def tls_is_set_up_by_the_operator(subject: Subject) -> Findings:
    """The operator sets the certificates' environment, volume and mount."""
    tls = subject.spec.tls_options
    if tls is None or not tls.enabled:
        return
    for path, env, mounts in _ray_containers(subject):
        if variable := first_env(env, *_TLS_ENV):
            yield Violation(f"{path}.env", f"must not set {variable}, which spec.tlsOptions sets: remove it.")
        for index, mount in enumerate(mounts):
            if mount.get("name") == _TLS_VOLUME or mount.get("mountPath") == _TLS_PATH:
                yield Violation(
                    f"{path}.volumeMounts[{index}]",
                    f"must not use {_TLS_VOLUME} or {_TLS_PATH}, which spec.tlsOptions sets: remove it.",
                )


def _at_least(subject: Subject, first: RayVersion, what: str) -> Findings:
    ray, stated = ray_version_of(subject.spec), subject.spec.ray_version
    if ray is None:
        given = f"is '{stated}', which is not a version," if stated else "is not set,"
        yield Violation(
            "spec.rayVersion",
            f"{given} and the image does not tell either: set it to {first} or later for {what}.",
        )
    elif ray < first:
        where = "" if parse_ray_version(stated) else " by the tag of the head's image"
        yield Violation("spec.rayVersion", f"must be {first} or later for {what}, but is {ray}{where}.")


def _network_rules(subject: Subject) -> Iterator[tuple[str, NetworkPolicyRules]]:
    policy = subject.spec.network_policy
    if policy is None:
        return
    if policy.head:
        yield f"{_POLICY}.head", policy.head
    if policy.worker:
        yield f"{_POLICY}.worker", policy.worker
    for index, group in enumerate(policy.worker_groups):
        yield f"{_POLICY}.workerGroups[{index}]", group


def _ray_containers(subject: Subject) -> Iterator[tuple[str, Sequence[Json], Sequence[Json]]]:
    """Path, environment and mounts of each container that runs a part of Ray."""
    for group in subject.groups:
        container = group.ray_container
        yield group.ray_container_path, objects(container.get("env")), objects(container.get("volumeMounts"))
    options = subject.spec.autoscaler_options
    yield "spec.autoscalerOptions", options.env, options.volume_mounts
