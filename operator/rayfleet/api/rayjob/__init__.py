"""The fields of a RayJob in `ray.io/v1`, their meaning and their valid values."""

from rayfleet.api.rayjob.deletion import DeletionCondition, DeletionPolicy, DeletionRule, DeletionStrategy
from rayfleet.api.rayjob.kept_rules import KeptRules, kept_rules, spec_of
from rayfleet.api.rayjob.parsing import parse_spec
from rayfleet.api.rayjob.retry import RetryPolicy
from rayfleet.api.rayjob.runtime_env import entrypoint_resources, runtime_env
from rayfleet.api.rayjob.spec import SUBMITTER_BACKOFF_LIMIT, RayJobSpec, SubmitterConfig
from rayfleet.api.rayjob.validation import account, validate, validate_status

__all__ = [
    "SUBMITTER_BACKOFF_LIMIT",
    "DeletionCondition",
    "DeletionPolicy",
    "DeletionRule",
    "DeletionStrategy",
    "KeptRules",
    "RayJobSpec",
    "RetryPolicy",
    "SubmitterConfig",
    "account",
    "entrypoint_resources",
    "kept_rules",
    "parse_spec",
    "runtime_env",
    "spec_of",
    "validate",
    "validate_status",
]
