"""Names of pods and Services: stable, unique, and valid for any cluster and group."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayfleet.kinds.raycluster.manifests import fqdn, head_pod_name, head_service_name, worker_pod_name
from support.manifest_samples import UID, cluster, spec

DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
OTHER_UID = "0a1b2c3d-0000-4000-8000-000000000002"

cluster_names = st.from_regex(r"[a-z]([a-z0-9-]{0,51}[a-z0-9])?", fullmatch=True)
group_names = st.text("abcXYZ019._-", min_size=1, max_size=63)


def test_names_have_the_shape_that_users_look_for() -> None:
    """A pod's name says its cluster, its group and its number."""
    assert re.fullmatch(r"demo-head-[a-z2-9]{5}", head_pod_name(cluster(), 1))
    assert re.fullmatch(r"demo-gpu-worker-[a-z2-9]{5}-17", worker_pod_name(cluster(), "gpu", 17))


def test_the_hash_is_that_of_the_first_release() -> None:
    """Names are pinned: with another hash a new release would create pods beside the existing ones."""
    assert head_pod_name(cluster(), 1) == "demo-head-ssvhr"
    assert worker_pod_name(cluster(), "gpu", 1) == "demo-gpu-worker-m6z5t-1"


def test_each_epoch_has_a_head_of_its_own() -> None:
    """A new epoch or a new cluster of the same name never meets the pod of the old one."""
    names = [head_pod_name(cluster(uid=uid), epoch) for uid in (UID, OTHER_UID) for epoch in range(1, 101)]

    assert len(set(names)) == 200


@pytest.mark.parametrize(
    ("group", "stem"),
    [
        ("GPU_a100.large", "demo-gpu-a100-large-worker-"),
        ("-.x.-", "demo-x-worker-"),
        ("___", "demo-worker-"),
        ("Größe", "demo-gr-e-worker-"),
    ],
)
def test_a_group_name_is_converted_to_dns(group: str, stem: str) -> None:
    """Capitals, dots and underscores are valid in a group's name, but not in a host's."""
    assert worker_pod_name(cluster(), group, 3).startswith(stem)


def test_groups_with_equal_prefixes_have_different_names() -> None:
    """The hash is of the whole group name and is never cut."""
    one, two = (worker_pod_name(cluster("c" * 53), f"group-{n}", 1) for n in (1, 2))

    assert one != two
    assert one[:42] == two[:42]


def test_pods_of_one_group_differ_in_the_number_only() -> None:
    """That holds past the tenth pod, and for names that are cut."""
    first, many = (worker_pod_name(cluster("c" * 53), "gpu", n) for n in (1, 123_456))

    assert many == first[:-1] + "123456"
    assert len(many) == 63


@given(cluster_names, group_names, st.integers(min_value=1, max_value=10**12), st.integers(min_value=1))
def test_every_name_is_a_dns_label(name: str, group: str, index: int, epoch: int) -> None:
    """A pod's name is its host name too, so it has to be a label of at most 63 characters."""
    for made in (head_pod_name(cluster(name), epoch), worker_pod_name(cluster(name), group, index)):
        assert DNS_LABEL.fullmatch(made), made
    assert worker_pod_name(cluster(name), group, index).endswith(f"-{index}")


def test_the_head_service_is_named_by_the_cluster_or_by_its_user() -> None:
    """`headService.metadata.name` wins."""
    named = spec(head={"headService": {"metadata": {"name": "entry"}}})

    assert head_service_name(cluster(), spec()) == "demo-head-svc"
    assert head_service_name(cluster(), named) == "entry"
    assert head_service_name(cluster(), spec(head={"headService": {"metadata": None}})) == "demo-head-svc"
    assert fqdn(cluster(), named) == "entry.team-a.svc.cluster.local"
    assert fqdn(cluster(), spec(), "corp.example") == "demo-head-svc.team-a.svc.corp.example"
