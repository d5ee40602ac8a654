"""What a worker does when its supervisor is gone: it goes on answering and brings a new supervisor to life.

Every worker holds the reading end of a pipe whose writing end only the supervisor has, so the kernel tells each of them
of its death at once. The new supervisor starts its own workers and then ends the old ones; nobody is refused meanwhile.
"""

from __future__ import annotations

import fcntl
import logging
import os
import random
import signal
import threading
import time

from cumulet.kernel.settings import Settings
from cumulet.processes import launch, state

LOG = logging.getLogger(__name__)
_LOOK_AGAIN_S = 0.5
_FOREGROUND_GRACE_S = 15.0


def watch(descriptor: int, settings: Settings) -> None:
    """Wait for the supervisor's death in a thread of its own."""
    threading.Thread(target=_wait, args=(descriptor, settings), name="lifeline", daemon=True).start()


def _wait(descriptor: int, settings: Settings) -> None:
    while os.read(descriptor, 1):
        pass
    LOG.warning("the supervisor is gone")
    left = time.monotonic() + _FOREGROUND_GRACE_S
    while True:
        known = state.State.load(settings.paths)
        if known is None or known.state in (state.STOPPING, state.FAILED):
            break
        if known.foreground:
            # Its `cumulet up` starts another one, which ends this process when its own is ready.
            if time.monotonic() > left:
                break
        elif not state.lock(settings.paths).is_held:
            _bring_back(settings)
        time.sleep(_LOOK_AGAIN_S * random.uniform(0.5, 1.5))
    os.kill(os.getpid(), signal.SIGTERM)


def _bring_back(settings: Settings) -> None:
    """Start a supervisor, unless another orphan is at it."""
    descriptor = os.open(settings.paths.run / "heir.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        LOG.warning("starting a new supervisor")
        launch.launch(settings).wait_ready(silence_s=30)
    except BlockingIOError:
        LOG.info("another process starts the new supervisor")
    except launch.AlreadyRunning:
        LOG.info("another supervisor was there before")
    except launch.StartFailed as error:
        LOG.error("the new supervisor did not start: %s", error)
    finally:
        os.close(descriptor)
