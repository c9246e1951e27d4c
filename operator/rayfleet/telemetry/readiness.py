"""What `/readyz` says: why we are not ready, or what cannot be read although we are."""

from collections.abc import Iterable, Sequence

from rayfleet.kube.informer import Health

STALE_SECONDS = 150.0
"""A watch that is silent for longer counts as dead, as bookmarks come each minute."""


def view_trouble(health: Iterable[Health]) -> str | None:
    """Why no namespace can be relied upon, from the first of them; None if any can."""
    troubles = _troubles(health)
    everywhere = troubles.pop(None, None)
    if everywhere or not troubles:
        return everywhere
    return None if None in troubles.values() else next(iter(troubles.values()), None)


def unavailable(health: Iterable[Health]) -> dict[str, str | None]:
    """Why each namespace of a list cannot be relied upon; None if it can."""
    return {name: trouble for name, trouble in _troubles(health).items() if name is not None}


def remarks(health: Sequence[Health]) -> tuple[str, ...]:
    """What is wrong although we are ready: a line for each namespace, and for each watch in trouble."""
    away = {name: trouble for name, trouble in unavailable(health).items() if trouble}
    others = (each for each in health if each.namespace not in away)
    troubles = ((each.error or (each.optional and _trouble(each))) for each in others)
    return (
        *(f"namespace {name} is unavailable: {trouble}" for name, trouble in away.items()),
        *(trouble for trouble in troubles if trouble),
    )


def _troubles(health: Iterable[Health]) -> dict[str | None, str | None]:
    """The first thing wrong in each scope, a namespace or all of them; None if nothing is wrong.

    Trouble with kinds that the operator can do without does not count.
    """
    troubles: dict[str | None, str | None] = {}
    for reflector in (each for each in health if not each.optional):
        troubles[reflector.namespace] = troubles.get(reflector.namespace) or _trouble(reflector)
    return troubles


def _trouble(reflector: Health) -> str | None:
    if not reflector.synced and reflector.available:
        return f"{reflector.kind} have not been listed yet: {reflector.error or 'in progress'}"
    if reflector.age is not None and reflector.age > STALE_SECONDS:
        why = f": {reflector.error}" if reflector.error else ""
        return f"the watch of {reflector.kind} has been silent for {reflector.age:.0f} s{why}"
    return None
