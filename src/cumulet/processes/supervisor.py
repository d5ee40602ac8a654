"""The supervisor: forks the workers, restarts what dies, ends all of it in order.

It has one thread and opens no database, because a fork copies neither well.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import logging
import os
import select
import shutil
import signal
import sys
import time

import msgspec

from cumulet import services
from cumulet.kernel import logs, structs
from cumulet.kernel.paths import Paths
from cumulet.kernel.settings import Settings
from cumulet.processes import agent, api, engine, memory, ports, prepare, state
from cumulet.processes.child import Child
from cumulet.processes.launch import Report
from cumulet.processes.lock import AlreadyRunning

LOG = logging.getLogger("cumulet.supervisor")
GRACE_S = 10.0  # what requests under way are given to finish
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_TRIES = 3  # how often a worker may die before the first start is given up


class Supervisor:
    """`reports` is the pipe to whoever waits for the start; `lifeline` closes when a foreground `up` is gone."""

    def __init__(self, settings: Settings, *, reports: int | None = None, lifeline: int | None = None) -> None:
        self.settings = settings
        self.paths = settings.paths
        self._reports = reports
        self._lifeline = lifeline
        self._lock = state.lock(self.paths)
        self._stopping: float | None = None  # when SIGKILL follows
        self._failed: str | None = None
        self._asked_to_stop = self._asked_to_reload = False  # by a signal
        self._to_replace: list[Child] = []
        self._replaced: Child | None = None  # the worker that is being ended for a new one to take its place
        self._told_ready = False
        self._since = time.time()
        self._predecessors: list[state.Process] = []
        self._is_heir = False
        self._predecessors_end: float | None = None  # when SIGKILL follows for them
        self._workers: list[Child] = []
        self._preparing: Child | None = None
        # Nobody but this process has the writing end, so the workers see its end of file when this process is gone.
        self._worker_lifeline, self._worker_lifeline_held = os.pipe()
        self._wake, self._wake_write = os.pipe()
        for descriptor in (self._wake, self._wake_write):
            os.set_blocking(descriptor, False)

    # -- life ----------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """The exit status. Raises AlreadyRunning."""
        self._lock.acquire()
        self._remember_predecessors()
        self._install_signals()
        self._save(state.STARTING)
        try:
            self._start()
            while self._stopping is None or self._alive():
                self._turn()
        except Exception as error:
            LOG.critical("the supervisor cannot go on", exc_info=error)
            self._fail(f"{type(error).__name__}: {error}")
            self._kill_all()
        self._save(state.FAILED if self._failed else state.STOPPING)
        LOG.info("ended")
        return 1 if self._failed else 0

    def _start(self) -> None:
        if not self._predecessors:
            ports.check_free(self.settings)
        metrics = self.paths.run / "metrics"
        if not self._predecessors:
            shutil.rmtree(metrics, ignore_errors=True)
        metrics.mkdir(mode=0o700, exist_ok=True)
        self._report(Report(step="loading"))
        for service in services.enabled(self.settings.services):
            service.load()
        structs.describe()
        memory.settle()
        self._report(Report(step="preparing"))
        self._preparing = Child("prepare", functools.partial(prepare.run, self.settings, self._step))
        self._fork(self._preparing)

    def _start_workers(self) -> None:
        life = self._worker_lifeline
        for number in range(1, self.settings.api_workers + 1):
            body = functools.partial(api.run, self.settings, f"api-{number}", life)
            self._workers.append(Child(f"api-{number}", body))
        self._workers.append(Child("engine", functools.partial(engine.run, self.settings, "engine", life)))
        self._report(Report(step="starting"))
        for child in self._workers:
            self._fork(child)

    def _turn(self) -> None:
        """Wait for something to happen and answer it."""
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if self._lifeline is not None:
            poll.register(self._lifeline, select.POLLIN | select.POLLHUP)
        by_pipe = {child.pipe: child for child in self._children() if child.pipe is not None}
        for pipe in by_pipe:
            poll.register(pipe, select.POLLIN)
        for descriptor, _ in poll.poll(self._timeout_ms()):
            if descriptor == self._wake:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, 4096)
            elif descriptor == self._lifeline:
                LOG.info("the foreground program is gone")
                self._lifeline = None
                self.stop()
            elif descriptor in by_pipe and by_pipe[descriptor].read():
                self._became_ready()
        self._reap()
        if self._asked_to_stop:
            self.stop()
        if self._asked_to_reload:
            self._asked_to_reload = False
            self._to_replace = list(self._workers)
        self._replace_next()
        self._restart_due()
        if self._stopping is not None and time.monotonic() > self._stopping:
            self._kill_all()
        if self._predecessors_end is not None and time.monotonic() > self._predecessors_end:
            self._predecessors_end = None
            for process in self._predecessors:
                process.signal(signal.SIGKILL)
            self._predecessors = []
            self._save()

    def _timeout_ms(self) -> int | None:
        moments = [child.start_at for child in self._children() if child.pid is None and self._stopping is None]
        moments += [end for end in (self._stopping, self._predecessors_end) if end is not None]
        if not moments:
            return None
        return max(0, int((min(moments) - time.monotonic()) * 1000) + 1)

    # -- children ------------------------------------------------------------------------------------------------

    def _children(self) -> list[Child]:
        return [*([self._preparing] if self._preparing else []), *self._workers]

    def _alive(self) -> bool:
        return any(child.pid is not None for child in self._children())

    def _fork(self, child: Child) -> None:
        child.fork(self._let_go)
        self._save()

    def _let_go(self) -> None:
        """In a forked child: what belongs to the supervisor alone."""
        signal.set_wakeup_fd(-1)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        self._lock.close()
        held = [self._worker_lifeline_held, self._wake, self._wake_write, self._lifeline]
        held += [child.pipe for child in self._children()]
        for descriptor in held:
            if descriptor is not None:
                os.close(descriptor)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for child in self._children():
                if child.pid == pid:
                    wanted = child in (self._replaced, self._preparing) or self._stopping is not None
                    child.ended(status, expected=wanted)
                    self._ended(child)

    def _ended(self, child: Child) -> None:
        if self._stopping is None:
            if child is self._preparing and child.exit_code == 0:
                self._preparing = None
                self._start_workers()
            elif self._is_hopeless(child):
                self._fail(child.reason if child is self._preparing else f"{child.role}: {child.reason}")
                self.stop()
        self._save()

    def _is_hopeless(self, child: Child) -> bool:
        """Whether a start is to be given up, so that the person who wants it is told why.

        Preparing fails for a reason that will still be there a second later, unless somebody killed it. A supervisor
        that took a dead one's place never gives up: workers answer meanwhile, and nobody is there to start it again.
        """
        if self._told_ready or self._is_heir:
            return False
        tries = 1 if child is self._preparing and (child.exit_code or 0) > 0 else _TRIES
        return child.restarts >= tries

    def _restart_due(self) -> None:
        if self._stopping is not None:
            return
        now = time.monotonic()
        for child in self._children():
            if child.pid is None and child.start_at <= now:
                self._fork(child)

    def _became_ready(self) -> None:
        if not self._told_ready and all(child.ready for child in self._workers) and self._workers:
            self._told_ready = True
            self._save(state.RUNNING)
            self._report(Report(ready=True))
            self._close_reports()
            self._add_agent()
            for process in self._predecessors:
                process.signal(signal.SIGTERM)
            self._predecessors_end = time.monotonic() + GRACE_S
        else:
            self._save()

    def _add_agent(self) -> None:
        """Once the APIs answer: hosts are wired a moment later, and nobody has to wait for that."""
        if agent.is_wanted(self.settings):
            body = functools.partial(agent.run, self.settings, "agent", self._worker_lifeline)
            self._workers.append(Child("agent", body))  # due at once

    def _replace_next(self) -> None:
        """After SIGHUP: end one worker after the other, each when the one before has been replaced.

        The configuration is read by whoever takes its place; the others answer meanwhile.
        """
        if self._replaced is not None and self._replaced.ready:
            self._replaced = None
        if self._replaced is None and self._to_replace and self._stopping is None:
            self._replaced = self._to_replace.pop(0)
            self._replaced.signal(signal.SIGTERM)
            self._replaced.ready = False

    # -- ends ----------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End the cloud: requests under way are finished, then everything goes."""
        if self._stopping is not None:
            return
        self._stopping = time.monotonic() + GRACE_S
        self._save(state.STOPPING)
        for child in self._children():
            child.signal(signal.SIGTERM)
        for process in self._predecessors:
            process.signal(signal.SIGTERM)

    def _kill_all(self) -> None:
        for child in self._children():
            if child.pid is not None:
                LOG.warning("%s did not end in time and is killed", child.role)
                child.signal(signal.SIGKILL)
        for process in self._predecessors:
            process.signal(signal.SIGKILL)
        if self._stopping is not None:
            self._stopping = time.monotonic() + 1.0

    def _fail(self, reason: str | None) -> None:
        self._failed = reason or "unknown"
        LOG.error("cannot start: %s", reason)
        self._report(Report(failed=reason))
        self._close_reports()

    # -- signals, reports, the state file ------------------------------------------------------------------------

    def _install_signals(self) -> None:
        """The handlers only take notes: the loop, which every signal wakes, acts on them."""
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)

        def note(number: int, _: object) -> None:
            if number == signal.SIGHUP:
                self._asked_to_reload = True
            elif number != signal.SIGCHLD:
                self._asked_to_stop = True

        for number in _SIGNALS:
            signal.signal(number, note)

    def _step(self, text: str) -> None:
        """Called in the preparing process, which has the reports' pipe from its parent."""
        self._report(Report(step=text))

    def _report(self, report: Report) -> None:
        if self._reports is not None:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._reports, msgspec.json.encode(report) + b"\n")

    def _close_reports(self) -> None:
        if self._reports is not None:
            os.close(self._reports)
            self._reports = None

    def _remember_predecessors(self) -> None:
        """Workers of a supervisor that died: they go on answering until the new ones do."""
        known = state.State.load(self.paths)
        if known is not None and known.state not in (state.STOPPING, state.FAILED):
            self._predecessors = [process for process in known.processes if process.is_alive]
            self._is_heir = bool(self._predecessors)

    def _save(self, to: str | None = None) -> None:
        if to is not None:
            self._current = to
        described = [child.describe() for child in self._children()]
        mine = state.Process(
            pid=os.getpid(), role="supervisor", started=state.start_time(os.getpid()) or 0, ready=self._told_ready
        )
        state.State(
            supervisor=mine,
            state=self._current,
            since=self._since,
            foreground=self._lifeline is not None,
            message=self._failed,
            processes=[process for process in [*described, *self._predecessors] if process is not None],
            waiting=[
                state.Waiting(role=child.role, restarts=child.restarts, reason=child.reason)
                for child in self._children()
                if child.pid is None and self._stopping is None
            ],
        ).save(self.paths)


def main() -> int:
    parser = argparse.ArgumentParser(prog="cumulet.processes.supervisor")
    parser.add_argument("--state-dir")
    parser.add_argument("--reports", type=int)
    parser.add_argument("--lifeline", type=int)
    given = parser.parse_args()
    os.umask(0o077)
    settings = Settings.load(Paths.at(given.state_dir))
    if settings is None:
        sys.stderr.write("no cloud was ever started in this directory; use `cumulet up`\n")
        return 1
    logs.start("supervisor", settings.paths.logs)
    try:
        return Supervisor(settings, reports=given.reports, lifeline=given.lifeline).run()
    except AlreadyRunning:
        if given.reports is not None:
            with contextlib.suppress(BrokenPipeError):
                os.write(given.reports, msgspec.json.encode(Report(already_running=True)) + b"\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
