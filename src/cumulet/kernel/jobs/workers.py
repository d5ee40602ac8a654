"""Threads that are there when there is work and go away when there is none."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

Task = Callable[[], None]

_IDLE_S = 30.0


class Workers:
    """Runs each task at once: in an idle thread if there is one, otherwise in a new one.

    The caller bounds how many run. A thread that a handler never gives back is therefore no obstacle to the rest.
    Threads are kept for a while since each holds a database connection.
    """

    def __init__(self, name: str, idle_s: float = _IDLE_S) -> None:
        self._name = name
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._free = 0  # threads that wait, less tasks that wait for one
        self._tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()

    def submit(self, task: Task) -> None:
        with self._lock:
            self._free -= 1
            start = self._free < 0
            if start:
                self._free += 1
        self._tasks.put(task)
        if start:
            threading.Thread(target=self._work, name=self._name, daemon=True).start()

    def _work(self) -> None:
        while True:
            try:
                task = self._tasks.get(timeout=self._idle_s)
            except queue.Empty:
                with self._lock:
                    if self._free <= 0:
                        continue  # a task was promised to this thread just now
                    self._free -= 1
                return
            task()
            with self._lock:
                self._free += 1
