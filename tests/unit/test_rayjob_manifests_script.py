"""What a submitter is told, and does, with real bash and Python against a stand-in for the dashboard."""

import ast
from pathlib import Path
from typing import Any

import orjson
import pytest

from rayfleet.kinds.rayjob import submitter_program
from rayfleet.kinds.rayjob.manifests import script
from support.submitter_scene import StandInDashboard, stand_in_dashboard, submission, submitter

PROGRAM = Path(submitter_program.__file__).read_text()


async def ended(dashboard: StandInDashboard, of: dict[str, Any], folder: Path, **how: Any) -> tuple[int, str]:
    async with submitter(of, dashboard.address, folder=folder, **how) as started:
        return await started.ends()


@pytest.mark.parametrize(
    "entrypoint",
    [
        pytest.param('python -c \'print("hello")\' --name="a b"', id="quotes"),
        pytest.param("echo $HOME ${HOME} $(HOME) $$ $(id) $", id="dollar signs"),
        pytest.param("echo `id` && rm -rf /nowhere; exit 3 | cat > /dev/null !! !x", id="shell"),
        pytest.param("\n  set -e\n\tpython a.py \\\n  --b\n\n", id="lines"),
        pytest.param("echo 'Grüße $é — 火 🚀 \u2028'", id="letters"),
        pytest.param("-- --help {{x}} %s \\n \\\\ \x00\x1b", id="what programs may read"),
        pytest.param("", id="nothing"),
    ],
)
async def test_the_entrypoint_reaches_ray_byte_for_byte(entrypoint: str, tmp_path: Path) -> None:
    """No shell reads it before the one on the cluster, as if the operator itself had submitted the job."""
    given = submission(
        entrypoint, runtime_env={"env_vars": {"A": entrypoint}}, metadata={"$(HOME)": entrypoint}
    )
    async with stand_in_dashboard() as dashboard:
        code, _ = await ended(dashboard, given, tmp_path)
        assert dashboard.submitted == [given]
        assert code == 0


async def test_numbers_arrive_as_they_were_written(tmp_path: Path) -> None:
    """1.1 is 1.1, and 2 is no fraction."""
    given = submission(entrypoint_num_cpus=1.1, entrypoint_num_gpus=2, entrypoint_resources={"a": 0.5})
    async with stand_in_dashboard() as dashboard:
        await ended(dashboard, given, tmp_path)
        assert orjson.dumps(dashboard.submitted[0]) == orjson.dumps(given)


async def test_a_submitter_that_is_started_again_submits_nothing_twice(tmp_path: Path) -> None:
    """It asks first: Ray knows the job."""
    async with stand_in_dashboard() as dashboard:
        dashboard.status = "RUNNING"
        async with submitter(submission(), dashboard.address, folder=tmp_path) as first:
            await first.sees(lambda: dashboard.jobs)
            first.process.kill()
        dashboard.jobs["train-x7k2p"]["status"] = "FAILED"
        code, output = await ended(dashboard, submission(), tmp_path)
        assert len(dashboard.submitted) == 1
        assert code == 0
        assert "Job train-x7k2p: FAILED. as told" in output


@pytest.mark.parametrize("source", ["RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", ""])
async def test_each_request_carries_the_token_and_no_line_shows_it(source: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hush\n")
    value = {"RAY_AUTH_TOKEN": "hush", "RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")}.get(source, "")
    async with stand_in_dashboard() as dashboard:
        dashboard.answers = [(401, "Unauthorized")]
        _, output = await ended(
            dashboard, submission(), tmp_path, variables={source: value} if source else {}
        )
        assert dashboard.tokens == {"Bearer hush" if source else None}
        assert "Unauthorized" in output
        assert "hush" not in output


@pytest.mark.parametrize("token", ["two\nlines", "caf\u00e9"])
def test_a_token_that_fits_into_no_header_is_not_shown_either(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's own error about the header would quote it."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", token)
    with pytest.raises(submitter_program.TroubleError) as trouble:
        submitter_program.Dashboard("127.0.0.1:9").ask("GET", "/")
    assert str(trouble.value) == "the token for Ray is not plain ASCII text on one line"


def test_the_program_runs_in_images_with_an_older_python() -> None:
    """Ray 2.47 runs on Python 3.9."""
    ast.parse(PROGRAM, feature_version=(3, 9))


def test_kubernetes_has_nothing_to_expand_in_the_program() -> None:
    """A dollar sign before a bracket or another dollar sign would be changed."""
    assert "$" not in PROGRAM
    words = script.command()["args"]
    assert not {"$(", "$$"} & {word[at : at + 2] for word in words for at in range(len(word))}


def test_a_login_shell_is_one_flag_more() -> None:
    """Some images set their PATH in a profile only."""
    assert script.command()["command"] == ["/bin/bash", "-ce", "--"]
    assert script.command(login_shell=True)["command"] == ["/bin/bash", "-cel", "--"]


def test_the_exit_codes_are_those_that_the_job_knows() -> None:
    """The program cannot import them."""
    assert (submitter_program.REFUSED, submitter_program.LOST) == (script.REFUSED, script.LOST)


@pytest.mark.parametrize(("size", "fits"), [(130_000, True), (132_000, False)])
def test_a_submission_that_no_process_can_be_started_with_is_known(
    size: int,
    fits: bool,  # noqa: FBT001 - a table's column
) -> None:
    """Linux has a limit of 128 KiB for a variable, its name and its end included."""
    assert script.LARGEST_SUBMISSION + len(script.SUBMISSION) + len("=\0") == 131_072
    assert script.fits(submission("x" * size)) is fits
