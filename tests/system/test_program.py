"""The program as a user meets it: `cumulet up`, `status`, `down` and the others, against a real cloud."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest
import urllib3
import yaml
from benchmarks.load import cpu_of

from cumulet import services
from tests.system.cloud import Cloud, environment, eventually, free_offset, left_behind, request

# Processor time of a start, five times what was measured: how long one waits depends on what else the machine does.
COLD_CPU_S, WARM_CPU_S = 20.0, 6.0
PATIENCE_S = 60.0


# -- up, status, down ------------------------------------------------------------------------------------------------


def test_every_api_answers_when_up_returns(own_cloud: Cloud) -> None:
    said = own_cloud.up("--services", "all")
    cold = cpu_of([own_cloud.status()["supervisor_pid"]])
    for service in services.SERVICES:
        answer = request("GET", f"http://127.0.0.1:{service.port + own_cloud.offset}/healthcheck")
        assert (answer.status, answer.data) == (200, b"OK")
    assert "The cloud is up after" in said and "openrc" in said
    own_cloud.down()
    own_cloud.up()
    warm = cpu_of([own_cloud.status()["supervisor_pid"]])
    assert cold < COLD_CPU_S
    assert warm < WARM_CPU_S


def test_status_for_programs(cloud: Cloud) -> None:
    described = cloud.status()
    assert described["supervisor_pid"] == cloud.pid("supervisor")
    roles = {process["role"] for process in described["processes"]}
    assert {"supervisor", "api-1", "engine"} <= roles
    for process in described["processes"]:
        assert process["rss_bytes"] > process["pss_bytes"] > 1_000_000
    assert {service["name"] for service in described["services"]} == {one.name for one in services.SERVICES}
    assert {service["state"] for service in described["services"]} == {"up"}
    assert described["services"][0]["endpoint"] == f"http://127.0.0.1:{5000 + cloud.offset}"


def test_status_for_people(cloud: Cloud) -> None:
    shown = cloud.run("status").stdout
    for word in ("The cloud is running", "identity", "supervisor", "api-1", "engine", "MB"):
        assert word in shown


def test_identity_fits_into_120_mb(own_cloud: Cloud) -> None:
    """Together, each page counted once (PSS): the workers are forks that share most of theirs."""
    own_cloud.up()
    own_cloud.login()
    assert sum(process["pss_bytes"] for process in own_cloud.status()["processes"]) < 120_000_000


def test_a_second_up_changes_nothing(cloud: Cloud) -> None:
    before = cloud.status()["supervisor_pid"]
    done = cloud.run("up", "--detach")
    assert "already running" in done.stdout
    assert cloud.status()["supervisor_pid"] == before


def test_down_ends_everything_and_up_resumes(own_cloud: Cloud) -> None:
    own_cloud.up()
    token = own_cloud.login()
    body = {"region": {"id": "kept"}}
    assert request("POST", f"{own_cloud.url()}/v3/regions", token=token, json=body).status == 201
    own_cloud.down()
    assert left_behind(own_cloud.directory) == []
    down = own_cloud.run("status", "--json", check=False)
    assert (down.returncode, json.loads(down.stdout)["state"]) == (3, "down")
    own_cloud.run("up", "--detach")  # the port offset of the first start holds
    answer = request("GET", f"http://127.0.0.1:{5000 + own_cloud.offset}/v3/regions/kept", token=token)
    assert answer.status == 200
    own_cloud.down("--purge")
    assert not own_cloud.directory.exists()


def test_two_ups_at_once_start_one_cloud(own_cloud: Cloud) -> None:
    command = own_cloud.command("up", "--detach", "--port-offset", str(own_cloud.offset), *own_cloud.options)
    both = [subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE) for _ in range(2)]
    said = [program.communicate(timeout=300)[0].decode() for program in both]
    assert [program.returncode for program in both] == [0, 0], said
    assert sum("is up after" in text for text in said) == 1
    assert sum("already running" in text for text in said) == 1
    assert own_cloud.login()


def test_what_does_not_end_is_killed(own_cloud: Cloud) -> None:
    own_cloud.up()
    for role in ("supervisor", "api-1"):
        os.kill(own_cloud.pid(role), signal.SIGSTOP)
    own_cloud.down("--within", "1")
    eventually(lambda: left_behind(own_cloud.directory) == [])
    assert own_cloud.status()["state"] == "down"
    own_cloud.up()


def test_a_worker_that_does_not_end_is_killed(own_cloud: Cloud) -> None:
    """The supervisor gives requests under way 10 s."""
    own_cloud.up()
    os.kill(own_cloud.pid("api-1"), signal.SIGSTOP)
    begun = time.monotonic()
    own_cloud.down()
    assert 9 < time.monotonic() - begun < 15
    assert left_behind(own_cloud.directory) == []


def test_a_stale_pid_file_is_no_obstacle(own_cloud: Cloud) -> None:
    run = own_cloud.directory / "run"
    run.mkdir(parents=True)
    (run / "supervisor.lock").touch()
    dead = {"pid": os.getpid(), "role": "supervisor", "started": 1}
    (run / "state.json").write_text(
        json.dumps({"supervisor": dead, "state": "running", "since": 0, "processes": [{**dead, "role": "api-1"}]})
    )
    own_cloud.up()
    assert own_cloud.status()["state"] == "running"


def test_a_taken_port_is_told(own_cloud: Cloud) -> None:
    with socket.create_server(("127.0.0.1", 5000 + own_cloud.offset)):
        done = own_cloud.run("up", "--detach", "--port-offset", str(own_cloud.offset), check=False)
    assert done.returncode == 1
    assert f"port {5000 + own_cloud.offset}" in done.stderr and "--port-offset" in done.stderr
    assert eventually(lambda: left_behind(own_cloud.directory) == [], within_s=PATIENCE_S)


def test_a_broken_configuration_file_is_told(own_cloud: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "keystone.conf"
    file.write_text("[token]\nprovider fernet\n")
    done = own_cloud.run("up", "--detach", "--config-file", f"keystone={file}", check=False)
    assert done.returncode == 1
    assert "keystone.conf:2" in done.stderr


def test_only_the_owner_can_read(cloud: Cloud) -> None:
    for path in (cloud.directory, *cloud.directory.rglob("*")):
        mode = path.lstat().st_mode
        # A link has no rights of its own, and a socket's are its folder's.
        assert not mode & 0o077 or stat.S_ISSOCK(mode) or stat.S_ISLNK(mode), f"{path} has mode {mode:o}"


def test_no_secret_on_command_lines_or_in_logs(cloud: Cloud) -> None:
    cloud.login()
    secrets = json.loads((cloud.directory / "keys" / "passwords.json").read_text()).values()
    pids = [process["pid"] for process in cloud.status()["processes"]]
    texts = [Path(f"/proc/{pid}/{name}").read_bytes() for pid in pids for name in ("cmdline", "environ")]
    texts += [file.read_bytes() for file in (cloud.directory / "log").iterdir()]
    for secret in secrets:
        assert not any(secret.encode() in text for text in texts)


# -- deaths ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["api-1", "api-2", "engine"])
def test_a_killed_worker_is_replaced_at_once(own_cloud: Cloud, role: str) -> None:
    own_cloud.up()
    before = own_cloud.pid(role)
    os.kill(before, signal.SIGKILL)

    def replaced() -> bool:
        now = next((p for p in own_cloud.status()["processes"] if p["role"] == role), None)
        return bool(now and now["pid"] != before and now["ready"] and now["reason"] == "killed by SIGKILL")

    eventually(replaced, within_s=PATIENCE_S)
    assert own_cloud.login()


def test_a_killed_supervisor_is_replaced_while_the_apis_answer(own_cloud: Cloud) -> None:
    own_cloud.up()
    url, before = own_cloud.url(), own_cloud.status()
    os.kill(before["supervisor_pid"], signal.SIGKILL)
    deadline = time.monotonic() + 15
    replaced = False
    while not replaced and time.monotonic() < deadline:
        assert request("GET", f"{url}/healthcheck").status == 200
        now = own_cloud.status()
        replaced = now["supervisor_pid"] not in (None, before["supervisor_pid"]) and now["state"] == "running"
    assert replaced
    olds = {process["pid"] for process in before["processes"]}
    eventually(lambda: not olds & {process["pid"] for process in own_cloud.status()["processes"]})
    own_cloud.down()
    assert left_behind(own_cloud.directory) == []


def test_a_new_supervisor_that_cannot_prepare_goes_on_trying(own_cloud: Cloud) -> None:
    """The supervisor dies while the configuration is broken: workers answer, and all is well once it is mended."""
    own_cloud.up()
    url, before = own_cloud.url(), own_cloud.status()
    file = own_cloud.directory / "etc" / "keystone.conf"
    file.write_text("[token]\nprovider = nonsense\n")
    os.kill(before["supervisor_pid"], signal.SIGKILL)
    eventually(
        lambda: any("nonsense" in (one["reason"] or "") for one in own_cloud.status()["waiting"]), within_s=PATIENCE_S
    )
    assert request("GET", f"{url}/healthcheck").status == 200
    file.unlink()
    olds = {process["pid"] for process in before["processes"]}
    eventually(
        lambda: (
            own_cloud.status()["state"] == "running"
            and not olds & {process["pid"] for process in own_cloud.status()["processes"]}
        ),
        within_s=PATIENCE_S,
    )


def test_a_dying_worker_is_shown_with_its_reason(own_cloud: Cloud) -> None:
    """A key that cannot be read: workers cannot start again, and `status` says why."""
    own_cloud.up()
    file = own_cloud.directory / "etc" / "keystone.conf"
    file.write_text("[token]\nprovider = nonsense\n")
    os.kill(own_cloud.pid("api-1"), signal.SIGKILL)

    def reasons() -> str:
        state = json.loads((own_cloud.directory / "run" / "state.json").read_text())
        return " ".join(process["reason"] or "" for process in state["processes"] + state["waiting"])

    eventually(lambda: "nonsense" in reasons())
    assert request("GET", f"{own_cloud.url()}/healthcheck").status == 200
    file.unlink()
    eventually(lambda: len([p for p in own_cloud.status()["processes"] if p["ready"]]) == 4, within_s=PATIENCE_S)


def test_sighup_reads_the_configuration_again(own_cloud: Cloud) -> None:
    own_cloud.up()
    olds = {process["pid"] for process in own_cloud.status()["processes"] if process["role"] != "supervisor"}
    own_cloud.directory.joinpath("etc", "keystone.conf").write_text("[DEFAULT]\npublic_endpoint = http://renamed:1\n")
    os.kill(own_cloud.pid("supervisor"), signal.SIGHUP)

    def all_new() -> bool:
        now = [process for process in own_cloud.status()["processes"] if process["role"] != "supervisor"]
        return len(now) == len(olds) and all(process["ready"] and process["pid"] not in olds for process in now)

    eventually(all_new)
    answer = request("GET", f"{own_cloud.url()}/v3/regions", token=own_cloud.login())
    assert json.loads(answer.data)["links"]["self"].startswith("http://renamed:1/")
    assert {process["restarts"] for process in own_cloud.status()["processes"]} == {0}


# -- in the foreground -----------------------------------------------------------------------------------------------


def _foreground(cloud: Cloud, **streams: object) -> subprocess.Popen[bytes]:
    command = cloud.command("up", "--port-offset", str(cloud.offset), *cloud.options)
    started = subprocess.Popen(command, env=environment(), start_new_session=True, **streams)  # type: ignore[call-overload]
    eventually(lambda: cloud.status()["state"] == "running", within_s=PATIENCE_S)
    return started


def test_ctrl_c_ends_the_cloud(own_cloud: Cloud) -> None:
    program = _foreground(own_cloud, stdout=subprocess.PIPE)
    program.send_signal(signal.SIGINT)
    said, _ = program.communicate(timeout=PATIENCE_S)
    assert program.returncode == 0
    assert b"The cloud is down." in said
    assert left_behind(own_cloud.directory) == []


def test_a_killed_foreground_program_takes_the_cloud_along(own_cloud: Cloud) -> None:
    program = _foreground(own_cloud, stdout=subprocess.DEVNULL)
    program.kill()
    program.wait()
    eventually(lambda: left_behind(own_cloud.directory) == [])


def test_the_foreground_program_replaces_a_killed_supervisor(own_cloud: Cloud) -> None:
    program = _foreground(own_cloud, stdout=subprocess.DEVNULL)
    before = own_cloud.status()["supervisor_pid"]
    os.kill(before, signal.SIGKILL)

    def replaced() -> bool:
        now = own_cloud.status()
        return now["supervisor_pid"] not in (None, before) and now["state"] == "running"

    eventually(replaced, within_s=PATIENCE_S)
    assert own_cloud.login()
    program.terminate()
    assert program.wait(PATIENCE_S) == 0
    assert left_behind(own_cloud.directory) == []


def test_the_live_view(own_cloud: Cloud) -> None:
    ours, theirs = pty.openpty()
    program = _foreground(own_cloud, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    deadline = time.monotonic() + 10
    while b"Ctrl-C ends the cloud" not in shown and time.monotonic() < deadline:
        shown += os.read(ours, 65536)
    assert b"identity" in shown and b"api-1" in shown
    program.send_signal(signal.SIGTERM)
    while program.poll() is None:
        try:
            os.read(ours, 65536)
        except OSError:  # the other side of the terminal is closed
            break
    assert program.wait(PATIENCE_S) == 0
    os.close(ours)


# -- other shapes ----------------------------------------------------------------------------------------------------


def test_all_services_on_one_port(own_cloud: Cloud) -> None:
    port = 4000 + own_cloud.offset
    own_cloud.up("--single-port", str(port), "--services", "all")
    base = f"http://127.0.0.1:{port}"
    listed = json.loads(request("GET", f"{base}/").data)["services"]
    assert listed == sorted(service.path for service in services.SERVICES)
    for service in services.SERVICES:
        assert request("GET", f"{base}{service.path}/healthcheck").status == 200
    links = json.loads(request("GET", f"{base}/identity/v3").data)["version"]["links"]
    assert links[0]["href"].startswith(f"{base}/identity/v3")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_tls_by_one_option(own_cloud: Cloud, name: str) -> None:
    own_cloud.up("--tls", "self-signed")
    assert own_cloud.url().startswith("https://")
    exported = own_cloud.run("openrc").stdout
    certificate = own_cloud.directory / "keys" / "tls.crt"
    assert f"export OS_CACERT='{certificate}'" in exported
    clouds = yaml.safe_load((own_cloud.directory / "etc" / "clouds.yaml").read_text())["clouds"]
    assert clouds["cumulet"]["cacert"] == str(certificate)
    url = f"https://{name}:{5000 + own_cloud.offset}/v3"
    with urllib3.PoolManager(ca_certs=str(certificate)) as trusting:
        assert trusting.request("GET", url).status == 200
    with urllib3.PoolManager() as stranger, pytest.raises(urllib3.exceptions.MaxRetryError, match="certificate"):
        stranger.request("GET", url, retries=0)


def test_options_hold_until_said_anew(own_cloud: Cloud) -> None:
    own_cloud.up("--workers", "1", "--public-host", "cloud.example")
    assert own_cloud.url() == f"http://cloud.example:{5000 + own_cloud.offset}"
    own_cloud.down()
    own_cloud.run("up", "--detach")
    roles = {process["role"] for process in own_cloud.status()["processes"]}
    assert roles == {"supervisor", "api-1", "engine"}
    own_cloud.down()
    own_cloud.run("up", "--detach", "--workers", "2")
    assert "api-2" in {process["role"] for process in own_cloud.status()["processes"]}


def test_the_catalog_moves_with_the_cloud(own_cloud: Cloud) -> None:
    """Other ports or TLS at the next start: the catalog says so, and services still find each other."""
    own_cloud.up()
    own_cloud.down()
    own_cloud.offset = free_offset()
    own_cloud.up()
    catalog = json.loads(request("GET", f"{own_cloud.url()}/v3/auth/catalog", token=own_cloud.login()).data)["catalog"]
    [identity] = [entry for entry in catalog if entry["type"] == "identity"]
    assert {endpoint["url"] for endpoint in identity["endpoints"]} == {f"{own_cloud.url()}/v3"}
    assert len(identity["endpoints"]) == 3
