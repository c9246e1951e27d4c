"""The commands that pages show: a block of shell lines, taken apart into programs and their words."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from support.page_blocks import Block, all_blocks, all_pages, spans_of

SUBSTITUTED = "VALUE"
"""Stands for what the shell puts in: `$(...)`, `${...}` and `$NAME`."""
_INNER = re.compile(r"\$\(([^()]*)\)")
_VARIABLE = re.compile(r"\$\{[^}]*\}|\$\w+")
_COMMENT = re.compile(r"(?:^|\s+)#.*$", re.MULTILINE)
_ASSIGNMENT = re.compile(r"\w+=")
_SEPARATORS = frozenset({"&&", "||", "|", ";", "&"})
_REDIRECTIONS = frozenset({"<", ">", ">>"})
_IN_PROSE = ("kubectl", "helm", "rayfleet", "make")
"""The programs whose commands are also looked at where they stand in a sentence."""


@dataclass(frozen=True)
class Command:
    """One program with its arguments, and the block that shows it."""

    block: Block
    words: tuple[str, ...]

    @property
    def program(self) -> str:
        return self.words[0].rpartition("/")[2]

    @property
    def arguments(self) -> tuple[str, ...]:
        return self.words[1:]

    def __str__(self) -> str:
        return f"{self.block} {shlex.join(self.words)}"


def commands_of(block: Block) -> Iterator[Command]:
    """The commands of a shell block, those within `$(...)` too. Fails where a quote does not end."""
    text = _COMMENT.sub("", block.text.replace("\\\n", " "))
    while inner := _INNER.search(text):
        yield from commands_of(Block(block.page, block.line, block.language, block.title, inner[1]))
        text = f"{text[: inner.start()]}{SUBSTITUTED}{text[inner.end() :]}"
    for line in _VARIABLE.sub(SUBSTITUTED, text).splitlines():
        yield from _of_line(block, line)


def _of_line(block: Block, line: str) -> Iterator[Command]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="<>&|;")
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    redirected = False
    for word in [*lexer, ";"]:
        if word in _SEPARATORS:
            while words and _ASSIGNMENT.match(words[0]):
                words.pop(0)
            if words:
                yield Command(block, tuple(words))
            words = []
        elif word in _REDIRECTIONS:
            redirected = True
            continue
        elif not redirected:
            words.append(word)
        redirected = False


def all_commands() -> list[Command]:
    """What all pages show in shell blocks."""
    return [command for block in all_blocks("bash") for command in commands_of(block)]


def commands_in_prose() -> list[Command]:
    """Commands of the programs that matter, with at least one argument, in the sentences of all pages."""
    spans = (span for page in all_pages() for span in spans_of(page))
    shown = (span for span in spans if span.text.partition(" ")[0] in _IN_PROSE and " " in span.text)
    return [command for span in shown for command in commands_of(span)]
