"""`keystone-manage` as the install guides use it, before and after `cumulet up`."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import urllib3

from tests.system.cloud import Cloud, environment, request

GUIDE_CONF = Path(__file__).parents[1] / "kernel" / "guides" / "004-keystone.conf"


def manage(cloud: Cloud, *arguments: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "cumulet.cli.keystone_manage", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment() | {"CUMULET_STATE_DIR": str(cloud.directory)} | variables,
    )
    assert not check or done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done


def login(cloud: Cloud, name: str, password: str, **scope: object) -> urllib3.BaseHTTPResponse:
    user = {"name": name, "domain": {"id": "default"}, "password": password}
    auth: dict[str, object] = {"identity": {"methods": ["password"], "password": {"user": user}}}
    if scope:
        auth["scope"] = scope
    return request("POST", f"http://127.0.0.1:{5000 + cloud.offset}/v3/auth/tokens", json={"auth": auth})


def test_the_guides_sequence(own_cloud: Cloud) -> None:
    """Guide 004: configuration file, db_sync, fernet_setup, credential_setup, bootstrap, start, log in as admin."""
    url = f"http://127.0.0.1:{5000 + own_cloud.offset}/v3/"
    etc = own_cloud.directory / "etc" / "keystone"
    etc.mkdir(parents=True)
    # The guide's file, word for word, but for the database server that this machine has not got.
    text = GUIDE_CONF.read_text()
    connection = "mysql+pymysql://keystone:keystone123@openstack-vip.magedu.local/keystone"
    assert connection in text
    (etc / "keystone.conf").write_text(text.replace(connection, f"sqlite:///{own_cloud.directory}/keystone.db"))

    manage(own_cloud, "db_sync")
    manage(own_cloud, "fernet_setup", "--keystone-user", "keystone", "--keystone-group", "keystone")
    manage(own_cloud, "credential_setup", "--keystone-user", "keystone", "--keystone-group", "keystone")
    manage(
        own_cloud,
        "bootstrap",
        "--bootstrap-password",
        "admin",
        "--bootstrap-admin-url",
        url,
        "--bootstrap-internal-url",
        url,
        "--bootstrap-public-url",
        url,
        "--bootstrap-region-id",
        "RegionOne",
    )
    own_cloud.up()
    project = {"name": "admin", "domain": {"id": "default"}}
    answer = login(own_cloud, "admin", "admin", project=project)
    assert answer.status == 201
    token = json.loads(answer.data)["token"]
    assert {"admin", "manager", "member", "reader"} == {role["name"] for role in token["roles"]}
    assert {endpoint["region"] for entry in token["catalog"] for endpoint in entry["endpoints"]} == {"RegionOne"}
    assert login(own_cloud, "admin", "admin", system={"all": True}).status == 201
    # `cumulet openrc` and clouds.yaml know the password that was chosen.
    assert "OS_PASSWORD='admin'" in own_cloud.run("openrc").stdout
    assert (own_cloud.directory / "keystone.db").stat().st_size > 0


def test_bootstrap_lets_a_locked_out_administrator_back_in(own_cloud: Cloud) -> None:
    own_cloud.up()
    token = own_cloud.login()
    users = json.loads(request("GET", f"{own_cloud.url()}/v3/users?name=admin", token=token).data)["users"]
    manage(own_cloud, "bootstrap", OS_BOOTSTRAP_PASSWORD="a new one")
    assert login(own_cloud, "admin", "a new one").status == 201
    after = json.loads(login(own_cloud, "admin", "a new one").data)["token"]["user"]["id"]
    assert after == users[0]["id"]
    assert request("GET", f"{own_cloud.url()}/v3/users", token=token).status == 401  # the old password's token is over


def test_bootstrap_needs_a_password(own_cloud: Cloud) -> None:
    done = manage(own_cloud, "bootstrap", check=False)
    assert done.returncode == 1
    assert "--bootstrap-password" in done.stderr


def test_db_sync_and_version(own_cloud: Cloud) -> None:
    assert manage(own_cloud, "db_sync", "--check", check=False).returncode == 2
    assert manage(own_cloud, "db_version").stdout.strip() == "none"
    manage(own_cloud, "db_sync")
    assert manage(own_cloud, "db_sync", "--check").returncode == 0
    assert manage(own_cloud, "db_version").stdout.strip().isdecimal()


def test_fernet_keys_rotate_while_tokens_live(own_cloud: Cloud) -> None:
    own_cloud.up()
    token = own_cloud.login()
    keys = own_cloud.directory / "keys" / "fernet-keys"
    before = {file.name: file.read_bytes() for file in keys.iterdir() if file.name.isdecimal()}
    manage(own_cloud, "fernet_setup")  # again: nothing is lost
    assert {file.name: file.read_bytes() for file in keys.iterdir() if file.name.isdecimal()} == before
    manage(own_cloud, "fernet_rotate")
    after = {file.name: file.read_bytes() for file in keys.iterdir() if file.name.isdecimal()}
    assert after["2"] == before["0"] and after["0"] != before["0"] and after["1"] == before["1"]
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in keys.iterdir())
    assert request("GET", f"{own_cloud.url()}/v3/users", token=token).status == 200
    assert request("GET", f"{own_cloud.url()}/v3/users", token=own_cloud.login()).status == 200


def test_credential_keys_rotate_after_migrating(own_cloud: Cloud) -> None:
    own_cloud.up()
    token = own_cloud.login()
    url = f"{own_cloud.url()}/v3/credentials"
    user_id = json.loads(login(own_cloud, "admin", _admin_password(own_cloud)).data)["token"]["user"]["id"]
    body = {"credential": {"type": "totp", "blob": "SECRET", "user_id": user_id}}
    made = json.loads(request("POST", url, token=token, json=body).data)["credential"]
    manage(own_cloud, "credential_rotate")
    again = manage(own_cloud, "credential_rotate", check=False)
    assert again.returncode == 1 and "credential_migrate" in again.stderr
    assert "1 credentials" in manage(own_cloud, "credential_migrate").stdout
    manage(own_cloud, "credential_rotate")
    shown = json.loads(request("GET", f"{url}/{made['id']}", token=token).data)["credential"]
    assert shown["blob"] == "SECRET"


def _admin_password(cloud: Cloud) -> str:
    password: str = json.loads((cloud.directory / "keys" / "passwords.json").read_text())["admin"]
    return password


def test_token_flush(own_cloud: Cloud) -> None:
    own_cloud.up()
    token = own_cloud.login()
    revoked = own_cloud.login()
    with urllib3.PoolManager() as pool:
        headers = {"X-Auth-Token": token, "X-Subject-Token": revoked}
        assert pool.request("DELETE", f"{own_cloud.url()}/v3/auth/tokens", headers=headers).status == 204
    assert "0 revocations" in manage(own_cloud, "token_flush").stdout  # it is still needed
    assert request("GET", f"{own_cloud.url()}/v3/users", token=revoked).status == 401


@pytest.mark.parametrize("command", ["bootstrap", "db_sync", "fernet_rotate", "doctor"])
def test_every_command_explains_itself(own_cloud: Cloud, command: str) -> None:
    assert "usage: keystone-manage" in manage(own_cloud, command, "--help").stdout


def test_a_missing_configuration_file_is_told(own_cloud: Cloud) -> None:
    done = manage(own_cloud, "--config-file", "/nowhere/keystone.conf", "db_sync", check=False)
    assert done.returncode == 1
    assert "/nowhere/keystone.conf" in done.stderr
