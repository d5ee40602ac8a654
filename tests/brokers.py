"""Fixture: a RabbitMQ server of the tests' own, with its own epmd, on free ports.

Tests that use it are marked `rabbitmq`; where RabbitMQ is not installed they are skipped with the reason, and
`CUMULET_TEST_RABBITMQ_REQUIRED=1` makes that an error, for CI.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemons import Daemon, account_for, answers, free_port, scratch_directory

_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_CONFIGURATION = """\
listeners.tcp.default = {listen}:{port}
default_user = cumulet
default_pass = se%cr/et
loopback_users.cumulet = {local}
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 50MB
log.file = false
log.console = true
log.console.level = warning
"""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "rabbitmq: needs RabbitMQ (Debian: apt-get install rabbitmq-server)")


class RabbitMq:
    """A broker that can be killed and started again with what it had stored."""

    def __init__(self, *, listen: str = "127.0.0.1", host: str = "127.0.0.1") -> None:
        """`host` is where clients find it, which reaches what it listens on."""
        self._host = host
        account = account_for("rabbitmq")
        self.directory = scratch_directory("rabbitmq", account)
        self.port = free_port()
        epmd_port = free_port()
        configuration = self.directory / "rabbitmq.conf"
        configuration.write_text(
            _CONFIGURATION.format(listen=listen, port=self.port, local=str(listen == "127.0.0.1").lower())
        )
        (self.directory / "plugins").write_text("[].\n")
        home = str(self.directory)
        environment = {
            "HOME": home,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(epmd_port),
            "RABBITMQ_NODENAME": f"cumulet{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(configuration),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_MNESIA_BASE": f"{home}/mnesia",
            "RABBITMQ_LOG_BASE": f"{home}/log",
            "RABBITMQ_PID_FILE": f"{home}/pid",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{home}/plugins",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
        }
        epmd = ["/usr/bin/epmd", "-port", str(epmd_port), "-address", "127.0.0.1"]
        self._names = Daemon("epmd", epmd, self.directory, account=account)
        self._names.start(lambda: answers(epmd_port))
        self._daemon = Daemon("rabbitmq", [_SERVER], self.directory, account=account, environment=environment)
        self.start()

    @property
    def transport_url(self) -> str:
        return f"rabbit://cumulet:se%25cr%2Fet@{self._host}:{self.port}/"

    def start(self) -> None:
        self._daemon.start(self._serves, timeout_s=120)

    def _serves(self) -> bool:
        """It takes connections long before it serves them."""
        from kombu import Connection

        from cumulet.kernel.bus.amqp_link import LINK_ERRORS

        try:
            with Connection(self.transport_url.replace("rabbit", "amqp", 1), connect_timeout=5) as connection:
                connection.connect()
        except LINK_ERRORS:
            return False
        return True

    def kill(self) -> None:
        """`kill -9`, as a power cut would."""
        self._daemon.kill()

    def stop(self) -> None:
        self._daemon.kill()
        self._names.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMq]:
    if not _SERVER.exists():
        reason = "RabbitMQ is not installed (Debian: apt-get install rabbitmq-server)"
        if os.environ.get("CUMULET_TEST_RABBITMQ_REQUIRED") == "1":
            raise RuntimeError(reason)
        pytest.skip(reason)
    broker = RabbitMq()
    try:
        yield broker
    finally:
        broker.stop()
