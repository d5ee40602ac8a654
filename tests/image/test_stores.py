"""What every store does (`cumulet.image.stores.base`), on a directory, on one shared by hosts, and on the web."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from oslo_config import cfg

from cumulet.image import options
from cumulet.image.stores import registry
from cumulet.image.stores.base import DataNotFound, Store, StoreError, StoreFull, StoreReadOnly
from cumulet.image.stores.files import FileStore
from cumulet.image.stores.http import HttpStore
from cumulet.image.transfer.filtering import ImportFilter
from tests.image.support import Images
from tests.image.web import Web

DATA = bytes(range(256)) * 1000
IMAGE = "6a1f3c0e-0000-4000-8000-000000000001"


def put(store: Store, data: bytes = DATA, image_id: str = IMAGE) -> str:
    writer = store.writer(image_id)
    for at in range(0, len(data), 1000):
        writer.write(data[at : at + 1000])
    writer.flush()
    writer.publish()
    return writer.url


def read(store: Store, url: str, **span: Any) -> bytes:
    reader = store.open(url, **span)
    try:
        return b"".join(iter(lambda: reader.read(777), b""))
    finally:
        reader.close()


def lists(**given: Any) -> Any:
    names = ("allowed_schemes", "disallowed_schemes", "allowed_hosts", "disallowed_hosts", "allowed_ports")
    return SimpleNamespace(**{name: [] for name in (*names, "disallowed_ports")} | given)


class TestReading:
    """Of every store, whoever writes to it."""

    @pytest.fixture(params=["file", "thin file", "http"])
    def place(self, request: pytest.FixtureRequest, tmp_path: Path, web: Web) -> tuple[Store, str]:
        if request.param == "http":
            web.files["/disk"] = DATA
            return HttpStore("web", ImportFilter(lists(allowed_hosts=["127.0.0.1"]))), web.url + "/disk"
        store = FileStore("file", tmp_path / "images", thin=request.param == "thin file")
        return store, put(store)

    @pytest.mark.parametrize(
        ("offset", "length"), [(0, None), (0, 10), (100, None), (1000, 5000), (len(DATA) - 3, 3), (len(DATA) - 3, 100)]
    )
    def test_a_range_is_read(self, place: tuple[Store, str], offset: int, length: int | None) -> None:
        store, url = place
        expected = DATA[offset:] if length is None else DATA[offset : offset + length]
        assert read(store, url, offset=offset, length=length) == expected

    def test_the_size_is_known(self, place: tuple[Store, str]) -> None:
        assert place[0].size(place[1]) == len(DATA)

    def test_it_knows_its_urls(self, place: tuple[Store, str]) -> None:
        store, url = place
        assert store.claims(url)
        assert not store.claims("rbd://elsewhere")
        assert not store.claims("file:///etc/passwd")
        assert not store.claims("not a URL")

    def test_data_that_is_not_there(self, place: tuple[Store, str]) -> None:
        store, url = place
        with pytest.raises(DataNotFound):
            store.open(url + "-not")
        with pytest.raises(DataNotFound):
            store.size(url + "-not")
        store.detach(url + "-not")()

    def test_it_describes_itself(self, place: tuple[Store, str]) -> None:
        assert isinstance(place[0].properties(), dict)
        assert place[0].sweep(older_than_s=0) == 0


class TestWeb:
    def test_nothing_is_written_or_deleted(self, web: Web) -> None:
        store = HttpStore("web", ImportFilter(lists(allowed_hosts=["127.0.0.1"])))
        web.files["/disk"] = DATA
        with pytest.raises(StoreReadOnly):
            store.writer(IMAGE)
        store.detach(web.url + "/disk")()
        assert {method for method, _, _ in web.asked} <= {"GET", "HEAD"}
        assert store.url_for(IMAGE) is None

    def test_data_that_breaks_off_is_an_error(self, web: Web) -> None:
        store = HttpStore("web", ImportFilter(lists(allowed_hosts=["127.0.0.1"])))
        web.files["/disk"], web.broken["/disk"] = DATA, 5000
        with pytest.raises(StoreError):
            read(store, web.url + "/disk")

    def test_internal_addresses_are_refused(self, web: Web) -> None:
        with pytest.raises(StoreError):
            HttpStore("web", ImportFilter(lists())).open(web.url + "/disk")


def _writer_that_waits(directory: str, ready: Any) -> None:
    writer = FileStore("file", Path(directory)).writer(IMAGE)
    writer.write(DATA)
    ready.set()
    time.sleep(60)


class TestDirectory:
    @pytest.fixture
    def store(self, tmp_path: Path) -> FileStore:
        return FileStore("file", tmp_path / "images")

    def files(self, store: FileStore) -> list[str]:
        return sorted(path.name for path in store.directory.rglob("*") if path.is_file())

    def test_nothing_is_seen_before_it_is_published(self, store: FileStore) -> None:
        url = put(store, b"old")
        writer = store.writer(IMAGE)
        writer.write(DATA)
        assert read(store, url) == b"old"
        writer.flush()
        assert read(store, url) == b"old"
        writer.publish()
        writer.publish()
        writer.abort()
        assert read(store, url) == DATA
        assert self.files(store) == [IMAGE]

    def test_what_is_given_up_is_gone(self, store: FileStore) -> None:
        writer = store.writer(IMAGE)
        writer.write(DATA)
        writer.abort()
        writer.abort()
        assert self.files(store) == []

    def test_a_reader_keeps_what_it_opened(self, store: FileStore) -> None:
        url = put(store)
        reader = store.open(url)
        finish = store.detach(url)
        with pytest.raises(DataNotFound):
            store.open(url)
        finish()
        assert reader.read(len(DATA)) == DATA
        assert self.files(store) == []

    def test_only_its_owner_reads_the_files(self, store: FileStore, tmp_path: Path) -> None:
        put(store)
        shared = FileStore("file", tmp_path / "shared", file_mode=0o640)
        put(shared)
        modes = [stat.S_IMODE((one.directory / IMAGE).stat().st_mode) for one in (store, shared)]
        assert modes == [0o600, 0o640]

    def test_zeros_take_no_room(self, tmp_path: Path) -> None:
        store = FileStore("file", tmp_path, thin=True)
        writer = store.writer(IMAGE)
        for piece in (bytes(1 << 20), b"\1" * 4096, bytes(8 << 20)):
            writer.write(piece)
        writer.flush()
        writer.publish()
        found = (tmp_path / IMAGE).stat()
        assert (found.st_size, found.st_blocks * 512 < 1 << 20) == ((9 << 20) + 4096, True)

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
    def test_a_full_disk_is_told_apart(self, store: FileStore, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        def full(*arguments: Any) -> int:
            raise OSError(number, os.strerror(number))

        writer = store.writer(IMAGE)
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", full)
            with pytest.raises(StoreFull):
                writer.write(DATA)
            patched.setattr(os, "fsync", full)
            with pytest.raises(StoreFull):
                writer.flush()
        writer.abort()
        assert self.files(store) == []

    def test_a_directory_that_cannot_be_made_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(StoreError):
            FileStore("file", tmp_path / "file").writer(IMAGE)

    @pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b"])
    def test_no_name_leads_out_of_it(self, store: FileStore, name: str) -> None:
        with pytest.raises(StoreError):
            store.writer(name)

    @pytest.mark.parametrize(
        "url", ["file:///etc/passwd", "file://{0}/../../etc/passwd", "file://host{0}/x", "file://{0}/.incoming/x"]
    )
    def test_no_url_leads_out_of_it(self, store: FileStore, url: str) -> None:
        assert not store.claims(url.format(store.directory))
        with pytest.raises(DataNotFound):
            store.open(url.format(store.directory))

    def test_what_a_killed_writer_left_is_swept_and_a_living_ones_is_not(self, store: FileStore) -> None:
        """The lock is what tells them apart, also across hosts that share the directory."""
        context = multiprocessing.get_context("fork")
        ready = context.Event()
        other = context.Process(target=_writer_that_waits, args=(str(store.directory), ready))
        other.start()
        assert ready.wait(10)
        assert store.sweep(older_than_s=0) == 0
        other.kill()
        other.join()
        assert store.sweep(older_than_s=60) == 0  # not that young
        assert len(self.files(store)) == 1
        assert store.sweep(older_than_s=0) == 1
        assert self.files(store) == []

    def test_a_lock_is_taken_before_anything_is_written(self, store: FileStore) -> None:
        writer = store.writer(IMAGE)
        [path] = (store.directory / ".incoming").iterdir()
        with path.open("r+b") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        writer.abort()


class TestConfiguration:
    @pytest.fixture
    def build(self, tmp_path: Path) -> Iterator[Callable[[str], registry.Stores]]:
        def build(text: str) -> registry.Stores:
            path = tmp_path / "glance-api.conf"
            path.write_text(text)
            conf = cfg.ConfigOpts()
            options.register(conf)
            conf([], default_config_files=[str(path)])
            return registry.build(conf, tmp_path, ImportFilter(conf.import_filtering_opts))

        return build

    def test_none_means_a_directory_of_the_state(self, build: Any, tmp_path: Path) -> None:
        stores = build("")
        assert list(stores.by_name) == ["file"]
        assert stores.default_store.directory == tmp_path / "images"

    def test_named_stores(self, build: Any, tmp_path: Path) -> None:
        stores = build(
            "[DEFAULT]\nenabled_backends = nfs:file, web:http\nnode_staging_uri = file:///var/staging\n"
            "[glance_store]\ndefault_backend = nfs\n"
            "[nfs]\nfilesystem_store_datadir = /mnt/nfs\nweight = 5\nstore_description = The big one\n"
        )
        nfs = stores.by_name["nfs"]
        assert (str(nfs.directory), nfs.weight, nfs.description) == ("/mnt/nfs", 5, "The big one")
        assert (stores.multiple, stores.writable(), str(stores.staging.directory)) == (True, ["nfs"], "/var/staging")

    def test_the_older_form(self, build: Any) -> None:
        stores = build(
            "[glance_store]\nstores = file,http\ndefault_store = file\n"
            "filesystem_store_datadir = /var/lib/glance/images/\n"
        )
        assert (stores.multiple, str(stores.default_store.directory)) == (False, "/var/lib/glance/images")

    @pytest.mark.parametrize(
        ("text", "word"),
        [
            ("[DEFAULT]\nenabled_backends = a:rbd\n", "rbd"),
            ("[DEFAULT]\nenabled_backends = a:file\n[glance_store]\ndefault_backend = b\n", "default_backend"),
            ("[DEFAULT]\nenabled_backends = os_glance_x:file\n", "reserved"),
            ("[DEFAULT]\nnode_staging_uri = http://x/y\n", "node_staging_uri"),
            ("[glance_store]\nstores = file\ndefault_store = http\n", "default_store"),
        ],
    )
    def test_mistakes_are_named(self, build: Any, text: str, word: str) -> None:
        with pytest.raises(registry.ConfigurationError, match=word):
            build(text)


class TestInfo:
    def test_what_clients_hear_of_stores(self, stores: Images) -> None:
        assert stores.json("GET", "/v2/info/stores")["stores"] == [
            {"id": "fast", "default": "true"},
            {"id": "slow"},
            {"id": "web", "read-only": "true"},
        ]
        detail = stores.json("GET", "/v2/info/stores/detail", "admin")["stores"]
        assert [(one["id"], one["type"], one["weight"]) for one in detail] == [
            ("fast", "file", 0),
            ("slow", "file", 0),
            ("web", "http", 0),
        ]
        assert detail[0]["properties"]["data_dir"].endswith("/images/fast")
        assert stores.call("GET", "/v2/info/stores/detail").status == 403
        methods = stores.json("GET", "/v2/info/import")["import-methods"]
        assert methods["value"] == ["glance-direct", "web-download", "copy-image", "glance-download"]

    def test_uploads_go_to_the_store_that_is_asked_for(self, stores: Images) -> None:
        image = stores.create()
        assert stores.upload(image["id"], b"x", **{"X-Image-Meta-Store": "tape"}).status == 400
        assert stores.upload(image["id"], b"x", **{"X-Image-Meta-Store": "web"}).status in (400, 409, 410)
        assert stores.upload(image["id"], b"x", **{"X-Image-Meta-Store": "slow"}).status == 204
        assert stores.show(image["id"])["stores"] == "slow"
        assert stores.files() == [f"images/slow/{image['id']}"]

    def test_a_store_of_higher_weight_is_read_first(self, make_images: Callable[[str], Images]) -> None:
        images = make_images(
            "[DEFAULT]\nenabled_backends = a:file, b:file\nshow_image_direct_url = True\n[b]\nweight = 9\n"
        )
        image = images.active(b"data", "admin")
        body = {"method": {"name": "copy-image"}, "stores": ["b"]}
        images.json("POST", f"/v2/images/{image['id']}/import", "admin", json=body, status=202)
        images.run_jobs()
        assert "/b/" in images.show(image["id"], "admin")["direct_url"]
        (images.state / "images" / "b" / image["id"]).unlink()
        assert images.data(image["id"], "admin") == b"data"
