"""Which metrics a query in PromQL reads. Whether it is valid PromQL, only Prometheus itself knows."""

import re
from typing import Final

_STRINGS: Final = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`")
_COMMENTS: Final = re.compile(r"#[^\n]*")
_MATCHERS: Final = re.compile(r"\{[^}]*\}")
_RANGES: Final = re.compile(r"\[[^\]]*\]")
_LABEL_LISTS: Final = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_VARIABLES: Final = re.compile(r"\$\{[^}]*\}|\$\w+")
_NAMES: Final = re.compile(r"(?<![\w:.])[a-zA-Z_:][\w:]*\b(?!\s*\()")
_WORDS: Final = frozenset(
    {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left", "group_right"}
) | {"inf", "nan"}
_SUFFIXES: Final = ("_bucket", "_sum", "_count")


def metrics_of(query: str) -> set[str]:
    """The names of the metrics, as their series have them."""
    for pattern in (_STRINGS, _COMMENTS, _VARIABLES, _MATCHERS, _RANGES, _LABEL_LISTS):
        query = pattern.sub(" ", query)
    return {name for name in _NAMES.findall(query) if name.lower() not in _WORDS}


def family(metric: str, histograms: set[str]) -> str:
    """The metric to which a series belongs: that of a histogram has a suffix."""
    for suffix in _SUFFIXES:
        if metric.removesuffix(suffix) in histograms:
            return metric.removesuffix(suffix)
    return metric
