"""Routes and security rules written one at a time, as ``az`` and Terraform's provider write them."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.network.models import Route, SecurityRule
from azure_sandbox import GROUP, Azure, code
from test_azure_groups_and_clusters import client_of, finish


def rule() -> SecurityRule:
    return SecurityRule(
        protocol="Udp",
        access="Allow",
        direction="Inbound",
        priority=100,
        source_address_prefix="10.10.0.0/16",
        source_port_range="*",
        destination_address_prefix="*",
        destination_port_range="53",
    )


@pytest.mark.documentation("Routes and security rules have addresses of their own and are shown by what holds them")
@pytest.mark.parametrize(
    ("holders", "entries", "held", "body", "word"),
    [
        (
            "route_tables",
            "routes",
            "routes",
            Route(address_prefix="10.10.0.0/16", next_hop_type="VirtualNetworkGateway"),
            "next_hop_type",
        ),
        ("network_security_groups", "security_rules", "security_rules", rule(), "access"),
    ],
)
def test_entries_have_addresses_of_their_own(
    seeded: Azure, holders: str, entries: str, held: str, body: Any, word: str
) -> None:
    client = client_of(seeded, NetworkManagementClient)
    holder, entry = getattr(client, holders), getattr(client, entries)
    finish(seeded, holder.begin_create_or_update(GROUP, "mine", {"location": "westeurope"}))
    made = finish(seeded, entry.begin_create_or_update(GROUP, "mine", "one", body))
    assert (made.name, made.provisioning_state) == ("one", "Succeeded")
    assert getattr(made, word) == getattr(body, word)
    assert [e.name for e in entry.list(GROUP, "mine")] == ["one"]
    assert [e.name for e in getattr(holder.get(GROUP, "mine"), held)] == ["one"]
    finish(seeded, entry.begin_create_or_update(GROUP, "mine", "ONE", body))  # names have no case
    assert len(list(entry.list(GROUP, "mine"))) == 1
    finish(seeded, entry.begin_delete(GROUP, "mine", "one"))
    assert getattr(holder.get(GROUP, "mine"), held) == []
    with pytest.raises(ResourceNotFoundError):
        entry.get(GROUP, "mine", "one")
    with pytest.raises(ResourceNotFoundError) as refused:
        entry.begin_create_or_update(GROUP, "nobody's", "one", body)
    assert refused.value.error is not None
    assert refused.value.error.code == "ParentResourceNotFound"


@pytest.mark.documentation(
    "A security group has default rules; two of one's own cannot have the same priority and direction"
)
def test_rules_with_the_same_priority_are_refused(seeded: Azure) -> None:
    client = client_of(seeded, NetworkManagementClient)
    group = {"location": "westeurope"}
    finish(seeded, client.network_security_groups.begin_create_or_update(GROUP, "mine", group))
    finish(seeded, client.security_rules.begin_create_or_update(GROUP, "mine", "one", rule()))
    defaults = [r.name for r in client.default_security_rules.list(GROUP, "mine")]
    shown = client.network_security_groups.get(GROUP, "mine").default_security_rules
    assert [r.name for r in shown] == defaults
    assert {"AllowVnetInBound", "DenyAllInBound"} <= set(defaults)
    with pytest.raises(HttpResponseError) as refused:
        client.security_rules.begin_create_or_update(GROUP, "mine", "two", rule())
    assert refused.value.error is not None
    assert refused.value.error.code == "SecurityRuleConflict"
    assert [r.name for r in client.security_rules.list(GROUP, "mine")] == ["one"]


@pytest.mark.documentation("A virtual network keeps what Terraform's provider always sends with it")
def test_what_a_vnet_is_given_is_kept_or_refused(seeded: Azure) -> None:
    path = seeded.path("virtualNetworks", "mine")
    space = {"addressSpace": {"addressPrefixes": ["10.70.0.0/16"]}}
    given = {"privateEndpointVNetPolicies": "Disabled", "flowTimeoutInMinutes": 10}
    seeded.settle(seeded.call("PUT", path, {"location": "westeurope", "properties": space | given}))
    kept = seeded.call("GET", path).json()["properties"]
    assert {name: kept[name] for name in given} == given
    encrypted = space | {"encryption": {"enabled": True}}
    answer = seeded.call("PUT", path, {"location": "westeurope", "properties": encrypted})
    assert code(answer) == (400, "NotModelledBySandbox")
