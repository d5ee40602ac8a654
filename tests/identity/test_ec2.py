"""EC2 credentials, and the tokens that signed EC2 and S3 requests lead to."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from cumulet.identity.domain import users
from cumulet.identity.domain.aws_signatures import BadSignature, canonical_query, check_ec2, check_s3
from cumulet.kernel.client import Response
from tests.identity.login import Cloud


@pytest.fixture(scope="module")
def cloud(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    made = Cloud(module_database_url, tmp_path_factory.mktemp("state"))
    yield made
    made.identity.db.close()


class Owner(NamedTuple):
    cloud: Cloud
    user: users.User
    project: str
    token: str

    @property
    def path(self) -> str:
        return f"/v3/users/{self.user.id}/credentials/OS-EC2"

    def create(self) -> dict[str, Any]:
        answer = self.cloud.client.post(self.path, {"tenant_id": self.project}, token=self.token)
        assert answer.status == 201, answer.body
        made: dict[str, Any] = answer.json()["credential"]
        return made

    def send(self, request: dict[str, Any], kind: str = "ec2", token: str | None = None) -> Response:
        return self.cloud.client.post(
            f"/v3/{kind}tokens", {"credentials": request}, token=token or self.cloud.admin_token
        )


@pytest.fixture
def owner(cloud: Cloud) -> Owner:
    user, project = cloud.member()
    return Owner(cloud, user, project, cloud.token(user.name, project_id=project))


def stamp(minutes: float = 0) -> datetime:
    return datetime.now(UTC) + timedelta(minutes=minutes)


def sign_v2(made: dict[str, Any], host: str = "ec2.cloud:8773", *, minutes: float = 0) -> dict[str, Any]:
    """As the AWS General Reference has it, not as the service under test does."""
    params = {
        "Action": "DescribeInstances",
        "AWSAccessKeyId": made["access"],
        "SignatureMethod": "HmacSHA256",
        "SignatureVersion": "2",
        "Timestamp": stamp(minutes).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "Filter.1": "a b/c~d*é",
    }
    to_sign = f"POST\n{host}\n/services/Cloud\n{canonical_query(params)}"
    signature = base64.b64encode(hmac.new(made["secret"].encode(), to_sign.encode(), hashlib.sha256).digest()).decode()
    return {
        "access": made["access"],
        "signature": signature,
        "host": host,
        "verb": "POST",
        "path": "/services/Cloud",
        "params": params,
        "headers": {},
        "body_hash": "",
    }


def sign_v4(made: dict[str, Any], *, minutes: float = 0, query: dict[str, str] | None = None) -> dict[str, Any]:
    moment = stamp(minutes).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/RegionOne/ec2/aws4_request"
    headers = {"Host": "ec2.cloud:8773", "X-Amz-Date": moment}
    body_hash = hashlib.sha256(b"").hexdigest()
    canonical = "\n".join(
        [
            "GET",
            "/",
            canonical_query(query or {}),
            f"host:{headers['Host']}\nx-amz-date:{moment}\n",
            "host;x-amz-date",
            body_hash,
        ]
    )
    to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4" + made["secret"].encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={made['access']}/{scope}, SignedHeaders=host;x-amz-date, Signature={signature}"
    )
    return {
        "access": made["access"],
        "signature": signature,
        "host": "ec2.cloud:8773",
        "verb": "GET",
        "path": "/",
        "params": query or {},
        "headers": headers,
        "body_hash": body_hash,
    }


# The credentials


def test_one_is_made_shown_listed_and_deleted(cloud: Cloud, owner: Owner) -> None:
    made = owner.create()
    assert made["user_id"] == owner.user.id
    assert made["tenant_id"] == owner.project
    assert made["trust_id"] is None
    assert made["links"]["self"].endswith(f"{owner.path}/{made['access']}")
    one = f"{owner.path}/{made['access']}"
    assert cloud.client.get(one, token=owner.token).json()["credential"] == made
    assert cloud.client.get(owner.path, token=owner.token).json()["credentials"] == [made]
    assert cloud.client.get(owner.path, token=cloud.admin_token).json()["credentials"] == [made]
    assert cloud.client.delete(one, token=owner.token).status == 204
    assert cloud.client.get(one, token=owner.token).status == 404
    assert cloud.client.get(owner.path, token=owner.token).json()["credentials"] == []


def test_others_have_nothing_to_do_with_them(cloud: Cloud, owner: Owner) -> None:
    made = owner.create()
    stranger, project = cloud.member()
    token = cloud.token(stranger.name, project_id=project)
    own = f"/v3/users/{stranger.id}/credentials/OS-EC2"
    assert cloud.client.get(owner.path, token=token).status == 403
    assert cloud.client.post(owner.path, {"tenant_id": project}, token=token).status == 403
    for path in (owner.path, own):
        assert cloud.client.get(f"{path}/{made['access']}", token=token).status == 403
        assert cloud.client.delete(f"{path}/{made['access']}", token=token).status == 403
    assert cloud.client.get(owner.path, token=owner.token).json()["credentials"] == [made]


def test_what_there_is_not_is_not_found(cloud: Cloud, owner: Owner) -> None:
    assert cloud.client.post(owner.path, {"tenant_id": "nothing"}, token=owner.token).status == 404
    assert cloud.client.post(owner.path, {}, token=owner.token).status == 404
    assert cloud.client.post(owner.path, {"tenant_id": 1}, token=owner.token).status == 400
    assert cloud.client.get(f"{owner.path}/nothing", token=owner.token).status == 404
    assert cloud.client.get("/v3/users/nobody/credentials/OS-EC2", token=cloud.admin_token).status == 404


# Signed requests


@pytest.mark.parametrize("sign", [sign_v2, sign_v4])
def test_a_signed_request_becomes_a_token_of_the_credentials_user_and_project(
    cloud: Cloud, owner: Owner, sign: Any
) -> None:
    answer = owner.send(sign(owner.create()))
    assert answer.status == 200
    said = answer.json()["token"]
    assert said["methods"] == ["ec2credential"]
    assert said["user"]["id"] == owner.user.id
    assert said["project"]["id"] == owner.project
    assert {role["name"] for role in said["roles"]} == {"member", "reader"}
    token = answer.headers["x-subject-token"]
    assert cloud.validate(token).json() == answer.json()


def test_its_token_is_not_for_identity_and_becomes_no_other(cloud: Cloud, owner: Owner) -> None:
    token = owner.send(sign_v2(owner.create())).headers["x-subject-token"]
    assert cloud.client.get("/v3/auth/projects", token=token).status == 403
    assert cloud.rescope(token, "unscoped").status == 403


def test_v2_may_have_been_signed_without_the_port(owner: Owner) -> None:
    request = sign_v2(owner.create(), host="ec2.cloud")
    assert owner.send({**request, "host": "ec2.cloud:8773"}).status == 200


def test_v4_parameters_of_a_query_are_signed_too(owner: Owner) -> None:
    made = owner.create()
    request = sign_v4(made, query={"Action": "DescribeInstances", "Version": "2012-12-01"})
    assert owner.send(request).status == 200
    assert owner.send({**request, "params": {"Action": "TerminateInstances", "Version": "2012-12-01"}}).status == 401


@pytest.mark.parametrize("sign", [sign_v2, sign_v4])
def test_any_change_to_a_signed_request_breaks_it(owner: Owner, sign: Any) -> None:
    request = sign(owner.create())
    changes: list[dict[str, Any]] = [
        {"signature": request["signature"][:-4] + "AAAA"},
        {"signature": ""},
        {"signature": None},
        {"signature": 1},
        {"path": "/other"},
        {"verb": "PUT"},
        {"params": {**request["params"], "X": "1"}},
        {"params": [1]},
        {"headers": "x"},
        {"path": None},
    ]
    for change in changes:
        answer = owner.send({**request, **change})
        assert answer.status == 401, change
        assert answer.json()["error"]["message"] == "The request you have made requires authentication."


@pytest.mark.parametrize("sign", [sign_v2, sign_v4])
@pytest.mark.parametrize(("minutes", "status"), [(-14, 200), (-16, 401), (16, 401), (14, 200)])
def test_a_signed_request_is_good_for_some_minutes(owner: Owner, sign: Any, minutes: int, status: int) -> None:
    assert owner.send(sign(owner.create(), minutes=minutes)).status == status


@pytest.mark.parametrize("version", ["0", "1", "3", None])
def test_versions_that_do_not_cover_the_request_are_none(owner: Owner, version: str | None) -> None:
    request = sign_v2(owner.create())
    request["params"] = {**request["params"], "SignatureVersion": version}
    assert owner.send(request).status == 401


def test_only_services_and_administrators_may_ask(cloud: Cloud, owner: Owner) -> None:
    made = owner.create()
    request = sign_v2(made)
    for kind in ("ec2", "s3"):
        assert cloud.client.post(f"/v3/{kind}tokens", {"credentials": request}).status == 401
        assert owner.send(request, kind, token=owner.token).status == 403
    service, project = cloud.member("service")
    assert owner.send(request, token=cloud.token(service.name, project_id=project)).status == 200


def test_a_request_without_its_parts_is_refused(cloud: Cloud, owner: Owner) -> None:
    for kind in ("ec2", "s3"):
        assert cloud.client.post(f"/v3/{kind}tokens", {}, token=cloud.admin_token).status == 400
        assert cloud.client.post(f"/v3/{kind}tokens", [], token=cloud.admin_token).status == 400
        assert owner.send("x", kind).status == 400  # type: ignore[arg-type]
        assert owner.send({"signature": "x"}, kind).status == 401
        assert owner.send({"access": 1, "signature": "x"}, kind).status == 401
        assert owner.send({"access": "nothing", "signature": "x"}, kind).status == 404
        assert owner.send({"access": owner.create()["access"]}, kind).status == 401


def test_other_names_for_the_object_are_taken(cloud: Cloud, owner: Owner) -> None:
    request = sign_v2(owner.create())
    for name in ("credential", "ec2Credentials"):
        assert cloud.client.post("/v3/ec2tokens", {name: request}, token=cloud.admin_token).status == 200


def test_a_signed_request_is_worth_no_more_than_its_user(cloud: Cloud, owner: Owner) -> None:
    request = sign_v2(owner.create())
    cloud.take("member", owner.user.id, project_id=owner.project)
    assert owner.send(request).status == 401
    cloud.grant("member", owner.user.id, project_id=owner.project)
    assert owner.send(request).status == 200
    users.update(cloud.identity, owner.user.id, {"enabled": False}, {})
    assert owner.send(request).status == 401
    users.delete(cloud.identity, owner.user.id)
    assert owner.send(request).status == 404


def test_a_credential_bound_to_an_application_credential_has_its_roles_and_end(cloud: Cloud, owner: Owner) -> None:
    body = {"application_credential": {"name": "robot", "roles": [{"name": "reader"}]}}
    path = f"/v3/users/{owner.user.id}/application_credentials"
    robot = cloud.client.post(path, body, token=owner.token).json()["application_credential"]
    blob = {"access": f"bound-{owner.user.id}", "secret": "s", "app_cred_id": robot["id"]}
    fields = {"user_id": owner.user.id, "type": "ec2", "project_id": owner.project, "blob": json.dumps(blob)}
    assert cloud.client.post("/v3/credentials", {"credential": fields}, token=owner.token).status == 201
    answer = owner.send(sign_v2(blob))
    assert [role["name"] for role in answer.json()["token"]["roles"]] == ["reader"]
    assert cloud.client.delete(f"{path}/{robot['id']}", token=owner.token).status == 204
    assert owner.send(sign_v2(blob)).status == 404


def test_a_cloud_may_have_no_such_tokens(database_url: str, tmp_path: Any) -> None:
    cloud = Cloud(database_url, tmp_path, "[auth]\nmethods = password,token\n")
    answer = super(type(cloud.client).__mro__[1], cloud.client).request(
        "POST", "/v3/ec2tokens", json={"credentials": {"access": "x"}}, token=cloud.admin_token
    )
    assert answer.status == 503
    cloud.identity.db.close()


# S3


def test_an_s3_request_becomes_what_its_token_would_say(owner: Owner) -> None:
    made = owner.create()
    old = b"GET\n\n\nTue, 27 Mar 2026 19:36:42 +0000\n/bucket/key"
    signature = base64.b64encode(hmac.new(made["secret"].encode(), old, hashlib.sha1).digest()).decode()
    request = {"access": made["access"], "token": base64.urlsafe_b64encode(old).decode(), "signature": signature}
    answer = owner.send(request, "s3")
    assert answer.status == 200
    assert answer.json()["token"]["user"]["id"] == owner.user.id
    assert "x-subject-token" not in answer.headers
    for change in ({"signature": "x"}, {"token": "x"}, {"token": base64.b64encode(b"other").decode()}, {"token": 1}):
        assert owner.send({**request, **change}, "s3").status == 401


def test_s3_version_4() -> None:
    scope = "20260101/RegionOne/s3/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n20260101T000000Z\n{scope}\n{'0' * 64}"
    key = b"AWS4secret"
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()

    def request(text: str) -> dict[str, str]:
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        return {"token": base64.urlsafe_b64encode(text.encode()).decode(), "signature": signature}

    check_s3("secret", request(to_sign))
    for broken in (
        to_sign.replace("/s3/", "/ec2/"),
        to_sign.replace("aws4_request", "x"),
        to_sign + "\n",
        "AWS4-HMAC-SHA1" + to_sign[16:],
    ):
        with pytest.raises(BadSignature):
            check_s3("secret", request(broken))


def test_the_example_of_the_aws_reference_is_signed_as_it_says() -> None:
    """AWS General Reference, "Signature Version 2 signing process": the Elastic MapReduce example."""
    request = {
        "host": "elasticmapreduce.amazonaws.com",
        "verb": "GET",
        "path": "/",
        "params": {
            "AWSAccessKeyId": "AKIAIOSFODNN7EXAMPLE",
            "Action": "DescribeJobFlows",
            "SignatureMethod": "HmacSHA256",
            "SignatureVersion": "2",
            "Timestamp": "2011-10-03T15:19:30",
            "Version": "2009-03-31",
        },
        "signature": "i91nKc4PWAt0JJIdXwz9HxZCJDdiy6cf/Mj6vPxyYIs=",
    }
    check_ec2("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", request)
