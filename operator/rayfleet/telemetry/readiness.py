"""What `/readyz` says: why we are not ready, or what cannot be read although we are."""

from collections.abc import Iterable, Sequence

from rayfleet.kube.informer import Health

STALE_SECONDS = 150.0
"""A watch without a sign of life for longer, though bookmarks come each minute, is taken for dead."""


def view_trouble(health: Iterable[Health]) -> str | None:
    """Why no namespace can be relied upon, by the trouble of the first; none where one is well."""
    troubles = _troubles(health)
    everywhere = troubles.pop(None, None)
    if everywhere or not troubles:
        return everywhere
    return None if None in troubles.values() else next(iter(troubles.values()), None)


def unavailable(health: Iterable[Health]) -> dict[str, str | None]:
    """Each namespace of a list of them, and why it cannot be relied upon; none where it can."""
    return {name: words for name, words in _troubles(health).items() if name is not None}


def remarks(health: Sequence[Health]) -> tuple[str, ...]:
    """What is not well though we are ready: a line a namespace, and one for each watch in trouble."""
    away = {name: words for name, words in unavailable(health).items() if words}
    troubled = (each for each in health if each.namespace not in away)
    said = ((each.error or (each.optional and _trouble(each))) for each in troubled)
    return (
        *(f"namespace {name} is unavailable: {words}" for name, words in away.items()),
        *(words for words in said if words),
    )


def _troubles(health: Iterable[Health]) -> dict[str | None, str | None]:
    """The first thing that is wrong in each scope, a namespace or all of them; none where nothing is.

    What the operator can do without is no trouble, whatever comes of it.
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
