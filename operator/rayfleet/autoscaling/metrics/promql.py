"""PromQL with `$namespace` and `$cluster` in its strings.

What a tenant can choose, a cluster's name, must stay a value. It is inserted only inside strings, as no
Kubernetes name holds a character that could end a string; in a regular expression its dots match only dots.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from msgspec import Struct

_PLACEHOLDERS: Final = ("namespace", "cluster")
_TOKEN: Final = re.compile(
    r"""(?P<comment>\#[^\n]*)
      | (?P<string>"(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' | `[^`]*`)
      | (?P<open>["'`])
      | \$(?P<bare>[A-Za-z_]\w*)
      | [^\#"'`$]+ | \$""",
    re.VERBOSE | re.ASCII,
)
_IN_STRING: Final = re.compile(r"\$([A-Za-z_]\w*)", re.ASCII)
_NAME: Final = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)


class _Placeholder(NamedTuple):
    name: str
    in_regexp: bool


class PromqlTemplate(Struct, frozen=True):
    """A query for any cluster. Made by `parse_template`."""

    parts: tuple[str | _Placeholder, ...]

    def render(self, namespace: str, cluster: str) -> str:
        """The query for one cluster. Raises ValueError for what cannot be a Kubernetes name."""
        names = {"namespace": namespace, "cluster": cluster}
        for kind, name in names.items():
            if _NAME.fullmatch(name) is None:
                raise ValueError(f"{name[:80]!r} is not a valid name of a {kind}")
        return "".join(
            part
            if isinstance(part, str)
            else names[part.name].replace(".", "[.]")
            if part.in_regexp
            else names[part.name]
            for part in self.parts
        )


def parse_template(text: str) -> PromqlTemplate:
    """Parse a query. Raises ValueError, with a sentence, for one that cannot be filled in safely.

    Whether it is valid PromQL is for Prometheus to say.
    """
    if not text.strip():
        raise ValueError("must be a query in PromQL, but is empty.")
    return PromqlTemplate(tuple(_parts(text)))


def _parts(text: str) -> Iterator[str | _Placeholder]:
    code = ""
    for token in _TOKEN.finditer(text):
        whole = token.group()
        if token["open"]:
            raise ValueError(
                f"has a string that does not end, from {text[token.start() :][:40]!r} on: close it."
            )
        if token["bare"]:
            raise ValueError(
                f'has {whole} outside of a string: write it in quotes, as in {{label="{whole}"}}.'
            )
        if token["string"]:
            yield from _string(whole, in_regexp=code.endswith(("=~", "!~")))
        else:
            yield whole
        if not token["comment"]:
            code = (code + whole).rstrip()[-2:]


def _string(text: str, *, in_regexp: bool) -> Iterator[str | _Placeholder]:
    at = 0
    for match in _IN_STRING.finditer(text):
        if match[1] not in _PLACEHOLDERS:
            raise ValueError(
                f"has the unknown placeholder {match[0]}: use $namespace or $cluster; a group of"
                f" label_replace is written ${{{match[1]}}}."
            )
        yield text[at : match.start()]
        yield _Placeholder(match[1], in_regexp)
        at = match.end()
    yield text[at:]
