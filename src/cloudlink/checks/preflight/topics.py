"""What is looked at before the first write, by kind of link."""

from __future__ import annotations

from cloudlink.checks.preflight import (
    admin_rules,
    aks,
    aws,
    azure,
    azure_gateway,
    back,
    coredns,
    cost,
    eks,
    existing,
    filters,
    gateways,
    host_rules,
    mesh,
    names,
    network_policies,
    permissions,
    probe,
    quotas,
    ranges,
    signin,
    targets,
    transit,
    vnet_dns,
    vpc_dns,
)
from cloudlink.checks.preflight.context import Topic
from cloudlink.link import Link

TOPICS: tuple[tuple[str, Topic], ...] = (
    ("ranges", ranges.find),
    ("aws", aws.find),
    ("aws", gateways.find),
    ("transit gateway", transit.find),
    ("network ACLs", filters.find_aws),
    ("prefix lists", filters.find_prefix_lists),
    ("security groups", filters.find_azure),
    ("network managers", admin_rules.find),
    ("azure", azure.find),
    ("azure", azure_gateway.find),
    ("aks", aks.find),
    ("names", names.find),
    ("names", targets.find),
    ("names", eks.find),
    ("names", host_rules.find),
    ("coredns", coredns.find),
    ("coredns", coredns.find_local_dns),
    ("coredns", probe.find),
    ("names", vnet_dns.find),
    ("names", vpc_dns.find),
    ("names", back.find),
    ("coredns", network_policies.find),
    ("aks", mesh.find),
    ("quotas", quotas.find),
    ("permissions", permissions.find),
    ("sign-in", signin.find),
    ("cost", cost.find),
)
"""Each topic's name, and the function that reads its facts and gives its findings."""

OVER_EXISTING: tuple[tuple[str, Topic], ...] = (
    *(
        ("path", existing.find) if topic is azure.find else (name, topic)
        for name, topic in TOPICS
        if topic not in (gateways.find, azure_gateway.find, transit.find, filters.find_prefix_lists)
    ),
    ("azure", azure.find_names),
)
"""The same where somebody else has joined the networks."""


def before_writes(link: Link) -> tuple[tuple[str, Topic], ...]:
    if not link.makes_vpn:
        return OVER_EXISTING
    return tuple(t for t in TOPICS if link.aws.transit or t[1] is not transit.find)
