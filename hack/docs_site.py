"""What MkDocs calls while it builds the site (`hooks` in mkdocs.yml).

MkDocs is not in the development environment, so nothing here imports it: functions on values, and a thin hook
around each.
"""

import logging
import posixpath
import re
from collections.abc import Mapping, MutableMapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol, TypeAlias

_LOG = logging.getLogger("mkdocs.hooks.docs_site")
"""In a strict build a warning of this logger is an error."""
_LINK = re.compile(r"(?<=\]\()(?P<path>\.\./[^)#\s]*)(?P<anchor>#[^)\s]*)?(?=\))")
_LOADED = re.compile(
    r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=[\"']?(?P<url>(?:https?:)?//[^\"'> ]+)"
)

Entry: TypeAlias = "str | Mapping[str, Entry] | Sequence[Entry]"
"""A part of the navigation: a page, a title with what is below it, or a list of both."""


class Source(Protocol):
    """The Markdown file of a page."""

    src_uri: str


class Page(Protocol):
    """A page of the site."""

    file: Source


def on_config(config: MutableMapping[str, Any]) -> None:
    """Complete the navigation."""
    docs = Path(config["docs_dir"])
    pages = sorted(page.relative_to(docs).as_posix() for page in docs.rglob("*.md"))
    config["nav"] = complete(config["nav"], pages)


def on_page_markdown(markdown: str, page: Page, config: Mapping[str, Any], **_: object) -> str:
    """Lead links to files outside docs/ to the repository."""
    root = Path(config["docs_dir"]).parent
    return with_repository_links(markdown, page.file.src_uri, root, config["extra"]["repository"])


def on_post_page(output: str, page: Page, **_: object) -> str:
    """Report a page that makes a browser load something from another server."""
    for url in loaded_elsewhere(output):
        _LOG.warning("%s loads %s from another server", page.file.src_uri, url)
    return output


def complete(nav: Sequence[Entry], pages: Sequence[str]) -> list[Entry]:
    """The navigation with the pages that each `folder/*.md` stands for, if not named elsewhere."""
    named = set(_entries(nav))

    def filled(entry: Entry) -> list[Entry]:
        if isinstance(entry, Mapping):
            return [
                {title: below if isinstance(below, str) else each(below) for title, below in entry.items()}
            ]
        if not isinstance(entry, str) or "*" not in entry:
            return [entry]
        folder = posixpath.dirname(entry)
        there = (page for page in pages if posixpath.dirname(page) == folder and fnmatchcase(page, entry))
        return [page for page in there if page not in named]

    def each(entries: Entry) -> list[Entry]:
        return [made for entry in entries for made in filled(entry)]

    return each(nav)


def with_repository_links(markdown: str, page: str, root: Path, repository: str) -> str:
    """The text of `page`; its links out of docs/ lead to the repository, if there is such a file.

    A link to nothing is left as it is, and MkDocs reports it.
    """

    def led(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), link["path"]))
        if target.startswith(("docs/", "..")) or not (root / target).exists():
            return link[0]
        kind = "tree" if (root / target).is_dir() else "blob"
        return f"{repository}/{kind}/main/{target}{link['anchor'] or ''}"

    return _LINK.sub(led, markdown)


def loaded_elsewhere(html: str) -> list[str]:
    """The addresses of other servers from which a page loads scripts, styles, fonts or images."""
    return [found["url"] for found in _LOADED.finditer(html)]


def _entries(nav: Entry) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    below = nav.values() if isinstance(nav, Mapping) else nav
    return [page for entry in below for page in _entries(entry)]
