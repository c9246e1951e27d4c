"""What is wrong with an object, as a value."""

from msgspec import Struct


class Violation(Struct, frozen=True):
    """A rule that the object breaks, and where."""

    path: str
    """The field, as in `spec.workerGroupSpecs[1].minReplicas`."""
    message: str
    """The rule and the remedy in one sentence, without the path."""
    group: str | None = None
    """The only group that cannot be acted on because of it (`headgroup`: the head); None means all groups."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"
