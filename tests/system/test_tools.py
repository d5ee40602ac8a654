"""The tools around a running cloud: the stock client's login, logs, traces, tables, backups, doctor."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import urllib3

from tests.clients import OPENSTACK, WITHOUT
from tests.system.cloud import Cloud, a_cloud, environment, eventually, request

# -- the stock client ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(OPENSTACK is None, reason=WITHOUT)
@pytest.mark.parametrize("user", ["admin", "demo"])
def test_openrc_logs_the_stock_client_in(cloud: Cloud, user: str) -> None:
    program = " ".join(cloud.command("openrc", "--user", user))
    script = f'eval "$({program})" && {OPENSTACK} token issue -f json && {OPENSTACK} project list --my-projects -f json'
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env=environment(), timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    decoder = json.JSONDecoder()
    token, end = decoder.raw_decode(done.stdout)
    projects, _ = decoder.raw_decode(done.stdout[end:].lstrip())
    assert {"ID": token["project_id"], "Name": user} in projects


@pytest.mark.skipif(OPENSTACK is None, reason=WITHOUT)
def test_clouds_yaml_logs_the_stock_client_in(cloud: Cloud) -> None:
    given = environment() | {"OS_CLIENT_CONFIG_FILE": str(cloud.directory / "etc" / "clouds.yaml")}
    done = subprocess.run(
        [str(OPENSTACK), "--os-cloud", "cumulet", "catalog", "list", "-f", "json"],
        capture_output=True,
        text=True,
        env=given,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {entry["Name"] for entry in json.loads(done.stdout)} >= {"keystone"}


# -- logs, traces, tables, backups -----------------------------------------------------------------------------------


def test_logs_and_trace_follow_one_request(cloud: Cloud) -> None:
    given = "req-11111111-2222-3333-4444-555555555555"
    with urllib3.PoolManager() as pool:
        answer = pool.request("GET", f"{cloud.url()}/v3/regions/none", headers={"X-Openstack-Request-Id": given})
    own = answer.headers["X-Openstack-Request-Id"]
    for request_id in (own, given):
        traced = cloud.run("trace", request_id).stdout
        assert own in traced and "/v3/regions/none -> 401" in traced
    assert "/v3/regions/none" in cloud.run("logs", "-n", "0").stdout
    assert "started api-1" in cloud.run("logs", "--role", "supervisor").stdout
    unknown = cloud.run("trace", "req-00000000-0000-0000-0000-000000000000", check=False)
    assert unknown.returncode == 1


def test_logs_can_be_followed(cloud: Cloud) -> None:
    command = cloud.command("logs", "-f", "-n", "0", "--json")
    following = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment())
    try:
        assert following.stdout is not None
        os.set_blocking(following.stdout.fileno(), False)
        text = b""

        def seen() -> bool:
            nonlocal text
            request("GET", f"{cloud.url()}/v3/regions/followed")
            text += following.stdout.read() or b""  # type: ignore[union-attr]
            return b"/v3/regions/followed" in text

        eventually(seen)
    finally:
        following.terminate()
        following.wait(10)


def test_metrics_count_over_all_workers(own_cloud: Cloud) -> None:
    own_cloud.up()
    url, token = own_cloud.url(), own_cloud.login()
    for _ in range(40):
        request("GET", f"{url}/v3/regions", token=token)
    metric = 'cumulet_http_requests_total{method="GET",service="identity",status="200"}'

    def count() -> float:
        lines = request("GET", f"{url}/metrics").data.decode().splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(metric)), 0.0)

    before = count()
    assert before >= 40
    os.kill(own_cloud.pid("api-1"), signal.SIGKILL)
    eventually(lambda: any(p["restarts"] and p["ready"] for p in own_cloud.status()["processes"]))
    assert count() >= before


def test_tables_can_be_brought_up_to_date_beforehand(own_cloud: Cloud) -> None:
    assert own_cloud.run("db", "sync", check=False).returncode == 1  # nothing there yet: it says so
    own_cloud.up()
    own_cloud.down()
    assert "identity: already at revision" in own_cloud.run("db", "sync").stdout
    shown = own_cloud.run("db", "version").stdout.split()
    assert shown[1] == shown[3].rstrip(")")
    own_cloud.run("db", "purge", "--days", "0")


def test_backup_and_restore(own_cloud: Cloud, tmp_path: Path) -> None:
    own_cloud.up()
    token = own_cloud.login()
    regions = f"{own_cloud.url()}/v3/regions"
    assert request("POST", regions, token=token, json={"region": {"id": "before"}}).status == 201
    file = tmp_path / "cloud.tgz"
    own_cloud.run("backup", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert request("POST", regions, token=token, json={"region": {"id": "after"}}).status == 201

    running = own_cloud.run("restore", str(file), "--replace", check=False)
    assert running.returncode == 1 and "down" in running.stderr
    own_cloud.down()
    assert own_cloud.run("restore", str(file), check=False).returncode == 1  # not over a cloud without --replace
    own_cloud.run("restore", str(file), "--replace")
    own_cloud.run("up", "--detach")
    # The keys came along: the token from before still opens.
    listed = json.loads(request("GET", regions, token=token).data)["regions"]
    assert {"before"} <= {region["id"] for region in listed} and "after" not in {region["id"] for region in listed}


def test_a_backup_moves_to_another_directory(own_cloud: Cloud, tmp_path: Path) -> None:
    own_cloud.up()
    token = own_cloud.login()
    file = tmp_path / "cloud.tgz"
    own_cloud.run("backup", str(file))
    own_cloud.down()
    with a_cloud(tmp_path / "elsewhere") as other:
        other.run("restore", str(file))
        other.up()
        assert request("GET", f"{other.url()}/v3/users", token=token).status == 200
        assert own_cloud.status()["state"] == "down"


def test_a_broken_backup_changes_nothing(own_cloud: Cloud, tmp_path: Path) -> None:
    own_cloud.up()
    file, cut = tmp_path / "cloud.tgz", tmp_path / "cut.tgz"
    own_cloud.run("backup", str(file))
    own_cloud.down()
    cut.write_bytes(file.read_bytes()[:-2000])
    before = {path: path.read_bytes() for path in own_cloud.directory.rglob("*") if path.is_file()}
    done = own_cloud.run("restore", str(cut), "--replace", check=False)
    assert done.returncode == 1 and "Nothing was restored" in done.stderr
    evil = tmp_path / "evil.tgz"
    with tarfile.open(evil, "w:gz") as archive:
        member = tarfile.TarInfo("../../outside")
        archive.addfile(member)
    assert own_cloud.run("restore", str(evil), "--replace", check=False).returncode == 1
    assert not (tmp_path.parent / "outside").exists()
    after = {path: path.read_bytes() for path in own_cloud.directory.rglob("*") if path.is_file()}
    assert after == before


def test_doctor(own_cloud: Cloud, tmp_path: Path) -> None:
    found = json.loads(own_cloud.run("doctor", "--simulate", "--json", check=False).stdout)
    assert {check["state"] for check in found if check["name"] == "ports"} == {"ok"}
    file = tmp_path / "keystone.conf"
    file.write_text("[database]\nconnection = mysql+pymysql://keystone:s3cret@127.0.0.1:1/keystone\n")
    own_cloud.run("up", "--detach", "--config-file", f"keystone={file}", check=False)
    told = own_cloud.run("doctor", "--simulate", check=False)
    assert told.returncode == 1
    assert "127.0.0.1:1 does not answer" in told.stdout and "s3cret" not in told.stdout


def test_small_commands_start_fast() -> None:
    """`--help` and `--version` load neither Rich nor a service."""
    script = (
        "import sys; from cumulet.cli.main import build; build(None);"
        "bad = [m for m in sys.modules if m.split('.')[0] in ('rich', 'sqlalchemy', 'falcon', 'granian', 'alembic')];"
        "sys.exit(', '.join(bad) or 0)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_api_workers_load_no_program() -> None:
    """What only the command line, the migrations or the AMQP carrier need is not in the memory of every worker."""
    script = (
        "import sys; from cumulet import services; [one.load() for one in services.SERVICES];"
        "import cumulet.processes.supervisor;"
        "bad = {m.split('.')[0] for m in sys.modules} & {'typer', 'rich', 'alembic', 'kombu', 'amqp', 'pytest'};"
        "bad |= {m for m in sys.modules if m in ('sqlalchemy.orm', 'falcon.asgi')};"
        "sys.exit(', '.join(sorted(bad)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
