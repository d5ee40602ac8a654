"""A process that dies at the n-th step of what it does."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

_KILLED = 9
Step = Callable[..., Any]
Counted = Callable[..., Step]
"""Makes of a function one that is a step; with a second argument, of its calls for which that says so."""


def killed_before(step: int, act: Callable[[], Any], count: Callable[[Counted], None]) -> bool:
    """Run it in a child that dies right before its n-th step; False when it came to its end.

    `count` replaces, in the child only, the functions that are steps: nothing is put back.
    """
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            count(_counted(step))
            act()
            status = 0
        finally:
            os._exit(status)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, _KILLED), f"it failed with {code}"
    return code == _KILLED


def _counted(last: int) -> Counted:
    done = 0

    def counted(function: Step, is_step: Callable[..., bool] = lambda *_: True) -> Step:
        def step(*args: Any, **rest: Any) -> Any:
            nonlocal done
            done += is_step(*args)
            if done == last:
                os._exit(_KILLED)
            return function(*args, **rest)

        return step

    return counted
