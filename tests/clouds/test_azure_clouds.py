"""Azure's other clouds: where each is asked, in which version of each API, and what a refusal of a version teaches."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core.exceptions import HttpResponseError

from cloudlink.clouds.azure import errors, versions
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.session import AzureSession
from cloudlink.clouds.azure.versions import AKS, GROUPS, NETWORK, TABLE, Versions, offered, with_version
from cloudlink.clouds.cache import ReadCache
from cloudlink.clouds.kube.access import AKS_HOSTS
from cloudlink.core.polling import WallClock
from cloudlink.errors import CloudError
from tests.clouds.hostile_peer import Peer, peer, plain
from tests.clouds.test_hostile_peer import FixedToken, endpoints
from tests.support.links import SUBSCRIPTION, make_link

GATEWAY = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworkGateways/x"
CHINA = (
    "No registered resource provider found for location 'chinaeast2' and API version '{}' for type 'x'. The supported "
    "api-versions are '2015-06-15, 2023-04-01, 2023-11-01, 2024-03-01-preview'. The supported locations are 'chinaeast2'."
)
GOVERNMENT = (
    "The resource type 'x' could not be found in the namespace 'Microsoft.Network' for api version '{}'. The supported "
    "api-versions are '2023-06-01,2022-01-01'."
)
FRONT = "The api-version '{}' is invalid. The supported versions are '2022-12-01,2021-04-01,2020-01-01'."


def refused(message: str, code: str = "NoRegisteredProviderFound", status: int = 400) -> bytes:
    return plain(status, json.dumps({"error": {"code": code, "message": message}}).encode())


def asked(request: bytes) -> tuple[str, str, str]:
    """Method, path and version."""
    method, url, _ = request.split(b"\r\n", 1)[0].decode().split(" ")
    return method, urlsplit(url).path, parse_qs(urlsplit(url).query)["api-version"][0]


def late(message: str, served: str, code: str = "NoRegisteredProviderFound") -> Callable[[socket.socket, bytes], bytes]:
    """A cloud that knows one version."""

    def answer(_: socket.socket, request: bytes) -> bytes:
        method, path, version = asked(request)
        if version != served:
            return refused(message.format(version), code)
        if path.endswith("sharedkey") or method == "PUT":
            return plain(200, b'{"id":"i","name":"n","location":"l","value":"k"}')
        return plain(200, b'{"id":"i","name":"n","location":"l","properties":{},"value":[]}')

    return answer


def azure(at: Peer, cloud: str) -> Azure:
    clock = WallClock()
    made = Azure(make_link(azure={"cloud": cloud}), endpoints(at), clock, ReadCache(clock))
    made._session._made["credential"] = FixedToken()
    clock.stop()
    return made


@pytest.mark.parametrize(
    ("message", "versions_"),
    [
        (CHINA, ("2023-11-01", "2023-04-01", "2015-06-15", "2024-03-01-preview")),
        (GOVERNMENT, ("2023-06-01", "2022-01-01")),
        (FRONT, ("2022-12-01", "2021-04-01", "2020-01-01")),
        ("The supported api-versions are '2024-05-01-preview'.", ("2024-05-01-preview",)),
        ("The supported api-versions are '2015-08-31-PREVIEW, 2018-11-30'.", ("2018-11-30", "2015-08-31-PREVIEW")),
        ("The subscription is not registered.", ()),
    ],
)
def test_the_versions_that_a_refusal_lists(message: str, versions_: tuple[str, ...]) -> None:
    assert offered(message.format("2026-03-01")) == versions_


@pytest.mark.parametrize(
    ("path", "write", "version"),
    [
        (GATEWAY, False, "2024-01-01"),
        (GATEWAY, True, "2026-03-01"),
        (
            "/subscriptions/s/resourceGroups/g/providers/microsoft.containerservice/managedClusters/c",
            False,
            "2026-08-01",
        ),
        ("/subscriptions/s", False, "2022-12-01"),
        ("/subscriptions/s/locations", False, "2022-12-01"),
        ("/subscriptions/s/resourceGroups/g", False, "2022-09-01"),
        ("/subscriptions/s/resourceGroups/g", True, "2025-04-01"),
        ("/subscriptions/s/providers/Microsoft.Network", False, "2022-09-01"),
        (f"{GATEWAY}/providers/Microsoft.Resources/tags/default", True, "2025-04-01"),
        (f"{GATEWAY}/providers/Microsoft.Authorization/permissions", False, "2022-04-01"),
        ("/subscriptions/s/providers/Microsoft.Authorization/locks", False, "2020-05-01"),
        ("/subscriptions/s/providers/Microsoft.PolicyInsights/checkPolicyRestrictions", False, "2022-03-01"),
    ],
)
def test_the_version_of_each_path(path: str, write: bool, version: str) -> None:
    assert Versions("public").of(path, write=write) == version


def test_writes_go_in_the_version_whose_models_the_sdk_has() -> None:
    """The table's public column; a body for another version could hold what that one does not know."""
    from azure.mgmt.network.operations import _operations as network

    session = AzureSession(make_link().azure, None)
    session._made["credential"] = FixedToken()
    for client, row in ((session.containers, AKS), (session.resources, GROUPS)):
        assert client._config.api_version == TABLE["public"][row].write
    built = network.build_virtual_network_gateways_create_or_update_request("g", "x", "s")
    assert parse_qs(urlsplit(built.url).query)["api-version"] == [TABLE["public"][NETWORK].write]


@pytest.mark.parametrize("cloud", ["usgovernment", "china"])
def test_other_clouds_are_written_in_a_version_that_they_have_had_for_long(cloud: str) -> None:
    table = TABLE[cloud]
    assert all(row.write < "2024-06-01" for row in table.values())
    assert table[NETWORK].write == table[NETWORK].read


@pytest.mark.parametrize(
    ("cloud", "message", "served", "code"),
    [
        ("china", CHINA, "2023-11-01", "NoRegisteredProviderFound"),
        ("usgovernment", GOVERNMENT, "2023-06-01", "InvalidResourceType"),
        ("public", CHINA, "2023-11-01", "NoRegisteredProviderFound"),
    ],
)
def test_a_version_that_a_cloud_lacks_is_replaced_once(
    cloud: str, message: str, served: str, code: str, tmp_path: Path
) -> None:
    with peer(tmp_path, late(message, served, code)) as at:
        made = azure(at, cloud)
        made.put_local_gateway("one", {"location": "l", "properties": {}})
        made.put_local_gateway("two", {"location": "l", "properties": {}})
        made.put_public_ip("ip", {"location": "l", "properties": {}})
        made.whole(GATEWAY)
        made.local_gateways()
        seen = [(m, p.rpartition("/")[2], v) for m, p, v in map(asked, at.arrived)]
        bodies = [r.partition(b"\r\n\r\n")[2] for r in at.arrived]
    write, read = TABLE[cloud][NETWORK].write, TABLE[cloud][NETWORK].read
    expected = [
        ("PUT", "one", write),
        ("PUT", "one", served),
        ("PUT", "two", served),
        ("PUT", "ip", served),
        ("GET", "x", served),
        *([("GET", "localNetworkGateways", read)] if read != write else []),
        ("GET", "localNetworkGateways", served),
    ]
    assert seen == expected
    assert bodies[0] == bodies[1] != b"", "the whole body is sent again"


def test_the_cluster_is_read_in_the_newest_version_that_there_is(tmp_path: Path) -> None:
    listed = "The supported api-versions are '2025-05-01, 2025-10-01, 2025-10-02-preview'."
    with peer(tmp_path, late(listed, "2025-10-01")) as at:
        made = azure(at, "china")
        assert made.aks_cluster() is not None
        assert [v for _, _, v in map(asked, at.arrived)] == ["2025-09-01", "2025-10-01"]


def test_a_refusal_that_lists_nothing_is_answered_with_the_version_of_before(tmp_path: Path) -> None:
    with peer(tmp_path, late("x", "2024-02-01")) as at:
        assert azure(at, "usgovernment").aks_cluster() is not None
        assert [v for _, _, v in map(asked, at.arrived)] == ["2025-09-01", "2024-02-01"]


def test_types_of_one_provider_may_have_lists_of_their_own(tmp_path: Path) -> None:
    def answer(_: socket.socket, request: bytes) -> bytes:
        _, path, version = asked(request)
        served = "2023-11-01" if "publicIPAddresses" in path else "2023-04-01"
        if version != served:
            return refused(f"The supported api-versions are '{served}'.")
        return plain(200, b'{"value":[]}')

    with peer(tmp_path, answer) as at:
        made = azure(at, "china")
        made.public_ips()
        made.local_gateways()
        made._list(made.id("publicIPAddresses"))
        made._list(made.id("localNetworkGateways"))
        seen = [v for _, _, v in map(asked, at.arrived)]
    assert seen == ["2024-01-01", "2023-11-01", "2023-11-01", "2023-04-01", "2023-11-01", "2023-04-01"]


@pytest.mark.parametrize(
    "body",
    [
        refused("The supported api-versions are '2099-01-01'."),  # each answer asks for another
        refused("x"),
        refused("x", "InvalidParameter"),
        plain(400, b"<html>"),
        plain(400, b"[]"),
        plain(400, b'{"error": 5}'),
    ],
)
def test_a_refusal_that_goes_on_is_told(body: bytes, tmp_path: Path) -> None:
    with peer(tmp_path, lambda *_: body) as at:
        with pytest.raises(HttpResponseError):
            azure(at, "china").local_gateways()
        assert len(at.arrived) <= 3


def test_a_location_that_lacks_the_type_is_no_matter_of_versions(tmp_path: Path) -> None:
    message = (
        "No registered resource provider found for location 'usdodeast' and API version '2024-01-01' for type 'x'. The "
        "supported api-versions are '2023-11-01, 2024-01-01'. The supported locations are 'usgovvirginia, usgovarizona'."
    )
    with peer(tmp_path, lambda *_: refused(message)) as at:
        with pytest.raises(HttpResponseError) as caught:
            azure(at, "usgovernment").local_gateways()
        assert len(at.arrived) == 1
    error = errors.translate(caught.value, cloud="usgovernment")
    assert isinstance(error, CloudError)
    assert "region" in error.summary and "usgovvirginia, usgovarizona" in error.hint


def test_what_azure_names_as_the_next_page_is_asked_for_as_it_came(tmp_path: Path) -> None:
    def answer(_: socket.socket, request: bytes) -> bytes:
        _, path, _version = asked(request)
        if path == "/next":
            return plain(200, b'{"value":[{"name":"b"}]}')
        body = {"value": [{"name": "a"}], "nextLink": f"{made.url}/next?api-version=2019-01-01&%24skiptoken=q%3D"}
        return plain(200, json.dumps(body).encode())

    with peer(tmp_path, answer) as made:
        assert [i["name"] for i in azure(made, "public").local_gateways()] == ["a", "b"]
        assert b"/next?api-version=2019-01-01&%24skiptoken=q%3D" in made.arrived[-1]


def test_no_provider_is_registered_without_being_asked_to(tmp_path: Path) -> None:
    """The SDK's own list of policies does that, for as long as it takes."""
    message = "The subscription is not registered to use namespace 'Microsoft.Network'."

    with peer(tmp_path, lambda *_: refused(message, "MissingSubscriptionRegistration", 409)) as at:
        with pytest.raises(HttpResponseError):
            azure(at, "public").put_local_gateway("one", {"location": "l"})
        assert [m for m, _, _ in map(asked, at.arrived)] == ["PUT"]


@pytest.mark.parametrize(
    ("cloud", "management", "authority", "audience", "login"),
    [
        ("public", "management.azure.com", "login.microsoftonline.com", "https://management.azure.com", "az login"),
        (
            "usgovernment",
            "management.usgovcloudapi.net",
            "login.microsoftonline.us",
            "https://management.core.usgovcloudapi.net",
            "az cloud set --name AzureUSGovernment && az login",
        ),
        (
            "china",
            "management.chinacloudapi.cn",
            "login.chinacloudapi.cn",
            "https://management.chinacloudapi.cn",
            "az cloud set --name AzureChinaCloud && az login",
        ),
    ],
)
def test_where_each_cloud_is(cloud: str, management: str, authority: str, audience: str, login: str) -> None:
    from azure.core.exceptions import ClientAuthenticationError

    session = AzureSession(make_link(azure={"cloud": cloud}).azure, None)
    session._made["credential"] = FixedToken()
    assert session.network._config.base_url == f"https://{management}"
    assert session._scope == f"{audience}/.default"
    assert session._authority == authority
    chain: Any = AzureSession(make_link(azure={"cloud": cloud}).azure, None)._make_credential()
    assert any(type(c).__name__ == "AzureCliCredential" for c in chain.credentials)
    message = "Please run 'az login' to set up an account"
    error = errors.translate(ClientAuthenticationError(message=message), cloud=cloud)
    assert error is not None and error.hint.startswith(login)


@pytest.mark.parametrize(
    "server",
    [
        "one-dns-0a1b.hcp.westeurope.azmk8s.io",
        "one-dns-0a1b.hcp.usgovvirginia.cx.aks.containerservice.azure.us",
        "one-dns-0a1b.hcp.chinaeast2.cx.prod.service.azk8s.cn",
        "one-0a1b.privatelink.usgovarizona.cx.aks.containerservice.azure.us",
        "one-0a1b.uuid.privatelink.chinanorth3.cx.prod.service.azk8s.cn",
    ],
)
def test_where_the_clusters_apis_are(server: str) -> None:
    assert any(server.endswith(f".{host}") for host in AKS_HOSTS)


def test_the_rest_of_a_url_stays() -> None:
    url = "https://x/a?%24filter=tagName%20eq%20%27a%27&api-version=1"
    assert with_version(url, "2") == "https://x/a?%24filter=tagName%20eq%20%27a%27&api-version=2"
    assert re.fullmatch(r"[0-9a-f-]+", SUBSCRIPTION)


def test_a_refusal_that_is_no_json_teaches_nothing() -> None:
    class Html:
        status_code = 404

        def json(self) -> Any:
            raise ValueError

    assert versions.refusal(Html()) == ("", "")
