"""What Azure's answers mean: errors in all their envelopes, and objects as the real cloud has been seen to write them."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity import CredentialUnavailableError

from cloudlink.clouds.azure.errors import missing, retryable, transient, translate, unknown_outcome, words_of
from cloudlink.clouds.azure.parse_object import azure_object
from cloudlink.core.resource import Phase
from cloudlink.errors import (
    CloudError,
    CloudlinkError,
    CredentialsError,
    MissingError,
    NoContactError,
    UnreachableError,
)
from cloudlink.steps import azure_resource
from cloudlink.steps.azure_vpn.aks import cluster_outputs
from cloudlink.steps.azure_vpn.virtual_network import virtual_network
from tests.support.azure_sandbox import azure_link

RECORDINGS = Path(__file__).parents[3] / "shared" / "azure-recordings"


class Response:
    """As much of a response as the SDK's errors look at."""

    reason = "because"

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self.status_code = status
        self.headers = headers or {}
        self._body = body

    def json(self) -> Any:
        if isinstance(self._body, str):
            raise ValueError("not JSON")
        return self._body

    def text(self, encoding: str | None = None) -> str:
        return self._body if isinstance(self._body, str) else json.dumps(self._body)


def answer(status: int, code: str, message: str = "so it is", *details: str, **headers: str) -> HttpResponseError:
    body = {"error": {"code": code, "message": message, "details": [{"code": d, "message": ""} for d in details]}}
    return HttpResponseError(response=Response(status, body, {k.replace("_", "-"): v for k, v in headers.items()}))  # type: ignore[arg-type]


def find_owned(error: Exception, **more: Any) -> CloudlinkError:
    translated = translate(error, **more)
    assert translated is not None
    return translated


@pytest.mark.parametrize(
    ("error", "kind", "summary"),
    [
        (answer(400, "NonAzSkusNotAllowedForVPNGateway"), CloudError, "Azure no longer makes VPN gateways of this SKU"),
        (answer(403, "RequestDisallowedByPolicy"), CloudError, "An Azure policy forbids it"),
        (answer(409, "ScopeLocked"), CloudError, "A lock in Azure forbids it"),
        (answer(400, "PublicIPCountLimitReached"), CloudError, "A quota in Azure is used up"),
        (answer(409, "QuotaExceeded"), CloudError, "A quota in Azure is used up"),
        (answer(404, "SubscriptionNotFound"), MissingError, "The Azure subscription was not found"),
        (answer(404, "ResourceGroupNotFound"), MissingError, "The resource group was not found"),
        (answer(400, "SomethingNew"), CloudError, "Azure refused the request"),
        (answer(429, "SubscriptionRequestsThrottled"), CloudError, "Azure asks to slow down"),
        (answer(409, "AnotherOperationInProgress"), CloudError, "Azure is still busy with an earlier operation"),
        (answer(503, "ServerTimeout"), UnreachableError, "Azure failed to answer"),
        (answer(401, "InvalidAuthenticationTokenTenant"), CredentialsError, "Not signed in to Azure"),
        (ClientAuthenticationError("no"), CredentialsError, "Not signed in to Azure"),
        (CredentialUnavailableError("none"), CredentialsError, "Not signed in to Azure"),
        (ServiceRequestError("refused"), NoContactError, "Azure cannot be reached"),
    ],
)
def test_translation(error: Exception, kind: type[CloudlinkError], summary: str) -> None:
    translated = find_owned(error)
    assert type(translated) is kind
    assert translated.summary == summary


def test_permission_names_the_action_and_the_request() -> None:
    message = (
        "The client 'x' does not have authorization to perform action 'Microsoft.Network/connections/write' over scope"
    )
    error = find_owned(answer(403, "AuthorizationFailed", message, x_ms_correlation_request_id="c-1"), tenant="t-1")
    assert isinstance(error, CredentialsError)
    assert error.detail.startswith("The action Microsoft.Network/connections/write is missing.")
    assert error.hint.endswith("az login --tenant t-1")
    assert error.request_id == "c-1"
    assert error.code == "AuthorizationFailed"


def test_other_errors_are_not_ours() -> None:
    for error in (ValueError("x"), KeyError("y"), TimeoutError()):
        assert translate(error) is None
        assert retryable(error) is None
        assert not unknown_outcome(error)
        assert not missing(error)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (answer(409, "AnotherOperationInProgress"), 10),
        (answer(429, "RetryableError", "The call can be retried in 12 seconds.", Retry_After="99"), 12),
        (answer(429, "ResourceRequestsThrottled", "Please try again after '324' seconds."), 324),
        (answer(429, "RetryableError", "A retryable error occurred.", "ReferencedResourceNotProvisioned"), 10),
        (answer(429, "TooMany", "slow down", retry_after_ms="2500"), 2.5),
        (answer(400, "InUseSubnetCannotBeDeleted"), 15),
        (answer(400, "VirtualNetworkGatewayCannotBeDeleted"), 15),
        (answer(409, "ResourceGroupBeingDeleted"), 15),
        (answer(409, "ScopeLocked"), None),
        (answer(400, "InvalidResourceReference"), None),
        (answer(500, "InternalServerError"), None),
        (ServiceResponseError("cut"), None),
    ],
)
def test_when_to_try_again(error: Exception, seconds: float | None) -> None:
    assert retryable(error) == seconds


def test_unknown_outcomes() -> None:
    assert unknown_outcome(answer(504, "GatewayTimeout"))
    assert unknown_outcome(ServiceResponseError("cut"))
    assert not unknown_outcome(answer(409, "AnotherOperationInProgress"))
    assert transient(answer(429, "ResourceRequestsThrottled", "again after '324' seconds")) == 30
    assert transient(answer(404, "ResourceNotFound")) is None


def test_missing_in_its_shapes() -> None:
    flat = HttpResponseError(response=Response(404, {"code": "NotFound", "message": "Could not find", "subcode": "x"}))  # type: ignore[arg-type]
    assert missing(flat)
    assert missing(answer(404, "ResourceNotFound"))
    assert missing(answer(404, "NotFound"))
    assert missing(answer(404, "ResourceGroupNotFound"))
    assert not missing(answer(404, "SubscriptionNotFound"))
    assert not missing(HttpResponseError(response=Response(404, "<html>")))  # type: ignore[arg-type]


def test_signed_addresses_are_not_shown() -> None:
    text = words_of("X", "use uri: https://management.azure.com/operations/1?api-version=1&t=2&c=" + "A" * 3000)
    assert text == "X: use uri: https://management.azure.com/operations/1"
    assert len(words_of("X", "long " * 1000)) < 1000


def test_peered_networks_that_use_the_gateway_are_advertised() -> None:
    def peering(transit: bool, state: str, prefix: str) -> dict[str, Any]:
        space = {"addressPrefixes": [prefix]}
        return {"properties": {"allowGatewayTransit": transit, "peeringState": state, "remoteAddressSpace": space}}

    raw = {
        "id": "/vnet",
        "name": "vnet",
        "properties": {
            "addressSpace": {"addressPrefixes": ["10.1.0.0/16", "fd00::/48"]},
            "subnets": [{"name": "s", "properties": {"addressPrefixes": ["10.1.1.0/24", "10.1.2.0/24"]}}],
            "virtualNetworkPeerings": [
                peering(True, "Connected", "10.2.0.0/16"),
                peering(False, "Connected", "10.3.0.0/16"),
                peering(True, "Disconnected", "10.4.0.0/16"),
            ],
        },
    }
    network = virtual_network(raw)
    assert network.advertised == (IPv4Network("10.1.0.0/16"), IPv4Network("10.2.0.0/16"))
    raw["properties"]["virtualNetworkPeerings"][0]["properties"]["remoteVirtualNetwork"] = {"id": "/Spoke"}  # type: ignore[index]
    assert virtual_network(raw, frozenset({"/spoke"})).advertised == (IPv4Network("10.1.0.0/16"),)
    assert virtual_network(raw, frozenset({"/other"})).advertised == network.advertised
    assert network.prefixes == (IPv4Network("10.1.0.0/16"),)
    assert network.subnets == {"s": (IPv4Network("10.1.1.0/24"), IPv4Network("10.1.2.0/24"))}


# --- as the real cloud has been seen to answer ------------------------------------------------------------


def recorded(name: str) -> Any:
    file = RECORDINGS / f"{name}.json"
    if not file.exists():
        pytest.skip(f"there are no recordings in {RECORDINGS}")
    return json.loads(file.read_text(encoding="utf-8"))["response"]


def recorded_error(name: str) -> HttpResponseError:
    said = recorded(name)
    return HttpResponseError(response=Response(said["status"], said["body"], said["headers"]))  # type: ignore[arg-type]


def test_recorded_errors() -> None:
    assert missing(recorded_error("aks_get_404"))
    assert retryable(recorded_error("err_409_AnotherOperationInProgress")) == 10
    assert retryable(recorded_error("err_429_RetryableErrorDueToAnotherOperation_vng")) == 12
    refused = find_owned(recorded_error("err_400_InvalidGatewaySku"))
    assert refused.code == "InvalidGatewaySkuSpecifiedForGatewayDeploymentType"


@pytest.mark.parametrize(
    ("name", "phase"),
    [
        ("vng_activeactive_bgp_put_201", Phase.CREATING),
        ("vng_activeactive_bgp_get_200_succeeded", Phase.READY),
        ("lng_bgp_put_201", Phase.CREATING),
        ("conn_get_200_2024", Phase.READY),
        ("publicip_standard_get_200", Phase.READY),
        ("aks_put_201", Phase.CREATING),
        ("aks_get_200_succeeded", Phase.READY),
    ],
)
def test_recorded_phases(name: str, phase: Phase) -> None:
    assert azure_resource.phase(azure_object(recorded(name)["body"]).state) is phase


def nodes() -> dict[str, Any]:
    from cloudlink.clouds.azure.client import Azure
    from cloudlink.clouds.cache import ReadCache
    from cloudlink.core.polling import WallClock
    from cloudlink.steps.azure_vpn.step import AzureSite, AzureVpn
    from tests.support.azure_sandbox import AWS_GATEWAY, AWS_VPNS

    azure = Azure(azure_link(), None, clock := WallClock(), ReadCache(clock))
    return {n.address: n for n in AzureVpn(AzureSite(azure_link(), azure), AWS_VPNS, AWS_GATEWAY, ()).nodes()}


def test_recorded_objects_can_be_read() -> None:
    of = nodes()
    local = of["azure_vpn.local_gateway[0]"].parse_spec(recorded("lng_bgp_get_200")["body"])
    assert local.address is not None
    assert local.asn > 0
    assert local.bgp_peer is not None
    plain = of["azure_vpn.connection[0]"].parse_spec(recorded("conn_get_200_2024")["body"])
    assert (plain.protocol, plain.type, plain.bgp, plain.bgp_addresses) == ("IKEv2", "IPsec", False, ())
    assert plain.policy.deviations
    custom = of["azure_vpn.connection[0]"].parse_spec(recorded("conn_ipsecpolicy_put_200_2024")["body"])
    assert custom.policy.esp_encryption == "AES256-GCM"
    ip = of["azure_vpn.public_ip[0]"]
    body = recorded("publicip_standard_get_200")["body"]
    assert ip.parse_spec(body).sku == "Standard"
    assert isinstance(ip.parse_outputs(body).address, IPv4Address)
    assert ip.parse_outputs(recorded("publicip_standard_put_201")["body"]) is None
    assert virtual_network(recorded("vnet_get_200")["body"]).prefixes
    cluster = cluster_outputs(recorded("aks_get_200_succeeded")["body"])
    assert cluster.version.startswith("1.")
    assert cluster.pod_cidr is not None


def test_nobody_signed_in_is_one_sentence_and_the_command_to_type() -> None:
    chain = "DefaultAzureCredential failed to retrieve a token from the included credentials.\nAttempted credentials:\n"
    error = translate(
        ClientAuthenticationError(
            message=chain + "\tEnvironmentCredential: EnvironmentCredential authentication unavailable. "
            "Environment variables are not fully configured.\n" * 9
        ),
        tenant=None,
        subscription="s",
    )
    assert error is not None
    assert error.exit_code == 4
    assert error.hint == "az login"
    assert "EnvironmentCredential" not in error.detail
    assert len(error.detail) < 120


def test_a_way_to_sign_in_that_was_there_and_failed_is_named_with_its_reason() -> None:
    error = translate(
        ClientAuthenticationError(
            message="DefaultAzureCredential failed to retrieve a token from the included credentials.\n"
            "Attempted credentials:\n"
            "\tEnvironmentCredential: Authentication failed: AADSTS7000215: Invalid client secret provided.\n"
            "\tManagedIdentityCredential: ManagedIdentityCredential authentication unavailable, no response.\n"
            "\tAzureCliCredential: Azure CLI not found on path\n"
        )
    )
    assert error is not None
    assert (
        error.detail == "EnvironmentCredential: Authentication failed: AADSTS7000215: Invalid client secret provided."
    )


# --- refusals by policies, zones, registration -----------------------------------------------------------------------

ASSIGNMENT = (
    "/providers/Microsoft.Management/managementGroups/corp/providers/Microsoft.Authorization/policyAssignments/req-tag"
)
DEFINITION = "/providers/Microsoft.Authorization/policyDefinitions/871b6d14"


def by_policy(*expressions: dict[str, Any], nested: bool = False, more: bool = True) -> HttpResponseError:
    """As Azure refuses a write. nested: as in a deployment; more: with additionalInfo, which older answers lack."""
    named = [
        {
            "policyAssignment": {"name": "Require a tag", "id": ASSIGNMENT},
            "policyDefinition": {"name": "Tag it", "id": DEFINITION},
        }
    ]
    info = {
        "policyDefinitionDisplayName": "Require a tag on resources",
        "policyDefinitionId": DEFINITION,
        "policyDefinitionName": "871b6d14",
        "policyDefinitionEffect": "deny",
        "policyAssignmentId": ASSIGNMENT,
        "policyAssignmentName": "req-tag",
        "policyAssignmentDisplayName": "Tags for the books",
        "policyAssignmentScope": "/providers/Microsoft.Management/managementGroups/corp",
        "policyAssignmentParameters": {"tagName": {"value": "CostCenter"}},
        "evaluationDetails": {"evaluatedExpressions": [*expressions]},
    }
    inner: dict[str, Any] = {
        "code": "RequestDisallowedByPolicy",
        "target": "cloudlink-demo-public-ip-1",
        "message": "Resource 'cloudlink-demo-public-ip-1' was disallowed by policy. "
        f"Policy identifiers: '{json.dumps(named)}'.",
    }
    if more:
        inner["additionalInfo"] = [{"type": "PolicyViolation", "info": info}]
    if nested:
        inner = {"code": "InvalidTemplateDeployment", "message": "See details.", "details": [inner]}
    return HttpResponseError(response=Response(403, {"error": inner}))  # type: ignore[arg-type]


def lacks(tag: str) -> dict[str, Any]:
    path = f"tags[{tag}]"
    return {"result": "True", "expressionKind": "Field", "path": path, "targetValue": "false", "operator": "Exists"}


@pytest.mark.parametrize("nested", [False, True])
def test_a_policy_that_wants_a_tag_is_named_with_assignment_and_tag(nested: bool) -> None:
    error = find_owned(by_policy(lacks("CostCenter"), lacks("Cost Owner"), nested=nested))
    assert error.summary == "An Azure policy wants a tag"
    for word in ("Require a tag on resources", "Tags for the books", "managementGroups/corp", "CostCenter, Cost Owner"):
        assert word in error.detail
    assert error.hint == '[tags]\nCostCenter = "..."\n"Cost Owner" = "..."'


def test_a_policy_that_wants_something_else_says_what() -> None:
    elsewhere = {
        "result": "True",
        "path": "location",
        "expressionValue": "westus",
        "targetValue": ["westeurope"],
        "operator": "NotIn",
    }
    error = find_owned(by_policy(elsewhere))
    assert error.summary == "An Azure policy forbids it"
    assert "location westus NotIn westeurope" in error.detail
    assert "--name req-tag --scope /providers/Microsoft.Management/managementGroups/corp" in error.hint


def test_a_policys_refusal_without_more_information_names_it_too() -> None:
    error = find_owned(by_policy(more=False))
    assert 'The policy "Tag it" (assignment "Require a tag")' in error.detail
    assert "--name req-tag" in error.hint


@pytest.mark.parametrize("info", [None, "x", [None], [{"type": "PolicyViolation", "info": None}], [{"type": "Other"}]])
def test_any_form_of_more_information_is_survived(info: Any) -> None:
    body = {"error": {"code": "RequestDisallowedByPolicy", "message": "no", "additionalInfo": info}}
    error = find_owned(HttpResponseError(response=Response(403, body)))  # type: ignore[arg-type]
    assert error.summary == "An Azure policy forbids it"


def test_the_two_hints_on_zones_send_nobody_round_in_a_circle() -> None:
    none = find_owned(answer(400, "LocationNotSupportAvailabilityZones"))
    wanted = find_owned(answer(400, "VmssVpnGatewayPublicIpsMustHaveZonesConfigured"))
    assert none.hint == "Set azure.vpn_gateway.zones = []. If it is so already, choose another azure.location."
    assert "that the location has" in wanted.hint
    assert "az account list-locations" in wanted.hint
    assert '["1"' not in wanted.hint


@pytest.mark.parametrize(
    ("message", "namespace"),
    [
        ("The subscription is not registered to use namespace 'Microsoft.Network'. See https://aka.ms/x", "Network"),
        ("Register Microsoft.ContainerService first.", "ContainerService"),
        ("no", "Network"),
    ],
)
def test_a_provider_that_is_not_registered_is_named_with_its_command(message: str, namespace: str) -> None:
    error = find_owned(answer(409, "MissingSubscriptionRegistration", message), subscription="s-1")
    assert error.hint.startswith(f"az provider register --subscription s-1 --namespace Microsoft.{namespace} --wait")
