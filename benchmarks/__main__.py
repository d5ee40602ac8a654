"""All figures of one cloud, or of two side by side, under the very same load.

    python -m benchmarks --cloud NAME=AUTH_URL,USER,PASSWORD[,PID…] [--cloud …] [--only compute,network]
        [--clients 1,32] [--seconds 4] [--json FILE]

AUTH_URL ends in /v3; the user is an administrator in a project of the same name. PIDs are the cloud's processes
(their children count too): with them the processor time of a request is told, which holds on a busy machine where
rates do not. What is made is called bench-… and deleted in the end. With two clouds the last column is how many times
less the second one needs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.load import Measure, Request, measure
from rich.console import Console
from rich.table import Table

_ROWS = 1000
_DELETION_S = 300


@dataclass
class Target:
    """One cloud and the login at it."""

    name: str
    auth_url: str
    user: str
    password: str
    pids: tuple[int, ...]
    token: str = ""
    project: str = ""
    catalog: dict[str, str] = field(default_factory=dict)

    def login(self) -> None:
        user = {"name": self.user, "domain": {"id": "default"}, "password": self.password}
        scope = {"project": {"name": self.user, "domain": {"id": "default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        answer, headers = self._send("POST", f"{self.auth_url}/auth/tokens", body)
        self.token, self.project = headers["X-Subject-Token"], answer["token"]["project"]["id"]
        for entry in answer["token"]["catalog"]:
            for endpoint in entry["endpoints"]:
                if endpoint["interface"] == "public":
                    self.catalog[entry["type"]] = endpoint["url"].rstrip("/")

    def url(self, *types: str) -> str | None:
        return next((self.catalog[one] for one in types if one in self.catalog), None)

    def call(self, method: str, url: str, body: Any = None, **headers: str) -> Any:
        return self._send(method, url, body, headers)[0]

    def _send(self, method: str, url: str, body: Any, more: dict[str, str] | None = None) -> tuple[Any, Any]:
        headers = {"X-Auth-Token": self.token, "Content-Type": "application/json", **(more or {})}
        data = None if body is None else json.dumps(body).encode()
        sent = urllib.request.Request(url, data, headers, method=method)
        with urllib.request.urlopen(sent, timeout=120) as answer:
            text = answer.read()
            return (json.loads(text) if text else None), answer.headers


Case = tuple[str, Request]
Section = Callable[[Target], Iterator[Case]]


def identity(cloud: Target) -> Iterator[Case]:
    yield (
        "validate a token",
        Request("GET", f"{cloud.auth_url}/auth/tokens", headers=(("X-Subject-Token", cloud.token),)),
    )
    again = {"auth": {"identity": {"methods": ["token"], "token": {"id": cloud.token}}}}
    yield "token from a token", Request("POST", f"{cloud.auth_url}/auth/tokens", json.dumps(again))
    made = [
        cloud.call("POST", f"{cloud.auth_url}/users", {"user": {"name": f"bench-{uuid.uuid4().hex}"}})["user"]["id"]
        for _ in range(100)
    ]
    yield "list users (100 and more)", Request("GET", f"{cloud.auth_url}/users")
    yield "show a user", Request("GET", f"{cloud.auth_url}/users/{made[0]}")
    for user in made:
        cloud.call("DELETE", f"{cloud.auth_url}/users/{user}")


def image(cloud: Target) -> Iterator[Case]:
    url = f"{cloud.url('image')}/v2/images"
    body = {"disk_format": "raw", "container_format": "bare", "tags": ["bench"]}
    made = [cloud.call("POST", url, {"name": f"bench-{number}", **body})["id"] for number in range(200)]
    yield "list images (200)", Request("GET", f"{url}?limit=200")
    yield "show an image", Request("GET", f"{url}/{made[0]}")
    yield "create an image's record", Request("POST", url, json.dumps({"name": "bench-{n}", **body}))
    _delete_all(cloud, f"{url}?limit=1000", "images", url)


def placement(cloud: Target) -> Iterator[Case]:
    url = cloud.url("placement")
    version = {"OpenStack-API-Version": "placement 1.30"}
    made = []
    for number in range(100):
        provider = {"name": f"bench-{uuid.uuid4().hex}-{number}"}
        found = cloud.call("POST", f"{url}/resource_providers", provider, **version)
        made.append(found["uuid"])
        inventories = {name: {"total": 1 << 16} for name in ("VCPU", "MEMORY_MB", "DISK_GB")}
        content = {"resource_provider_generation": found["generation"], "inventories": inventories}
        cloud.call("PUT", f"{url}/resource_providers/{found['uuid']}/inventories", content, **version)
    wanted = "resources=VCPU:1,MEMORY_MB:512,DISK_GB:5"
    sent = tuple(version.items())
    yield "allocation candidates (100)", Request("GET", f"{url}/allocation_candidates?{wanted}&limit=100", headers=sent)
    yield "one allocation candidate", Request("GET", f"{url}/allocation_candidates?{wanted}&limit=1", headers=sent)
    yield "show a provider", Request("GET", f"{url}/resource_providers/{made[0]}", headers=sent)
    for provider_id in made:
        cloud.call("DELETE", f"{url}/resource_providers/{provider_id}")


def network(cloud: Target) -> Iterator[Case]:
    url = f"{cloud.url('network')}/v2.0"
    cloud.call("PUT", f"{url}/quotas/{cloud.project}", {"quota": {"port": -1, "security_group_rule": -1}})
    network_id = cloud.call("POST", f"{url}/networks", {"network": {"name": "bench"}})["network"]["id"]
    subnet = {"network_id": network_id, "ip_version": 4, "cidr": "10.128.0.0/9", "enable_dhcp": False}
    cloud.call("POST", f"{url}/subnets", {"subnet": subnet})
    body = {"port": {"network_id": network_id, "name": "bench"}}
    made = [cloud.call("POST", f"{url}/ports", body)["port"]["id"] for _ in range(200)]
    yield "list ports (200)", Request("GET", f"{url}/ports?limit=200")
    yield "show a port", Request("GET", f"{url}/ports/{made[0]}")
    yield "create a port", Request("POST", f"{url}/ports", json.dumps(body))
    _delete_all(cloud, f"{url}/ports?network_id={network_id}&limit={_ROWS}", "ports", f"{url}/ports")
    cloud.call("DELETE", f"{url}/networks/{network_id}")


def compute(cloud: Target) -> Iterator[Case]:
    url = cloud.url("compute")
    yield "list servers in detail", Request("GET", f"{url}/servers/detail?limit=1000")
    yield "list servers", Request("GET", f"{url}/servers?limit=1000")
    yield "list flavors in detail", Request("GET", f"{url}/flavors/detail")


def volume(cloud: Target) -> Iterator[Case]:
    base = cloud.url("block-storage", "volumev3", "block-store") or ""
    url = base if base.endswith(cloud.project) else f"{base}/{cloud.project}"
    quota = {"quota_set": {"volumes": -1, "gigabytes": -1}}
    cloud.call("PUT", f"{url}/os-quota-sets/{cloud.project}", quota)
    body = {"volume": {"name": "bench", "size": 1}}
    made = [cloud.call("POST", f"{url}/volumes", body)["volume"]["id"] for _ in range(50)]
    yield "list volumes in detail (50 and more)", Request("GET", f"{url}/volumes/detail?limit=1000")
    yield "show a volume", Request("GET", f"{url}/volumes/{made[0]}")
    yield "create a volume", Request("POST", f"{url}/volumes", json.dumps(body))
    time.sleep(2)
    _delete_all(cloud, f"{url}/volumes?name=bench&limit={_ROWS}", "volumes", f"{url}/volumes")


SECTIONS: dict[str, tuple[Section, tuple[str, ...]]] = {
    "identity": (identity, ("identity",)),
    "image": (image, ("image",)),
    "placement": (placement, ("placement",)),
    "network": (network, ("network",)),
    "compute": (compute, ("compute",)),
    "volume": (volume, ("block-storage", "volumev3", "block-store")),
}


def _delete_all(cloud: Target, listing: str, member: str, url: str) -> None:
    """Page by page, until none of this run's is left. What is not gone in time is told and left."""
    asked: set[str] = set()
    deadline = time.monotonic() + _DELETION_S
    while True:
        found = [one["id"] for one in cloud.call("GET", listing)[member] if (one["name"] or "").startswith("bench")]
        if not found:
            return
        if time.monotonic() > deadline:
            print(f"{cloud.name}: {len(found)} {member} are not gone after {_DELETION_S} s", file=sys.stderr)
            return
        fresh = [one for one in found if one not in asked]
        for one in fresh:
            _delete(cloud, f"{url}/{one}")
        asked.update(fresh)
        if not fresh:
            time.sleep(0.5)


def _delete(cloud: Target, url: str) -> None:
    """One that is gone already, or is busy going, is no error."""
    try:
        cloud.call("DELETE", url)
    except urllib.error.HTTPError as error:
        if error.code not in (400, 404, 409):
            raise


def run(cloud: Target, only: list[str], clients: list[int], seconds: float) -> dict[tuple[str, str, int], Measure]:
    found: dict[tuple[str, str, int], Measure] = {}
    for name in only:
        section, types = SECTIONS[name]
        cloud.login()
        if cloud.url(*types) is None:
            print(f"{cloud.name} has no {name} service", file=sys.stderr)
            continue
        print(f"{cloud.name}: {name}", file=sys.stderr, flush=True)
        for case, request in section(cloud):
            for count in clients:
                found[name, case, count] = measure(
                    request, cloud.token, clients=count, seconds=seconds, pids=cloud.pids
                )
    return found


def show(clouds: list[Target], results: list[dict[tuple[str, str, int], Measure]]) -> None:
    table = Table("service", "request", "clients")
    for cloud in clouds:
        for heading in ("median ms", "a second", "CPU ms"):
            table.add_column(f"{cloud.name} {heading}", justify="right")
    if len(clouds) == 2:
        table.add_column("times", justify="right")
    for key in results[0]:
        cells = []
        for found in results:
            one = found.get(key)
            cpu = "" if one is None or one.cpu_ms is None else f"{one.cpu_ms:.2f}"
            cells += ["", "", ""] if one is None else [f"{one.median_ms:.1f}", f"{one.rate:.0f}", cpu]
        table.add_row(key[0], key[1], str(key[2]), *cells, *_times([found.get(key) for found in results]))
    Console(width=150).print(table)


def _times(pair: list[Measure | None]) -> list[str]:
    """By processor time where it is known, else by rate."""
    if len(pair) != 2:
        return []
    first, second = pair
    if first is None or second is None:
        return [""]
    if first.cpu_ms and second.cpu_ms:
        return [f"{first.cpu_ms / second.cpu_ms:.1f}"]
    return [f"{second.rate / first.rate:.1f}"]


def _cloud(text: str) -> Target:
    name, _, rest = text.partition("=")
    words = rest.split(",")
    if len(words) < 3:
        raise argparse.ArgumentTypeError(f"{text}: write NAME=AUTH_URL,USER,PASSWORD[,PID…]")
    return Target(name, words[0].rstrip("/"), words[1], words[2], tuple(map(int, words[3:])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cloud", type=_cloud, action="append", required=True)
    parser.add_argument("--only", default=",".join(SECTIONS))
    parser.add_argument("--clients", default="1,32")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--json", type=Path, help="also write every figure to this file, a JSON line each")
    given = parser.parse_args()
    only = given.only.split(",")
    unknown = [name for name in only if name not in SECTIONS]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are: {', '.join(SECTIONS)}")
    clients = [int(word) for word in given.clients.split(",")]
    results = [run(cloud, only, clients, given.seconds) for cloud in given.cloud]
    show(given.cloud, results)
    if given.json:
        lines = [
            {"cloud": cloud.name, "service": key[0], "request": key[1], "clients": key[2], **one.shown()}
            for cloud, found in zip(given.cloud, results, strict=True)
            for key, one in found.items()
        ]
        given.json.write_text("".join(json.dumps(line) + "\n" for line in lines))


if __name__ == "__main__":
    main()
