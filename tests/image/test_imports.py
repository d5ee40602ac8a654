"""Imports of every method: what arrives, what is refused, and what is left of one that fails."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.image.jobs.progress import TaskRun
from tests.image.support import OCTETS, Images
from tests.image.web import Web

DATA = b"an image" * 100_000


def start(images: Images, image_id: str, method: str, token: str = "member", *, status: int = 202, **body: Any) -> Any:
    parameters = {"uri": body.pop("uri")} if "uri" in body else {}
    body = {"method": {"name": method, **parameters}, **body}
    return images.json("POST", f"/v2/images/{image_id}/import", token, json=body, status=status)


def stage(images: Images, image_id: str, data: bytes = DATA, *, status: int = 204) -> None:
    answer = images.call("PUT", f"/v2/images/{image_id}/stage", data=data, headers=OCTETS)
    assert answer.status == status, answer.body


def the_task(images: Images, image_id: str) -> Any:
    [task] = images.json("GET", f"/v2/images/{image_id}/tasks")["tasks"]
    return task


def download(images: Images, web: Web, path: str = "/disk.raw", **body: Any) -> Any:
    """An image imported from the web, as it is when all is done."""
    image = images.create(**body)
    start(images, image["id"], "web-download", uri=web.url + path)
    images.run_jobs()
    return images.show(image["id"])


def test_staged_data_becomes_the_image(stores: Images) -> None:
    image = stores.create()
    stage(stores, image["id"])
    staged = stores.show(image["id"])
    assert (staged["status"], staged["size"], staged["checksum"]) == ("uploading", len(DATA), None)
    assert stores.files() == [f"staging/{image['id']}"]
    start(stores, image["id"], "glance-direct")
    importing = stores.show(image["id"])
    assert importing["status"] == "importing"
    assert importing["os_glance_importing_to_stores"] == "fast"
    task = the_task(stores, image["id"])
    assert importing["os_glance_import_task"] == task["id"]
    assert (task["type"], task["status"]) == ("api_image_import", "pending")
    stores.run_jobs()
    done = stores.show(image["id"])
    assert (done["status"], done["size"], done["stores"]) == ("active", len(DATA), "fast")
    assert done["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
    assert done["os_glance_importing_to_stores"] == done["os_glance_failed_import"] == ""
    assert "os_glance_import_task" not in done
    assert stores.data(image["id"]) == DATA
    assert stores.files() == [f"images/fast/{image['id']}"]
    task = the_task(stores, image["id"])
    assert (task["status"], task["image_id"]) == ("success", image["id"])
    assert task["expires_at"]


def test_data_is_fetched_from_the_web(stores: Images, web: Web) -> None:
    web.files["/disk.raw"] = DATA
    web.redirects["/old"] = "/disk.raw"
    image = download(stores, web, "/old")
    assert (image["status"], image["checksum"]) == ("active", hashlib.md5(DATA).hexdigest())
    assert stores.files() == [f"images/fast/{image['id']}"]


def test_an_import_goes_to_several_stores(stores: Images) -> None:
    image = stores.create()
    stage(stores, image["id"])
    start(stores, image["id"], "glance-direct", all_stores=True)
    stores.run_jobs()
    done = stores.show(image["id"])
    assert (done["status"], sorted(done["stores"].split(","))) == ("active", ["fast", "slow"])
    assert stores.files() == [f"images/fast/{image['id']}", f"images/slow/{image['id']}"]


def test_an_image_is_copied_to_another_store(stores: Images) -> None:
    image = stores.active(DATA, "admin")
    start(stores, image["id"], "copy-image", "admin", stores=["slow"])
    assert stores.show(image["id"], "admin")["status"] == "active"
    stores.run_jobs()
    done = stores.show(image["id"], "admin")
    assert (done["status"], done["stores"]) == ("active", "fast,slow")
    start(stores, image["id"], "copy-image", "admin", stores=["slow"], status=400)
    start(stores, image["id"], "copy-image", "admin", all_stores=True)
    stores.run_jobs()
    assert stores.show(image["id"], "admin")["stores"] == "fast,slow"
    stores.json("DELETE", f"/v2/stores/fast/{image['id']}", "admin", status=204)
    stores.run_jobs()
    assert stores.data(image["id"], "admin") == DATA
    assert stores.files() == [f"images/slow/{image['id']}"]
    assert stores.call("DELETE", f"/v2/stores/slow/{image['id']}", "admin").status == 403


def test_only_the_owner_may_copy_an_image(stores: Images) -> None:
    image = stores.active(DATA, "admin", visibility="public")
    start(stores, image["id"], "copy-image", stores=["slow"], status=403)


def test_a_store_that_fails_fails_the_import_or_not(stores: Images) -> None:
    image, other = stores.create(), stores.create()
    (stores.state / "images" / "slow").mkdir(parents=True)
    (stores.state / "images" / "slow" / ".incoming").write_text("in the way")
    for one, must in ((image, True), (other, False)):
        stage(stores, one["id"])
        start(stores, one["id"], "glance-direct", stores=["fast", "slow"], all_stores_must_succeed=must)
    stores.run_jobs()
    failed, partly = stores.show(image["id"]), stores.show(other["id"])
    assert (failed["status"], failed["size"], failed["checksum"]) == ("queued", None, None)
    assert "slow" in failed["os_glance_failed_import"]
    assert the_task(stores, image["id"])["status"] == "failure"
    assert (partly["status"], partly["stores"]) == ("active", "fast")
    assert partly["os_glance_failed_import"] == "slow"
    assert [name for name in stores.files() if "incoming" not in name] == [f"images/fast/{other['id']}"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/missing", "answered with status 404"),
        ("/loop", "More than 10 redirects"),
        ("/inside", "the host of http://localhost/ is not allowed"),
        ("/port", "the port of http://127.0.0.1:22/ is not allowed"),
        ("/file", "the scheme of file:///etc/passwd is not allowed"),
        ("/cut", "broke off"),
        ("/qcow2", "does not match stream data qcow2"),
    ],
)
def test_a_download_that_fails_leaves_the_image_queued(stores: Images, web: Web, path: str, reason: str) -> None:
    web.redirects = {
        "/loop": "/loop",
        "/inside": "http://localhost/",
        "/port": "http://127.0.0.1:22/",
        "/file": "file:///etc/passwd",
    }
    web.files = {"/cut": DATA, "/qcow2": b"QFI\xfb\0\0\0\3" + bytes(1000)}
    web.broken = {"/cut": 1000}
    image = download(stores, web, path)
    assert (image["status"], image["size"], image["checksum"]) == ("queued", None, None)
    assert image["os_glance_failed_import"] == "fast"
    assert stores.files() == []
    task = the_task(stores, image["id"])
    assert (task["status"], reason in task["message"]) == ("failure", True), task
    web.files["/again"] = DATA
    start(stores, image["id"], "web-download", uri=web.url + "/again")
    stores.run_jobs()
    assert stores.show(image["id"])["status"] == "active"


def test_a_download_ends_at_the_size_cap(make_images: Callable[[str], Images], web: Web) -> None:
    options = "[DEFAULT]\nimage_size_cap = 1000\n[import_filtering_opts]\nallowed_hosts = [127.0.0.1]\n"
    images = make_images(f"{options}allowed_ports = [{web.port}]\n")
    web.files["/disk.raw"] = bytes(1001)
    image = download(images, web)
    assert image["status"] == "queued"
    assert images.files() == []
    assert "too large" in the_task(images, image["id"])["message"]


def test_internal_addresses_are_not_asked(images: Images) -> None:
    for uri in ("http://127.0.0.1/x", "http://169.254.169.254/latest", "http://[::1]/", "http://2130706433/"):
        image = images.create()
        refusal = start(images, image["id"], "web-download", uri=uri, status=400)
        assert refusal is None or uri in str(refusal)


def test_a_delete_during_an_import_ends_it(stores: Images, web: Web) -> None:
    web.files["/disk.raw"] = DATA
    web.before_answer.clear()
    image = stores.create()
    start(stores, image["id"], "web-download", uri=web.url + "/disk.raw")
    engine = threading.Thread(target=stores.run_jobs)
    engine.start()
    assert web.arrived.wait(10)
    stores.json("DELETE", f"/v2/images/{image['id']}", status=204)
    web.before_answer.set()
    engine.join()
    stores.run_jobs()
    assert stores.files() == []
    assert stores.call("GET", f"/v2/images/{image['id']}").status == 404


def test_only_one_import_at_a_time(stores: Images, web: Web) -> None:
    web.files["/disk.raw"] = DATA
    image = stores.create()
    start(stores, image["id"], "web-download", uri=web.url + "/disk.raw")
    start(stores, image["id"], "web-download", uri=web.url + "/disk.raw", status=409)
    copied = stores.active(DATA, "admin")
    start(stores, copied["id"], "copy-image", "admin", stores=["slow"])
    start(stores, copied["id"], "copy-image", "admin", stores=["slow"], status=409)


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({}, 400, "requires a 'method' field"),
        ({"method": {}}, 400, "requires a 'name' field"),
        ({"method": {"name": "conjure"}}, 400, "Unknown import method name 'conjure'."),
        ({"method": {"name": "glance-direct"}}, 409, "needs to be staged"),
        ({"method": {"name": "copy-image"}}, 409, "Only images with status active"),
        ({"method": {"name": "web-download"}}, 400, "does not pass filtering"),
        ({"method": {"name": "glance-download"}}, 400, "'glance_region' needs to be set"),
        ({"method": {"name": "glance-direct"}, "all_stores": "yes"}, 400, "must be boolean"),
        ({"method": {"name": "glance-direct"}, "all_stores": True, "stores": ["fast"]}, 400, "can't be used"),
        ({"method": {"name": "glance-direct"}, "stores": ["tape"]}, 409, "tape"),
        ({"method": {"name": "glance-direct"}, "stores": ["web"]}, 409, "read-only"),
    ],
)
def test_requests_that_are_refused(stores: Images, body: Any, status: int, sentence: str) -> None:
    image = stores.create()
    answer = stores.call("POST", f"/v2/images/{image['id']}/import", json=body, headers={"Accept": "application/json"})
    assert (answer.status, sentence in answer.json()["message"]) == (status, True), answer.body


def test_an_import_needs_formats(stores: Images) -> None:
    image = stores.json("POST", "/v2/images", json={}, status=201)
    stage(stores, image["id"])
    start(stores, image["id"], "glance-direct", status=409)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_compressed_data_is_unpacked(make_images: Callable[[str], Images], pack: Callable[[bytes], bytes]) -> None:
    images = make_images("[image_import_opts]\nimage_import_plugins = [no_op, image_decompression]\n")
    image = images.create(container_format="compressed")
    stage(images, image["id"], pack(DATA))
    start(images, image["id"], "glance-direct")
    images.run_jobs()
    done = images.show(image["id"])
    assert (done["status"], done["container_format"], done["size"]) == ("active", "bare", len(DATA))
    assert images.data(image["id"]) == DATA


def test_a_compressed_bomb_ends_at_the_size_cap(make_images: Callable[[str], Images]) -> None:
    images = make_images(
        "[DEFAULT]\nimage_size_cap = 10000000\n[image_import_opts]\nimage_import_plugins = [image_decompression]\n"
    )
    image = images.create(container_format="compressed")
    stage(images, image["id"], gzip.compress(bytes(50_000_000)))
    start(images, image["id"], "glance-direct")
    images.run_jobs()
    assert images.show(image["id"])["status"] == "queued"
    assert images.files() == []
    assert "too large" in the_task(images, image["id"])["message"]


def test_properties_are_put_on_imported_images(make_images: Callable[[str], Images]) -> None:
    images = make_images(
        "[image_import_opts]\nimage_import_plugins = [inject_image_metadata]\n"
        "[inject_metadata_properties]\ninject = imported:yes, os_glance_x:no\n"
    )
    for token, expected in (("member", "yes"), ("admin", None)):
        image = images.create(token)
        answer = images.call("PUT", f"/v2/images/{image['id']}/stage", token, data=DATA, headers=OCTETS)
        assert answer.status == 204
        start(images, image["id"], "glance-direct", token)
        images.run_jobs()
        done = images.show(image["id"], token)
        assert (done.get("imported"), done.get("os_glance_x")) == (expected, None)


class TestOlderTasks:
    """`POST /v2/tasks`, which imports made before images had imports of their own."""

    def body(self, web: Web, path: str = "/disk.raw", **properties: Any) -> Any:
        properties = {"name": "old", "disk_format": "raw", "container_format": "bare", **properties}
        given = {"import_from": web.url + path, "import_from_format": "raw", "image_properties": properties}
        return {"type": "import", "input": given}

    def test_a_task_makes_an_image(self, stores: Images, web: Web) -> None:
        web.files["/disk.raw"] = DATA
        task = stores.json("POST", "/v2/tasks", "admin", json=self.body(web), status=201)
        assert (task["status"], task["type"], task["result"]) == ("pending", "import", None)
        stores.run_jobs()
        task = stores.json("GET", f"/v2/tasks/{task['id']}", "admin")
        assert task["status"] == "success"
        image = stores.show(task["result"]["image_id"], "admin")
        assert (image["status"], image["name"]) == ("active", "old")
        assert stores.data(image["id"], "admin") == DATA
        listed = stores.json("GET", "/v2/tasks?type=import&status=success", "admin")["tasks"]
        assert [one["id"] for one in listed] == [task["id"]]
        assert "input" not in listed[0]

    def test_a_task_that_fails_leaves_no_image(self, stores: Images, web: Web) -> None:
        task = stores.json("POST", "/v2/tasks", "admin", json=self.body(web, "/none"), status=201)
        stores.run_jobs()
        task = stores.json("GET", f"/v2/tasks/{task['id']}", "admin")
        assert (task["status"], "404" in task["message"]) == ("failure", True)
        assert stores.json("GET", "/v2/images", "admin")["images"] == []
        assert stores.files() == []

    def test_bad_properties_fail_the_task(self, stores: Images, web: Web) -> None:
        web.files["/disk.raw"] = DATA
        body = self.body(web, disk_format="cassette")
        task = stores.json("POST", "/v2/tasks", "admin", json=body, status=201)
        stores.run_jobs()
        assert stores.json("GET", f"/v2/tasks/{task['id']}", "admin")["status"] == "failure"

    @pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "http://169.254.169.254/"])
    def test_urls_that_are_refused(self, stores: Images, web: Web, url: str) -> None:
        body = self.body(web)
        body["input"]["import_from"] = url
        stores.json("POST", "/v2/tasks", "admin", json=body, status=400)

    def test_tasks_are_for_administrators_and_end_by_themselves(self, stores: Images, web: Web) -> None:
        stores.json("POST", "/v2/tasks", json=self.body(web), status=403)
        stores.json("GET", "/v2/tasks", status=403)
        task = stores.json("POST", "/v2/tasks", "admin", json=self.body(web), status=201)
        answer = stores.call("DELETE", f"/v2/tasks/{task['id']}", "admin")
        assert (answer.status, answer.headers["allow"]) == (405, "GET")


class TestOtherRegions:
    """`glance-download`: an image of another region's Image service, read with the caller's own token."""

    REMOTE = "5b3f0a3e-6c3b-4e86-9d2e-8a0b6c1b9f11"

    @pytest.fixture
    def remote(self, stores: Images, web: Web) -> dict[str, Any]:
        """The other region's image; its service is on this machine, which only a catalog may say."""
        image = {
            "id": self.REMOTE,
            "status": "active",
            "size": len(DATA),
            "disk_format": "raw",
            "container_format": "bare",
            "hw_cpu_cores": "5",
            "os_distro": "debian",
            "speed": "88mph",
            "os_glance_x": "no",
        }
        web.files["/v2/images/" + self.REMOTE + "/file"] = DATA
        self.describe(web, image)
        endpoint = {"interface": "public", "region_id": "Far", "url": web.url + "/v2"}
        catalog = {"catalog": [{"type": "image", "endpoints": [endpoint]}]}

        def identity(environ: Any, start_response: Any) -> list[bytes]:
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(catalog).encode()]

        stores.env.transport.local[stores.env.auth_url.removesuffix("/v3")] = identity
        return image

    def describe(self, web: Web, image: dict[str, Any]) -> None:
        web.files["/v2/images/" + self.REMOTE] = json.dumps(image).encode()

    def fetch(self, stores: Images, **parameters: str) -> tuple[Any, Any]:
        """The image and its task when all is done."""
        image = stores.create(disk_format="iso", container_format="ovf", os_distro="windows")
        method = {"name": "glance-download", "glance_region": "Far", "glance_image_id": self.REMOTE, **parameters}
        stores.json("POST", f"/v2/images/{image['id']}/import", json={"method": method}, status=202)
        stores.run_jobs()
        return stores.show(image["id"]), the_task(stores, image["id"])

    def test_data_formats_and_some_properties_are_taken(self, stores: Images, remote: dict[str, Any], web: Web) -> None:
        image, task = self.fetch(stores)
        assert (image["status"], image["disk_format"], image["container_format"]) == ("active", "raw", "bare"), task
        assert (image["hw_cpu_cores"], image["os_distro"]) == ("5", "debian")
        assert not {"speed", "os_glance_x"} & image.keys()
        assert stores.data(image["id"]) == DATA
        assert {headers["x-auth-token"] for _, _, headers in web.asked} == {"member"}

    @pytest.mark.parametrize(
        ("change", "parameters", "reason"),
        [
            ({}, {"glance_region": "Nowhere"}, "endpoint not found for region Nowhere"),
            ({}, {"glance_service_interface": "admin"}, "admin glance endpoint not found"),
            ({}, {"glance_image_id": "0" * 32}, "answered with status 404"),
            ({"status": "queued"}, {}, "should be active instead of queued"),
            ({"size": len(DATA) + 1}, {}, f"has {len(DATA)} bytes instead of {len(DATA) + 1}"),
        ],
    )
    def test_what_cannot_be_had_leaves_the_image_as_it_was(
        self,
        stores: Images,
        remote: dict[str, Any],
        web: Web,
        change: dict[str, Any],
        parameters: dict[str, str],
        reason: str,
    ) -> None:
        self.describe(web, remote | change)
        image, task = self.fetch(stores, **parameters)
        assert (image["status"], image["os_distro"], task["status"]) == ("queued", "windows", "failure")
        assert reason in task["message"]
        assert stores.files() == []

    def test_the_other_service_cannot_send_ours_anywhere_else(
        self, stores: Images, remote: dict[str, Any], web: Web
    ) -> None:
        """Not even to the host that imports from the web may ask."""
        web.redirects["/v2/images/" + self.REMOTE + "/file"] = f"http://localhost:{web.port}/secret"
        web.files["/secret"] = DATA
        image, task = self.fetch(stores)
        assert (image["status"], "not at the endpoint" in task["message"]) == ("queued", True), task


class TestTwoHosts:
    """One database and one store, but a staging directory on each host."""

    @pytest.fixture
    def hosts(self, database_url: str, tmp_path: Path) -> Iterator[tuple[Images, Images]]:
        options = f"[glance_store]\nstores = file\nfilesystem_store_datadir = {tmp_path / 'shared'}\n"
        made = []
        for name in ("one", "two"):
            node = f"[DEFAULT]\nworker_self_reference_url = http://{name}:9292\n"
            made.append(Images(database_url, tmp_path / name, node + options))
        yield made[0], made[1]
        for host in made:
            host.close()

    def test_data_is_imported_where_it_is_staged(self, hosts: tuple[Images, Images]) -> None:
        here, there = hosts
        image = here.create()
        stage(here, image["id"])
        start(there, image["id"], "glance-direct")
        there.run_once()
        assert there.show(image["id"])["status"] == "importing"
        here.run_jobs()
        assert (there.show(image["id"])["status"], there.data(image["id"])) == ("active", DATA)
        assert here.files() == there.files() == []

    def test_data_is_deleted_where_it_is_staged(self, hosts: tuple[Images, Images]) -> None:
        here, there = hosts
        image = here.create()
        stage(here, image["id"])
        assert there.call("DELETE", f"/v2/images/{image['id']}").status == 204
        there.run_once()
        assert here.files() == [f"staging/{image['id']}"]
        here.run_jobs()
        assert here.files() == []


def test_an_import_that_was_done_but_could_not_say_so_is_not_done_again(
    stores: Images, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that dies between the last store and the end of the task leaves an image that stays as it is."""
    web.files["/disk.raw"] = DATA
    image = stores.create()
    start(stores, image["id"], "web-download", uri=web.url + "/disk.raw")
    succeed = TaskRun.succeed
    deaths = ["once"]

    def dies(task: TaskRun, result: dict[str, Any]) -> None:
        if deaths:
            deaths.pop()
            del web.files["/disk.raw"]
            raise RuntimeError("the engine is killed here")
        succeed(task, result)

    monkeypatch.setattr(TaskRun, "succeed", dies)
    stores.run_jobs()
    assert (stores.show(image["id"])["status"], stores.data(image["id"])) == ("active", DATA)
    assert the_task(stores, image["id"])["status"] == "success"
    assert stores.files() == [f"images/fast/{image['id']}"]
