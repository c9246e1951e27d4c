"""Links between the repository's own Markdown files, as they are read in the repository."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page.relative_to(ROOT)
    for where in (
        "*.md",
        "docs/**/*.md",
        "examples/**/*.md",
        "images/**/*.md",
        "charts/**/*.md",
        "benchmarks/**/*.md",
    )
    for page in ROOT.glob(where)
)
_FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`]*`")
_LINK = re.compile(r"\]\((?P<path>[^)#\s]*)(?:#(?P<anchor>[^)\s]+))?\)")
_HEADING = re.compile(r"^#+ +(?P<title>.*)$", re.MULTILINE)
_ELSEWHERE = ("http://", "https://", "mailto:")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(page: Path) -> None:
    """`make docs` checks the links of the site; here are also those of pages that are not part of it."""
    broken = []
    for link in _LINK.finditer(_CODE.sub("", prose(page))):
        if link["path"].startswith(_ELSEWHERE):
            continue
        target = (ROOT / page).parent / link["path"] if link["path"] else ROOT / page
        if not target.exists() or (link["anchor"] and link["anchor"] not in anchors(target)):
            broken.append(link[0])
    assert not broken


def prose(page: Path) -> str:
    """The text of a page without its code blocks."""
    return _FENCED.sub("", (ROOT / page).read_text())


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings get: on GitHub, and by the slugs that mkdocs.yml chooses."""
    titles = (
        re.sub(r"\[([^]]*)\]\([^)]*\)|`", r"\1", found["title"]) for found in _HEADING.finditer(prose(page))
    )
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}
