"""The same load on any OpenStack's APIs, a part for each service; `python -m benchmarks` runs them."""

from __future__ import annotations

from benchmarks.clouds.compute import compute
from benchmarks.clouds.identity import identity
from benchmarks.clouds.image import image
from benchmarks.clouds.network import network
from benchmarks.clouds.placement import placement
from benchmarks.clouds.target import Part
from benchmarks.clouds.volume import volume

PARTS: dict[str, Part] = {
    "identity": identity,
    "image": image,
    "placement": placement,
    "network": network,
    "compute": compute,
    "volume": volume,
}
