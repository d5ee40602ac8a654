"""Values of ports that are more than one attribute: address pairs, DHCP options, names."""

from __future__ import annotations

from cumulet.network.attributes import Values
from cumulet.network.errors import bad_request, conflict
from cumulet.network.service import Network


def check_pairs(network: Network, pairs: list[Values], secured: bool) -> None:
    if pairs and not secured:
        raise conflict(
            "AddressPairAndPortSecurityRequired",
            "Port Security must be enabled in order to have allowed address pairs on a port.",
        )
    if len(pairs) > network.conf.max_allowed_address_pair:
        raise bad_request(
            f"The number of allowed address pair exceeds the maximum {network.conf.max_allowed_address_pair}.",
            "AllowedAddressPairExhausted",
        )


def pairs_of(pairs: list[Values], mac: str) -> list[Values]:
    return [{"ip_address": pair["ip_address"], "mac_address": pair.get("mac_address") or mac} for pair in pairs]


def names_of(network: Network, name: str, fixed: list[dict[str, str]]) -> list[dict[str, str]]:
    """What a guest's addresses are called: the port's name, or `host-10-0-0-4` without one."""
    domain = network.conf.dns_domain.rstrip(".") + "."
    found = []
    for entry in fixed:
        address = entry["ip_address"]
        host = name or "host-" + address.replace(".", "-").replace(":", "-")
        found.append({"hostname": host, "ip_address": address, "fqdn": f"{host}.{domain}"})
    return found


def merged_options(current: list[Values], given: list[Values]) -> list[Values]:
    """Options by name and version: a value of null takes one away, others stay."""
    merged = {(option["opt_name"], option["ip_version"]): option for option in current}
    for option in given:
        key = (option["opt_name"], option["ip_version"])
        if option["opt_value"] is None:
            merged.pop(key, None)
        else:
            merged[key] = option
    return list(merged.values())
