"""Templates of the current generation of a spec that the API server has refused. Pure."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct, field

RETRY_SECONDS: Final = 300.0
"""Until a refused template is retried: the cause may have been a webhook that has been fixed since."""
MOST: Final = 256
"""Most templates kept; a spec has fewer, but its cluster's labels may change within one generation."""


class Refusals(Struct):
    """Refused templates, and until when they are not retried."""

    words: Mapping[str, str] = field(default_factory=dict)
    """The API server's messages by template hash. Snapshots share it: it is replaced, never changed."""
    times: int = 0
    """How often a template was refused."""
    _until: dict[str, float] = field(default_factory=dict)

    def note(self, template_hash: str, words: str, now: float) -> None:
        """The template was refused again."""
        self.times += 1
        self._until[template_hash] = now + RETRY_SECONDS
        if self.words.get(template_hash) != words:
            kept = [entry for entry in self.words.items() if entry[0] != template_hash][-(MOST - 1) :]
            self.words = {**dict(kept), template_hash: words}
            self._until = {known: self._until[known] for known in self.words}

    def taken(self, template_hash: str) -> None:
        """The template was accepted."""
        if template_hash in self.words:
            self.words = {known: words for known, words in self.words.items() if known != template_hash}
            del self._until[template_hash]

    def clear(self) -> None:
        """Forget everything, because the spec has changed."""
        if self.words:
            self.words, self._until = {}, {}

    def withheld(self, now: float) -> Mapping[str, str]:
        """The templates that are not retried yet."""
        if not self._until or min(self._until.values()) > now:
            return self.words
        return {known: words for known, words in self.words.items() if self._until[known] > now}

    def tried_in(self, now: float) -> float | None:
        """Seconds until the next one is retried; None if none is withheld."""
        return min((until - now for until in self._until.values() if until > now), default=None)
