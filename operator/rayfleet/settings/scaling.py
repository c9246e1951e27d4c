"""The admin's settings for scaling: read once, from one file, strictly.

A misspelt limit would be no limit, so nothing is ignored and nothing is guessed.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Struct, field
from pydantic import ConfigDict, Field, ValidationError

from rayfleet.api.base import ApiModel, Integer, NonNegativeInteger
from rayfleet.api.parsing import violations_of
from rayfleet.api.strict_yaml import read_yaml
from rayfleet.api.violation import Violation
from rayfleet.autoscaling.limits import CostCeilings, ScalingLimits
from rayfleet.autoscaling.metrics import MetricQuery, parse_template

_ROOT = "settings"
_LONGEST_QUERY = 4000
"""Characters, as a query is sent in a URL."""
_NAME = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", re.ASCII)


class ScalingSettingsError(Exception):
    """The file cannot be used; the message has a sentence for each fault."""


class ScalingSettings(Struct, frozen=True):
    """The settings in the file; without a file, the defaults."""

    limits: ScalingLimits = field(default_factory=ScalingLimits)
    queries: Mapping[str, MetricQuery] = field(default_factory=lambda: MappingProxyType({}))
    """By name."""


class _Strict(ApiModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=False)


class _Ceilings(_Strict):
    gpus_per_cluster: NonNegativeInteger | None = None
    gpus_per_namespace: NonNegativeInteger | None = None
    gpus_total: NonNegativeInteger | None = None
    new_gpus_per_minute: NonNegativeInteger | None = None


class _Query(_Strict):
    name: str
    server: str
    query: str
    token_file: str | None = None
    ca_file: str | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=30, strict=True)] = 5.0


class _File(_Strict):
    blocked_seconds: Annotated[Integer, Field(ge=1)] = 900
    default_max_pods: Annotated[Integer, Field(ge=1)] = 100
    ceilings: _Ceilings = Field(default_factory=_Ceilings)
    queries: tuple[_Query, ...] = ()


def read_scaling_settings(file: str) -> ScalingSettings:
    """The settings in `file`, in YAML or JSON. Raises ScalingSettingsError for anything invalid."""
    try:
        documents = read_yaml(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ScalingSettingsError(
            f"The scaling settings {file} cannot be read ({reason}): fix the file or name another."
        ) from None
    if len(documents) > 1:
        raise ScalingSettingsError(
            f"The scaling settings {file} cannot be used: it has {len(documents)} documents: put all"
            " into one."
        )
    parsed = parse_scaling_settings(documents[0] if documents else None)
    if isinstance(parsed, ScalingSettings):
        return parsed
    faults = " ".join(
        f"{fault.path.removeprefix(_ROOT).lstrip('.') or 'the file'} {fault.message}" for fault in parsed
    )
    raise ScalingSettingsError(f"The scaling settings {file} cannot be used: {faults}")


def parse_scaling_settings(content: object) -> ScalingSettings | tuple[Violation, ...]:
    """The settings, or everything wrong with them; an empty file means the defaults."""
    try:
        given = _File.model_validate({} if content is None else content)
    except ValidationError as wrong:
        return violations_of(wrong, _ROOT)
    faults = tuple(_faults(given))
    if faults:
        return faults
    limits = ScalingLimits(
        float(given.blocked_seconds), given.default_max_pods, CostCeilings(**given.ceilings.model_dump())
    )
    queries = {query.name: _metric_query(query) for query in given.queries}
    return ScalingSettings(limits, MappingProxyType(queries))


def _metric_query(query: _Query) -> MetricQuery:
    return MetricQuery(
        query.name,
        query.server,
        parse_template(query.query),
        query.token_file,
        query.ca_file,
        query.timeout_seconds,
    )


def _faults(given: _File) -> Iterator[Violation]:
    seen: dict[str, int] = {}
    for index, query in enumerate(given.queries):
        path = f"{_ROOT}.queries[{index}]"
        if _NAME.fullmatch(query.name) is None:
            yield Violation(
                f"{path}.name",
                "must be 1 to 63 letters, digits, '-', '_' or '.', with a letter or digit at both ends,"
                f" but is {query.name[:70]!r}.",
            )
        elif query.name in seen:
            yield Violation(
                f"{path}.name",
                f"must differ from that of queries[{seen[query.name]}], but both are '{query.name}'.",
            )
        seen.setdefault(query.name, index)
        yield from _server_faults(path, query)
        yield from _query_faults(path, query)


def _server_faults(path: str, query: _Query) -> Iterator[Violation]:
    try:
        address = urlsplit(query.server)
        usable = bool(address.scheme in {"http", "https"} and address.hostname) and address.port != 0
    except ValueError:
        usable = False
    if not usable or not query.server.isprintable() or " " in query.server:
        yield Violation(f"{path}.server", "must be an address such as https://prometheus.monitoring:9090.")
        return
    if "@" in address.netloc:
        # The value is not shown: it holds a password.
        yield Violation(f"{path}.server", "must not hold a user or a password: use tokenFile.")
    if "?" in query.server or "#" in query.server:
        yield Violation(f"{path}.server", "must end before '?' and '#': what follows is not sent.")
    for name, file in (("tokenFile", query.token_file), ("caFile", query.ca_file)):
        if file is None:
            continue
        if not Path(file).is_absolute() or "\0" in file:
            yield Violation(
                f"{path}.{name}", "must be an absolute path of a file in the operator's container."
            )
        if address.scheme != "https":
            yield Violation(
                f"{path}.{name}", "needs a server with https: without it anybody can read or fake answers."
            )


def _query_faults(path: str, query: _Query) -> Iterator[Violation]:
    if len(query.query) > _LONGEST_QUERY:
        yield Violation(
            f"{path}.query",
            f"must have at most {_LONGEST_QUERY} characters, but has {len(query.query)}:"
            " use a recording rule.",
        )
        return
    try:
        parse_template(query.query)
    except ValueError as wrong:
        yield Violation(f"{path}.query", str(wrong))
