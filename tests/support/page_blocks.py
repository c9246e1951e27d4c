"""The code blocks of Markdown pages."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_SPAN = re.compile(r"(?<!`)`(?!`)([^`]+)`(?!`)")
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)(?: title=\"(?P<title>[^\"]*)\")?\s*$")


@dataclass(frozen=True)
class Block:
    """One fenced block; `page` is the path in the repository, `line` that of the block's first line."""

    page: str
    line: int
    language: str
    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: str, text: str | None = None) -> list[Block]:
    """The fenced blocks of a page, in order. Fails on a fence that does not end."""
    found: list[Block] = []
    began: tuple[int, re.Match[str]] | None = None
    lines = ((ROOT / page).read_text() if text is None else text).splitlines()
    for number, line in enumerate(lines, start=1):
        fence = _FENCE.match(line)
        if began is None:
            began = (number, fence) if fence else None
        elif line.strip() == "```":
            first, opening = began
            indent = len(opening["indent"])
            body = "\n".join(inner[indent:] for inner in lines[first : number - 1])
            found.append(Block(page, first + 1, opening["language"], opening["title"] or "", body))
            began = None
    assert began is None, f"{page}: the block of line {began and began[0]} does not end"
    return found


def all_pages() -> list[str]:
    """Every page that people read, but for decisions, which are of their day, and the changes."""
    folders = ("*.md", "docs/**/*.md", "examples/**/*.md", "images/**/*.md", "charts/**/*.md")
    found = {page.relative_to(ROOT).as_posix() for folder in folders for page in ROOT.glob(folder)}
    return sorted(page for page in found if not page.startswith("docs/decisions/") and page != "CHANGELOG.md")


def all_blocks(*languages: str) -> list[Block]:
    """The blocks of all pages in these languages; without any, of all."""
    every = (block for page in all_pages() for block in blocks_of(page))
    return [block for block in every if not languages or block.language in languages]


def spans_of(page: str) -> list[Block]:
    """What stands between backticks in the prose of a page, each as a block without a language."""
    text = (ROOT / page).read_text()
    for block in blocks_of(page):
        text = text.replace(block.text, re.sub(r"[^\n]", "", block.text), 1)
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, "", "", " ".join(found[1].split()))
        for found in _SPAN.finditer(text)
    ]
