"""The process: runs the parts of the operator, and shuts them down when asked to."""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import uvloop

from rayfleet.engine.shell import run_shell
from rayfleet.kinds.raycluster.actions import Plan
from rayfleet.kinds.raycluster.kind import decided
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.client.credentials import Credentials, CredentialsError
from rayfleet.kube.client.login import find_credentials
from rayfleet.settings import flags
from rayfleet.settings.flags import Settings
from rayfleet.telemetry import logs
from rayfleet.telemetry.http_server import ListenError
from rayfleet.wiring import Operator

log = logging.getLogger(__name__)

STOP_GRACE_SECONDS = 3.0
"""How long passes in progress at SIGTERM may take; the process ends within 5 s."""
SHELL_SECONDS = 0.5
"""How long kopf may take to end on its own, as it does if it received the signal."""
GARBAGE_THRESHOLD = 10_000
"""Objects between collections of cyclic garbage; the default of 700 costs a twentieth of the CPU time."""


class Process:
    """One running operator."""

    def __init__(
        self,
        given: Settings,
        credentials: Credentials,
        decide: Callable[[Snapshot], Plan] = decided,
    ) -> None:
        """`decide` is the planner of RayClusters; only tests pass another one."""
        self._settings = given
        self._credentials = credentials
        self.operator = Operator(given, credentials, decide)
        self._asked_to_end = asyncio.Event()

    async def run(self) -> int:
        """Run until asked to end, or until a part ends that must not; return the exit status."""
        try:
            for server in self.operator.servers:
                await server.start()
            return await self._run_parts()
        finally:
            await self._close_servers()

    def ask_to_end(self) -> None:
        """Let `run` shut down and return."""
        self._asked_to_end.set()

    async def _run_parts(self) -> int:
        operator = self.operator
        parts = [asyncio.create_task(part, name=name) for name, part in operator.parts().items()]
        shell = asyncio.create_task(self._shell(), name="kopf")
        asked = asyncio.create_task(self._asked_to_end.wait())
        try:
            ended, _ = await asyncio.wait([asked, shell, *parts], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await operator.stop_work(STOP_GRACE_SECONDS)
            await _cancel([asked, *parts])
            await operator.resign()
            # kopf last: when it ends it waits for every task of the process younger than itself, such as
            # those of connections that a scraper keeps open.
            await self._close_servers()
            if not (await asyncio.wait([shell], timeout=SHELL_SECONDS))[0]:
                shell.cancel()
                await asyncio.wait([shell], timeout=STOP_GRACE_SECONDS)
            await operator.close()
        return _exit_status([*ended, shell], asked)

    async def _close_servers(self) -> None:
        for server in self.operator.servers:
            await server.stop()

    async def _shell(self) -> None:
        given = self._settings
        # Once it runs, kopf handles the signals itself, and calls back when it ends.
        await run_shell(self._credentials, given.namespaces, given.identity, on_end=self.ask_to_end)


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _exit_status(ended: Iterable[asyncio.Task[Any]], asked: asyncio.Task[Any]) -> int:
    """0 if asked to end. A part that fails ends the process, so that the next one starts clean."""
    status = 0
    for task in ended:
        if task is not asked and task.done() and not task.cancelled() and task.exception() is not None:
            log.critical("A part has failed: %s", task.get_name(), exc_info=task.exception())
            status = 1
    return status


async def _until_signalled(process: Process) -> int:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, process.ask_to_end)
    return await process.run()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the operator; return the exit status."""
    given = flags.parse(sys.argv[1:] if arguments is None else arguments, os.environ)
    logs.configure(given.log_level)
    gc.freeze()  # Imported objects stay: no collection needs to look through them.
    gc.set_threshold(GARBAGE_THRESHOLD)
    try:
        credentials = find_credentials(given.kubeconfig)
        return uvloop.run(_until_signalled(Process(given, credentials)))
    except (CredentialsError, ListenError) as error:
        log.critical("%s", error)
        return 2
