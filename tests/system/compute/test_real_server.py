"""A real server, as the guides make it: image, flavor, networks, router, key; then ssh through its floating IP.

One cloud and one guest for the whole module: with emulated processors a start takes seconds to a minute.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.browser import chromium
from tests.system.cloud import eventually
from tests.system.compute import real, screens
from tests.system.compute.story import BOOT_S, REAL_SERVER, Story

pytestmark = REAL_SERVER


def test_one_can_log_in_with_the_key(story: Story) -> None:
    assert story.ssh("hostname").strip() == "web"
    fixed = next(address for address in story.server()["addresses"]["private"] if address.startswith("10.77.0."))
    assert f"inet {fixed}/24" in story.ssh("ip address show eth0")


def test_the_console_log_shows_the_login_prompt(story: Story) -> None:
    def log() -> str:
        return story.client.text("console log show web")

    assert eventually(lambda: "login:" in log(), within_s=BOOT_S)
    assert "told" in story.ssh("cat /root/told")


def test_a_volume_is_written_to_and_kept(story: Story) -> None:
    story.client("volume create --size 1 disk")
    eventually(lambda: story.client("volume show disk")["status"] == "available", within_s=60)
    story.client("server add volume web disk")
    eventually(lambda: story.client("volume show disk")["status"] == "in-use", within_s=60)
    assert eventually(lambda: "1073741824" in story.ssh("blockdev --getsize64 /dev/vdb; true"), within_s=60)
    story.ssh("mkfs.ext4 -q /dev/vdb && mount /dev/vdb /mnt && echo kept > /mnt/file && umount /mnt")
    story.client.text("server remove volume web disk")
    eventually(lambda: story.client("volume show disk")["status"] == "available", within_s=90)
    story.client("server add volume web disk")
    eventually(lambda: story.client("volume show disk")["status"] == "in-use", within_s=60)
    assert story.ssh("mount /dev/vdb /mnt && cat /mnt/file && umount /mnt") == "kept\n"


def test_an_encrypted_volume_is_plain_in_the_guest_alone(story: Story) -> None:
    """The volume agent's own daemon opens it, so that neither the guest nor its QEMU has the key."""
    words = "for the guest only"
    cipher = "--encryption-cipher aes-xts-plain64 --encryption-key-size 256 --encryption-control-location front-end"
    story.client(f"volume type create --encryption-provider luks {cipher} sealed")
    story.client("volume create --size 1 --type sealed secret")
    eventually(lambda: story.client("volume show secret")["status"] == "available", within_s=60)
    story.client("server add volume web secret")
    eventually(lambda: story.client("volume show secret")["status"] == "in-use", within_s=60)
    told = []
    for name in ("secret", "disk"):  # the other one, attached before, shows that the words can be found
        volume_id = story.client(f"volume show {name}")["id"]
        look = f"grep -l {volume_id[:20]} /sys/block/vd*/serial | cut -d/ -f4"
        device = eventually(lambda look=look: story.ssh(look).strip(), within_s=60)
        story.ssh(f"yes {words} | head -c 65536 | dd of=/dev/{device} bs=64k seek=8 conv=fsync 2>/dev/null")
        assert words in story.ssh(f"dd if=/dev/{device} bs=64k skip=8 count=1 2>/dev/null | head -c 100")
        told.append(_is_on_host(story, words))
    assert told == [False, True]
    story.client.text("server remove volume web secret")
    eventually(lambda: story.client("volume show secret")["status"] == "available", within_s=90)


def _is_on_host(story: Story, words: str) -> bool:
    """Whether the words are anywhere in what the host keeps of volumes."""
    files = [file for file in (story.cloud.directory / "volumes").rglob("*") if file.is_file()]
    assert len(files) >= 2
    return any(words.encode() in file.read_bytes() for file in files)


def test_its_screen_is_reached_with_a_token(story: Story) -> None:
    address = urlsplit(story.client("console url show --novnc web")["url"])
    query = parse_qs(address.query)["path"][0]
    with connect(f"ws://{address.netloc}/{query}", origin=f"http://{address.netloc}") as screen:  # type: ignore[arg-type]
        assert bytes(screen.recv(timeout=30)).startswith(b"RFB 003.008")
    with pytest.raises(InvalidStatus):
        connect(f"ws://{address.netloc}/{query}", origin="http://evil.example").close()  # type: ignore[arg-type]
    with pytest.raises(InvalidStatus):
        connect(f"ws://{address.netloc}/?token=guessed").close()


@pytest.mark.skipif(chromium.MISSING is not None, reason=str(chromium.MISSING))
def test_a_browser_shows_its_login_prompt_and_types_into_it(story: Story) -> None:
    """As a person does it: the address that the client prints, opened in a browser."""
    address = story.client("console url show --novnc web")["url"]
    with chromium.a_browser() as browser:
        page = browser.open(address)
        assert eventually(lambda: screens.seen(page) is not None, within_s=60)
        screens.focus(page)
        assert eventually(lambda: _prompted(page, story), within_s=60)
        assert eventually(lambda: screens.shows(page, _instance(story)), within_s=60), page.value("document.title")
        before = screens.seen(page)
        page.type("gast1")
        assert eventually(lambda: _last_line(story) == "web login: gast1", within_s=60)
        assert eventually(lambda: screens.shows(page, _instance(story)), within_s=60)
        assert screens.seen(page) != before
        page.ask("Page.reload")  # the same browser may come again
        assert eventually(lambda: screens.shows(page, _instance(story)), within_s=60)
        stranger = browser.open(address, browser.person())  # and nobody else, though he has the address
        assert eventually(lambda: screens.has_failed(stranger), within_s=60)
        assert screens.seen(stranger) is None


def _prompted(page: chromium.Page, story: Story) -> bool:
    """Asked for by the Enter key: the kernel may have said something since the guest did so by itself."""
    page.type("\n")
    return bool(eventually(lambda: _last_line(story), within_s=60) == "web login:")


def _last_line(story: Story) -> str:
    """Of the guest's screen, as its kernel knows it."""
    text = story.ssh("cat /dev/vcs1")
    lines = (text[at : at + 80].strip() for at in range(0, len(text), 80))
    return [line for line in lines if line][-1]


def _instance(story: Story) -> Path:
    return story.cloud.directory / "agents" / "instances" / str(story.server()["id"])


def test_the_guest_outlives_its_agent(story: Story) -> None:
    before = real.guests_of(story.cloud)
    started = story.ssh("cat /proc/sys/kernel/random/boot_id")
    agent = story.cloud.pid("agent")
    os.kill(agent, signal.SIGKILL)
    eventually(lambda: story.cloud.pid("agent") != agent, within_s=60)
    assert real.guests_of(story.cloud) == before
    assert story.ssh("cat /proc/sys/kernel/random/boot_id") == started
    story.client.text("server pause web")
    story.reaches("PAUSED")
    story.client.text("server unpause web")
    story.reaches("ACTIVE")
    assert story.ssh("cat /proc/sys/kernel/random/boot_id") == started


def test_suspended_it_goes_on_where_it_was(story: Story) -> None:
    story.ssh("echo kept in memory > /run/mark")
    story.client.text("server suspend web")
    story.reaches("SUSPENDED")
    assert real.guests_of(story.cloud) == []
    story.client.text("server resume web")
    story.reaches("ACTIVE")
    assert story.ssh("cat /run/mark") == "kept in memory\n"


def test_it_goes_on_after_the_cloud_was_down(story: Story) -> None:
    story.ssh("echo still here > /run/mark")
    story.cloud.down()
    assert real.guests_of(story.cloud) == []
    assert real.taps_of(story.ports) == []
    story.cloud.up()
    assert story.ssh("cat /run/mark") == "still here\n"
    story.reaches("ACTIVE")


def test_nothing_is_left_of_a_deleted_server(story: Story) -> None:
    """The last test."""
    story.client.text("server delete --wait web")
    assert eventually(lambda: real.guests_of(story.cloud) == [], within_s=60)
    assert eventually(lambda: real.taps_of(story.ports) == [], within_s=60)
    instances = story.cloud.directory / "agents" / "instances"
    assert [entry.name for entry in instances.iterdir()] == ["_base"]
