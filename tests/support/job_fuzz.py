"""A search for a RayJob that the API server accepts, and that the operator or a Go client cannot read."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from functools import reduce
from operator import getitem
from typing import Any, Final

from rayfleet.api.violation import Violation
from support.cluster_api import ApiError, ClusterApi
from support.odd_templates import OddTemplates, Place
from support.template_fuzz import NO_VERDICT_ON_THE_SHAPE, PODS

JOBS: Final = "/apis/ray.io/v1/namespaces/default/rayjobs"
RAW: Final = frozenset({"template", "submitterPodTemplate", "headService"})
"""Fields of Kubernetes' own types; the operator does not read what is in them."""


class JobFuzz:
    """Stores odd RayJobs in dry runs."""

    def __init__(self, api: ClusterApi, path: str, kind: str, parse: Callable[[object], object]) -> None:
        self._api, self._path, self._kind, self._parse = api, path, kind, parse
        self.outcomes: Counter[str] = Counter()

    def judge_spec(self, spec: dict[str, Any]) -> None:
        """Fail if it is accepted, and is not of the types that the models have."""
        taken = self._dry_run(self._path, self._object(spec), {422})
        if isinstance(taken, ApiError):
            self.outcomes["refused"] += 1
            return
        self.outcomes["taken"] += 1
        parsed = self._parse(taken["spec"])
        assert not isinstance(parsed, tuple), f"accepted {spec}, the operator says {_words(parsed)}"

    def judge_template(self, spec: dict[str, Any], *path: str) -> None:
        """Fail if the spec is accepted, and the pod of its template at `path` cannot be parsed."""
        taken = self._dry_run(self._path, self._object(spec), {422})
        if isinstance(taken, ApiError):
            self.outcomes["refused"] += 1
            return
        template: dict[str, Any] = reduce(getitem, path, taken["spec"])
        metadata = template.get("metadata")
        named = {"name": "dry", **(metadata if isinstance(metadata, dict) else {}), "namespace": "default"}
        pod = {**template, "apiVersion": "v1", "kind": "Pod", "metadata": named}
        answer = self._dry_run(PODS, pod, {422, *NO_VERDICT_ON_THE_SHAPE})
        self.outcomes["pod refused" if isinstance(answer, ApiError) else "pod taken"] += 1

    def _object(self, spec: dict[str, Any]) -> dict[str, Any]:
        return {"apiVersion": "ray.io/v1", "kind": self._kind, "metadata": {"name": "dry"}, "spec": spec}

    def _dry_run(self, path: str, body: object, expected: set[int]) -> dict[str, Any] | ApiError:
        try:
            return self._api.call("POST", path, body, dryRun="All")
        except ApiError as refused:
            if refused.status not in expected:
                raise AssertionError(f"{body} led to {refused}") from refused
            return refused


def own_places(odd: OddTemplates) -> Sequence[Place]:
    """The places that are not inside of Kubernetes' own types."""
    return [place for place in odd.places() if not RAW & set(place[:-1])]


def odd_spec(odd: OddTemplates, places: Sequence[Place], seed: int) -> dict[str, Any]:
    """A spec that is odd in a place or a few."""
    return odd.random(random.Random(seed), places)  # noqa: S311 - odd values, not secrets


def _words(violations: tuple[Violation, ...]) -> str:
    return " ".join(map(str, violations))
