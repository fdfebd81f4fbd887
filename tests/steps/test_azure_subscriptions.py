"""The VNet in one subscription, the cluster in another, the gateway in the link's: each is read and written in its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloudlink.clouds.ownership import VNET_TAG
from tests.support.azure_sandbox import AzureSandbox, Server, azure_link
from tests.support.links import SUBSCRIPTION

HUB, APPS = "11111111-1111-2222-3333-444444444444", "22222222-1111-2222-3333-444444444444"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("sandbox"))
    yield server
    server.listener.stop()


def test_each_object_is_where_its_subscription_is(server: Server) -> None:
    sandbox = AzureSandbox(azure_link(vnet_in=HUB, aks_in=APPS), server)
    assert sandbox.azure.vnet() is not None
    cluster = sandbox.azure.aks_cluster()
    assert cluster is not None
    assert f"/{APPS}/" in cluster["id"]
    sandbox.make_all()
    subnet = sandbox.record("apps/subnets/GatewaySubnet")
    assert subnet.id.subscription == HUB
    gateway = sandbox.record("virtualNetworkGateways/cloudlink-demo-gateway")
    assert gateway.id.subscription == SUBSCRIPTION
    used = gateway.properties["ipConfigurations"][0]["properties"]["subnet"]["id"]
    assert used.lower() == subnet.id.key
    assert gateway.tags[VNET_TAG].startswith(HUB)
    ours = {r.id.split("/")[2] for r in sandbox.azure.resources_by_tag()}
    assert ours == {SUBSCRIPTION}


def test_a_cluster_that_is_not_in_its_subscription_is_missing(server: Server) -> None:
    sandbox = AzureSandbox(azure_link(), server)
    azure, step = sandbox.reconnect(azure_link(aks_in=HUB))
    del step
    with pytest.raises(Exception, match=HUB):
        azure.aks_cluster()
