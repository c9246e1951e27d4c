"""Templates that the API server has refused, of the present generation of a spec. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

RETRY_SECONDS: Final = 300.0
"""Until a refused template is tried again: it may have been a webhook's fault, which has been mended."""
MOST: Final = 256
"""Templates; a spec has fewer, but its cluster's labels may change within one generation."""


@dataclass(slots=True)
class Refusals:
    """What was refused, and until when it is not tried again."""

    words: Mapping[str, str] = field(default_factory=dict)
    """By template hash, the API server's words. Snapshots share it: it is replaced and never changed."""
    times: int = 0
    """How often anything was refused."""
    _until: dict[str, float] = field(default_factory=dict)

    def note(self, template_hash: str, words: str, now: float) -> None:
        """It was refused once more."""
        self.times += 1
        self._until[template_hash] = now + RETRY_SECONDS
        if self.words.get(template_hash) != words:
            kept = [one for one in self.words.items() if one[0] != template_hash][-(MOST - 1) :]
            self.words = {**dict(kept), template_hash: words}
            self._until = {one: self._until[one] for one in self.words}

    def taken(self, template_hash: str) -> None:
        """It is not refused any more."""
        if template_hash in self.words:
            self.words = {one: words for one, words in self.words.items() if one != template_hash}
            del self._until[template_hash]

    def clear(self) -> None:
        """There is another spec."""
        if self.words:
            self.words, self._until = {}, {}

    def withheld(self, now: float) -> Mapping[str, str]:
        """Those that are not tried yet."""
        if not self._until or min(self._until.values()) > now:
            return self.words
        return {one: words for one, words in self.words.items() if self._until[one] > now}

    def tried_in(self, now: float) -> float | None:
        """Seconds until the next one is tried again; none where none is withheld."""
        return min((until - now for until in self._until.values() if until > now), default=None)
