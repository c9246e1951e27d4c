"""The ports that a node of Ray listens on, as its `rayStartParams` set them."""

from collections.abc import Mapping
from typing import Final

GCS: Final = 6379
CLIENT: Final = 10001
DASHBOARD: Final = 8265
DASHBOARD_AGENT: Final = 52365
METRICS: Final = 8080
SERVE: Final = 8000

_HIGHEST: Final = 65535


def port(params: Mapping[str, str], flag: str, default: int) -> int:
    """The number that `flag` sets, or `default` where it sets none that can be known before the pod runs."""
    value = _unquoted(params.get(flag, ""))
    number = int(value) if value.isascii() and value.isdigit() and len(value) <= len(str(_HIGHEST)) else 0
    return number if 0 < number <= _HIGHEST else default


def gcs_port(head_params: Mapping[str, str]) -> str:
    """The GCS port as text: a shell variable in the head's `port` stays one in every address."""
    return _unquoted(head_params.get("port", "")) or str(GCS)


def _unquoted(value: str) -> str:
    # Values are words of a shell, and some manifests quote them for it.
    return value.strip().strip("'\"")
