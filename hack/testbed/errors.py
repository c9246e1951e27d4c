"""The one error that the command line shows as a sentence instead of a traceback."""


class TestbedError(Exception):
    """Something that the user can fix; the message is one clear sentence that names the remedy."""

    __test__ = False  # pytest would otherwise try to collect a class with this name
