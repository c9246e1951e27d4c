"""The history of an API server, in the order of its resourceVersions."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """The new state of an object; `gone` marks the last one."""

    version: int
    kind: str
    """Plural: pods, services, rayclusters."""
    gone: bool
    obj: Object
    at: float = 0.0
    """When it was seen; monotonic seconds."""

    @property
    def name(self) -> str:
        return str(self.obj["metadata"]["name"])

    @property
    def uid(self) -> str:
        return str(self.obj["metadata"]["uid"])


@dataclass
class State:
    """The objects of one namespace at one moment, by kind and name."""

    objects: dict[str, dict[str, Object]] = field(default_factory=dict)
    made: dict[str, Object] = field(default_factory=dict)
    """Every object by its uid, as it was created: labels and owners may change afterwards."""

    def take(self, change: Change) -> None:
        self.made.setdefault(change.uid, change.obj)
        of_kind = self.objects.setdefault(change.kind, {})
        if change.gone:
            of_kind.pop(change.name, None)
        else:
            of_kind[change.name] = change.obj

    def as_made(self, obj: Object) -> Object:
        return self.made.get(str(obj["metadata"]["uid"]), obj)

    def of(self, kind: str) -> dict[str, Object]:
        return self.objects.get(kind, {})


class History:
    """The changes of one namespace, and a way to wait for more. Any thread may use it."""

    def __init__(self) -> None:
        self._changes: list[Change] = []
        self._now = State()
        self._news = threading.Condition()

    def add(self, change: Change) -> None:
        with self._news:
            self._changes.append(change)
            self._now.take(change)
            self._news.notify_all()

    @property
    def changes(self) -> list[Change]:
        """All changes so far, by resourceVersion."""
        with self._news:
            return sorted(self._changes, key=lambda change: change.version)

    def look(self, at: Callable[[State], str]) -> str:
        """The result of `at` on the current state."""
        with self._news:
            return at(self._now)

    def objects(self, kind: str) -> list[Object]:
        with self._news:
            return list(self._now.of(kind).values())

    def catch_up(self, kind: str, written: Object, seconds: float = 30.0) -> None:
        """Wait until the record, which lags behind, has this version of an object or a later one."""
        name, version = written["metadata"]["name"], int(written["metadata"]["resourceVersion"])
        deadline = time.monotonic() + seconds
        while int(self.look_at(kind, name).get("resourceVersion", 0)) < version:
            left = deadline - time.monotonic()
            assert left > 0, f"timed out after {seconds:g} s waiting for {kind} {name} at version {version}"
            self.pause(left)

    def look_at(self, kind: str, name: str) -> Object:
        """The metadata of an object as last seen; empty if it does not exist."""
        with self._news:
            found = self._now.of(kind).get(name)
            return found["metadata"] if found is not None else {}

    def pause(self, seconds: float) -> None:
        """Wait for the next change, `seconds` at most."""
        with self._news:
            self._news.wait(seconds)


def states(changes: list[Change]) -> Iterator[tuple[Change, State]]:
    """Each change with the state right before it."""
    state = State()
    for change in changes:
        yield change, state
        state.take(change)
