"""Whatever somebody has written into a status, nothing that reads it fails, and the next one fits."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from crds.status_schema import status_schema
from rayfleet.api.raycluster.status import RayClusterStatus
from rayfleet.cli.explanation_data import explanation_data
from rayfleet.engine.statuses import status_patch
from rayfleet.explain.explanation import explanation_of
from rayfleet.explain.sources import Queue, Sources
from rayfleet.kinds.raycluster.accounts import ClusterAccounts
from rayfleet.kinds.raycluster.identity import identified
from rayfleet.kinds.raycluster.plan import plan
from rayfleet.kinds.raycluster.series import cluster_lines
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kinds.raycluster.status import compute_status, events_of, is_urgent, unheard
from rayfleet.kinds.raycluster.status.cuts import MOST_BYTES, size_of
from rayfleet.kube.cache import Glance
from support.builders import NOW, group, head, parsed, snapshot, spec, worker
from support.queued_clusters import node, scaled, view

SCHEMA = status_schema(RayClusterStatus)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(allow_nan=False), st.text(max_size=50)
)
ANY = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
WORDS = st.sampled_from(
    [
        "gpu",
        "True",
        "False",
        "Ready",
        "RayClusterProvisioned",
        "Valid",
        "Ceiling",
        "QuotaExceeded",
        "<" * 3_000,
    ]
)


def like(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """JSON with the schema's fields, each with a fitting value or anything else."""
    match schema.get("type"):
        case "object" if "properties" in schema:
            fields = {name: like(inner) for name, inner in schema["properties"].items()}
            return st.fixed_dictionaries({}, optional={**fields, "others": ANY}) | ANY
        case "object":
            inner = like(schema["additionalProperties"])
            return st.dictionaries(st.text(max_size=9), inner, max_size=3) | ANY
        case "array":
            return st.lists(like(schema["items"]), max_size=4) | ANY
        case "integer":
            return st.integers(-3, 2**31) | ANY
        case _:
            return WORDS | st.just("2027-01-15T08:00:00Z") | ANY


STATUSES = st.fixed_dictionaries(
    {}, optional={name: like(inner) for name, inner in SCHEMA["properties"].items()}
)


def comes_to_rest(seen: Snapshot) -> bool:
    """Whether nothing is left to write after two writes: the second no longer reports what was cut."""
    for minute in range(3):
        status = compute_status(seen, plan(seen), ())
        if not status_patch(seen.cluster.status, status):
            return True
        seen = replace(seen, cluster=replace(seen.cluster, status=status), now=NOW + 60 * minute)
    return False


@settings(max_examples=60, deadline=None)
@given(status=STATUSES)
def test_nothing_that_reads_a_status_fails_on_it(status: dict[str, Any]) -> None:
    """A pass, its events, metrics and `explain`."""
    of = replace(scaled(), status=status)
    pods = tuple(identified(of, parsed(of.spec), [head(of), worker(of, 1)]))
    seen = snapshot(of, pods, scaling=view([node(head(of))]))
    decided = plan(seen)
    after = compute_status(seen, decided, ())
    assert size_of(after) <= MOST_BYTES
    assert json.loads(json.dumps(after)) == after
    assert events_of((), (), status, after, decided) is not None
    assert isinstance(is_urgent(status, after), bool)
    assert isinstance(is_urgent(*unheard(status, after)), bool)
    assert comes_to_rest(seen)
    assert list(cluster_lines(Glance(of.key, of.uid, NOW, {}, status), pods, ClusterAccounts()))
    sources = Sources(of, parsed(of.spec), pods, (), Queue(None, "no answer"), NOW)
    assert json.dumps(explanation_data(explanation_of(sources)))


@settings(max_examples=30, deadline=None)
@given(status=STATUSES)
def test_nothing_that_reads_a_status_of_a_cluster_of_fixed_size_fails(status: dict[str, Any]) -> None:
    """Nor for one whose spec is not valid."""
    of = replace(scaled(), spec=spec(group("gpu", 2)), status=status)
    for seen in (snapshot(of, [head(of)]), snapshot(of, [head(of)], spec=None)):
        assert comes_to_rest(seen)
