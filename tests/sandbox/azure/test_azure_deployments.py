"""Template deployments, in the form in which ``az network vpn-connection create`` sends them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from azure_sandbox import GROUP, SUBSCRIPTION, Azure, code, connection, gateway, lng
from test_azure_recordings import FOLDER, Case, compare, load

API = "2022-09-01"


def template(azure: Azure, **properties: Any) -> dict[str, Any]:
    body = connection(azure, **{"sharedKey": "[parameters('sharedKey')]", **properties})
    body["properties"]["virtualNetworkGateway1"] = {
        "id": "[resourceId('Microsoft.Network/virtualNetworkGateways', 'gw')]"
    }
    resource = {"type": "Microsoft.Network/connections", "name": "conn", "apiVersion": "2015-06-15", "dependsOn": []}
    return {
        "properties": {
            "mode": "Incremental",
            "parameters": {"sharedKey": {"value": "from-az".replace("-", "")}},
            "template": {
                "$schema": "https://schema.management.azure.com/schemas/2015-01-01/deploymentTemplate.json#",
                "contentVersion": "1.0.0.0",
                "parameters": {"sharedKey": {"type": "secureString"}},
                "variables": {},
                "resources": [resource | body],
                "outputs": {"resource": {"type": "object", "value": "[reference('conn')]"}},
            },
        }
    }


def path(name: str = "vpn_connection_deploy") -> str:
    return f"/subscriptions/{SUBSCRIPTION}/resourcegroups/{GROUP}/providers/Microsoft.Resources/deployments/{name}"


@pytest.mark.recorded("A deployment is accepted with 201, Running, then Succeeded with its outputs")
@pytest.mark.documentation("A secure parameter is not shown")
def test_a_connection_can_be_deployed(built: Azure) -> None:
    started = built.call("PUT", path(), template(built), api=API)
    assert (started.status_code, started.json()["properties"]["provisioningState"]) == (201, "Accepted")
    url = started.headers["Azure-AsyncOperation"]
    assert built.call("GET", url).json() == {"status": "Running"}
    built.advance(60)
    assert built.call("GET", url).json() == {"status": "Succeeded"}
    shown = built.call("GET", path(), api=API).json()["properties"]
    assert shown["outputs"]["resource"]["value"]["provisioningState"] == "Succeeded"
    assert shown["parameters"] == {"sharedKey": {"type": "secureString"}}
    assert built.call("GET", built.path("connections", "conn") + "/sharedkey").json() == {"value": "fromaz"}


@pytest.mark.recorded("A deployment of a connection waits while its gateway is being updated")
def test_a_deployment_waits_while_its_gateway_is_updated(built: Azure) -> None:
    built.call("PUT", built.path("virtualNetworkGateways", "gw"), gateway(built))
    url = built.call("PUT", path(), template(built), api=API).headers["Azure-AsyncOperation"]
    assert built.call("GET", built.path("connections", "conn")).status_code == 404
    built.advance(600)
    assert built.call("GET", url).json() == {"status": "Running"}
    assert built.call("GET", built.path("connections", "conn")).status_code == 200
    built.advance(60)
    assert built.call("GET", url).json() == {"status": "Succeeded"}


@pytest.mark.recorded("A failed deployment wraps the resource's own error in DeploymentFailed")
def test_a_failure_is_wrapped_as_recorded(built: Azure) -> None:
    body = template(built)
    body["properties"]["template"]["resources"] = [
        {"type": "Microsoft.Network/localNetworkGateways", "name": "l", "apiVersion": "2015-06-15"}
        | lng(peer="255.255.255.255")
    ]
    body["properties"]["template"]["outputs"] = {}
    url = built.call("PUT", path(), body, api=API).headers["Azure-AsyncOperation"]
    built.advance(60)
    answer = built.call("GET", url)
    ended = answer.json()
    assert (ended["status"], ended["error"]["code"]) == ("Failed", "DeploymentFailed")
    inner = json.loads(ended["error"]["details"][0]["message"])
    assert inner["error"]["details"][0] == {
        "code": "InvalidIPAddress",
        "message": "The specified BGP peer IP address '255.255.255.255' is not valid.",
        "details": [],
    }
    if FOLDER.is_dir():
        file = "err_op_failed_InvalidIPAddress_bgp.json"
        compare(Case(file), load(file)["response"], answer)


@pytest.mark.own("Expressions that are not modelled fail the deployment")
@pytest.mark.parametrize(
    "change",
    [
        {"sharedKey": "[uniqueString('a')]"},
        {"sharedKey": "[parameters('other')]"},
    ],
)
def test_expressions_that_are_not_known_fail_the_deployment(built: Azure, change: dict[str, str]) -> None:
    url = built.call("PUT", path(), template(built, **change), api=API).headers["Azure-AsyncOperation"]
    assert built.call("GET", url).json()["status"] == "Failed"


@pytest.mark.documentation(
    "A missing parameter or an unknown type is InvalidTemplate, an unknown deployment DeploymentNotFound"
)
def test_templates_are_checked_first(built: Azure) -> None:
    missing = template(built)
    missing["properties"]["parameters"] = {}
    assert code(built.call("PUT", path(), missing, api=API)) == (400, "InvalidTemplate")
    unknown = template(built)
    unknown["properties"]["template"]["resources"][0]["type"] = "Microsoft.Coffee/cups"
    assert code(built.call("PUT", path(), unknown, api=API)) == (400, "InvalidTemplate")
    assert built.call("POST", path() + "/validate", template(built), api=API).status_code == 200
    assert code(built.call("GET", path(), api=API)) == (404, "DeploymentNotFound")
