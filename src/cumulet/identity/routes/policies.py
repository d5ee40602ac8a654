"""Policies that other services fetch, and which endpoint has which."""

from __future__ import annotations

from cumulet.identity.handlers import policies, policy_associations
from cumulet.kernel.http import Route


def _association(path: str) -> tuple[Route, ...]:
    one = f"/v3/policies/{{policy_id}}/OS-ENDPOINT-POLICY/{path}"
    return (
        Route("GET", one, policy_associations.check),
        Route("PUT", one, policy_associations.create),
        Route("DELETE", one, policy_associations.delete),
    )


ROUTES = (
    Route("GET", "/v3/policies", policies.index),
    Route("POST", "/v3/policies", policies.create),
    Route("GET", "/v3/policies/{policy_id}", policies.show),
    Route("PATCH", "/v3/policies/{policy_id}", policies.update),
    Route("DELETE", "/v3/policies/{policy_id}", policies.delete),
    Route("GET", "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints", policy_associations.endpoints_of),
    Route("GET", "/v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy", policy_associations.policy_of),
    *_association("endpoints/{endpoint_id}"),
    *_association("services/{service_id}"),
    *_association("services/{service_id}/regions/{region_id}"),
)
