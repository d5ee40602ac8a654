"""What types carry besides their specs: QoS specs and encryption; the key store behind encrypted volumes."""

from __future__ import annotations

import sqlalchemy as sa

from cumulet.volume.tables import encryption_keys
from tests.volume.support import MISSING, Cloud

LUKS = {"provider": "luks", "control_location": "front-end", "cipher": "aes-xts-plain64", "key_size": 256}


def make_type(cloud: Cloud, name: str = "fast") -> str:
    return str(cloud.json("POST", "/types", "admin", json={"volume_type": {"name": name}})["volume_type"]["id"])


def test_qos_specs(cloud: Cloud) -> None:
    body = {"qos_specs": {"name": "limited", "consumer": "front-end", "read_iops_sec": "2000"}}
    made = cloud.json("POST", "/qos-specs", "admin", json=body)["qos_specs"]
    assert made | {"id": ""} == {
        "id": "",
        "name": "limited",
        "consumer": "front-end",
        "specs": {"read_iops_sec": "2000"},
    }
    path = f"/qos-specs/{made['id']}"
    assert cloud.call("POST", "/qos-specs", "admin", json=body).status == 409
    odd = {"qos_specs": {"name": "x", "consumer": "nobody"}}
    assert cloud.call("POST", "/qos-specs", "admin", json=odd).status == 400
    assert cloud.call("GET", "/qos-specs").status == 403
    cloud.json("PUT", path, "admin", json={"qos_specs": {"write_iops_sec": "10"}})
    cloud.json("PUT", f"{path}/delete_keys", "admin", status=202, json={"keys": ["read_iops_sec"]})
    assert cloud.json("GET", path, "admin")["qos_specs"]["specs"] == {"write_iops_sec": "10"}
    missing = cloud.json("PUT", f"{path}/delete_keys", "admin", status=404, json={"keys": ["read_iops_sec"]})
    assert "has no spec with key read_iops_sec" in missing["itemNotFound"]["message"]

    type_id = make_type(cloud)
    cloud.json("GET", f"{path}/associate?vol_type_id={type_id}", "admin", status=202)
    [own] = cloud.json("GET", f"{path}/associations", "admin")["qos_associations"]
    assert own == {"association_type": "volume_type", "name": "fast", "id": type_id}
    assert cloud.json("GET", f"/types/{type_id}", "admin")["volume_type"]["qos_specs_id"] == made["id"]
    assert cloud.call("DELETE", path, "admin").status == 400
    cloud.json("GET", f"{path}/disassociate?vol_type_id={type_id}", "admin", status=202)
    cloud.json("GET", f"{path}/associate?vol_type_id={type_id}", "admin", status=202)
    cloud.json("GET", f"{path}/disassociate_all", "admin", status=202)
    assert cloud.json("GET", f"{path}/associations", "admin")["qos_associations"] == []
    assert cloud.call("GET", f"{path}/associate?vol_type_id={MISSING}", "admin").status == 404
    assert cloud.call("GET", f"{path}/associate", "admin").status == 400
    cloud.json("DELETE", path, "admin", status=202)
    assert cloud.json("GET", path, "admin", status=404)["itemNotFound"]["message"] == f"No such QoS spec {made['id']}."


def test_encryption_of_a_type(cloud: Cloud) -> None:
    type_id = make_type(cloud)
    path = f"/types/{type_id}/encryption"
    assert cloud.json("GET", path, "admin") == {}
    made = cloud.json("POST", path, "admin", json={"encryption": LUKS})["encryption"]
    assert cloud.call("POST", path, "admin", json={"encryption": LUKS}).status == 400
    assert cloud.call("GET", path).status == 403
    one = f"{path}/{made['encryption_id']}"
    cloud.json("PUT", one, "admin", json={"encryption": {"key_size": 512}})
    shown = cloud.json("GET", path, "admin")
    assert (shown["key_size"], shown["provider"], shown["deleted"]) == (512, "luks", False)
    assert cloud.json("GET", f"{path}/cipher", "admin") == {"cipher": "aes-xts-plain64"}
    assert cloud.call("PUT", one, "admin", json={"encryption": {"control_location": "sky"}}).status == 400
    assert cloud.call("POST", path, "admin", json={"encryption": {"provider": "luks"}}).status == 400
    cloud.json("DELETE", one, "admin", status=202)
    assert cloud.json("GET", path, "admin") == {}
    assert cloud.call("DELETE", one, "admin").status == 404


def test_an_encrypted_volume_has_a_key_that_nobody_sees(running: Cloud) -> None:
    type_id = make_type(running, "secret")
    running.json("POST", f"/types/{type_id}/encryption", "admin", json={"encryption": LUKS})
    volume = running.available(volume_type="secret")
    assert running.show(volume["id"])["encrypted"] is True
    facts = running.json("GET", f"/volumes/{volume['id']}/encryption")
    assert facts["cipher"] == "aes-xts-plain64"
    with running.service.db.read() as connection:
        row = connection.execute(sa.select(encryption_keys)).one()
        assert running.service.keys is not None
        passphrase = running.service.keys.passphrase(connection, row.id)
    assert facts["encryption_key_id"] == row.id
    assert len(bytes.fromhex(passphrase)) == 32
    assert passphrase not in str(tuple(row))
    assert running.call("DELETE", f"/types/{type_id}/encryption/{MISSING}", "admin").status == 400
    running.json("DELETE", f"/volumes/{volume['id']}", status=202)
    running.until(lambda: running.is_gone(volume["id"]))
    assert running.call("DELETE", f"/types/{type_id}/encryption/{MISSING}", "admin").status == 202
    assert running.call("DELETE", f"/types/{type_id}/encryption/{MISSING}", "admin").status == 404
    with running.service.db.read() as connection:
        assert connection.execute(sa.select(encryption_keys)).first() is None


def test_a_plain_volume_has_no_key(running: Cloud) -> None:
    assert running.json("GET", f"/volumes/{running.available()['id']}/encryption") == {"encryption_key_id": None}
