"""Security admin rules of a network manager over what pods send to AWS. Pure but for who is asked what."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest

from cloudlink.checks.preflight import admin_rules
from cloudlink.checks.preflight.filters import Destination
from cloudlink.clouds.azure.parse_filters import admin_rules as parse
from cloudlink.clouds.azure.parse_network import Subnet
from cloudlink.core.plan import Action
from cloudlink.errors import Finding, MalformedError, Severity
from tests.support.pinned import pinned

from .account import context
from .samples import plan, told

VNET = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v"
NODES = Subnet(f"{VNET}/subnets/aks", "aks", (IPv4Network("10.20.0.0/22"),))
RULES = (
    "/subscriptions/m/resourceGroups/g/providers/Microsoft.Network/networkManagers/company/securityAdminConfigurations/c/"
    "ruleCollections/rc/rules"
)
ENDPOINT = Destination("the Resolver endpoint", frozenset({("udp", 53), ("tcp", 53)}))
VPC = (IPv4Network("10.10.0.0/16"),)


def rule(name: str = "no", **properties: Any) -> dict[str, Any]:
    """As Azure's example of the list has one."""
    return {
        "id": f"{RULES}/{name}",
        "kind": "Custom",
        "properties": {
            "protocol": "Any",
            "sources": [{"addressPrefixType": "IPPrefix", "addressPrefix": "*"}],
            "destinations": [{"addressPrefixType": "IPPrefix", "addressPrefix": "*"}],
            "sourcePortRanges": ["0-65535"],
            "destinationPortRanges": ["53"],
            "direction": "Outbound",
            "access": "Deny",
            "priority": 10,
            **properties,
        },
    }


def prefix(text: str, kind: str = "IPPrefix") -> list[dict[str, str]]:
    return [{"addressPrefixType": kind, "addressPrefix": text}]


def found(*rules: dict[str, Any]) -> list[Finding]:
    said = pinned(admin_rules.check([NODES], {VNET.lower(): parse(rules)}, [ENDPOINT], VPC))
    assert told(said) == [
        (Severity.OBSTACLE, "A security admin rule of a network manager drops what goes to AWS") for _ in said
    ]
    return said


@pytest.mark.parametrize(
    ("rules", "dropped"),
    [
        ([], ""),
        ([rule()], "tcp/53, udp/53"),
        ([rule(protocol="Udp")], "udp/53"),
        ([rule(protocol="Icmp")], ""),
        ([rule(direction="Inbound")], ""),
        ([rule(access="Allow")], ""),
        ([rule(access="AlwaysAllow", priority=5), rule()], ""),
        ([rule(access="Allow", priority=5), rule()], ""),
        ([rule(access="Allow", priority=20), rule()], "tcp/53, udp/53"),
        ([rule(destinations=prefix("10.0.0.0/8"))], "tcp/53, udp/53"),
        ([rule(destinations=prefix("10.30.0.0/16"))], ""),
        ([rule(sources=prefix("10.30.0.0/16"))], ""),
        ([rule(destinations=prefix("Internet", "ServiceTag"))], ""),
        ([rule(destinations=prefix(f"{RULES}/networkGroups/g", "NetworkGroup"))], ""),
        ([rule(destinationPortRanges=["0-65535"], destinations=[])], "tcp/53, udp/53"),
        ([rule(destinationPortRanges=["443", "8080-8090"])], ""),
    ],
)
def test_the_first_rule_that_fits_decides(rules: list[dict[str, Any]], dropped: str) -> None:
    assert [f"drops {dropped} from aks to 10.10.0.0/16" in f.detail for f in found(*rules)] == [True] * bool(dropped)


def test_what_is_said_names_rule_and_manager() -> None:
    (finding,) = found(rule("no-dns"))
    assert "The rule no-dns of the network manager company" in finding.detail
    assert f"az rest --url {RULES}/no-dns?" in finding.hint and "before priority 10" in finding.hint


def test_an_answer_without_its_form_is_malformed() -> None:
    with pytest.raises(MalformedError):
        parse([rule(destinationPortRanges=["http"])])


def test_nothing_is_asked_where_nothing_is_made() -> None:
    assert list(admin_rules.find(context(plan(Action.NO_OP), azure={}))) == []
