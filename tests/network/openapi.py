"""Every answer of the tests, held against the published specification of the Networking API (`tests/reference`).

Where the specification and Neutron differ Neutron is right; `DIFFERENCES` lists these places, each with its reason. The
specification's status codes are left alone: they were guessed from the methods.
"""

from __future__ import annotations

import jsonschema

from cumulet.kernel.client import Response
from tests.specification import Specification

SPECIFICATION = Specification("network-v2.yaml")
DIFFERENCES = {
    r".*: None is not ": "what is not set is null, which the specification nowhere says",
    r".*_port_range: '[0-9]+:[0-9]+' is not of type 'number'": "two numbers, in a text",
    r".*network_segment_ranges?(\[N\])?\.(available|used): .*'string'": "a list; an object of numbers and projects",
    r".*nexthop: .* is valid under each of": "either of two formats, which are not looked at here",
    r".*rules\[N\]\.dscp_mark: .* is not of type 'string'": "a number",
    r"GET /v2.0/qos/rule-types/.*drivers: .*'string'": "objects",
    r"GET /v2.0/service-providers.*default: .*'string'": "a boolean",
    r"GET /v2.0/network-ip-availabilities.*(total|used)_ips: .*'string'": "numbers",
    r"GET /v2.0/network-ip-availabilities.*subnet_ip_availability: .*'string'": "a list",
}
ERROR = {
    "type": "object",
    "required": ["NeutronError"],
    "properties": {
        "NeutronError": {
            "type": "object",
            "required": ["type", "message", "detail"],
            "properties": {
                "type": {"type": "string", "pattern": "^[A-Za-z]+$"},
                "message": {"type": "string", "minLength": 1},
                "detail": {"type": "string"},
            },
            "additionalProperties": False,
        }
    },
    "additionalProperties": False,
}


def problems(method: str, path: str, answer: Response) -> list[str]:
    """What is wrong with an answer: a failure, an error in another form, a success that is not as described."""
    if answer.status >= 500 and answer.status != 503:  # no segment is left: the original's NoNetworkAvailable
        return [f"{method} {path} answered {answer.status}: {answer.body!r}"]
    if answer.status >= 400:
        wrong = jsonschema.Draft202012Validator(ERROR).iter_errors(answer.json())
        return [f"{method} {path}: {error.message}" for error in wrong]
    if answer.status == 204 or not answer.body:
        return []
    return SPECIFICATION.problems(method.lower(), path.partition("?")[0], answer.json(), DIFFERENCES)
