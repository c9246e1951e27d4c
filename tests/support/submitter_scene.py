"""A submitter's own commands, run for real next to a stand-in for Ray's dashboard."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from rayfleet.kinds.rayjob.manifests.script import address_environment, command, submission_environment


def submission(entrypoint: str = "python main.py", **fields: object) -> dict[str, Any]:
    """The body of a submission."""
    return {"entrypoint": entrypoint, "submission_id": "train-x7k2p", **fields}


class StandInDashboard:
    """Answers as Ray's dashboard does, and keeps what it was asked. Attributes say how it behaves."""

    def __init__(self) -> None:
        self.address = ""
        self.healthy = True
        self.jobs: dict[str, dict[str, Any]] = {}
        self.submitted: list[dict[str, Any]] = []
        self.tokens: set[str | None] = set()
        """What requests had as `x-ray-authorization`."""
        self.answers: list[tuple[int, str]] = []
        """Statuses and texts of the next answers to submissions; with 0 it takes the job and says nothing."""
        self.status = "SUCCEEDED"
        """Of a job once it was taken."""
        self.logs: list[list[str]] = []
        """What the streams send, one after the other; each but the last is cut."""
        self.asked = 0
        """How often it was asked for a job."""
        self.asked_for_logs = 0
        self.streams_end = True

    async def health(self, _: web.Request) -> web.Response:
        return web.Response(text="success" if self.healthy else "starting", status=200)

    async def version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": "4", "ray_version": "2.60.0", "ray_commit": "x"})

    async def job(self, request: web.Request) -> web.Response:
        self.tokens.add(request.headers.get("x-ray-authorization"))
        self.asked += 1
        known = self.jobs.get(request.match_info["id"])
        return web.Response(status=404, text="no such job") if known is None else web.json_response(known)

    async def submit(self, request: web.Request) -> web.Response:
        self.tokens.add(request.headers.get("x-ray-authorization"))
        body = await request.json()
        self.submitted.append(body)
        status, text = self.answers.pop(0) if self.answers else (200, "")
        if status >= 400:
            return web.Response(status=status, text=text)
        self.jobs[body["submission_id"]] = {"status": self.status, "message": "as told"}
        if not status and request.transport is not None:
            request.transport.abort()
        return web.json_response({"job_id": "x", "submission_id": body["submission_id"]})

    async def tail(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.asked_for_logs += 1
        for text in self.logs.pop(0) if self.logs else []:
            await socket.send_str(text)
        if self.logs and request.transport is not None:
            await asyncio.sleep(0.05)  # What was sent arrives before the cut.
            request.transport.abort()
        if not self.streams_end:
            await socket.receive()
        return socket

    async def package(self, _: web.Request) -> web.Response:
        return web.Response(status=200)


@asynccontextmanager
async def stand_in_dashboard() -> AsyncIterator[StandInDashboard]:
    """A dashboard on a free port, gone after the block."""
    dashboard, app = StandInDashboard(), web.Application()
    app.add_routes(
        [
            web.get("/api/gcs_healthz", dashboard.health),
            web.get("/api/version", dashboard.version),
            web.post("/api/jobs/", dashboard.submit),
            web.get("/api/jobs/{id}", dashboard.job),
            web.get("/api/jobs/{id}/logs/tail", dashboard.tail),
            web.get("/api/packages/{protocol}/{name}", dashboard.package),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    dashboard.address = f"127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield dashboard
    finally:
        await runner.cleanup()


def as_the_kubelet_expands(text: str, known: Mapping[str, str]) -> str:
    """`$(NAME)` of known variables replaced, two dollar signs made one, everything else as it is."""
    out, at = "", 0
    while at < len(text):
        if text.startswith("$$", at):
            out, at = out + "$", at + 2
        elif text.startswith("$(", at) and ")" in text[at:]:
            end = text.index(")", at)
            name = text[at + 2 : end]
            out, at = out + known.get(name, f"$({name})"), end + 1
        else:
            out, at = out + text[at], at + 1
    return out


class Submitter:
    """A running submitter container."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def sees(self, what: Callable[[], object], seconds: float = 20.0) -> None:
        """Return once `what` is true; the container must still run then."""
        async with asyncio.timeout(seconds):
            while not what():
                assert self.process.returncode is None, "the submitter has ended"
                await asyncio.sleep(0.01)

    async def ends(self, seconds: float = 20.0) -> tuple[int, str]:
        """Its exit code and its output."""
        output, _ = await asyncio.wait_for(self.process.communicate(), seconds)
        return self.process.returncode or 0, output.decode()


@asynccontextmanager
async def submitter(
    body: Mapping[str, Any],
    address: str,
    *,
    folder: Path,
    with_ray: bool = False,
    variables: Mapping[str, str] | None = None,
) -> AsyncIterator[Submitter]:
    """The container's process, killed after the block; without Ray it starts twenty times faster."""
    without_ray = folder / "without-ray"
    without_ray.mkdir(exist_ok=True)
    (without_ray / "ray.py").write_text('raise ImportError("there is no Ray in this image")\n')
    # A cluster's variables could be named in a job's text; these must stay what the user wrote.
    environment = {"HOME": str(folder), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment |= {"PYTHONUNBUFFERED": "1"} | ({} if with_ray else {"PYTHONPATH": str(without_ray)})
    environment |= dict(variables or {})
    for variable in (*address_environment(address, body["submission_id"]), *submission_environment(body)):
        environment[variable["name"]] = as_the_kubelet_expands(variable["value"], environment)
    made = command()
    words = [as_the_kubelet_expands(word, environment) for word in (*made["command"], *made["args"])]
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield Submitter(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
