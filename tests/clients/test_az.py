"""az, unmodified: sign-in, network, groups and clusters, beyond what the page of docs/clients.md does."""

from __future__ import annotations

import json

import pytest

from tests.clients.shell import Clients

GATEWAY = "--resource-group contoso-hub"


@pytest.fixture(scope="session")
def group(clients: Clients) -> str:
    clients.az("group create --name others --location westeurope --tags team=one")
    return "others"


@pytest.mark.program("az signs in as a service principal, and is told why it cannot")
def test_signing_in(clients: Clients) -> None:
    account, token, listed = clients.together(
        lambda: clients.az("account show"),
        lambda: clients.az("account get-access-token"),
        lambda: clients.az("account list-locations --query [].name"),
    )
    assert account["environmentName"] == "cloudlink"
    assert account["user"]["type"] == "servicePrincipal"
    assert token["tokenType"] == "Bearer"
    assert "westeurope" in listed
    nobody = account["user"]["name"].replace("5", "6")  # for the true one az would not ask again: it has a token
    said = clients.refused(f"az login --service-principal -u {nobody} -p no --tenant {account['tenantId']}")
    assert "AADSTS700016" in said


@pytest.mark.program("az makes, shows, lists, updates and deletes a VNet")
def test_networks_are_listed_shown_made_and_deleted(clients: Clients, group: str) -> None:
    made = clients.az(
        f"network vnet create -g {group} -n net --address-prefixes 10.99.0.0/16 --subnet-name a --subnet-prefixes 10.99.0.0/24"
    )
    assert made["newVNet"]["provisioningState"] == "Succeeded"
    listed, shown, subnets = clients.together(
        lambda: clients.az("network vnet list --query [].name"),
        lambda: clients.az(f"network vnet show -g {group} -n net"),
        lambda: clients.az(f"network vnet subnet list -g {group} --vnet-name net"),
    )
    assert {"net", "test-vnet"} <= set(listed)
    assert shown["addressSpace"]["addressPrefixes"] == ["10.99.0.0/16"]
    assert [s["addressPrefix"] for s in subnets] == ["10.99.0.0/24"]
    clients.az(f"network vnet update -g {group} -n net --set tags.a=b")
    clients.az(f"network vnet delete -g {group} -n net")
    assert "ResourceNotFound" in clients.refused(f"az network vnet show -g {group} -n net")


@pytest.mark.program("az makes a connection by a deployment of its own")
def test_a_connection_is_made_by_a_deployment_and_deleted(clients: Clients) -> None:
    """On the gateway of somebody else, with the local gateway that is there."""
    made = clients.az(
        f"network vpn-connection create {GATEWAY} -n branch --vnet-gateway1 hub-gateway --local-gateway2 branch-office",
        "--shared-key", "a_key", "--tags", "team=two",
    )  # fmt: skip
    assert made["resource"]["provisioningState"] == "Succeeded"
    listed, deployments = clients.together(
        lambda: clients.az(f"network vpn-connection list {GATEWAY} --query [].name"),
        lambda: clients.az(f"deployment group list {GATEWAY} --query [].properties.provisioningState"),
    )
    assert listed == ["branch"]
    assert set(deployments) == {"Succeeded"}
    assert "VirtualNetworkGatewayCannotBeDeleted" in clients.refused(
        f"az network vnet-gateway delete {GATEWAY} -n hub-gateway"
    )
    clients.az(f"network vpn-connection delete {GATEWAY} -n branch")
    assert clients.az(f"network vpn-connection list {GATEWAY}") == []


@pytest.mark.recorded("az shows Azure's codes and ends with its exit codes")
@pytest.mark.parametrize(
    ("command", "code", "exit_code"),
    [
        ("network vpn-connection show -g test -n nothing", "ResourceNotFound", 3),
        ("network vnet show -g nowhere -n nothing", "ResourceGroupNotFound", 3),
        ("network vnet subnet show -g test --vnet-name test-vnet -n nothing", "NotFound", 3),
        ("aks show -g test -n nothing", "ResourceNotFound", 3),
        ("network public-ip create -g test -n p --sku Standard --location nowhere", "LocationNotAvailable", 1),
        ("network vnet create -g test -n v --address-prefixes 10.0.0.0/33", "Invalid", 1),
    ],
)
def test_refusals(clients: Clients, command: str, code: str, exit_code: int) -> None:
    said = clients.run("az", *command.split())
    assert code in said.err
    assert said.code == exit_code


@pytest.mark.program("az lists resources by tag and group")
def test_resources_by_tag_and_group(clients: Clients, group: str) -> None:
    clients.az(f"network public-ip create -g {group} -n tagged --sku Standard --tags cloudlink=probe")
    clients.advance("10m")  # the index of tags lags
    tagged, inside = clients.together(
        lambda: clients.az("resource list --tag cloudlink=probe --query [].name"),
        lambda: clients.az(f"resource list -g {group} --query [].name"),
    )
    assert tagged == ["tagged"]
    assert "tagged" in inside


@pytest.mark.program("az makes, shows and deletes a group with what is in it")
def test_a_group_with_what_is_in_it(clients: Clients) -> None:
    clients.az("group create --name short-lived --location westeurope")
    clients.az(
        "network local-gateway create -g short-lived -n l --gateway-ip-address 192.0.2.9 --local-address-prefixes 10.7.0.0/16"
    )
    shown, exists = clients.together(
        lambda: clients.az("group show --name short-lived"), lambda: clients.az("group exists --name short-lived")
    )
    assert shown["properties"]["provisioningState"] == "Succeeded"
    assert exists is True
    clients.az("group delete --name short-lived --yes")
    assert clients.az("group exists --name short-lived") is False


@pytest.mark.program("az lists and shows clusters and their pools")
def test_clusters(clients: Clients) -> None:
    listed, shown, pools = clients.together(
        lambda: clients.az("aks list"),
        lambda: clients.az("aks show -g test -n test"),
        lambda: clients.az("aks nodepool list -g test --cluster-name test"),
    )
    assert [c["name"] for c in listed] == ["test"]
    assert shown["networkProfile"]["networkPluginMode"] == "overlay"
    assert pools[0]["count"] == 3


@pytest.mark.program("The kubeconfigs that az writes open AKS")
@pytest.mark.parametrize(("more", "context"), [((), "test"), (("--admin",), "test-admin")])
def test_credentials_of_a_cluster(clients: Clients, more: tuple[str, ...], context: str) -> None:
    path = clients.folder / f"{context}.yaml"
    clients.ok("az", "aks", "get-credentials", "-g", "test", "-n", "test", "--file", str(path), *more)
    assert path.stat().st_mode & 0o777 == 0o600
    said = clients.kubectl(context, "get namespaces --output name", KUBECONFIG=str(path))
    assert "namespace/kube-system" in said.rows


@pytest.mark.program("az rest reads what has no command")
def test_anything_else_by_rest(clients: Clients) -> None:
    url = "/subscriptions/{subscriptionId}/resourceGroups/test/providers/Microsoft.Network/networkSecurityGroups?api-version=2024-05-01"
    said = clients.ok("az", "rest", "--method", "get", "--url", url)
    assert [g["name"] for g in json.loads(said.out)["value"]] == ["test-vnet-aks"]
    nonsense = url.replace("2024-05-01", "soon")
    assert "InvalidApiVersionParameter" in clients.run("az", "rest", "--method", "get", "--url", nonsense).err
