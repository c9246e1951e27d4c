"""What bash makes of a value that is one word of a command, read without running it."""

import re
import shlex
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

LONGEST: Final = 16_384
"""Characters. A longer value is refused."""

Environment: TypeAlias = Mapping[str, str | None]
"""Variables of a container by name; None if only the container knows the value."""

_PIECE: Final = re.compile(
    r"""'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|\\(?P<escaped>.)|(?P<plain>[^'"\\]+)""", re.DOTALL
)
_BY_KUBERNETES: Final = re.compile(r"\$\$|\$\(([^()]*)\)")
# A variable; or an escape between double quotes; or anything else that bash would expand.
_EXPANSION: Final = re.compile(
    r"\$(?:(?P<name>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)\})"
    r'|\\(?P<escaped>[$`"\\\n])'
    r"|(?P<other>`|\$(?=[\w({@*#?$!-]))",
    re.ASCII,
)
_WORKED_OUT: Final = re.compile(r"`[^`]*(?:`|\Z)|\$\{[^}]*(?:\}|\Z)")
_SEPARATOR: Final = re.compile(r"[\s;&|<>()]")

_INNERMOST_COMMAND: Final = re.compile(r"\$?\([^()]*\)")
_MORE_THAN_WORDS: Final = re.compile(r"[;&|<>()\n]|(?:^|\s)#|\$'")
_DEEPEST: Final = 4
_MOST_EXPANDED: Final = 1 << 20
"""Characters that a value may expand to; a longer result counts as unknown."""

_SET_BY_BASH: Final = re.compile(
    r"BASH|BASH(?:PID|OPTS|_\w+)|COMP_WORDBREAKS|EPOCH(?:SECONDS|REALTIME)|HISTCMD|IFS|LINENO|OLDPWD|OPTIND|PPID|PWD"
    r"|RANDOM|SECONDS|SHELLOPTS|SHLVL|SRANDOM|_"
)
"""Variables that bash sets, whatever a container says about them."""


class _OnlyTheContainerKnowsError(ValueError):
    """The value depends on a variable or a command whose result is known only in the container."""


def environment_of(container: Mapping[str, Any]) -> Environment:
    """The variables that a container's `env` sets; its others are unknown."""
    variables: dict[str, str | None] = {}
    listed = container.get("env")
    for variable in listed if isinstance(listed, list | tuple) else ():
        name = variable.get("name") if isinstance(variable, Mapping) else None
        if isinstance(name, str):
            value = variable.get("value")
            plain = isinstance(value, str) and "$(" not in value and "$$" not in value
            variables[name] = value if plain and not _SET_BY_BASH.fullmatch(name) else None
    return variables


def word(text: str, env: Environment) -> str | None:
    """The one word that `text` is for bash; None if only the container knows it.

    Kubernetes replaces `$(NAME)` first. Raises ValueError, with the reason, if it is not one word.
    """
    if len(text) > LONGEST:
        raise ValueError(f"has more than {LONGEST} characters")
    try:
        _bound(text, env)
        text = _by_kubernetes(text.strip(), env)
        _bound(text, env)
        return _word(text, env)
    except _OnlyTheContainerKnowsError:
        return None


def _bound(text: str, env: Environment) -> None:
    """Refuse a long variable that is used many times, which would fill the memory."""
    if (times := text.count("$")) and times * max(
        map(len, filter(None, env.values())), default=0
    ) > _MOST_EXPANDED:
        raise _OnlyTheContainerKnowsError


def words(text: str, env: Environment) -> list[str]:
    """The words that `text` is for bash; `$` stands for what only the container knows.

    Raises ValueError, with the reason, if it is more than words, or is too long.
    """
    if len(text) > LONGEST:
        raise ValueError(f"has more than {LONGEST} characters")
    _bound(text, env)
    text = _BY_KUBERNETES.sub(lambda match: "$" if match[1] is None else env.get(match[1]) or match[0], text)
    _bound(text, env)
    for _ in range(_DEEPEST):
        text = _INNERMOST_COMMAND.sub(lambda match: "$" if match[0].startswith("$") else match[0], text)
    text = _EXPANSION.sub(lambda match: env.get(match["name"] or match["braced"] or "") or match[0], text)
    text = _WORKED_OUT.sub("$", text.strip())
    if len(text) > LONGEST:
        raise _OnlyTheContainerKnowsError
    if _MORE_THAN_WORDS.search(text):
        raise ValueError("holds more than words")
    try:
        return shlex.split(text)
    except ValueError:
        raise ValueError("has a quote that is never closed, or ends in a backslash") from None


def _by_kubernetes(text: str, env: Environment) -> str:
    return _BY_KUBERNETES.sub(lambda match: "$" if match[1] is None else _value(match[1], env), text)


def _word(text: str, env: Environment) -> str:
    made, bare, at, unknown = "", "", 0, False
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None:
            raise ValueError("has a quote that is never closed, or ends in a backslash")
        at = piece.end()
        try:
            if piece["plain"] is not None:
                bare += _without_commands(piece["plain"])
                made += _plain(piece["plain"], env, quoted_next=text[at : at + 1] in {"'", '"'})
            elif piece["double"] is not None:
                made += _expanded(piece["double"], env)
            else:
                made += piece["single"] if piece["single"] is not None else piece["escaped"].replace("\n", "")
        except _OnlyTheContainerKnowsError:
            unknown = True
    if _has_braces(bare):
        raise ValueError("has braces that bash takes apart")
    if unknown:
        raise _OnlyTheContainerKnowsError
    return made


def _plain(text: str, env: Environment, *, quoted_next: bool) -> str:
    if _SEPARATOR.search(_without_commands(text)):
        raise ValueError("is more than one word")
    if quoted_next and text.endswith("$"):  # $'...' has rules of its own.
        raise _OnlyTheContainerKnowsError
    made = _expanded(text, env)
    if _SEPARATOR.search(made):
        raise ValueError("is more than one word once its variable is replaced")
    return made


def _without_commands(text: str) -> str:
    """`text` without what bash expands before it splits words: a command may hold anything."""
    begin, end = text.find("$("), text.rfind(")")
    if 0 <= begin < end:
        text = text[:begin] + text[end + 1 :]
    return _WORKED_OUT.sub("", text)


def _has_braces(bare: str) -> bool:
    """Whether there is `{a,b}` or `{1..3}` outside quotes, or something that looks like it."""
    begin = bare.find("{")
    if begin < 0:
        return False
    inside = [at for at in (bare.find(",", begin), bare.find("..", begin)) if at >= 0]
    return bool(inside) and bare.find("}", min(inside)) >= 0


def _expanded(text: str, env: Environment) -> str:
    def replaced(match: re.Match[str]) -> str:
        if match["escaped"] is not None:
            return match["escaped"].replace("\n", "")
        if match["other"] is not None:
            raise _OnlyTheContainerKnowsError
        return _value(match["name"] or match["braced"], env)

    return _EXPANSION.sub(replaced, text)


def _value(name: str, env: Environment) -> str:
    value = env.get(name)
    if value is None:
        raise _OnlyTheContainerKnowsError
    return value
