"""Network of a few lines: ports, floating IPs and security groups in dictionaries, with the answers Compute reads."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import falcon

NETWORK_ID = "22222222-2222-4222-8222-222222222222"
SECOND_ID = "33333333-3333-4333-8333-333333333333"


class Network:
    """`refuse`: the sentence with which ports are refused from now on."""

    def __init__(self) -> None:
        self.ports: dict[str, dict[str, Any]] = {}
        self.floating: dict[str, dict[str, Any]] = {}
        self.groups = {"default-id": "default"}
        self.refuse: str | None = None
        self._count = 1
        self.subnet: dict[str, Any] = {
            "id": "subnet",
            "cidr": "10.0.0.0/24",
            "ip_version": 4,
            "enable_dhcp": True,
            "gateway_ip": "10.0.0.1",
            "dns_nameservers": ["10.0.0.53"],
            "host_routes": [{"destination": "192.168.7.0/24", "nexthop": "10.0.0.254"}],
            "ipv6_address_mode": None,
        }
        self.app = falcon.App()
        for path, suffix in (
            ("subnets", "subnets"),
            ("networks", "networks"),
            ("networks/{identifier}", "network"),
            ("ports", "ports"),
            ("ports/{identifier}", "port"),
            ("floatingips", "floatingips"),
            ("floatingips/{identifier}", "floatingip"),
            ("security-groups", "groups"),
        ):
            self.app.add_route(f"/v2.0/{path}", self, suffix=suffix)

    def networks(self) -> list[dict[str, Any]]:
        names = {NETWORK_ID: "private", SECOND_ID: "second"}
        return [{"id": key, "name": name, "mtu": 1450, "subnets": ["subnet"]} for key, name in names.items()]

    def on_get_networks(self, req: falcon.Request, resp: falcon.Response) -> None:
        # Asked for no id, only the first: a project with several networks has to say which.
        wanted = req.get_param_as_list("id") or [NETWORK_ID]
        resp.media = {"networks": [one for one in self.networks() if one["id"] in wanted]}

    def on_get_network(self, req: falcon.Request, resp: falcon.Response, identifier: str) -> None:
        found = [one for one in self.networks() if one["id"] == identifier]
        if not found:
            raise falcon.HTTPNotFound
        resp.media = {"network": found[0]}

    def on_get_subnets(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = {"subnets": [self.subnet]}

    # -- ports -----------------------------------------------------------------------------------------------------

    def on_get_ports(self, req: falcon.Request, resp: falcon.Response) -> None:
        wanted = req.get_param("device_id")
        resp.media = {"ports": [port for port in self.ports.values() if port["device_id"] == wanted]}

    def address(self) -> dict[str, str]:
        self._count += 1
        return {"ip_address": f"10.0.0.{self._count}", "subnet_id": "subnet"}

    def add_port(self, **values: Any) -> dict[str, Any]:
        fixed = values.pop("fixed_ips", None)
        port = {
            "id": str(uuid4()),
            "network_id": NETWORK_ID,
            "status": "DOWN",
            "device_id": "",
            "security_groups": ["default-id"],
            **values,
        }
        port["fixed_ips"] = [{"subnet_id": "subnet", **ip} for ip in fixed] if fixed else [self.address()]
        port["mac_address"] = f"fa:16:3e:00:{len(self.ports):02x}:{self._count:02x}"
        self.ports[port["id"]] = port
        return port

    def on_post_ports(self, req: falcon.Request, resp: falcon.Response) -> None:
        if self.refuse is not None:
            resp.status, resp.media = 409, {"NeutronError": {"message": self.refuse, "type": "Full", "detail": ""}}
            return
        resp.status, resp.media = 201, {"port": self.add_port(**req.media["port"])}

    def on_get_port(self, req: falcon.Request, resp: falcon.Response, identifier: str) -> None:
        if identifier not in self.ports:
            raise falcon.HTTPNotFound
        resp.media = {"port": self.ports[identifier]}

    def on_put_port(self, req: falcon.Request, resp: falcon.Response, identifier: str) -> None:
        if identifier not in self.ports:
            raise falcon.HTTPNotFound
        values = req.media["port"]
        if "fixed_ips" in values:
            values["fixed_ips"] = [ip if "ip_address" in ip else self.address() for ip in values["fixed_ips"]]
        self.ports[identifier] |= values
        resp.media = {"port": self.ports[identifier]}

    def on_delete_port(self, req: falcon.Request, resp: falcon.Response, identifier: str) -> None:
        if self.ports.pop(identifier, None) is None:
            raise falcon.HTTPNotFound
        resp.status = 204

    # -- floating IPs and groups -----------------------------------------------------------------------------------

    def add_floating(self, address: str) -> str:
        made: dict[str, Any] = {
            "id": str(uuid4()),
            "floating_ip_address": address,
            "port_id": None,
            "fixed_ip_address": None,
        }
        self.floating[made["id"]] = made
        return str(made["id"])

    def on_get_floatingips(self, req: falcon.Request, resp: falcon.Response) -> None:
        ports, address = req.get_param_as_list("port_id"), req.get_param("floating_ip_address")
        found = [one for one in self.floating.values() if ports is None or one["port_id"] in ports]
        resp.media = {"floatingips": [one for one in found if address in (None, one["floating_ip_address"])]}

    def on_put_floatingip(self, req: falcon.Request, resp: falcon.Response, identifier: str) -> None:
        values = req.media["floatingip"]
        self.floating[identifier] |= values if values["port_id"] else {"port_id": None, "fixed_ip_address": None}
        resp.media = {"floatingip": self.floating[identifier]}

    def on_get_groups(self, req: falcon.Request, resp: falcon.Response) -> None:
        wanted = req.get_param_as_list("id") or list(self.groups)
        rest = {"description": "", "project_id": "project", "security_group_rules": []}
        resp.media = {
            "security_groups": [{"id": key, "name": self.groups[key], **rest} for key in wanted if key in self.groups]
        }
