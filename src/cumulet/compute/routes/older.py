"""What Compute still answers for other services up to microversion 2.35, hosts up to 2.42, usage, extensions."""

from __future__ import annotations

from cumulet.compute.handlers import bare_metal, extensions, gone, hosts, images, networks, usage
from cumulet.kernel.http import Handler, Route

_LAST = (2, 35)
_NETWORK_ACTIONS = ("disassociate", "disassociate_host", "disassociate_project", "associate_host")


def _old(method: str, path: str, handler: Handler) -> Route:
    return Route(method, f"/v2.1/{path}", handler, until=_LAST)


ROUTES = (
    _old("GET", "images", images.index),
    _old("GET", "images/detail", images.detail),
    _old("GET", "images/{image_id}", images.show),
    _old("DELETE", "images/{image_id}", images.delete),
    Route("GET", "/v2.1/images/{image_id}/metadata", images.metadata, until=(2, 38)),
    Route("POST", "/v2.1/images/{image_id}/metadata", images.add_metadata, until=(2, 38)),
    Route("PUT", "/v2.1/images/{image_id}/metadata", images.replace_metadata, until=(2, 38)),
    Route("GET", "/v2.1/images/{image_id}/metadata/{key}", images.metadata_item, until=(2, 38)),
    Route("PUT", "/v2.1/images/{image_id}/metadata/{key}", images.set_metadata_item, until=(2, 38)),
    Route("DELETE", "/v2.1/images/{image_id}/metadata/{key}", images.delete_metadata_item, until=(2, 38)),
    _old("GET", "os-networks", networks.index),
    _old("GET", "os-networks/{network_id}", networks.show),
    Route("POST", "/v2.1/os-networks", gone.gone),
    Route("POST", "/v2.1/os-networks/add", gone.gone),
    Route("DELETE", "/v2.1/os-networks/{network_id}", gone.gone),
    Route("POST", "/v2.1/os-networks/{network_id}/action", gone.gone_actions(*_NETWORK_ACTIONS)),
    Route("POST", "/v2.1/os-tenant-networks", gone.gone),
    Route("DELETE", "/v2.1/os-tenant-networks/{network_id}", gone.gone),
    _old("GET", "os-baremetal-nodes", bare_metal.index),
    _old("POST", "os-baremetal-nodes", bare_metal.create),
    _old("GET", "os-baremetal-nodes/{node_id}", bare_metal.show),
    _old("DELETE", "os-baremetal-nodes/{node_id}", bare_metal.delete),
    Route("POST", "/v2.1/os-baremetal-nodes/{node_id}/action", bare_metal.act),
    _old("GET", "os-tenant-networks", networks.tenant_index),
    _old("GET", "os-tenant-networks/{network_id}", networks.tenant_show),
    _old("GET", "os-floating-ip-pools", networks.pools),
    _old("GET", "os-floating-ips", networks.floating_ips),
    _old("POST", "os-floating-ips", networks.create_floating_ip),
    _old("GET", "os-floating-ips/{floating_id}", networks.floating_ip),
    _old("DELETE", "os-floating-ips/{floating_id}", networks.delete_floating_ip),
    _old("GET", "os-security-groups", networks.security_groups),
    _old("POST", "os-security-groups", networks.create_security_group),
    _old("GET", "os-security-groups/{group_id}", networks.security_group),
    _old("PUT", "os-security-groups/{group_id}", networks.update_security_group),
    _old("DELETE", "os-security-groups/{group_id}", networks.delete_security_group),
    _old("POST", "os-security-group-rules", networks.create_rule),
    _old("DELETE", "os-security-group-rules/{rule_id}", networks.delete_rule),
    Route("GET", "/v2.1/os-hosts", hosts.index, until=(2, 42)),
    Route("GET", "/v2.1/os-hosts/{host}", hosts.show, until=(2, 42)),
    Route("PUT", "/v2.1/os-hosts/{host}", hosts.update, until=(2, 42)),
    Route("GET", "/v2.1/os-hosts/{host}/{action}", hosts.power, until=(2, 42)),
    Route("GET", "/v2.1/os-simple-tenant-usage", usage.index),
    Route("GET", "/v2.1/os-simple-tenant-usage/{project_id}", usage.show),
    Route("GET", "/v2.1/os-instance_usage_audit_log", usage.audit_log),
    Route("GET", "/v2.1/os-instance_usage_audit_log/{before}", usage.audit_log_before),
    Route("GET", "/v2.1/extensions", extensions.index),
    Route("GET", "/v2.1/extensions/{alias}", extensions.show),
)
