"""The checks can fail, their exceptions are the real clouds' own, and nothing that a listener answers escapes them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import requests

from cloudlink_sandbox.faults import GARBAGE
from cloudlink_sandbox.listener import Listener
from tests.conformance import ConformanceChecks, azure_specification
from tests.conformance.aws_models import AwsModelCheck
from tests.conformance.azure_specification import ELSEWHERE, RECORDED, AzureSpecificationCheck
from tests.conformance.exchanges import Exchange, Reader

RECORDINGS = Path(__file__).parents[3] / "shared" / "azure-recordings"
GROUP = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network"
needs_specification = pytest.mark.skipif(
    not azure_specification.present(), reason="Azure's specification is not beside the project"
)


def arm(method: str, path: str, answer: Any = ..., status: int = 200, body: Any = None, **answered: str) -> Exchange:
    """As cloudlink would send it."""
    text = b"" if answer is ... else json.dumps(answer).encode()
    asked = {"user-agent": "azsdk-python-core cloudlink/1"}
    uri = f"{path}?api-version=2024-01-01"
    return Exchange(method, uri, asked, json.dumps(body).encode() if body else b"", status, answered, text)


# --- Azure -----------------------------------------------------------------------------------------------------------

LOCAL = {"properties": {"gatewayIpAddress": "192.0.2.1", "provisioningState": "Succeeded"}}
GET, PUT = f"{GROUP}/localNetworkGateways/l", {"properties": {"gatewayIpAddress": "192.0.2.1"}}

AZURE: list[tuple[str, Exchange, str]] = [
    ("a type", arm("GET", GET, {"properties": {"gatewayIpAddress": 7}}), "7 is no string"),
    ("a flag for a number", arm("GET", GET, {"properties": {"bgpSettings": {"asn": True}}}), "True is no integer"),
    ("a value", arm("GET", GET, {"properties": {"provisioningState": "Done"}}), "'Done' is none of"),
    ("an unknown field", arm("GET", GET, {**LOCAL, "colour": 1}), "$.colour: is not in the specification"),
    ("a missing field", arm("GET", GET, {"name": "l"}), "$.properties: is missing"),
    ("a null", arm("GET", GET, {**LOCAL, "tags": None}), "$.tags: is null"),
    ("no body", arm("GET", GET), "the specification has a body here"),
    ("a body too many", arm("DELETE", GET, {}, 202, location="x"), "the specification has no body here"),
    ("no address to poll", arm("DELETE", GET, status=202), "has no location, and takes long"),
    ("no page", arm("GET", f"{GROUP}/localNetworkGateways", {"nextLink": "x"}), "$.value: is missing in a list"),
    ("a status", arm("GET", GET, LOCAL, 206), "the specification knows 200, default only"),
    ("an operation", arm("POST", f"{GET}/sing", {}), "has no such operation"),
    ("an error without a message", arm("GET", GET, {"error": {"code": "X"}}, 404), "says what is wrong"),
    ("an error of no shape", arm("GET", GET, {"error": {"code": "X", "message": "y", "who": 1}}, 404), "$.error.who"),
    ("a poll", arm("GET", f"{GROUP}/locations/l/operations/1", {"status": "Nearly"}), "'Nearly' is none of"),
    ("text", Exchange("GET", f"{GET}?api-version=1", {}, b"", 200, {}, b"<html>"), "is no JSON"),
    ("a field sent", arm("PUT", GET, LOCAL, 200, {**PUT, "colour": 1}), "request $.colour: is not in"),
    ("a read-only field sent", arm("PUT", GET, LOCAL, 200, {**PUT, "etag": "x"}), "request $.etag: is read-only"),
    ("a field not sent", arm("PUT", GET, LOCAL, 200, {"location": "x"}), "request $.properties: is missing"),
]  # fmt: skip


@needs_specification
@pytest.mark.specification("Every answer of Azure Resource Manager, in every test, is as Azure's specification says")
@pytest.mark.parametrize(("seen", "said"), [row[1:] for row in AZURE], ids=[row[0] for row in AZURE])
def test_a_departure_from_azures_specification_is_named(seen: Exchange, said: str) -> None:
    found = AzureSpecificationCheck().check(seen)
    assert len(found) == 1, found
    assert said in found[0]


@needs_specification
@pytest.mark.own("Right answers, garbage that was asked for, and what other clients send are left alone")
def test_what_is_right_or_none_of_its_business_is_left_alone() -> None:
    checker = AzureSpecificationCheck()
    assert checker.check(arm("PUT", GET, LOCAL, 201, PUT, **{"azure-asyncoperation": "x"})) == []
    assert checker.check(arm("GET", "/subscriptions/s/resourceGroups/g", {"colour": 1})) == []
    assert checker.check(Exchange("GET", f"{GET}?api-version=1", {}, b"", 200, {}, GARBAGE)) == []
    foreign = arm("PUT", GET, LOCAL, 200, {"colour": 1})
    foreign.asked["user-agent"] = "python-requests/2"
    assert checker.check(foreign) == []


@needs_specification
@pytest.mark.specification("The result of an action is checked against the operation that began it")
def test_a_result_is_checked_against_the_operation_that_began_it() -> None:
    checker, place = AzureSpecificationCheck(), f"{GROUP}/locations/l/operationResults/1"
    asked = arm(
        "POST", f"{GROUP}/virtualNetworkGateways/g/getBgpPeerStatus", status=202, location=f"https://h{place}?t=1"
    )
    assert checker.check(asked) == []
    assert checker.check(arm("GET", place, None, 202)) == []
    assert checker.check(arm("GET", place, {"value": [{"state": "Connected", "asn": 1}]})) == []
    (found,) = checker.check(arm("GET", place, {"value": [{"state": "Happy"}]}))
    assert "$.value[].state: 'Happy' is none of" in found


@needs_specification
@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings of Azure are not beside the project")
@pytest.mark.recorded(
    "Where Azure departs from its own specification, the sandbox may; nowhere else but for the reasons listed"
)
def test_azure_itself_departs_where_the_check_has_an_exception_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The recordings, checked with no exception made: what is found are the exceptions."""
    monkeypatch.setattr(azure_specification, "RECORDED", frozenset())
    checker = AzureSpecificationCheck()
    found: set[str] = set()
    for file in sorted(RECORDINGS.glob("*.json")):
        if file.name.startswith("dnsresolver"):
            continue  # its specification is not there
        said = json.loads(file.read_text(encoding="utf-8"))
        answer = said["response"]
        body = b"" if answer["body"] == "" else json.dumps(answer["body"]).encode()
        headers = {name.lower(): value for name, value in answer["headers"].items()}
        uri = said["request"]["uri"].replace("https://management.azure.com", "")
        found |= set(checker.check(Exchange(said["request"]["method"], uri, {}, b"", answer["status"], headers, body)))
    assert {line.rpartition("(")[2].rstrip(")") for line in found} == RECORDED


@pytest.mark.own("Every exception that no recording shows has its reason")
def test_every_other_exception_has_its_reason() -> None:
    assert all(len(reason) > 20 for reason in ELSEWHERE.values())


# --- AWS -------------------------------------------------------------------------------------------------------------


def aws(
    service: str, operation: str, answer: str, status: int = 200, method: str = "POST", uri: str = "/", **answered: str
) -> Exchange:
    scope = f"Credential=K/20260101/eu-central-1/{service}/aws4_request, SignedHeaders=host, Signature=x"
    asked = {"authorization": f"AWS4-HMAC-SHA256 {scope}", "x-amz-target": f"Service.{operation}"}
    kind = "application/x-amz-json-1.1" if service == "route53resolver" else "text/xml"
    headers = {"content-type": kind, "x-amzn-requestid": "1"} | answered
    return Exchange(method, uri, asked, f"Action={operation}".encode(), status, headers, answer.encode())


def vpn(inner: str) -> str:
    space = 'xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"'
    return (
        f"<DescribeVpnConnectionsResponse {space}><requestId>1</requestId><vpnConnectionSet>{inner}</vpnConnectionSet>"
        "</DescribeVpnConnectionsResponse>"
    )


def zones(inner: str) -> Exchange:
    answer = f"<ListHostedZonesResponse><HostedZones>{inner}</HostedZones><IsTruncated>false</IsTruncated>"
    answer += "<Marker/><MaxItems>100</MaxItems></ListHostedZonesResponse>"
    return aws("route53", "", answer, method="GET", uri="/2013-04-01/hostedzone?maxitems=100")


def identity(inner: str) -> Exchange:
    answer = f"<GetCallerIdentityResponse><GetCallerIdentityResult>{inner}</GetCallerIdentityResult>"
    answer += "<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    return aws("sts", "GetCallerIdentity", answer)


ZONE = "<HostedZone><Id>/hostedzone/Z1</Id><Name>a.</Name>{}</HostedZone>"
VPN, ENDPOINT = "DescribeVpnConnections", "GetResolverEndpoint"
ERROR = "<Response><Errors><Error>{}</Error></Errors><RequestID>1</RequestID></Response>"
AWS: list[tuple[str, Exchange, str]] = [
    ("an unknown element", aws("ec2", VPN, vpn("<item><colour>1</colour></item>")), "VpnConnection.colour is not in"),
    ("a value", aws("ec2", VPN, vpn("<item><state>happy</state></item>")), "VpnConnection.State 'happy' is none of"),
    ("a number", aws("ec2", VPN, vpn("<item><vgwTelemetry><item><acceptedRouteCount>x</acceptedRouteCount></item>"
        "</vgwTelemetry></item>")), "VgwTelemetry.AcceptedRouteCount 'x' is no integer"),
    ("a list of the wrong things", aws("ec2", VPN, vpn("<member/>")), "a list of item holds member"),
    ("an element twice", aws("ec2", VPN, vpn("<item><state>pending</state><state>pending</state></item>")), "2 times"),
    ("structure in plain text", aws("ec2", VPN, vpn("<item><state><a/></state></item>")), "is a string and holds a"),
    ("another operation's answer", aws("ec2", "DescribeVpcs", vpn("").replace("vpnConn", "vpc").replace(
        "vpcectionSet", "vpcSet")), "the root is DescribeVpnConnectionsResponse"),
    ("a missing element", zones(ZONE.format("")), "HostedZone.CallerReference is missing"),
    ("a status", aws("route53", "", "<ListHostedZonesResponse/>", 201, "GET", "/2013-04-01/hostedzone"), "answers 200"),
    ("a flag", zones(ZONE.format("<CallerReference>x</CallerReference><Config><PrivateZone>yes</PrivateZone></Config>")),
        "'yes' is no boolean"),
    ("an unknown member in JSON", aws("route53resolver", ENDPOINT, '{"ResolverEndpoint": {"Colour": 1}}'),
        "ResolverEndpoint.Colour is not in the model"),
    ("a null in JSON", aws("route53resolver", ENDPOINT, '{"ResolverEndpoint": {"Name": null}}'), "None is no string"),
    ("a value in JSON", aws("route53resolver", ENDPOINT, '{"ResolverEndpoint": {"Status": "HAPPY"}}'), "is none of"),
    ("text for JSON", aws("route53resolver", ENDPOINT, "<html>"), "is no JSON"),
    ("JSON for XML", aws("ec2", VPN, "{}"), "is no XML"),
    ("an unknown part of a result", identity("<Colour>1</Colour>"), "GetCallerIdentityResponse.Colour is not in"),
    ("an operation that nobody has", aws("ec2", "SingVpnConnections", "<x/>"), "has no operation SingVpnConnections"),
    ("another kind of content", aws("route53resolver", ENDPOINT, "{}", **{"content-type": "text/xml"}),
        "is text/xml and not application/x-amz-json-1.1"),
    ("an error without a code", aws("ec2", VPN, ERROR.format("<Message>x</Message>"), 400), "an error has a code"),
    ("an error without a message", aws("ec2", VPN, ERROR.format("<Code>X</Code>"), 400), "X has no message"),
    ("an error of another operation", aws("route53resolver", ENDPOINT, '{"__type": "ResourceInUseException",'
        '"message": "x"}', 400), "is none of the operation's errors"),
]  # fmt: skip


@pytest.mark.model(
    "Every answer of AWS, in every test, has its model's members and no other, each of its type and values"
)
@pytest.mark.model("Every error of a service that names its errors is one that its operation names, or a common one")
@pytest.mark.parametrize(("seen", "said"), [row[1:] for row in AWS], ids=[row[0] for row in AWS])
def test_a_departure_from_a_model_of_aws_is_named(seen: Exchange, said: str) -> None:
    found = AwsModelCheck().check(seen)
    assert any(said in line for line in found), found


@pytest.mark.own("Right answers of AWS, and services that the sandbox does not have, are left alone")
def test_right_answers_of_aws_are_left_alone() -> None:
    checker = AwsModelCheck()
    assert checker.check(aws("ec2", VPN, vpn("<item><state>modifying</state></item>"))) == []
    assert checker.check(zones(ZONE.format("<CallerReference>x</CallerReference>"))) == []
    assert checker.check(identity("<Account>1</Account>")) == []
    assert checker.check(aws("ec2", VPN, ERROR.format("<Code>X</Code><Message>y</Message>"), 400)) == []
    anonymous = aws("ec2", VPN, vpn(""))
    assert checker.check(anonymous) == []
    del anonymous.answered["x-amzn-requestid"]
    assert "has no request id" in checker.check(anonymous)[0]
    assert checker.check(aws("sqs", "ListQueues", "nonsense")) == []
    assert checker.check(Exchange("GET", "/api/v1/pods", {}, b"", 200, {}, b"{}")) == []


# --- where they sit --------------------------------------------------------------------------------------------------


def answering(answer: bytes, status: str = "200 OK") -> Callable[..., Iterable[bytes]]:
    def app(_: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response(status, [("Content-Length", str(len(answer)))])
        return [answer]

    return app


@needs_specification
@pytest.mark.own("What any listener of the tests answers reaches the checks, and a wrong answer fails the test")
def test_what_a_listener_answers_is_checked(conformance_checks: ConformanceChecks) -> None:
    listener = Listener(answering(b'{"name": 1}'))
    listener.start()
    try:
        requests.get(f"{listener.url}{GET}?api-version=2024-01-01", timeout=5)
    finally:
        listener.stop()
    found = wait_for(conformance_checks.found)
    assert any("LocalNetworkGateways_Get, 200: $.name: 1 is no string" in line for line in found), found


def wait_for(news: Callable[[], list[Any]]) -> list[Any]:
    """A line is written once the answer has left, so that it may come a little after it."""
    until = time.monotonic() + 10
    while not (found := news()) and time.monotonic() < until:
        threading.Event().wait(0.002)
    return found


@pytest.mark.own("The transcript has each exchange word for word, bytes that are no text included, and no streams")
def test_a_transcript_is_word_for_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "transcript"
    monkeypatch.setenv("CLOUDLINK_SANDBOX_TRANSCRIPT", str(path))
    listener, reader = Listener(answering(GARBAGE)), Reader(path)
    assert reader.news() == []
    listener.start()
    try:
        requests.post(f"{listener.url}/a%20b?c=%C3%A4", data=b"\xff\n", timeout=5)
        (first,) = wait_for(reader.news)
        requests.get(f"{listener.url}/second", timeout=5)
        (second,) = wait_for(reader.news)
    finally:
        listener.stop()
    assert (first.method, first.path, first.query, first.body) == ("POST", "/a b", {"c": "ä"}, b"\xff\n")
    assert (first.status, first.answer, first.answered["content-length"]) == (200, GARBAGE, str(len(GARBAGE)))
    assert second.uri == "/second"
    assert path.stat().st_mode & 0o777 == 0o600
