"""Why a command fails, as the message that its user reads."""


class CommandError(Exception):
    """Ends the command with exit code 1 and this message, which includes the remedy."""
