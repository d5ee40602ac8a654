"""The metadata driver: addresses and listening sockets in namespaces, and the proxy that serves them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

from cumulet.agents.network import netns, processes
from cumulet.agents.network.config import AgentConfig
from cumulet.agents.network.handles import Handles
from cumulet.agents.network.metadata import control, proxy
from cumulet.agents.network.netlink import Netlink
from cumulet.agents.network.planning.plans import MetadataPlan
from cumulet.agents.network.protocols import Outcome

ADDRESS, ADDRESS6 = "169.254.169.254", "fe80::a9fe:a9fe"
PORT = 80

_START_SECONDS = 10.0
_LINK_SCOPE = 253
_NO_DAD = 0x02


class LinuxMetadata:
    def __init__(self, config: AgentConfig, handles: Handles) -> None:
        self._config = config
        self._handles = handles
        self._directory = config.state_dir / "metadata"
        self._service = control.Service(
            host=config.metadata_host,
            port=config.metadata_port,
            protocol=config.metadata_protocol,
            secret=config.metadata_secret,
            insecure=config.metadata_insecure,
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._client: control.Client | None = None
        self._sent: dict[str, MetadataPlan] = {}

    def apply(self, plans: dict[str, MetadataPlan], *, verify: bool) -> Outcome:
        outcome = Outcome()
        if not plans and not self._sent and not self._directory.exists():
            return outcome
        try:
            status = self._status() if verify or self._client is None or self._sent.keys() - plans.keys() else None
            if status is not None:
                for key in status.listeners.keys() - plans.keys():
                    self._tell(control.Close(key=key))
                    self._sent.pop(key, None)
                    outcome.changed.append(f"metadata {key}")
            for key, plan in plans.items():
                if status is not None or self._sent.get(key) != plan:
                    self._serve(key, plan, status, outcome)
        except (OSError, processes.DaemonFailed) as error:
            self._hang_up()
            outcome.errors["metadata"] = str(error)
        return outcome

    def _status(self) -> control.Status:
        """The proxy's, which is started if there is none."""
        if self._client is not None:
            with suppress(control.ProxyUnreachable):
                return self._tell(control.Ask())
            self._hang_up()
        self._connect()
        self._tell(control.Configure(service=self._service))
        return self._tell(control.Ask())

    def _serve(self, key: str, plan: MetadataPlan, status: control.Status | None, outcome: Outcome) -> None:
        try:
            self._addresses(plan)
            identity = self._identity(plan)
            if status is None or status.listeners.get(key) != identity:
                self._listen(key, plan, identity)
                outcome.changed.append(f"metadata {key}")
            elif self._sent.get(key) == plan:
                return
            if self._client is not None:
                self._client.send_instances(key, plan.instances)
            self._sent[key] = plan
        except control.ProxyUnreachable:
            raise
        except OSError as error:
            outcome.errors[f"metadata/{key}"] = str(error)

    def _identity(self, plan: MetadataPlan) -> str:
        """What the sockets depend on: this very namespace, and the devices in it that have the IPv6 address."""
        devices = map(str, self._link_local(self._handles.netlink(plan.namespace), plan))
        return " ".join([str(netns.identity(plan.namespace)), str(plan.network_id or plan.router_id), *devices])

    def _addresses(self, plan: MetadataPlan) -> None:
        netlink = self._handles.netlink(plan.namespace)
        have = {(a.index, a.address) for a in netlink.addresses()}
        batch = netlink.batch()
        device = netlink.link(plan.device or "lo")
        if device is None:
            raise OSError(f"{plan.device} is not in {plan.namespace}")
        if (device.index, ADDRESS) not in have:
            batch.address(ADDRESS, "replace", index=device.index, address=ADDRESS, prefixlen=32)
        for link in self._link_local(netlink, plan):
            if (link, ADDRESS6) not in have:
                batch.address(
                    ADDRESS6, "replace", index=link, address=ADDRESS6, prefixlen=64, scope=_LINK_SCOPE, flags=_NO_DAD
                )
        batch.do()

    def _link_local(self, netlink: Netlink, plan: MetadataPlan) -> list[int]:
        """Devices that can have the IPv6 address: those that are up and have a link-local one already."""
        with_ip6 = {a.index for a in netlink.addresses() if a.scope == _LINK_SCOPE and ":" in a.address}
        found = []
        for name in plan.link_local_devices:
            link = netlink.link(name)
            if link is not None and link.up and link.index in with_ip6:
                found.append(link.index)
        return found

    def _listen(self, key: str, plan: MetadataPlan, identity: str) -> None:
        sockets: list[socket.socket] = []
        try:
            with netns.inside(plan.namespace):
                sockets.append(_listening(socket.AF_INET, (ADDRESS, PORT)))
                for index in self._link_local(self._handles.netlink(plan.namespace), plan):
                    sockets.append(_listening(socket.AF_INET6, (ADDRESS6, PORT, 0, index)))
            # The proxy's old sockets at these addresses end first, or it would serve both.
            self._tell(control.Close(key=key))
            message = control.Listen(key=key, identity=identity, network_id=plan.network_id, router_id=plan.router_id)
            if self._client is not None:
                self._client.send(message, sockets)
        finally:
            for listening in sockets:
                listening.close()

    # -- the process --------------------------------------------------------------------------------------------------

    def _tell(self, message: control.Message) -> control.Status:
        if self._client is None:
            raise control.ProxyUnreachable("there is no metadata proxy")
        return self._client.send(message)

    def _connect(self) -> None:
        """To the proxy that an agent before this one has started, or to a new one."""
        with suppress(control.ProxyUnreachable):
            self._client = control.Client(self._directory / proxy.CONTROL)
            return
        self._start()
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self._client = control.Client(self._directory / proxy.CONTROL)
                return
            except control.ProxyUnreachable as error:
                if self._process is not None and self._process.poll() is not None:
                    log_tail = (self._directory / "log").read_text()[-500:]
                    raise processes.DaemonFailed(f"the metadata proxy ended at once: {log_tail}") from error
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def _start(self) -> None:
        self._end_process()
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._directory / "log").open("ab") as log, netns.inside(self._config.host_namespace):
            self._process = subprocess.Popen(  # noqa: S603  our own module, by a list of arguments
                [sys.executable, "-m", proxy.__name__, str(self._directory)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )

    def _end_process(self) -> None:
        processes.stop(self._directory / proxy.PID, str(self._directory))
        if self._process is not None:
            self._process.poll()
            self._process = None

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None
        self._sent = {}

    # -- telling ------------------------------------------------------------------------------------------------------

    def observe(self) -> dict[str, Any]:
        client = self._client
        return {} if client is None else {key: client.addresses(key) for key in client.send(control.Ask()).listeners}

    def purge(self) -> None:
        self._hang_up()
        self._end_process()
        for pid in processes.with_argument_below(self._directory.parent):
            if processes.has_argument(pid, str(self._directory)):
                processes.end(pid)
        shutil.rmtree(self._directory, ignore_errors=True)


def _listening(family: int, address: tuple[Any, ...]) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    # Beside the socket of a proxy that is about to close it.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind(address)
    listening.listen(64)
    return listening
