"""Rules about updates of running clusters."""

from rayfleet.api.names import Label
from rayfleet.api.raycluster.rules.subject import Findings, Subject
from rayfleet.api.violation import Violation

_STRATEGY = "spec.upgradeStrategy"


def owner_decides_on_upgrades(subject: Subject) -> Findings:
    """A RayJob or RayService creates new clusters itself."""
    owner = subject.labels.get(Label.ORIGINATED_FROM_CRD)
    if subject.spec.upgrade_strategy and owner in {"RayJob", "RayService"}:
        yield Violation(
            _STRATEGY,
            f"cannot be set when the RayCluster is created by a {owner}, which decides itself: remove it.",
        )


def rolling_update_can_move(subject: Subject) -> Findings:
    """At least one replica must be allowed to be missing or extra."""
    strategy = subject.spec.upgrade_strategy
    if strategy is None:
        return
    bounds = {"maxUnavailable": strategy.max_unavailable, "maxSurge": strategy.max_surge}
    for field, value in bounds.items():
        if value is None:
            continue
        if strategy.type != "RollingUpdate":
            yield Violation(f"{_STRATEGY}.{field}", "is for type RollingUpdate: remove it, or set the type.")
        elif _amount(value) is None:
            yield Violation(
                f"{_STRATEGY}.{field}",
                f"must be a whole number of at least 0 or a percentage, but is '{value}'.",
            )
    if strategy.type == "RollingUpdate" and all(
        value is not None and _amount(value) == 0 for value in bounds.values()
    ):
        yield Violation(_STRATEGY, "must not have both maxUnavailable and maxSurge 0: raise one of them.")


def _amount(value: int | str) -> int | None:
    """A number of replicas or a percentage; None if it is neither."""
    digits = str(value).removesuffix("%") if isinstance(value, str) and value.endswith("%") else value
    if isinstance(digits, int):
        return digits if digits >= 0 else None
    return int(digits) if isinstance(value, str) and value.endswith("%") and digits.isdecimal() else None
