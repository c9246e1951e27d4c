"""Specs of every shape, valid and not, drawn from the API's fields only once, because the API will grow."""

import json
from collections.abc import Iterator
from random import Random

from golden.draws import FAMILIES, SPECS

_LONGEST = 6_000
"""Characters of one line: a longer spec has a long text in one place."""
_TOO_LARGE = str(10**30)
"""No API server stores such a number."""
_SEED = 11


def write() -> None:
    """Draw and keep them."""
    SPECS.parent.mkdir(parents=True, exist_ok=True)
    SPECS.write_text("".join(f"{line}\n" for line in _drawn()))


def _drawn() -> Iterator[str]:
    from support.faults.random_specs import RandomSpecs  # noqa: PLC0415 - it needs `tests` on the path

    specs = RandomSpecs(Random(_SEED))  # noqa: S311 - drawn, not secret
    left = FAMILIES["shape"].size
    while left:
        spec, metadata = specs.draw(), specs.metadata()
        line = json.dumps({"metadata": metadata, "spec": spec}, sort_keys=True)
        if len(line) <= _LONGEST and _TOO_LARGE not in line:
            left -= 1
            yield line
