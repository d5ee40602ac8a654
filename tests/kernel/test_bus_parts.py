"""Parts of the bus: transport URLs, the memory of replies, and what an agent has to load."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cumulet.kernel.bus import LocalBus, make_bus
from cumulet.kernel.bus.replies import Replies
from cumulet.kernel.bus.transport_url import Broker, TransportUrl, parse_transport_url
from cumulet.kernel.bus.wire import decode_reply, decode_request


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("rabbit://u:p@h:5673/v", TransportUrl((Broker("h", 5673, "u", "p"),), "v", False)),
        ("rabbit://u:p@h", TransportUrl((Broker("h", 5672, "u", "p"),), "/", False)),
        ("rabbit://u:p@h/", TransportUrl((Broker("h", 5672, "u", "p"),), "/", False)),
        ("rabbit://u:p@h//", TransportUrl((Broker("h", 5672, "u", "p"),), "/", False)),
        ("rabbit://h", TransportUrl((Broker("h", 5672, "guest", "guest"),), "/", False)),
        ("rabbit://u:%40%2F%25@h/a%2Fb", TransportUrl((Broker("h", 5672, "u", "@/%"),), "a/b", False)),
        ("rabbit://u:p@[::1]:7/", TransportUrl((Broker("::1", 7, "u", "p"),), "/", False)),
        ("rabbits://u:p@h", TransportUrl((Broker("h", 5671, "u", "p"),), "/", True)),
        ("rabbit://u:p@h/?ssl=true", TransportUrl((Broker("h", 5671, "u", "p"),), "/", True)),
        (
            "rabbit://u:p@a:1,w:q@b:2/v",
            TransportUrl((Broker("a", 1, "u", "p"), Broker("b", 2, "w", "q")), "v", False),
        ),
        ("rabbit://u:p@a,b", TransportUrl((Broker("a", 5672, "u", "p"), Broker("b", 5672, "u", "p")), "/", False)),
    ],
)
def test_a_transport_url_is_read_as_operators_write_it(url: str, expected: TransportUrl) -> None:
    assert parse_transport_url(url) == expected


@pytest.mark.parametrize("url", ["http://u:topsecret@h", "rabbit://u:topsecret@", "rabbit://u:topsecret@h:x", "h"])
def test_a_wrong_transport_url_is_refused_without_telling_its_password(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="transport_url") as raised:
        make_bus(url, tmp_path)
    assert "topsecret" not in str(raised.value)


def test_a_broker_never_shows_its_password() -> None:
    url = parse_transport_url("rabbit://u:topsecret@h")
    assert "topsecret" not in f"{url} {url!r} {url.brokers[0]}"


def test_without_a_transport_url_the_bus_is_local(tmp_path: Path) -> None:
    assert isinstance(make_bus(None, tmp_path), LocalBus)
    assert isinstance(make_bus("", tmp_path), LocalBus)


def test_an_agent_loads_neither_kombu_nor_a_database() -> None:
    code = "import sys, cumulet.kernel.bus; print(sorted({'kombu', 'amqp', 'sqlalchemy'} & set(sys.modules)))"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout == "[]\n"


def test_replies_are_forgotten_by_age_count_and_size_but_never_while_they_run() -> None:
    replies = Replies(window_s=600, count=3, size=100)
    running, new = replies.begin("running")
    assert new
    for number in range(10):
        entry, _ = replies.begin(f"call{number}")
        replies.finish(entry, b"x")
    assert replies.begin("call9")[1] is False
    assert replies.begin("call0")[1] is True
    assert replies.begin("running") == (running, False)

    by_size = Replies(size=100)
    for number in range(3):
        replies_entry, _ = by_size.begin(f"big{number}")
        by_size.finish(replies_entry, bytes(90))
    assert by_size.begin("big0")[1] is True
    assert by_size.begin("big2")[1] is False

    by_age = Replies(window_s=0)
    entry, _ = by_age.begin("old")
    by_age.finish(entry, b"")
    by_age.begin("new")
    assert by_age.begin("old")[1] is True


def test_of_many_that_begin_one_call_only_one_runs_it() -> None:
    replies = Replies()
    gate = threading.Barrier(16)
    new: list[bool] = []

    def begin() -> None:
        gate.wait()
        new.append(replies.begin("call")[1])

    threads = [threading.Thread(target=begin) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(new) == [False] * 15 + [True]


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x90", b"\x93\x01\x02\x03"])
def test_what_is_no_message_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode_request(data)
    with pytest.raises(ValueError):
        decode_reply(data)


def test_a_request_of_wrong_types_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="object"):
        decode_request(b"\x96\xa1c\xa1i\xa1h\xa1m\x01\x00")
