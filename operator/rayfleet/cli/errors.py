"""What a command cannot do, as the sentence that its user reads."""


class CommandError(Exception):
    """The command ends with exit code 1 and this message, which says what to do."""
