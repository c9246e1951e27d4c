"""Which Ray a cluster runs: what its manifest states, else what the tag of its image says, else unknown."""

from typing import Any

import pytest

from rayfleet.api.raycluster import RayVersion, needs_sidecar, ray_version_of
from rayfleet.kinds.raycluster.plan import plan
from support import builders
from support.manifest_samples import built_head, environment, ray, spec, template


def version_of(image: object, stated: object = None) -> RayVersion | None:
    return ray_version_of(spec(head={"template": template(image=image)}, rayVersion=stated))


@pytest.mark.parametrize("stated", ["2.55.1", "v2.55.1", "2.55.1-rc0"])
def test_the_version_in_the_manifest_goes_before_the_image(stated: str) -> None:
    """Custom images may have any tag."""
    assert version_of("rayproject/ray:2.9.0", stated) == (2, 55, 1)


@pytest.mark.parametrize("stated", [None, "", " ", "nightly", "latest", "2"])
@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("rayproject/ray:2.9.0", (2, 9, 0)),
        ("rayproject/ray:2.9.0-py310", (2, 9, 0)),
        ("rayproject/ray-ml:2.46.0.0e19ea-py39-gpu", (2, 46, 0)),
        ("localhost:5000/team/ray:v2.60", (2, 60, 0)),
        ("ray:2.54.0@sha256:0123456789abcdef", (2, 54, 0)),
        ("quay.io/acme/our-ray-gpu:2.47.1", (2, 47, 1)),
        ("acme/train:cuda12.1-ray2.48.0-7", (2, 48, 0)),
        ("acme/train:ray-2.48.0", (2, 48, 0)),
    ],
)
def test_a_manifest_without_a_version_has_that_of_its_images_tag(
    image: str, version: tuple[int, int, int], stated: str | None
) -> None:
    """The reference's own chart leaves `rayVersion` out."""
    assert version_of(image, stated) == version


@pytest.mark.parametrize(
    "image",
    [
        "rayproject/ray",
        "rayproject/ray:latest",
        "rayproject/ray:nightly-py312",
        "rayproject/ray:nightly.250101.2e1f3a",
        "rayproject/ray@sha256:0123456789abcdef",
        "localhost:5000/ray",
        "acme/train:2.9.0",
        "acme/array:2.9.0",
        "acme/ray:2025.01.31",
        "acme/ray-serving:0.3.1",
        "",
        None,
        7,
        "ray:" + "2.9." * 1000,
    ],
)
def test_a_tag_without_a_ray_version_leaves_the_version_unknown(image: object) -> None:
    """The tag of another image is the version of something else."""
    assert version_of(image) is None


@pytest.mark.parametrize(
    "broken", [{}, {"spec": 1}, {"spec": {"containers": {}}}, {"spec": {"containers": [7]}}]
)
def test_a_template_of_any_shape_is_searched_for_its_version(broken: dict[str, Any]) -> None:
    """Other code reports its faults."""
    assert ray_version_of(spec(head={"template": broken}, rayVersion="")) is None


def test_a_group_whose_image_has_no_version_has_the_ray_of_the_head() -> None:
    """A node of another version could not join."""
    head, worker = template(image="rayproject/ray:2.51.0"), template(image="acme/train:7")
    of = spec(head={"template": head}, worker={"template": worker}, rayVersion="")
    assert ray_version_of(of, worker) == (2, 51, 0)
    assert ray_version_of(of, template(image="ray:2.52.0")) == (2, 52, 0)


@pytest.mark.parametrize(
    ("image", "scales"),
    [
        ("rayproject/ray:2.9.0", False),
        ("rayproject/ray:2.46.0", False),
        ("rayproject/ray:2.47.0", True),
        ("rayproject/ray:2.60.0", True),
        ("rayproject/ray:nightly", True),
        ("acme/train:1.0", True),
    ],
)
def test_a_cluster_without_a_version_is_scaled_as_the_ray_of_its_image_allows(
    image: str, *, scales: bool
) -> None:
    """The rule is that of its probes; the head's environment follows it."""
    of = spec(head={"template": template(image=image)}, rayVersion="", enableInTreeAutoscaling=True)
    head = built_head(of)
    assert needs_sidecar(of) is not scales
    assert ("RAY_enable_autoscaler_v2" in environment(ray(head))) is scales
    assert (head["spec"].get("restartPolicy") == "Never") is scales


def test_a_running_pod_is_kept_though_its_successor_would_have_other_probes() -> None:
    """It keeps the probes of an earlier release: only a new pod has the new body."""
    of = builders.cluster(builders.spec(rayVersion="nightly"))
    earlier = "0123456789abcdef"
    pods = [builders.head(of, template_hash=earlier)]
    pods += [builders.worker(of, index, template_hash=earlier) for index in (1, 2, 3)]
    assert plan(builders.snapshot(of, pods)).actions == ()
