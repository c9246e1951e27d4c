"""Why a demo stops."""


class DemoError(Exception):
    """A step that did not come true; the message says what was waited for or which command failed."""
