"""The operator's behaviour on fixed input is recorded, and a change is named by its aspect."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from golden import cli, draws, manifests
from golden.adapter import Operator
from golden.aspects import ASPECTS, TEMPLATE_HASH
from golden.files import changed_draws, changed_manifests, line_of, manifest_files, text_of

EACH = 6
"""One draw in so many is checked here; `make lint` checks all."""
PARTS = 4
Json = dict[str, Any]


@pytest.mark.parametrize("part", range(PARTS))
def test_drawn_clusters_behave_as_recorded(part: int) -> None:
    """This covers bodies, hashes, names, actions, sizes, status, events and messages."""
    names = draws.names()[part * EACH :: PARTS * EACH]
    assert changed_draws(names, map(line_of, names)) == {}


def test_manifests_behave_as_recorded() -> None:
    """These are the examples, and cases of users."""
    assert changed_manifests() == {}


def test_a_thousand_draws_are_recorded() -> None:
    """Each has its line."""
    names = draws.names()
    assert len(names) >= 1000
    lines = (Path(manifests.ROOT) / "tests/golden/draws.txt").read_text().splitlines()
    assert [line.split(" ")[0] for line in lines] == names


def another_image(planned: Json, _: Json) -> None:
    for action in planned["actions"]:
        if action["verb"] == "create" and action["kind"] == "Pod":
            action["body"] = {**action["body"], "spec": {**action["body"]["spec"], "hostNetwork": True}}


def another_hash(planned: Json, _: Json) -> None:
    for action in planned["actions"]:
        if action["verb"] == "create" and action["kind"] == "Pod":
            metadata = action["body"]["metadata"]
            noted = {**metadata["annotations"], TEMPLATE_HASH: "0"}
            action["body"] = {**action["body"], "metadata": {**metadata, "annotations": noted}}
            action["templateHash"] = "0"


def another_label(planned: Json, _: Json) -> None:
    for action in planned["actions"]:
        if action["verb"] == "create":
            metadata = action["body"]["metadata"]
            labels = {**metadata["labels"], "a": "b"}
            action["body"] = {**action["body"], "metadata": {**metadata, "labels": labels}}


def another_reason(planned: Json, _: Json) -> None:
    for action in planned["actions"]:
        action["message"] += ", they say"


def another_order(planned: Json, _: Json) -> None:
    planned["requeueAfter"] = 1.5


def another_size(planned: Json, _: Json) -> None:
    for size in planned["sizes"].values():
        size["pods"] += 1


def another_status(_: Json, reported: Json) -> None:
    reported["status"]["observedGeneration"] += 1


def another_event(_: Json, reported: Json) -> None:
    for event in reported["events"]:
        event["reason"] += "Perhaps"


def another_note(_: Json, reported: Json) -> None:
    for event in reported["events"]:
        event["note"] += " Perhaps."


CHANGES = {
    another_image: ["bodies"],
    another_hash: ["hashes"],
    another_label: ["names"],
    another_reason: ["words"],
    another_order: ["actions"],
    another_size: ["sizes"],
    another_status: ["status"],
    another_event: ["events"],
    another_note: ["words"],
}


def changed(change: Callable[[Json, Json], None]) -> type[Operator]:
    """An operator that does one thing differently."""

    class Changed(Operator):
        def decide(self, seen: Json) -> Json:
            planned = super().decide(seen)
            change(planned, {"status": {"observedGeneration": 0}, "events": []})
            return planned

        def conclude(self, seen: Json, outcomes: Sequence[Json]) -> Json:
            reported = super().conclude(seen, outcomes)
            change({"actions": [], "sizes": {}}, reported)
            return reported

    return Changed


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_is_named_by_its_aspect(
    change: Callable[[Json, Json], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whole manifests, and in draws."""
    example = next(each for each in manifests.manifests() if each.name == "examples-raycluster")
    monkeypatch.setattr(manifests, "manifests", lambda: iter([example]))
    monkeypatch.setattr("golden.files.manifests", lambda: iter([example]))
    monkeypatch.setattr(manifests, "Operator", changed(change))
    monkeypatch.setattr(draws, "Operator", changed(change))
    found = changed_manifests()
    assert found["examples-raycluster.yaml"] == CHANGES[change]
    assert changed_draws(["fixed-0001"], [line_of("fixed-0001")]) == {"fixed-0001": CHANGES[change]}


def test_a_missing_or_a_leftover_file_is_a_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renamed manifest causes both."""
    two = list(manifests.manifests())[:2]
    monkeypatch.setattr("golden.files.manifests", lambda: iter(two))
    (tmp_path / "manifests").mkdir()
    (name, account), (missing, _) = manifest_files()
    (tmp_path / "manifests" / name).write_text(text_of(account))
    (tmp_path / "manifests" / "old.yaml").write_text("{}")
    assert set(changed_manifests(tmp_path)) == {missing, "old.yaml"}


def test_differences_are_listed_by_aspect_with_the_first_places() -> None:
    """The last line has the remedy."""
    names = {f"fixed-{n:04}": ["hashes", "words"] for n in range(9)}
    hashes, words, remedy = cli.differences({**names, "a.yaml": ["words"]})
    assert hashes.startswith("hashes: differs from tests/golden in fixed-0000, fixed-0001,")
    assert hashes.endswith("and 3 more")
    assert words.endswith("and 4 more")
    assert "make golden" in remedy
    assert set(ASPECTS) >= {"hashes", "words"}
