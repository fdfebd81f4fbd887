"""Azure's blob service in the sandbox: block blobs, conditions and the states of a lease."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.state.object_stores import ACCOUNT, CONTAINER, SIDE, endpoints, sandbox_with_stores

from cloudlink.clouds.azure.session import AzureSession
from cloudlink_sandbox.process import Sandbox

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with sandbox_with_stores(tmp_path_factory.mktemp("blob")) as running:
        yield running


@pytest.fixture
def ask(sandbox: Sandbox) -> Ask:
    """One request about a blob of its own; the answer's status, its code (empty: none) and its headers."""
    from azure.core.rest import HttpRequest

    session, base = AzureSession(SIDE, endpoints(sandbox)), f"{endpoints(sandbox).blob_url}/{ACCOUNT}"
    url = f"{base}/{CONTAINER}/{uuid.uuid4()}"

    def call(method: str, scope: str = "https://storage.azure.com/.default", **options: Any) -> tuple[int, str, Any]:
        headers = {"x-ms-version": "2021-12-02", **options.pop("headers", {})}
        request = HttpRequest(method, options.pop("url", url), headers=headers, **options)
        response = session.storage_pipeline(f"{base}", scope).send_request(request)
        return response.status_code, response.headers.get("x-ms-error-code", ""), response

    return call


PUT = {"x-ms-blob-type": "BlockBlob"}


def lease(ask: Ask, action: str, **headers: str) -> tuple[int, str, Any]:
    named = {f"x-ms-{k.replace('_', '-')}": v for k, v in headers.items()}
    return ask("PUT", params={"comp": "lease"}, headers={"x-ms-lease-action": action, **named})


@pytest.mark.program("A blob is made only where there is none, and changed only as it was read")
def test_conditions(ask: Ask) -> None:
    assert ask("GET")[:2] == (404, "BlobNotFound")
    assert ask("PUT", headers={**PUT, "If-None-Match": "*"}, content=b"1")[0] == 201
    assert ask("PUT", headers={**PUT, "If-None-Match": "*"}, content=b"2")[:2] == (409, "BlobAlreadyExists")
    etag = ask("HEAD")[2].headers["ETag"]
    assert ask("PUT", headers={**PUT, "If-Match": etag}, content=b"2")[0] == 201
    assert ask("PUT", headers={**PUT, "If-Match": etag}, content=b"3")[:2] == (412, "ConditionNotMet")
    assert ask("GET")[2].content == b"2"


@pytest.mark.program("Under a lease nothing is written without its id, and reads need none")
def test_a_lease_keeps_others_out(ask: Ask) -> None:
    ask("PUT", headers=PUT, content=b"1")
    mine, other = str(uuid.uuid4()), str(uuid.uuid4())
    assert lease(ask, "acquire", lease_duration="60", proposed_lease_id=mine)[0] == 201
    assert lease(ask, "acquire", lease_duration="60", proposed_lease_id=other)[:2] == (409, "LeaseAlreadyPresent")
    assert lease(ask, "acquire", lease_duration="60", proposed_lease_id=mine)[0] == 201, "the same id again is no other"
    assert ask("PUT", headers=PUT, content=b"2")[:2] == (412, "LeaseIdMissing")
    with_other = {**PUT, "x-ms-lease-id": other}
    assert ask("PUT", headers=with_other, content=b"2")[:2] == (412, "LeaseIdMismatchWithBlobOperation")
    assert ask("PUT", headers={**PUT, "x-ms-lease-id": mine}, content=b"2")[0] == 201
    assert ask("DELETE")[:2] == (412, "LeaseIdMissing")
    assert ask("HEAD")[2].headers["x-ms-lease-state"] == "leased"
    assert lease(ask, "release", lease_id=mine)[0] == 200
    assert ask("PUT", headers={**PUT, "x-ms-lease-id": mine}, content=b"3")[:2] == (
        412,
        "LeaseNotPresentWithBlobOperation",
    )


@pytest.mark.program("A lease that ended can be renewed as long as nobody has written, one that was broken cannot")
def test_a_lease_that_ended(ask: Ask, sandbox: Sandbox) -> None:
    ask("PUT", headers=PUT, content=b"1")
    mine = str(uuid.uuid4())
    lease(ask, "acquire", lease_duration="15", proposed_lease_id=mine)
    sandbox.context.clock.advance(16)
    assert ask("HEAD")[2].headers["x-ms-lease-state"] == "expired"
    code = ask("PUT", headers={**PUT, "x-ms-lease-id": mine}, content=b"2")[1]
    assert code.startswith("Lease")
    assert lease(ask, "renew", lease_id=mine)[0] == 200
    sandbox.context.clock.advance(16)
    assert ask("PUT", headers=PUT, content=b"3")[0] == 201
    assert lease(ask, "renew", lease_id=mine)[:2] == (409, "LeaseIdMismatchWithLeaseOperation")
    again = str(uuid.uuid4())
    lease(ask, "acquire", lease_duration="60", proposed_lease_id=again)
    assert lease(ask, "break", lease_break_period="0")[0] == 202
    assert lease(ask, "renew", lease_id=again)[:2] == (409, "LeaseIsBrokenAndCannotBeRenewed")
    assert ask("PUT", headers={**PUT, "x-ms-lease-id": again}, content=b"4")[:2] == (
        412,
        "LeaseNotPresentWithBlobOperation",
    )


@pytest.mark.documentation("A token for another audience is refused, and so is none")
def test_tokens(ask: Ask, sandbox: Sandbox) -> None:
    import urllib.error
    import urllib.request

    with pytest.raises(urllib.error.HTTPError) as raised:
        import ssl

        context = ssl.create_default_context(cafile=sandbox.ca_file)
        request = urllib.request.Request(
            f"{endpoints(sandbox).blob_url}/{ACCOUNT}/{CONTAINER}/x", headers={"x-ms-version": "2021-12-02"}
        )
        urllib.request.urlopen(request, context=context)
    assert raised.value.code == 401 and raised.value.headers["x-ms-error-code"] == "NoAuthenticationInformation"


@pytest.mark.own("What Azure would act on and the sandbox would not is refused, and not dropped")
def test_what_is_not_modelled_is_refused(ask: Ask) -> None:
    assert ask("PUT", headers={**PUT, "x-ms-access-tier": "Cool"}, content=b"1")[:2] == (501, "NotImplemented")
    assert ask("PUT", params={"comp": "block"}, content=b"1")[:2] == (501, "NotImplemented")
    assert ask("PUT", headers={"x-ms-blob-type": "PageBlob"}, content=b"")[:2] == (501, "NotImplemented")
