"""Each part of what forwards names from the VNet keeps the contract of resources, against the sandbox's Azure over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from cloudlink.core.resource import Outputs, Ownership, Phase, Resource
from cloudlink.errors import ConflictError
from cloudlink.steps.dns_forward.rules import ForwardingRule, VnetForward
from cloudlink.steps.outputs import Endpoint
from cloudlink.steps.permissions import Joins
from tests.support.azure_sandbox import AzureSandbox, Server, Stand, azure_link
from tests.support.contract import NO_RECEIPTS, bring_up, check_contract, take_down

ADDRESSES = {"subnet-1": IPv4Address("10.10.1.10"), "subnet-2": IPv4Address("10.10.2.10")}
ZONE_RULE = 5  # of the parts


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("sandbox"))
    yield server
    server.listener.stop()


class Bench:
    def __init__(self, server: Server) -> None:
        link = azure_link()
        link = replace(link, dns=replace(link.dns, forward="vnet"))
        self.sandbox = AzureSandbox(link, server, True)
        self.sandbox.make("azure_vpn.resource_group")
        self.sandbox.make("azure_vpn.network")
        azure, step = self.sandbox.reconnect(link)
        self.azure = azure
        endpoint = Stand(address="resolver.endpoint", title="")
        self.forward = VnetForward(link, azure, endpoint, step.network)
        self.outputs = Outputs(self.sandbox.outputs).with_(endpoint, Endpoint("rslvr-in-1", ADDRESSES))

    @property
    def parts(self) -> list[Resource[Any, Any]]:
        return [n for n in self.forward.nodes() if isinstance(n, Resource)]

    def wait(self, seconds: float) -> None:
        self.sandbox.time.wait(10 * seconds)

    def make(self, part: Resource[Any, Any]) -> None:
        found = bring_up(part, self.outputs, self.wait)
        self.outputs = self.outputs.with_(part, found.outputs)


@pytest.fixture
def bench(server: Server) -> Bench:
    return Bench(server)


@pytest.mark.parametrize("number", range(1, ZONE_RULE + 1))
def test_each_part_keeps_the_contract(bench: Bench, number: int) -> None:
    for part in bench.parts[:number]:
        bench.make(part)
    part = bench.parts[number]

    def drift(found: Any) -> None:
        record = bench.sandbox.record(found.id)
        record.properties["targetDnsServers"] = [{"ipAddress": "10.99.0.9", "port": 5353}]
        record.properties["forwardingRuleState"] = "Disabled"

    check_contract(
        part,
        bench.outputs,
        wait=bench.wait,
        make_drift=drift if number == ZONE_RULE else None,
        foreign_objects=bench.sandbox.others,
        writes=lambda: len(bench.sandbox.writes()),
    )


def test_a_subnet_that_failed_keeps_what_others_have_put_on_it(bench: Bench) -> None:
    """A landing zone puts a security group on every subnet; a PUT takes away what it does not name."""
    subnet = bench.parts[0]
    bench.make(subnet)
    record = bench.sandbox.record(bench.azure.dns_subnet_id)
    place = bench.azure.vnet_id.partition("/virtualNetworks/")[0]
    groups = f"{place}/networkSecurityGroups"
    bench.azure._session.ask("PUT", f"{groups}/fence", body={"location": "westeurope"})
    bench.wait(60)
    record.properties["networkSecurityGroup"] = {"id": f"{groups}/fence"}
    record.properties["delegations"] = []
    record.state = "Failed"
    found = subnet.find(NO_RECEIPTS, fresh=True)
    assert found is not None
    assert isinstance(subnet, Joins)
    assert list(subnet.joined()) == [("networkSecurityGroups", f"{groups}/fence")]
    subnet.update(found, subnet.spec(bench.outputs))
    bench.wait(60)
    written = subnet.find(NO_RECEIPTS, fresh=True)
    assert written is not None
    assert written.phase is Phase.READY
    again = bench.sandbox.record(bench.azure.dns_subnet_id)
    assert again.properties["networkSecurityGroup"]["id"] == f"{groups}/fence"
    assert again.properties["delegations"][0]["properties"]["serviceName"] == "Microsoft.Network/dnsResolvers"


def test_a_rule_without_our_marks_is_not_ours(bench: Bench) -> None:
    for part in bench.parts:
        bench.make(part)
    rule = bench.parts[ZONE_RULE]
    assert isinstance(rule, ForwardingRule)
    found = rule.find(NO_RECEIPTS, fresh=True)
    assert found is not None
    record = bench.sandbox.record(found.id)
    kept = record.properties.pop("metadata")
    bench.wait(1)
    with pytest.raises(ConflictError, match="is not ours"):
        rule.find(NO_RECEIPTS, fresh=True)
    record.properties["metadata"] = {**kept, "cloudlink-vpc": "vpc-0ffffffffffffffff"}
    bench.wait(1)
    with pytest.raises(ConflictError, match="Another link has this name"):
        rule.find(NO_RECEIPTS, fresh=True)
    record.properties["metadata"] = kept
    bench.wait(1)
    for part in reversed(bench.parts):
        seen = part.find(NO_RECEIPTS, fresh=True)
        assert seen is not None
        take_down(part, seen, bench.wait)


def test_a_link_of_the_ruleset_is_ours_by_its_marks_and_not_by_its_name(bench: Bench) -> None:
    for part in bench.parts[:ZONE_RULE]:
        bench.make(part)
    link = bench.parts[ZONE_RULE - 1]
    found = link.find(NO_RECEIPTS, fresh=True)
    assert found is not None and found.owned is Ownership.OWNED
    record = bench.sandbox.record(found.id)
    kept = record.properties.pop("metadata")
    bench.wait(1)
    found = link.find(NO_RECEIPTS, fresh=True)
    assert found is not None and found.owned is Ownership.ADOPTED
    record.properties["metadata"] = {**kept, "cloudlink-vnet": "s/other/vnet"}
    bench.wait(1)
    found = link.find(NO_RECEIPTS, fresh=True)
    assert found is not None and found.owned is Ownership.ADOPTED


def test_a_rule_of_a_link_of_our_name_elsewhere_keeps_the_ruleset(bench: Bench) -> None:
    """A VNet that is linked to our ruleset, too, may have a link of the same name."""
    for part in bench.parts:
        bench.make(part)
    rule, ruleset = bench.parts[ZONE_RULE], bench.parts[ZONE_RULE - 2]
    found, held = rule.find(NO_RECEIPTS, fresh=True), ruleset.find(NO_RECEIPTS, fresh=True)
    assert found is not None and held is not None
    record = bench.sandbox.record(found.id)
    record.properties["metadata"] = {**record.properties["metadata"], "cloudlink-vnet": "s/other/vnet"}
    bench.wait(1)
    with pytest.raises(ConflictError, match="used by others"):
        ruleset.delete(held, None)


def test_a_rules_name_fits_azure(bench: Bench) -> None:
    rule = bench.parts[ZONE_RULE]
    assert isinstance(rule, ForwardingRule)
    assert len(replace(rule, zone="a" * 60 + ".corp.example").name) <= 80
    assert replace(rule, zone="a-b.example").name != replace(rule, zone="a.b.example").name


def test_what_status_says_of_the_rules(bench: Bench) -> None:
    said = bench.forward.forward
    assert "no forwarding rule" in said.status().problem
    for part in bench.parts:
        bench.make(part)
    here = tuple(ADDRESSES.values())
    assert said.status(here).problem == ""
    assert "the endpoint has 10.10.9.9" in said.status((IPv4Address("10.10.9.9"),)).problem
    rule = bench.parts[ZONE_RULE].find(NO_RECEIPTS)
    assert rule is not None
    bench.sandbox.record(rule.id).properties["forwardingRuleState"] = "Disabled"
    bench.wait(1)
    bench.azure.vnet_dns(fresh=True)
    assert "is switched off" in said.status(here).problem
