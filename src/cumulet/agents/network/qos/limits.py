"""nftables limits from the API's numbers."""

from __future__ import annotations

_BURST_SHARE = 0.8  # of a second's traffic, as Neutron takes it where no burst is given
LEAST_BURST_BYTES = 10_000  # less than a few full packets would let nothing through


def limit_object(name: str, *, kbps: int = 0, burst_kbits: int = 0, kpps: int = 0) -> tuple[str, dict[str, object]]:
    """A named limit that matches what is over the rate, and its name.

    The kernel cannot change a limit that exists, so the name carries the numbers: another rate is another object.
    Rates are in thousand bits or packets a second, the burst in thousand bits. The kernel's bucket holds a second's
    worth on top of the burst.
    """
    if kpps:
        attributes: dict[str, object] = {"rate": kpps * 1000, "per": "second", "burst": kpps * 100, "inv": True}
        return f"{name}_{kpps}kpps", attributes
    burst = max(int((burst_kbits or kbps * _BURST_SHARE) * 1000 / 8), LEAST_BURST_BYTES)
    attributes = {
        "rate": max(kbps * 1000 // 8, 1),
        "rate_unit": "bytes",
        "per": "second",
        "burst": burst,
        "burst_unit": "bytes",
        "inv": True,
    }
    return f"{name}_{kbps}_{burst}", attributes
