"""The hooks of the documentation's site: navigation, links out of docs/, nothing from other servers."""

import logging
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

import docs_site

REPOSITORY = "https://code.example/rayfleet"
PAGES = ["index.md", "explain.md", "new.md", "runbooks/a.md", "runbooks/index.md", "runbooks/deep/b.md"]


def test_a_page_that_nobody_names_is_found_by_the_pattern_of_its_folder() -> None:
    """Those that are named keep their place; a pattern does not reach into folders below."""
    nav: list[docs_site.Entry] = [
        {"Home": "index.md"},
        {"How-to": ["explain.md", "*.md"]},
        {"Runbooks": ["runbooks/index.md", "runbooks/*.md"]},
    ]
    assert docs_site.complete(nav, PAGES) == [
        {"Home": "index.md"},
        {"How-to": ["explain.md", "new.md"]},
        {"Runbooks": ["runbooks/index.md", "runbooks/a.md"]},
    ]


def test_sections_within_sections_are_completed() -> None:
    assert docs_site.complete([{"All": ["index.md", {"Books": ["runbooks/*.md"]}]}], PAGES) == [
        {"All": ["index.md", {"Books": ["runbooks/a.md", "runbooks/index.md"]}]}
    ]


@pytest.mark.parametrize(
    ("page", "link", "led"),
    [
        ("a.md", "../README.md", "/blob/main/README.md"),
        ("a.md", "../README.md#use", "/blob/main/README.md#use"),
        ("deep/a.md", "../../code/store.py", "/blob/main/code/store.py"),
        ("deep/a.md", "../../code/", "/tree/main/code"),
    ],
)
def test_a_link_out_of_the_docs_leads_to_the_repository(
    tmp_path: Path, page: str, link: str, led: str
) -> None:
    """A file is a blob there, a folder a tree."""
    _repository(tmp_path)
    text = f"See [it]({link}), or [this](b.md)."
    expected = f"See [it]({REPOSITORY}{led}), or [this](b.md)."
    assert docs_site.with_repository_links(text, page, tmp_path, REPOSITORY) == expected


@pytest.mark.parametrize(
    ("page", "link"),
    [("deep/a.md", "../b.md"), ("a.md", "../nothing.md"), ("a.md", "../../beyond.md"), ("a.md", "b.md#x")],
)
def test_any_other_link_is_left_for_mkdocs_to_judge(tmp_path: Path, page: str, link: str) -> None:
    """One within the docs, one to nothing, and one out of the repository."""
    _repository(tmp_path)
    text = f"[it]({link})"
    assert docs_site.with_repository_links(text, page, tmp_path, REPOSITORY) == text


def test_a_page_that_loads_anything_from_another_server_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """A warning is an error in a strict build. A link that a reader may follow loads nothing."""
    harmless = '<a href="https://www.ray.io">Ray</a> <script src="assets/a.js"></script> <img src=b.svg>'
    assert docs_site.loaded_elsewhere(harmless) == []
    loading = (
        '<link rel=stylesheet href="https://fonts.example/css"> <script async src=//c.example/x.js></script>'
    )
    page = SimpleNamespace(file=SimpleNamespace(src_uri="a.md"))
    with caplog.at_level(logging.WARNING):
        assert docs_site.on_post_page(harmless + loading, page=page) == harmless + loading
    assert [record.getMessage() for record in caplog.records] == [
        "a.md loads https://fonts.example/css from another server",
        "a.md loads //c.example/x.js from another server",
    ]
    assert {record.name.partition(".")[0] for record in caplog.records} == {"mkdocs"}


def _repository(root: Path) -> None:
    (root / "docs" / "deep").mkdir(parents=True)
    (root / "code").mkdir()
    for file in ("README.md", "code/store.py", "docs/b.md"):
        (root / file).touch()


def test_the_site_and_the_chart_lead_to_the_same_repository() -> None:
    """The address of the repository is in two places: links of the site, and the runbooks of alerts."""
    root = Path(docs_site.__file__).parents[1]
    repository = re.search(r"^  repository: (\S+)$", (root / "mkdocs.yml").read_text(), re.MULTILINE)
    values = yaml.safe_load((root / "charts/rayfleet/values.yaml").read_text())
    assert repository
    assert values["metrics"]["prometheusRule"]["runbooks"] == f"{repository[1]}/blob/main/docs/runbooks"
