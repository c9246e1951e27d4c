"""What a status keeps of the last valid spec: the rules by which the job ends, and what follows its end.

They are needed when the stored spec is no longer valid and the operator has been restarted since: a job that
runs must end, and its cluster must go, as its user had said. What is run, and on which cluster, is not kept:
it may be large, and may hold secrets.
"""

from typing import Annotated, Final

from rayfleet.api.rayjob.parsing import parse_spec
from rayfleet.api.rayjob.spec import RayJobSpec
from rayfleet.api.status_model import Flag, Size, StatusPart, Text


class KeptCondition(StatusPart):
    """After which status a deletion rule applies, and how much later."""

    __slots__ = ()

    job_status: Annotated[Text, "Ray's verdict."] = ""
    job_deployment_status: Annotated[Text, "How the RayJob ended."] = ""
    ttl_seconds: Annotated[Size, "How long after the end."] = None


class KeptRule(StatusPart):
    """One rule of `deletionRules`."""

    __slots__ = ()

    policy: Annotated[Text, "What is deleted."] = ""
    condition: Annotated[KeptCondition, "When."] = KeptCondition()


class KeptPolicy(StatusPart):
    """One of the two policies of older versions."""

    __slots__ = ()

    policy: Annotated[Text, "What is deleted."] = ""


class KeptStrategy(StatusPart):
    """`deletionStrategy`."""

    __slots__ = ()

    on_success: Annotated[KeptPolicy, "After a success."] = KeptPolicy()
    on_failure: Annotated[KeptPolicy, "After a failure."] = KeptPolicy()
    deletion_rules: Annotated[tuple[KeptRule, ...], "After which status, and how much later."] = ()


class KeptRetries(StatusPart):
    """`retryPolicy`."""

    __slots__ = ()

    infrastructure_limit: Annotated[Size, "As in the spec."] = None
    cluster: Annotated[Text, "As in the spec."] = ""
    backoff_seconds: Annotated[Size, "As in the spec."] = None
    max_backoff_seconds: Annotated[Size, "As in the spec."] = None


class KeptRules(StatusPart):
    """The rules of the last valid spec; what has its default is left out."""

    __slots__ = ()

    submission_mode: Annotated[Text, "As in the spec."] = ""
    backoff_limit: Annotated[Size, "As in the spec."] = None
    retry_policy: Annotated[KeptRetries, "As in the spec."] = KeptRetries()
    active_deadline_seconds: Annotated[Size, "As in the spec."] = None
    pre_running_deadline_seconds: Annotated[Size, "As in the spec."] = None
    shutdown_after_job_finishes: Annotated[Flag, "As in the spec."] = None
    ttl_seconds_after_finished: Annotated[Size, "As in the spec."] = None
    deletion_strategy: Annotated[KeptStrategy, "As in the spec."] = KeptStrategy()


_KEPT: Final = frozenset(KeptRules.names)


def kept_rules(spec: RayJobSpec) -> KeptRules:
    """What to keep of a valid spec."""
    kept = spec.model_dump(mode="json", by_alias=True, include=set(_KEPT), exclude_defaults=True)
    if spec.retry_policy is not None:  # That there is a policy counts, even one that is empty.
        kept["retryPolicy"] = kept.get("retryPolicy") or {}
    return KeptRules.recorded(kept)


def spec_of(kept: KeptRules) -> RayJobSpec:
    """A spec with these rules, which runs nothing and has no cluster; without rules if they make no sense."""
    parsed = parse_spec(dict(kept.only(*_KEPT).wire))
    return parsed if isinstance(parsed, RayJobSpec) else RayJobSpec()
