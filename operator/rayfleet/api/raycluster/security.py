"""Access to a cluster: tokens, network policies, mutual TLS."""

from typing import Literal

from pydantic import Field

from rayfleet.api.base import ApiModel, Boolean, EgressRule, IngressRule, stored


class AuthOptions(ApiModel):
    """How Ray authenticates its callers."""

    mode: Literal["disabled", "token"] = Field(default="disabled", description="Whether calls need a token.")
    enable_k8s_token_auth: Boolean = Field(
        default=False,
        alias="enableK8sTokenAuth",
        description="Whether Ray accepts Kubernetes tokens and asks the API server about them.",
    )
    secret_name: str | None = Field(
        default=None, description="Secret with the token; if unset, one named like the cluster is created."
    )


class NetworkPolicyRules(ApiModel):
    """What is allowed beyond the traffic inside the cluster."""

    ingress_rules: tuple[IngressRule, ...] = Field(
        default=(), description="Additional traffic that may come in."
    )
    egress_rules: tuple[EgressRule, ...] = Field(
        default=(), description="Additional traffic that may go out."
    )


class WorkerGroupNetworkPolicy(NetworkPolicyRules):
    """The same for one worker group, instead of `worker`."""

    group_name: str = Field(description="The worker group.")


class NetworkPolicySpec(ApiModel):
    """The network policies of the cluster's pods."""

    mode: Literal["DenyAll", "DenyAllIngress", "DenyAllEgress"] = stored(
        "DenyAll", "Which directions are closed, except for the traffic inside the cluster."
    )
    head: NetworkPolicyRules | None = Field(default=None, description="What the head is allowed.")
    worker: NetworkPolicyRules | None = Field(default=None, description="What the workers are allowed.")
    worker_groups: tuple[WorkerGroupNetworkPolicy, ...] = Field(
        default=(), description="What individual worker groups are allowed."
    )


class TlsOptions(ApiModel):
    """Mutual TLS between the cluster's pods."""

    enabled: Boolean = Field(
        default=False, description="Whether Ray's processes use mutual TLS among themselves."
    )
