"""TLS to the broker: a certificate that is not trusted, or is another's, gets no password."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cumulet.kernel.bus import HostUnreachable
from cumulet.kernel.bus.amqp import AmqpBus


def certificate(path: Path, name: x509.GeneralName) -> Path:
    """A self-signed certificate with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "broker")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([name]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return path


Listen = Callable[[Path], tuple[int, list[bytes]]]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Starts TLS listeners that take down what they are told after the handshake."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(pem: Path) -> tuple[int, list[bytes]]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        listener = socket.create_server(("127.0.0.1", 0))
        told: list[bytes] = []

        def serve() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return  # closed: the test is over
                try:
                    with context.wrap_socket(plain, server_side=True) as secure:
                        secure.settimeout(5)
                        told.append(secure.recv(100))
                except OSError:
                    told.append(b"")

        listeners.append(listener)
        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return listener.getsockname()[1], told

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join(10)


def ask(port: int, **tls_options: str) -> None:
    bus = AmqpBus(f"rabbits://u:topsecret@127.0.0.1:{port}/", tls_options=tls_options or None)
    try:
        with pytest.raises(HostUnreachable):
            bus.call("node", "echo", timeout_s=1)
    finally:
        bus.close()


def test_amqp_is_spoken_to_a_trusted_broker(tmp_path: Path, listen: Listen) -> None:
    pem = certificate(tmp_path / "broker.pem", x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    port, told = listen(pem)
    ask(port, ca_certs=str(pem))
    assert told[0] == b"AMQP\x00\x00\x09\x01"


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path, listen: Listen) -> None:
    port, told = listen(certificate(tmp_path / "broker.pem", x509.IPAddress(ipaddress.ip_address("127.0.0.1"))))
    ask(port)
    assert told
    assert set(told) == {b""}


def test_the_certificate_of_another_host_is_refused(tmp_path: Path, listen: Listen) -> None:
    pem = certificate(tmp_path / "other.pem", x509.DNSName("other.example.org"))
    port, told = listen(pem)
    ask(port, ca_certs=str(pem))
    assert told
    assert set(told) == {b""}
