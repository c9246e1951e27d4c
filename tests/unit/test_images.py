"""Images: their content decides their name and the command lines that build them."""

import os
import shutil
from pathlib import Path

import pytest

from images import base, recipes
from images.engines import Buildah, Docker
from images.pip_conf import pip_conf


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of all sources of images."""
    for name in ("images", "operator", "requirements"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(recipes.REPOSITORY / name, tmp_path / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(recipes.REPOSITORY / name, tmp_path)
    return tmp_path


def test_a_change_of_source_changes_the_operator_image_and_not_the_ray_image(checkout: Path) -> None:
    """So a new build is rolled out without building half a gigabyte of Ray again."""
    before = recipes.recipe("operator", {}, checkout), recipes.recipe("ray", {}, checkout)
    with (checkout / "operator" / "rayfleet" / "errors.py").open("a") as source:
        source.write("# changed\n")
    after = recipes.recipe("operator", {}, checkout), recipes.recipe("ray", {}, checkout)
    assert after[0].reference != before[0].reference
    assert after[0].archive_name != before[0].archive_name
    assert after[1] == before[1]


def test_byte_code_and_times_change_nothing(checkout: Path) -> None:
    """Running or copying the source does not cause a build."""
    before = recipes.recipe("operator", {}, checkout)
    (checkout / "operator" / "rayfleet" / "__pycache__").mkdir()
    (checkout / "operator" / "rayfleet" / "__pycache__" / "main.cpython-311.pyc").write_bytes(b"x")
    os.utime(checkout / "pyproject.toml", (0, 0))
    assert recipes.recipe("operator", {}, checkout) == before


def test_a_recipe_lists_all_that_its_dockerfile_copies() -> None:
    """The staged files are the hashed ones: a COPY of anything else would fail."""
    for name in recipes.NAMES:
        recipe = recipes.recipe(name, {})
        text = (recipes.REPOSITORY / recipe.dockerfile).read_text()
        copies = [line.split()[1:-1] for line in text.splitlines() if line.startswith("COPY ")]
        sources = [word for words in copies if not words[0].startswith("--from") for word in words]
        for source in sources:
            assert any(file.is_relative_to(source) for file in recipe.files), (name, source)


def test_the_gpu_image_is_the_same_dockerfile_on_another_base() -> None:
    """There is one recipe to maintain."""
    ray, gpu = recipes.recipe("ray", {}), recipes.recipe("ray-gpu", {})
    assert gpu.dockerfile == ray.dockerfile
    assert "nvidia/cuda" in gpu.build_args["BASE_IMAGE"]
    assert not ray.build_args


def test_both_ray_images_have_the_same_python_by_default() -> None:
    """A cluster whose head and workers differ in their Python does not start."""
    dockerfile = (recipes.REPOSITORY / "images/ray/Dockerfile").read_text()
    version = recipes.recipe("ray-gpu", {}).build_args["PYTHON_VERSION"]
    assert f"ARG PYTHON_VERSION={version}\n" in dockerfile


def test_a_ray_image_is_named_after_its_ray_version() -> None:
    """Manifests name it so."""
    assert recipes.recipe("ray", {}).reference == "localhost/rayfleet/ray:2.60.0"
    assert recipes.recipe("ray", {"RAY_VERSION": "2.47.1"}).reference == "localhost/rayfleet/ray:2.47.1"


def test_a_given_base_goes_before_the_images_own() -> None:
    """So the GPU image can be built without pulling a CUDA base."""
    assert (
        recipes.recipe("ray-gpu", {"BASE_IMAGE": "localhost/mine"}).build_args["BASE_IMAGE"]
        == "localhost/mine"
    )


def test_both_engines_get_the_same_build_and_secrets_stay_out_of_it() -> None:
    """The CA bundle and pip's configuration are secrets, never arguments or files of a layer."""
    recipe = recipes.recipe("ray", {"PYTHON_VERSION": "3.11"})
    secrets = {"ca": Path("/etc/ca.pem"), "pip_conf": Path("/w/pip.conf")}
    context = Path("/w/context")
    common = [
        "--build-arg=PYTHON_VERSION=3.11",
        "--secret=id=ca,src=/etc/ca.pem",
        "--secret=id=pip_conf,src=/w/pip.conf",
        "--file=/w/context/images/ray/Dockerfile",
        "--tag=localhost/rayfleet/ray:2.60.0",
        "/w/context",
    ]
    docker, buildah = Docker().build(recipe, context, secrets), Buildah().build(recipe, context, secrets)
    assert docker == ["docker", "build", "--quiet", "--network=host", *common]
    assert buildah[buildah.index("--") + 1 :][:3] == ["buildah", "build", "--isolation=chroot"]
    assert buildah[-len(common) :] == common


def test_both_engines_save_a_docker_archive_that_carries_the_name() -> None:
    """`ctr images import` and `kind load image-archive` accept it."""
    archive = Path("/w/ray.tar")
    assert Docker().save("localhost/r:1", archive) == [
        "docker",
        "save",
        "--output",
        "/w/ray.tar",
        "localhost/r:1",
    ]
    assert Buildah().save("localhost/r:1", archive)[-1] == "docker-archive:/w/ray.tar:localhost/r:1"


def test_pip_in_the_build_uses_the_index_of_this_machine() -> None:
    """It gets the index and the CA bundle, and nothing else of the environment."""
    environment = {"PIP_CERT": "/etc/ca.pem", "PIP_INDEX_URL": "https://pypi.example/simple", "HOME": "/root"}
    expected = "[global]\nindex-url = https://pypi.example/simple\ncert = /run/secrets/ca\n"
    assert pip_conf(environment) == expected
    assert pip_conf({}) == "[global]\n"


TARGETS = """\
Example|stable|main|http://packages.example/apt/
Debian|bookworm-security|main|http://security.example/debian-security/
Debian|bookworm|contrib|http://contrib.example/debian/
Debian|bookworm|main|http://mirror.example/debian/
"""


def test_the_base_comes_from_the_mirror_that_apt_uses() -> None:
    """It is not a security archive or another vendor's."""
    assert base.mirror_in(TARGETS) == "http://mirror.example/debian/"
    assert base.mirror_in("Ubuntu|noble|main|http://ubuntu.example/\n") is None
    assert base.mirror_in("") is None
