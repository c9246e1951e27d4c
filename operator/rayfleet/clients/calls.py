"""How often the API server was called, for metrics and for tests that count writes."""

from collections import Counter

MUTATING = frozenset({"create", "update", "patch", "delete"})


class ApiCalls:
    """Counts of calls by verb (get, list, watch, create, patch, delete) and HTTP code (0: no answer)."""

    def __init__(self) -> None:
        self.by_verb_and_code: Counter[tuple[str, int]] = Counter()

    def count(self, verb: str, code: int) -> None:
        self.by_verb_and_code[verb, code] += 1

    @property
    def mutating(self) -> int:
        """Calls that were to write, answered or not."""
        return sum(n for (verb, _), n in self.by_verb_and_code.items() if verb in MUTATING)
