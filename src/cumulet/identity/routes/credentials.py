"""What users give away of themselves: trusts, application credentials with access rules, credentials."""

from __future__ import annotations

from cumulet.identity.handlers import access_rules, application_credentials, credentials, ec2, trusts
from cumulet.kernel.http import Route

_APPLICATION_CREDENTIALS = "/v3/users/{user_id}/application_credentials"
_APPLICATION_CREDENTIAL = _APPLICATION_CREDENTIALS + "/{application_credential_id}"

ROUTES = (
    Route("GET", "/v3/OS-TRUST/trusts", trusts.index),
    Route("POST", "/v3/OS-TRUST/trusts", trusts.create),
    Route("GET", "/v3/OS-TRUST/trusts/{trust_id}", trusts.show),
    Route("DELETE", "/v3/OS-TRUST/trusts/{trust_id}", trusts.delete),
    Route("GET", "/v3/OS-TRUST/trusts/{trust_id}/roles", trusts.index_roles),
    Route("GET", "/v3/OS-TRUST/trusts/{trust_id}/roles/{role_id}", trusts.show_role),
    Route("GET", _APPLICATION_CREDENTIALS, application_credentials.index),
    Route("POST", _APPLICATION_CREDENTIALS, application_credentials.create),
    Route("GET", _APPLICATION_CREDENTIAL, application_credentials.show),
    Route("DELETE", _APPLICATION_CREDENTIAL, application_credentials.delete),
    Route("GET", "/v3/users/{user_id}/access_rules", access_rules.index),
    Route("GET", "/v3/users/{user_id}/access_rules/{access_rule_id}", access_rules.show),
    Route("DELETE", "/v3/users/{user_id}/access_rules/{access_rule_id}", access_rules.delete),
    Route("GET", "/v3/credentials", credentials.index),
    Route("POST", "/v3/credentials", credentials.create),
    Route("GET", "/v3/credentials/{credential_id}", credentials.show),
    Route("PATCH", "/v3/credentials/{credential_id}", credentials.update),
    Route("DELETE", "/v3/credentials/{credential_id}", credentials.delete),
    Route("GET", "/v3/users/{user_id}/credentials/OS-EC2", ec2.index),
    Route("POST", "/v3/users/{user_id}/credentials/OS-EC2", ec2.create),
    Route("GET", "/v3/users/{user_id}/credentials/OS-EC2/{credential_id}", ec2.show),
    Route("DELETE", "/v3/users/{user_id}/credentials/OS-EC2/{credential_id}", ec2.delete),
)
