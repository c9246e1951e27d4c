"""All rules together, on good, bad and odd clusters."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rayfleet.api.raycluster import validate
from rayfleet.api.violation import Violation
from support.rule_rows import FT, GPU, GPU_PATH, HEAD, build


def test_a_plain_cluster_breaks_no_rule() -> None:
    """A head, two groups and nothing else."""
    assert validate(build({}), name="c1") == ()


def test_every_broken_rule_is_reported_at_once() -> None:
    """A user should not have to fix one field at a time."""
    spec = build({f"{GPU}.minReplicas": 9, "workerGroupSpecs.1.numOfHosts": 0})
    assert [violation.path for violation in validate(spec, name="C1")] == [
        "metadata.name",
        f"{GPU_PATH}.minReplicas",
        "spec.workerGroupSpecs[1].numOfHosts",
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("ab.-/", max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["spec", "containers", "env", "name", "value", "volumeMounts", "volumes", "mountPath", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(odd=st.dictionaries(st.sampled_from(["spec", "metadata"]), JSON, max_size=2))
def test_no_template_stops_a_rule(odd: dict[str, Any]) -> None:
    """Templates may be any JSON, and no rule fails on one."""
    spec = build(
        {
            f"{HEAD}.template": odd,
            f"{GPU}.template": odd,
            FT: {"backend": "rocksdb"},
            "tlsOptions": {"enabled": True},
            "enableInTreeAutoscaling": True,
            "autoscalerOptions": {"version": "v2", "env": [odd]},
            "historyServerOptions.collectorOptions": {"env": [odd]},
        }
    )
    assert all(isinstance(violation, Violation) for violation in validate(spec, name="c1"))
