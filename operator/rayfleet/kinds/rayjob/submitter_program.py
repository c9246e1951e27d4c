"""The program of a submitter: it gives a job to Ray's dashboard once, and follows it to its end.

It runs in a container that has Python, but not this package: `manifests/script.py` sends its text. It needs
Python 3.9 and the standard library, and Ray only to show logs and to upload files.

- What it submits is the JSON that the operator would send itself. The entrypoint passes no shell on its way.
- It asks before it submits, so it may be started again at any time.
- A job that it has seen is never submitted again. If Ray forgets the job, another head has taken over: what
  follows from that is for the operator to decide. A program that is started after that cannot know.
- It ends with 0 once the job is over, whatever its result, which is Ray's to tell.
"""

from __future__ import annotations

import asyncio
import http.client
import importlib
import io
import json
import os
import signal
import sys
import threading
import time
from typing import Any
from urllib.parse import quote

PATIENCE = float(os.environ.get("RAYFLEET_PATIENCE", "120"))
"""Seconds without a good answer after which this ends with `NO_ANSWER`."""
HINT = 120.0
"""Seconds between two lines about a dashboard that does not answer."""
FAREWELL = 10.0
"""Seconds that the last logs may take once the job is over."""
SECONDS = {"GET": 10.0, "POST": 30.0}
"""How long an answer may take. To take a job, Ray itself waits 10 s for an agent."""
LARGEST = 4 << 20
"""Bytes read of an answer."""
LONGEST = 2000
"""Characters shown of a message."""

NO_ANSWER = 1
REFUSED = 65
"""The submission is wrong: it would be refused again."""
LOST = 69
"""Ray does not know the job any more."""
TERMINATED = 143

OVER = {"SUCCEEDED", "FAILED", "STOPPED"}
TOKEN_OF_POD = "/var/run/secrets/ray.io/serviceaccount/token"


class TroubleError(Exception):
    """No answer, or not a good one: time may help."""


class RefusedError(Exception):
    """Ray will never take this submission."""


class LostError(Exception):
    """Ray has forgotten the job."""


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Complaints:
    """Says what is wrong, but not the same thing again and again."""

    def __init__(self) -> None:
        self.last = ""

    def say(self, text: str) -> None:
        if text != self.last:
            say(text)
        self.last = text


def token() -> str:
    """The token for Ray; empty if it asks for none. A file is read anew, as its content may change."""
    value = os.environ.get("RAY_AUTH_TOKEN", "")
    path = os.environ.get("RAY_AUTH_TOKEN_PATH", "")
    if os.environ.get("RAY_ENABLE_K8S_TOKEN_AUTH", "").lower() in {"1", "true"}:
        path = path or TOKEN_OF_POD
    if not value and path:
        with open(path) as file:
            value = file.read()
    value = value.strip()
    if not (value.isascii() and value.isprintable()):
        # An error about the header would show it.
        raise TroubleError("the token for Ray is not plain ASCII text on one line")
    return value


class Dashboard:
    """Ray's dashboard at an address, `host:port`."""

    def __init__(self, address: str) -> None:
        self.address = address.rpartition("://")[2].rstrip("/")

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        """The status and the text of an answer. It follows no redirect and uses no proxy."""
        try:
            secret = token()
            headers = {"Content-Type": "application/json"}
            if secret:
                headers["x-ray-authorization"] = "Bearer " + secret
            connection = http.client.HTTPConnection(self.address, timeout=SECONDS[method])
            try:
                sent = None if body is None else json.dumps(body).encode()
                connection.request(method, path, sent, headers)
                answer = connection.getresponse()
                return answer.status, answer.read(LARGEST).decode(errors="replace")
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise TroubleError(f"no answer from Ray's dashboard at {self.address}: {error!r}") from None

    def job(self, job_id: str) -> dict[str, Any] | None:
        """What Ray says about a job; None if it does not know it."""
        status, text = self.ask("GET", "/api/jobs/" + quote(job_id, safe=""))
        if status == http.client.NOT_FOUND:
            return None
        try:
            details = json.loads(text) if status == http.client.OK else None
        except ValueError:
            details = None
        if not isinstance(details, dict):
            raise TroubleError(f"Ray's dashboard answered {status}: {text[-LONGEST:]}")
        return details

    def wait(self) -> None:
        """Return once the cluster is up. There is no limit: before that there is nothing else to do."""
        hint = time.monotonic() + HINT
        while True:
            try:
                status, text = self.ask("GET", "/api/gcs_healthz")
                if status == http.client.OK and "success" in text:
                    return
                trouble = f"Ray's dashboard at {self.address} answered {status}: {text[-LONGEST:]}"
            except TroubleError as error:
                trouble = str(error)
            if time.monotonic() >= hint:
                say(trouble)
                hint = time.monotonic() + HINT
            time.sleep(0.5)

    def submit(self, body: dict[str, Any]) -> None:
        """Return if Ray has taken the job, now or before."""
        if names_local_files(body.get("runtime_env") or {}):
            status, text = self.upload(body)
        else:
            status, text = self.ask("POST", "/api/jobs/", body)
        if status == http.client.OK or "use a different submission_id" in text:
            return
        if status == http.client.BAD_REQUEST:
            raise RefusedError(f"Ray refuses the job: {text[-LONGEST:]}")
        raise TroubleError(f"Ray did not take the job ({status}): {text[-LONGEST:]}")

    def upload(self, body: dict[str, Any]) -> tuple[int, str]:
        """Submit through Ray's own client, which uploads the files of this container that the job names."""
        try:
            client = ray_client(self.address)
        except ImportError as error:
            raise RefusedError(f"runtimeEnvYAML names a local path: use a URI ({error})") from None
        except Exception as error:
            raise TroubleError(f"Ray's client cannot reach {self.address}: {error}") from None
        try:
            client.submit_job(**body)
        except (TypeError, ValueError) as error:
            return int(http.client.BAD_REQUEST), str(error)
        except Exception as error:
            return int(http.client.INTERNAL_SERVER_ERROR), str(error)
        return int(http.client.OK), ""


def names_local_files(runtime_env: dict[str, Any]) -> bool:
    """Whether the runtime environment names something that is in this container."""
    modules = runtime_env.get("py_modules")
    places = [runtime_env.get(name) for name in ("working_dir", "pip", "uv", "conda")]
    places += modules if isinstance(modules, list) else []
    return any(isinstance(place, str) and os.path.exists(place) for place in places)


def ray_client(address: str) -> Any:
    """Ray's client. Its import takes seconds, so the job is submitted without it."""
    # These would override the address.
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        os.environ.pop(name, None)
    return importlib.import_module("ray.job_submission").JobSubmissionClient("http://" + address)


class Logs(threading.Thread):
    """Shows the logs of a job, each line once, although the connection may be cut."""

    def __init__(self, address: str, job_id: str) -> None:
        super().__init__(daemon=True)
        self.address = address
        self.job_id = job_id
        self.shown = 0
        """Characters."""
        self.ended = threading.Event()
        """The stream has ended: the job is over, or the connection was cut."""
        self.over = threading.Event()
        """The job is over."""

    def run(self) -> None:
        complaints = Complaints()
        while True:
            whole = False
            try:
                asyncio.run(self.follow())
                whole = True
            except ImportError as error:
                say(f"The logs of the job are not shown here: {error}")
                return
            except Exception as error:
                complaints.say(f"The logs of the job cannot be read, which is tried again: {error!r}")
            self.ended.set()
            if self.over.wait(1) and whole:
                return
            time.sleep(1)

    async def follow(self) -> None:
        """Show what was not shown yet: Ray sends the logs from their beginning each time."""
        seen = 0
        async for text in ray_client(self.address).tail_job_logs(self.job_id):
            sys.stdout.write(text[max(self.shown - seen, 0) :])
            sys.stdout.flush()
            seen += len(text)
            self.shown = max(self.shown, seen)


def run(dashboard: Dashboard, body: dict[str, Any]) -> str:
    """Submit a job unless Ray knows it, and return how it ended."""
    job_id = body["submission_id"]
    good = time.monotonic()
    pause = 0.1
    logs = None
    complaints = Complaints()
    while True:
        try:
            details = dashboard.job(job_id)
            if details is None and logs is not None:
                raise LostError(f"Ray does not know job {job_id} any more: another head has taken over")
            if details is None:
                dashboard.submit(body)
            good = time.monotonic()
        except TroubleError as trouble:
            complaints.say(str(trouble))
            if time.monotonic() - good > PATIENCE:
                raise
            time.sleep(pause)
            pause = min(pause * 2, 2)
            continue
        if logs is None:
            logs = Logs(dashboard.address, job_id)
            logs.start()
        if details is not None and details.get("status") in OVER:
            logs.over.set()
            logs.join(FAREWELL)
            # The lines after the first repeat the logs.
            message = str(details.get("message") or "").partition("\n")[0]
            return f"{details['status']}. {message}"[:LONGEST]
        # Sooner if the logs have ended: that is usually the end of the job.
        logs.ended.wait(pause)
        logs.ended.clear()
        pause = min(pause * 2, 15)


def main() -> int:
    # The first process of a container ignores every signal that it does not handle.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(TERMINATED))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # Logs may hold anything.
    body = json.loads(os.environ["RAYFLEET_SUBMISSION"])
    dashboard = Dashboard(os.environ["RAY_DASHBOARD_ADDRESS"])
    dashboard.wait()
    try:
        say(f"Job {body['submission_id']}: {run(dashboard, body)}")
    except TroubleError:
        return NO_ANSWER
    except RefusedError as error:
        say(str(error))
        return REFUSED
    except LostError as error:
        say(str(error))
        return LOST
    return 0


if __name__ == "__main__":
    ending = main()
    sys.stdout.flush()
    # Not sys.exit: the thread that shows logs may never end.
    os._exit(ending)
