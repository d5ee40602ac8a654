"""Bodies of `/v2.1/flavors` (Compute API, Flavors)."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType, field

from cumulet.compute.schemas.names import Text, Trimmed
from cumulet.compute.schemas.servers import Key, Versions

_Positive = Annotated[int, Meta(ge=1, le=2**31 - 1)]
_Size = Annotated[int, Meta(ge=0, le=2**31 - 1)]
_Id = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^(?! )[a-zA-Z0-9. _-]+(?<! )$")]
_Description = Annotated[Text, Meta(max_length=65535)]


class FlavorFields(Struct, forbid_unknown_fields=True, kw_only=True):
    name: Trimmed
    ram: _Positive
    vcpus: _Positive
    disk: _Size
    id: _Id | int | float | None = None
    swap: _Size = 0
    ephemeral: _Size = field(name="OS-FLV-EXT-DATA:ephemeral", default=0)
    rxtx_factor: Annotated[float, Meta(gt=0, le=3.40282e38)] | UnsetType = UNSET
    is_public: bool = field(name="os-flavor-access:is_public", default=True)
    description: _Description | UnsetType | None = UNSET


SINCE: Final[Versions] = {"description": (2, 55)}
UNTIL: Final[Versions] = {"rxtx_factor": (2, 101)}


class FlavorBody(Struct, forbid_unknown_fields=True):
    flavor: FlavorFields


class Described(Struct, forbid_unknown_fields=True):
    description: _Description | None


class DescribedBody(Struct, forbid_unknown_fields=True):
    flavor: Described


# A number stays one in the answer. 2.x allows any within a float's range; as text it has at most 255 characters.
Specs = dict[Key, Annotated[str, Meta(max_length=255)] | int | float]


class SpecsBody(Struct, forbid_unknown_fields=True):
    extra_specs: Specs


class Tenant(Struct, forbid_unknown_fields=True):
    tenant: Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9-]*$")]
