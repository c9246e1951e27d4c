"""Counts of outgoing calls, for metrics and for tests that count writes."""

from collections import Counter

MUTATING = frozenset({"create", "update", "patch", "json-patch", "delete"})


class ApiCalls:
    """Counts of calls by verb (one of the client's, or watch) and HTTP code (0: no answer)."""

    def __init__(self) -> None:
        self.by_verb_and_code: Counter[tuple[str, int]] = Counter()

    def count(self, verb: str, code: int) -> None:
        self.by_verb_and_code[verb, code] += 1

    @property
    def mutating(self) -> int:
        """Calls meant to write, answered or not."""
        return sum(n for (verb, _), n in self.by_verb_and_code.items() if verb in MUTATING)


class GcsCalls:
    """Counts of calls to Ray heads by method and outcome (ok, or a `GcsTrouble`)."""

    def __init__(self) -> None:
        self.by_method_and_outcome: Counter[tuple[str, str]] = Counter()

    def count(self, method: str, outcome: str) -> None:
        self.by_method_and_outcome[method, outcome] += 1
