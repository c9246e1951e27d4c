"""A stand-in for the dashboard of a Ray head: a real HTTP server whose jobs a test submits, ends or forgets.

For many heads: one object each, on 127.1.0.1, 127.1.0.2 ... and one port.
"""

import asyncio
import json
from time import time
from typing import TYPE_CHECKING, Any, TypeAlias

from aiohttp import web

from support.dashboard_misdeeds import MISDEEDS, Misdeed

if TYPE_CHECKING:
    from asyncio import Event

Jobs: TypeAlias = dict[str, dict[str, Any]]
"""What Ray says about each job, by its submission id."""
NODE = "fd911776b57463c3bc9d1c4efbcdf3eb342a42aa73a8dd4ce4962c4f"
PORT = 8265
_TERMINAL = {"STOPPED", "SUCCEEDED", "FAILED"}
_TRACEBACK = (
    'Traceback (most recent call last):\n  File "job_head.py", line 419, in submit_job\n    resp = await it\n'
    "RuntimeError: Request failed with status code 400: Traceback (most recent call last):\n"
    '  File "job_agent.py", line 45, in submit_job\n    raise ValueError(\n'
    "ValueError: {}\n.\n"
)
"""How Ray words what the agent of the head's node says, with status 500."""


class StandInDashboard:
    """One head's dashboard. `jobs` are what it answers; a test may change them at any time."""

    def __init__(self, token: str | None = None) -> None:
        self.token = token
        self.jobs: Jobs = {}
        self.drivers: list[dict[str, Any]] = []
        """Jobs that nobody submitted: they are in the list only."""
        self.misdeed: Misdeed | None = None
        self.elsewhere = ""
        self.held: Event | None = None
        """Requests wait for it."""
        self.lists = True
        """Whether it can list its jobs; else it answers questions about one job only."""
        self.requests: list[tuple[str, str]] = []
        """Method and path of each, as sent."""
        self.submissions: list[dict[str, Any]] = []
        """The bodies of all submissions, repeated ones too."""
        self.logs: dict[str, str] = {}
        """What each driver has written so far."""
        self.cuts = 0
        """How many more streams of a log are cut after their first piece."""
        self.packages: dict[str, bytes] = {}
        self.tokens: set[str] = set()
        """What came in `x-ray-authorization`."""
        self._runner: web.AppRunner | None = None
        self._host = "127.0.0.1"
        self._port = 0

    @property
    def address(self) -> str:
        return f"{self._host}:{self._port}"

    @property
    def listens(self) -> bool:
        return self._runner is not None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen only at this address; on the same port after a stop."""
        await self.stop()
        app = web.Application(client_max_size=100 << 20)
        app.router.add_route("*", "/{rest:.*}", self._serve)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        self._host, self._runner = host, runner
        await web.TCPSite(runner, host, port or self._port).start()
        self._port = runner.addresses[0][1]

    async def stop(self) -> None:
        """Cut every connection and listen no more; the jobs stay."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def submit(self, submission_id: str, status: str = "PENDING", **fields: Any) -> None:
        """A job that was submitted; Ray's other fields by their names."""
        self.jobs[submission_id] = job(submission_id, status, **fields)

    def run(self, submission_id: str) -> None:
        """Its driver has started."""
        self.jobs[submission_id] |= {
            "status": "RUNNING",
            "message": "Job is currently running.",
            "job_id": "02000000",
            "driver_node_id": NODE,
        }

    def finish(self, submission_id: str, status: str = "SUCCEEDED", **fields: Any) -> None:
        """It has ended; a failed one with an exit code of 1 unless `fields` say otherwise."""
        failed = {
            "driver_exit_code": 1,
            "error_type": "JOB_ENTRYPOINT_COMMAND_ERROR",
            "message": "exit code 1",
        }
        ends = {
            "SUCCEEDED": {"driver_exit_code": 0, "message": "Job finished successfully."},
            "FAILED": failed,
        }
        ended = {"status": status, "end_time": int(time() * 1000)}
        self.jobs[submission_id] |= ended | ends.get(status, {}) | fields

    def forget(self, *ids: str) -> None:
        """These jobs are gone, or all: the head has restarted without its store."""
        for each in ids or tuple(self.jobs):
            self.jobs.pop(each, None)

    def asked(self, method: str, path: str) -> int:
        """How many requests of this method had a path that starts like this."""
        return sum(how == method and what.startswith(path) for how, what in self.requests)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.raw_path))
        if self.held is not None:
            await self.held.wait()
        header = request.headers.get("x-ray-authorization", "")
        self.tokens.add(header)
        if self.token is not None and header != f"Bearer {self.token}":
            words = "Forbidden: Invalid authentication token" if header else "Unauthorized: Missing token"
            return web.Response(status=403 if header else 401, text=words)
        if self.misdeed is not None and (bad := MISDEEDS.get(self.misdeed)) is not None:
            return await bad(request, self.right, self.elsewhere)
        return await self._route(request)

    async def _route(self, request: web.Request) -> web.StreamResponse:
        parts = request.raw_path.split("?")[0].removeprefix("/api/jobs/").split("/")
        asked = request.match_info["rest"].removeprefix("api/jobs/").split("/")[0]
        if request.raw_path.startswith("/api/packages/"):
            return await self._package(request)
        if not request.raw_path.startswith("/api/jobs/"):
            raise web.HTTPNotFound
        match request.method, parts:
            case "GET", [""] if self.lists:
                return _answer([*self.jobs.values(), *self.drivers])
            case "POST", [""]:
                return await self._submit(request)
            case "GET", [_]:
                return self._job(asked)
            case "POST", [_, "stop"]:
                return self._stop(asked)
            case "GET", [_, "logs"]:
                return _answer({"logs": self.logs.get(asked, "")})
            case "GET", [_, "logs", "tail"]:
                return await self._tail(request, asked)
        raise web.HTTPNotFound

    async def _submit(self, request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        self.submissions.append(asked)
        if self.misdeed is Misdeed.STARTING:
            return web.Response(status=500, text="No available agent to submit job, please try again later.")
        if not isinstance(asked.get("entrypoint"), str):
            return web.Response(status=400, text=_TRACEBACK.format("entrypoint must be a string"))
        name = asked["submission_id"]
        if name in self.jobs:
            words = f"Job with submission_id {name} already exists. Please use a different submission_id."
            return web.Response(status=500, text=_TRACEBACK.format(words))
        known = {
            key: value for key, value in asked.items() if key in {"metadata", "runtime_env", "entrypoint"}
        }
        self.submit(name, **known)
        return _answer({"job_id": name, "submission_id": name})

    async def _package(self, request: web.Request) -> web.Response:
        name = request.path.rpartition("/")[2]
        if request.method == "PUT":
            self.packages[name] = await request.read()
        elif name not in self.packages:
            return web.Response(status=404, text=f"Package gcs://{name} does not exist")
        return web.Response()

    async def _tail(self, request: web.Request, asked: str) -> web.StreamResponse:
        """The log from its start, until the job has ended and all of it is sent."""
        stream = web.WebSocketResponse()
        await stream.prepare(request)
        sent = 0
        while True:
            ended = self.jobs[asked]["status"] in _TERMINAL
            if piece := self.logs.get(asked, "")[sent : sent + 20_000]:
                sent += len(piece)
                await stream.send_str(piece)
                if self.cuts:
                    self.cuts -= 1
                    assert request.transport is not None
                    request.transport.abort()
                    return stream
            elif ended:
                return stream
            await asyncio.sleep(0.02)  # Ray sleeps for a second.

    def _job(self, asked: str) -> web.Response:
        if asked not in self.jobs:
            return web.Response(status=404, text=f"Job {asked} does not exist")
        return _answer(self.jobs[asked])

    def _stop(self, asked: str) -> web.Response:
        if asked not in self.jobs:
            return web.Response(status=404, text=f"Job {asked} does not exist")
        stops = self.jobs[asked]["status"] not in _TERMINAL
        if stops:
            self.finish(asked, "STOPPED", message="Job was intentionally stopped.")
        return _answer({"stopped": stops})

    async def right(self, request: web.Request) -> bytes:
        """The body of the answer that would be right."""
        answer = await self._route(request)
        assert isinstance(answer, web.Response)
        assert isinstance(answer.body, bytes)
        return answer.body


def job(submission_id: str | None, status: str = "PENDING", **fields: Any) -> dict[str, Any]:
    """A job in Ray's words, of which `fields` change some."""
    return {
        "type": "DRIVER" if submission_id is None else "SUBMISSION",
        "job_id": None,
        "submission_id": submission_id,
        "driver_info": None,
        "status": status,
        "entrypoint": "python train.py",
        "message": "Job has not started yet.",
        "error_type": None,
        "start_time": int(time() * 1000),
        "end_time": None,
        "metadata": {},
        "runtime_env": {},
        "driver_agent_http_address": None,
        "driver_node_id": None,
        "driver_exit_code": None,
        **fields,
    }


def as_json(value: object) -> bytes:
    """JSON as Ray writes it."""
    return json.dumps(value).encode()


def _answer(value: object) -> web.Response:
    return web.Response(body=as_json(value), content_type="application/json")
