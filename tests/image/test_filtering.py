"""Which addresses are asked for users: the operator's lists, and internal addresses in every disguise."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from cumulet.image.transfer.external import FetchFailed, fetch
from cumulet.image.transfer.filtering import Address, ImportFilter, Refused
from tests.image.web import Web

NAMES = {
    "mirror.example": ["93.184.216.34"],
    "private.example": ["10.1.2.3"],
    "inside.example": ["127.0.0.1"],
    "both.example": ["169.254.169.254", "93.184.216.34"],
    "mapped.example": ["::ffff:127.0.0.1"],
}


def resolver(host: str, port: int) -> Sequence[Address]:
    if host not in NAMES:
        raise OSError("no such name")
    return [ipaddress.ip_address(one) for one in NAMES[host]]


def made(**given: Any) -> ImportFilter:
    lists: dict[str, Any] = {
        f"{kind}_{name}": [] for kind in ("allowed", "disallowed") for name in ("schemes", "hosts", "ports")
    }
    return ImportFilter(SimpleNamespace(**lists | given), resolver)


@pytest.mark.parametrize(
    "url",
    [
        "http://mirror.example/x",
        "https://mirror.example:8443/x?y=z",
        "http://93.184.216.34/",
        "http://private.example/",
        "http://[2606:2800:220:1::1]/",
        "http://10.0.0.1/",
    ],
)
def test_what_is_outside_may_be_asked(url: str) -> None:
    assert made().check(url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://0/",
        "http://0.0.0.0/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[fe80::1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://224.0.0.1/",
        "http://inside.example/",
        "http://mapped.example/",
        "http://unknown.example/",
        "http://mirror.example:port/",
        "http:///nothing",
        "ftp://mirror.example/",
        "file:///etc/passwd",
        "gopher://mirror.example/",
        "//mirror.example/",
        "http://[broken/",
        "",
    ],
)
def test_what_is_inside_or_no_address_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        made().check(url)


def test_only_the_addresses_that_may_be_asked_are_connected_to() -> None:
    assert [str(one) for one in made().check("http://both.example/").addresses] == ["93.184.216.34"]


def test_the_operators_lists() -> None:
    hosts = made(allowed_hosts=["inside.example"], disallowed_hosts=["inside.example"])
    assert [str(one) for one in hosts.check("http://inside.example/").addresses] == ["127.0.0.1"]
    with pytest.raises(Refused, match="host"):
        hosts.check("http://mirror.example/")
    with pytest.raises(Refused, match="host"):
        made(disallowed_hosts=["mirror.example"]).check("http://mirror.example/")
    with pytest.raises(Refused, match="address"):
        made(disallowed_hosts=["93.184.216.34"]).check("http://mirror.example/")
    ports = made(allowed_ports=[8080])
    assert ports.check("http://mirror.example:8080/").port == 8080
    with pytest.raises(Refused, match="port"):
        ports.check("http://mirror.example:22/")
    with pytest.raises(Refused, match="scheme"):
        made(allowed_schemes=["https"]).check("http://mirror.example/")


def test_a_name_is_resolved_once_and_connected_to_as_it_was_judged(web: Web) -> None:
    """A name server that answers differently a moment later gains nothing."""
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])
    web.files["/x"] = b"data"
    options = {"allowed_hosts": ["rebound.example"]}
    lists = {f"{kind}_{name}": [] for kind in ("allowed", "disallowed") for name in ("schemes", "hosts", "ports")}
    filtering = ImportFilter(
        SimpleNamespace(**lists | options), lambda host, port: [ipaddress.ip_address(one) for one in next(answers)]
    )
    download = fetch(filtering, f"http://rebound.example:{web.port}/x")
    assert download.read(100) == b"data"
    assert web.asked[0][2]["host"] == f"rebound.example:{web.port}"
    download.close()


def test_a_token_does_not_follow_a_redirect_elsewhere(web: Web) -> None:
    filtering = made(allowed_hosts=["127.0.0.1", "inside.example"])
    web.files["/x"] = b"data"
    web.redirects = {"/near": "/x", "/far": f"http://inside.example:{web.port}/x"}
    for path in ("/near", "/far"):
        fetch(filtering, web.url + path, headers={"X-Auth-Token": "secret"}).close()
    tokens = [headers.get("x-auth-token") for _, path, headers in web.asked if path == "/x"]
    assert tokens == ["secret", None]


def test_answers_that_are_no_data(web: Web) -> None:
    filtering = made(allowed_hosts=["127.0.0.1"])
    web.redirects["/nowhere"] = ""
    for path in ("/missing", "/nowhere"):
        with pytest.raises(FetchFailed):
            fetch(filtering, web.url + path)
    with pytest.raises(FetchFailed):
        fetch(filtering, "http://127.0.0.1:1/")
