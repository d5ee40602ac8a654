"""What can go wrong with a call. The texts are sentences that may end up in a resource's fault."""

from __future__ import annotations


class BusError(Exception):
    """A call did not bring a result."""


class HostUnreachable(BusError):
    """Nobody serves that host at this time, or the way to it is broken. The method has probably not been run."""

    def __init__(self, host: str, why: str) -> None:
        super().__init__(f"Host {host} cannot be reached: {why}.")
        self.host = host


class CallTimeout(BusError):
    """No answer came before the call's deadline. The method may still be running, or may have been done."""

    def __init__(self, host: str, method: str, timeout_s: float) -> None:
        super().__init__(f"Host {host} did not answer {method} within {timeout_s:g} seconds.")
        self.host = host
        self.method = method


class RemoteError(BusError):
    """The method was run and raised; `type` is the exception's class name, `message` its text."""

    def __init__(self, type_: str, message: str) -> None:
        super().__init__(f"{type_}: {message}" if message else type_)
        self.type = type_
        self.message = message
