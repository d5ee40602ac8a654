"""Open sockets into namespaces, kept while they are of use.

A socket stays in the namespace it was made in, and keeps that namespace alive. So whoever removes a namespace drops its
handles first, and a namespace that somebody else made anew under the same name gets new ones.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol, TypeVar

from cumulet.agents.network import netns
from cumulet.agents.network.netlink import Netlink
from cumulet.agents.network.nft.kernel import Kernel

LIMIT = 512  # namespaces with open sockets, of each kind


class _Closeable(Protocol):
    def close(self) -> None: ...


Handle = TypeVar("Handle", bound=_Closeable)


class _Cache(OrderedDict[str, tuple[int, Handle]]):
    """Handles by namespace, the least recently used closed first."""

    def obtain(self, namespace: str, make: Callable[[str], Handle]) -> Handle:
        number = netns.identity(namespace)
        known = self.get(namespace)
        if known is not None and known[0] == number:
            self.move_to_end(namespace)
            return known[1]
        if known is not None:
            self.drop(namespace)
        handle = make(namespace)
        self[namespace] = (number, handle)
        while len(self) > LIMIT:
            self.popitem(last=False)[1][1].close()
        return handle

    def drop(self, namespace: str) -> None:
        known = self.pop(namespace, None)
        if known is not None:
            known[1].close()


class Handles:
    """The host's own sockets and those into its namespaces. For the agent's one thread."""

    def __init__(self, host_namespace: str | None) -> None:
        self.host_namespace = host_namespace
        self.host = Netlink(host_namespace)
        self.host_nftables = Kernel(host_namespace)
        self._netlinks: _Cache[Netlink] = _Cache()
        self._nftables: _Cache[Kernel] = _Cache()

    def netlink(self, namespace: str) -> Netlink:
        """FileNotFoundError if there is no such namespace."""
        return self._netlinks.obtain(namespace, Netlink)

    def nftables(self, namespace: str) -> Kernel:
        return self._nftables.obtain(namespace, Kernel)

    def drop(self, namespace: str) -> None:
        self._netlinks.drop(namespace)
        self._nftables.drop(namespace)

    def close(self) -> None:
        for namespace in {*self._netlinks, *self._nftables}:
            self.drop(namespace)
        self.host.close()
        self.host_nftables.close()
