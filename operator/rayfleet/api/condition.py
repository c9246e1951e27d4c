"""One condition of a status, as in Kubernetes."""

from typing import Annotated

from rayfleet.api.status_model import REQUIRED, Generation, StatusPart, Text, Time, choice


class StatusCondition(StatusPart):
    """One condition, as in Kubernetes."""

    __slots__ = ()

    type: Annotated[Text, REQUIRED, "Its type; there is one condition of each."] = ""
    status: Annotated[str, choice("True", "False", "Unknown"), REQUIRED, "Whether it holds."] = ""
    observed_generation: Annotated[Generation, "Generation of the spec that it is about."] = None
    last_transition_time: Annotated[Time, REQUIRED, "Since when it has had this status."] = None
    reason: Annotated[Text, REQUIRED, "Why, in one word."] = ""
    message: Annotated[Text, REQUIRED, "Why, in a sentence."] = ""

    @property
    def holds(self) -> bool:
        """Whether its status is True."""
        return self.status == "True"
