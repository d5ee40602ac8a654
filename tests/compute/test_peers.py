"""Other services as Compute finds them: what it says when it cannot."""

from __future__ import annotations

import pytest

from cumulet.kernel.client import Unreachable
from tests.compute.support import Cloud


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (LookupError("x"), "The catalog has no endpoint of type image."),
        (Unreachable("Identity refused the service user nova"), "Compute cannot ask Identity where"),
    ],
)
def test_the_reason_is_the_true_one(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception, says: str
) -> None:
    def endpoint(*service_types: str) -> str:
        raise error

    monkeypatch.setattr(cloud.service.session, "endpoint", endpoint)
    refused = cloud.json("GET", "/v2.1/images", version="2.1", status=503)
    assert says in str(refused)
    assert ("refused the service user nova" in caplog.text) == isinstance(error, Unreachable)
