"""Why a demo stops."""


class DemoError(Exception):
    """A step that failed; the message says what it waited for or which command failed."""
