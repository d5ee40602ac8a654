"""QoS on Linux: what a port sends is limited where it enters the bridge, what it gets is shaped on its device.

A token bucket (tc tbf) on the device delays what goes to the guest. What comes from it cannot be delayed there, so it
is policed: nftables limits in the bridge family, which work on kernels without tc's police action. DSCP marks are set
in the same table.
"""

from __future__ import annotations

from typing import Any

from cumulet.agents.network.config import AgentConfig
from cumulet.agents.network.handles import Handles
from cumulet.agents.network.links import Link
from cumulet.agents.network.nft import expressions as e
from cumulet.agents.network.nft.kernel import KernelTable
from cumulet.agents.network.nft.library import NftError
from cumulet.agents.network.nft.model import Chain, Hook, Key, NftSet, Rule, SetSpec, Table, Value, Verdict
from cumulet.agents.network.protocols import Outcome
from cumulet.agents.network.qos.limits import LEAST_BURST_BYTES, limit_object
from cumulet.agents.network.state import Qos

_BEFORE_ANTISPOOFING = -310
_HANDLE = 0xC0A10000  # our qdiscs' major number, by which they are told from an operator's
_ROOT = 0xFFFFFFFF
_LATENCY = "50ms"
_DIRECTIONS = (("sending", "prerouting", "iifname"), ("receiving", "forward", "oifname"))


class LinuxQos:
    def __init__(self, config: AgentConfig, handles: Handles) -> None:
        self._netlink = handles.host
        self._table = KernelTable(handles.host_nftables, "bridge", f"{config.table}_qos")
        self._applied: dict[str, Qos] | None = None

    def apply(self, plans: dict[str, Qos], *, verify: bool) -> Outcome:
        outcome = Outcome()
        if self._applied == plans and not (verify and plans):
            return outcome
        try:
            self._limit(plans, outcome, verify=verify)
            self._shape(plans, outcome)
        except (OSError, NftError) as error:
            outcome.errors["qos"] = str(error)
            self._applied = None
        else:
            self._applied = dict(plans)
        return outcome

    def _limit(self, plans: dict[str, Qos], outcome: Outcome, *, verify: bool) -> None:
        if not plans:
            # Without limits there is no table that every frame would have to pass.
            if self._applied is None or self._applied:
                self._table.delete()
            return
        if verify and not self._table.verify():
            outcome.changed.append("qos")
        if self._applied != plans and self._table.apply(_build(self._table.name, plans)):
            outcome.changed.append("qos")

    def _shape(self, plans: dict[str, Qos], outcome: Outcome) -> None:
        wanted = {device: qos for device, qos in plans.items() if qos.ingress_kbps}
        links = self._netlink.links()
        have = self._shaped(links)
        for device, qos in wanted.items():
            link = links.get(device)
            rate, burst = _bucket(qos)
            if link is None or have.get(device) == (rate, burst):
                continue
            batch = self._netlink.batch()
            bucket = {"rate": rate, "burst": burst, "latency": _LATENCY}
            batch.traffic_control(device, "replace", kind="tbf", index=link.index, handle=_HANDLE, **bucket)
            outcome.errors |= {f"qos/{subject}": str(error) for subject, error in batch.send()}
            outcome.changed.append(f"qos {device}")
        for device in have.keys() - wanted.keys():
            batch = self._netlink.batch()
            batch.traffic_control(device, "del", index=links[device].index, handle=_HANDLE, parent=_ROOT)
            batch.send()
            outcome.changed.append(f"qos {device}")

    def _shaped(self, links: dict[str, Link]) -> dict[str, tuple[int, int]]:
        """(bytes a second, burst in bytes) of the devices that have a token bucket of ours."""
        names = {link.index: link.name for link in links.values()}
        found = {}
        for qdisc in self._netlink.qdiscs():
            if qdisc.get_attr("TCA_KIND") != "tbf" or qdisc["handle"] != _HANDLE or qdisc["index"] not in names:
                continue
            options = qdisc.get_attr("TCA_OPTIONS")
            parameters = options.get_attr("TCA_TBF_PARMS")
            found[names[qdisc["index"]]] = (parameters["rate"], options.get_attr("TCA_TBF_BURST") or 0)
        return found

    def observe(self) -> dict[str, Any]:
        """Device -> (kbit/s shaped towards the guest, whether its own traffic is limited or marked)."""
        shaped = self._shaped(self._netlink.links())
        limited: set[str] = set()
        for entry in self._table.listing():
            if "map" in entry and entry["map"]["name"] != "receiving_packets":
                limited |= {element[0] for element in entry["map"].get("elem", [])}
        return {
            device: (shaped.get(device, (0, 0))[0] * 8 // 1000, device in limited)
            for device in sorted({*shaped, *limited})
        }

    def purge(self) -> None:
        self._shape({}, Outcome())
        self._table.delete()
        self._applied = None


def _bucket(qos: Qos) -> tuple[int, int]:
    """tbf's rate and burst in bytes (a second)."""
    _, attributes = limit_object("", kbps=qos.ingress_kbps, burst_kbits=qos.ingress_burst_kbits)
    return qos.ingress_kbps * 1000 // 8, max(int(str(attributes["burst"])), LEAST_BURST_BYTES)


def _build(name: str, plans: dict[str, Qos]) -> Table:
    objects: dict[tuple[str, str], dict[str, object]] = {}
    elements: dict[str, dict[Key, Value]] = {
        "sending_bytes": {}, "sending_packets": {}, "receiving_packets": {}, "marking": {},
    }  # fmt: skip
    chains: dict[str, Chain] = {}
    for device, qos in plans.items():
        for table, limits in (
            ("sending_bytes", {"kbps": qos.egress_kbps, "burst_kbits": qos.egress_burst_kbits}),
            ("sending_packets", {"kpps": qos.egress_kpps}),
            ("receiving_packets", {"kpps": qos.ingress_kpps}),
        ):
            if limits.get("kbps") or limits.get("kpps"):
                limit, attributes = limit_object(f"{table}_{device}", **limits)
                objects["limit", limit] = attributes
                elements[table][device] = limit
        if qos.dscp_mark is not None:
            elements["marking"][device] = Verdict("jump", f"dscp_{qos.dscp_mark}")
            chains[f"dscp_{qos.dscp_mark}"] = Chain(
                [[e.assign(e.field(ip, "dscp"), qos.dscp_mark)] for ip in ("ip", "ip6")]
            )
    for way, hook, key in _DIRECTIONS:
        device_key = e.meta(key)
        rules: list[Rule] = [
            [{"limit": e.mapped(device_key, table)}, e.DROP] for table in elements if table.startswith(way)
        ]
        rules += [[e.vmap(device_key, "marking")]] if way == "sending" else []
        chains[way] = Chain(rules, Hook("filter", hook, _BEFORE_ANTISPOOFING))
    sets = {
        table: NftSet(SetSpec("ifname", "verdict" if table == "marking" else "limit"), found)
        for table, found in elements.items()
    }
    return Table("bridge", name, sets, chains, objects)
