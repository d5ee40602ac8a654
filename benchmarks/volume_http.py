"""The same requests to any Volume service over HTTP, ours or the original: list in detail, show, create.

    .venv/bin/python -m benchmarks.volume_http --auth URL/v3 --password P --label ours [--pid PID …] [--volumes 1000]

It makes as many volumes as are missing, asks with 1 and with 32 clients, and deletes what it made (`--keep` leaves it).
One line of JSON a figure, as `benchmarks.load` measures it; `cpu_ms` is that of the processes given by `--pid` and all
below them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.load import Request, measure

from cumulet.kernel.client import Session, Transport

NAME = "bench-volume"
_SECONDS = 5.0


def login(given: argparse.Namespace) -> Session:
    return Session(Transport(), given.auth, given.user, given.password, given.project)


def ask(session: Session, method: str, path: str, body: Any = None) -> Any:
    answer = session.request(method, "block-storage", path, json=body, headers={"OpenStack-API-Version": "volume 3.70"})
    assert answer.status < 300, (method, path, answer.status, answer.body[:300])
    return answer.json() if answer.body else None


def volumes(session: Session) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        marker = f"&marker={found[-1]['id']}" if found else ""
        page = ask(session, "GET", f"/volumes?name={NAME}&limit=1000{marker}")["volumes"]
        found += page
        if len(page) < 1000:
            return found


def fill(session: Session, number: int) -> list[dict[str, Any]]:
    for _ in range(number - len(volumes(session))):
        ask(session, "POST", "/volumes", {"volume": {"size": 1, "name": NAME}})
    return volumes(session)


def run(session: Session, label: str, pids: Sequence[int], number: int) -> None:
    made = fill(session, number)
    base = session.endpoint("block-storage")
    version = (("OpenStack-API-Version", "volume 3.70"),)
    body = json.dumps({"volume": {"size": 1, "name": NAME}})
    wanted = {
        f"detailed list of {len(made)}": Request("GET", f"{base}/volumes/detail?name={NAME}", headers=version),
        "show": Request("GET", f"{base}/volumes/{made[0]['id']}", headers=version),
        "create": Request("POST", f"{base}/volumes", body, version),
    }
    for what, request in wanted.items():
        for clients in (1, 32):
            found = measure(request, session.token(), clients=clients, seconds=_SECONDS, pids=pids)
            print(json.dumps({"label": label, "what": what, "clients": clients} | found.shown()), flush=True)


def clean(session: Session) -> None:
    """Volumes that are being made are deleted when they are there."""
    end = time.monotonic() + 300
    while left := volumes(session):
        for one in left:
            session.request("DELETE", "block-storage", f"/volumes/{one['id']}")
        assert time.monotonic() < end, f"{len(left)} volumes are still there"
        time.sleep(1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--auth", required=True)
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password", required=True)
    parser.add_argument("--project", default="admin")
    parser.add_argument("--label", required=True)
    parser.add_argument("--pid", type=int, action="append", default=[])
    parser.add_argument("--volumes", type=int, default=1000)
    parser.add_argument("--keep", action="store_true")
    given = parser.parse_args()
    session = login(given)
    try:
        run(session, given.label, given.pid, given.volumes)
    finally:
        if not given.keep:
            clean(session)


if __name__ == "__main__":
    main()
