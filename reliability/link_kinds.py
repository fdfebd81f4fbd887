"""The kinds of link that a random life is led on: each has a configuration of its own, other configurations that it may change
to, and what others have made in both clouds before it comes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from reliability.harness import Harness
from reliability.snapshot import Snapshots

Edits = dict[str, tuple[tuple[str, str], ...]]
TRANSIT_GATEWAY = "tgw-0aaaabbbbccccdddd"
ADOPTED_ZONE = "Z0ADOPTED0SHARED0"
THEIR_ADDRESS = "169.254.22.250"
_GROUP = "/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/test/providers/Microsoft.Network"
_GATEWAY = f"{_GROUP}/virtualNetworkGateways/shared"
_API = "2024-05-01"
_DNS_API = "2022-07-01"
IN_S3, IN_A_BLOB = "s3://team-state/links/demo.json", "azblob://teamstate/links/demo.json"
_TEXT = """\
name = "demo"
{link}
[tags]
team = "blue"
[aws]
region = "eu-central-1"
vpc = "vpc-0a1b2c3d4e5f60718"
eks_cluster = "production"
{aws}
[azure]
subscription = "00000000-1111-2222-3333-444444444444"
resource_group = "test"
location = "westeurope"
[azure.vnet]
name = "{vnet}"
{gateway}
[azure.aks]
name = "test"
[dns]
zone = "prod.corp.example"
{zone}
[[dns.hosts]]
name = "app"
load_balancer = "app-internal"
[[dns.hosts]]
name = "postgres"
addresses = ["10.10.8.15", "10.10.24.15"]
ports = [5432]
"""
_NEW_GATEWAY = '[azure.vpn_gateway]\nsubnet_prefix = "10.20.255.0/27"'
_ADOPTED_GATEWAY = '[azure.vpn_gateway]\nadopt = "shared"'
_FIRST_HOST = '[[dns.hosts]]\nname = "app"\n'
_MORE_ZONES = """\
[[dns.zones]]
zone = "data.prod.corp.example"
[[dns.zones.hosts]]
name = "orders"
addresses = ["10.10.8.16"]
[[dns.zones]]
zone = "other.example"
[[dns.zones.hosts]]
name = "old"
addresses = ["10.10.8.18"]
"""
_CLUSTER = '[[azure.clusters]]\nname = "{}"\n'
_GREEN, _BLUE = _CLUSTER.format("green"), _CLUSTER.format("blue")
_BACK = '[[dns.back]]\nzone = "privatelink.blob.core.windows.net"\n'
_OTHER_BACK = '[[dns.back]]\nzone = "corp.azure.example"\n'
_TAG = ('team = "blue"', 'team = "green"')
_HOST = (_FIRST_HOST, f'[[dns.hosts]]\nname = "mysql"\naddresses = ["10.10.8.17"]\n{_FIRST_HOST}')
_NO_HOST = ('[[dns.hosts]]\nname = "postgres"\naddresses = ["10.10.8.15", "10.10.24.15"]\nports = [5432]\n', "")
_ZONE = (
    "[sandbox]",
    '[[dns.zones]]\nzone = "new.example"\n[[dns.zones.hosts]]\nname = "n"\naddresses = ["10.10.8.19"]\n[sandbox]',
)
NAMES: Edits = {
    "as it is": (),
    "another host and tag": (_HOST, _TAG),
    "a host less and a zone more": (_NO_HOST, _ZONE),
}  # fmt: skip
"""Configurations that every kind may change to."""
BACKS: Edits = {**NAMES, "a zone back less": ((_OTHER_BACK, ""),), "no names back": ((_BACK, ""), (_OTHER_BACK, ""))}
CLUSTERS: Edits = {**NAMES, "a cluster more": ((_GREEN, _GREEN + _BLUE),), "a cluster less": ((_GREEN, ""),)}
_PEERED = 'more_clusters = "peered"\n'
PEERED_CLUSTERS: Edits = {**CLUSTERS, "a cluster less": ((_GREEN, ""), (_PEERED, ""))}
BESIDE = ("green", "blue")
"""Clusters that some of these configurations name and others do not."""


def _nothing(harness: Harness) -> None:
    del harness


@dataclass(frozen=True)
class LinkKind:
    """text: without [sandbox]; more: lines of that part. prepare: what others do before the link comes. changes: of the
    configuration from then on. store: where the state lies, when it is not a file. changed: the one of edits that a link is
    changed to where one change is tried."""

    name: str
    text: str
    more: str = ""
    edits: Edits = field(default_factory=lambda: NAMES)
    prepare: Callable[[Harness], None] = _nothing
    changes: tuple[tuple[str, str], ...] = ()
    store: str = ""
    changed: str = "a host less and a zone more"

    def opened(self) -> Harness:
        return Harness(text=self.text, more=self.more)

    def begin(self, harness: Harness) -> None:
        """Everything that any of its configurations says exists, and what others have; the first configuration."""
        for name in self.edits:
            harness.config.write_text(changed(harness.text, self.edits[name]))
            harness.seed()
        self.prepare(harness)
        self.edit(harness, next(iter(self.edits)))

    def edit(self, harness: Harness, name: str) -> None:
        harness.config.write_text(changed(harness.text, (*self.edits[name], *self.changes)))


def changed(text: str, edits: Iterable[tuple[str, str]]) -> str:
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    return text


def _text(
    link: str = "", aws: str = "", gateway: str = _NEW_GATEWAY, zone: str = "", vnet: str = "test-vnet", store: str = ""
) -> str:
    link += f'\n[state]\nlocation = "{store}"' if store else ""
    return _TEXT.format(link=link, aws=aws, gateway=gateway, zone=zone, vnet=vnet)


# --- what others have -------------------------------------------------------------------------------------------


def _arm(
    harness: Harness, method: str, path: str, body: dict[str, Any] | None = None, api: str = _API
) -> dict[str, Any]:
    with harness.sandbox.context.lock:
        answer = harness.sandbox.azure.app.carry_out(method, path, json.dumps(body or {}), api)
    assert answer.status < 400, answer.body
    return dict(answer.body or {})


def _branch(harness: Harness) -> None:
    """A connection of somebody else's on the gateway, with a custom address of its own."""
    held = _arm(harness, "GET", _GATEWAY)
    entry = held["properties"]["bgpSettings"]["bgpPeeringAddresses"][-1]
    entry["customBgpIpAddresses"] = [THEIR_ADDRESS]
    _arm(harness, "PUT", _GATEWAY, {k: held[k] for k in ("location", "tags", "properties") if k in held})
    harness.settle()
    local = f"{_GROUP}/localNetworkGateways/branch"
    peer = {"gatewayIpAddress": "198.51.100.9", "bgpSettings": {"asn": 65_400, "bgpPeeringAddress": "10.99.0.1"}}
    _arm(harness, "PUT", local, {"location": "westeurope", "properties": peer})
    harness.settle()
    used = {"ipConfigurationId": entry["ipconfigurationId"], "customBgpIpAddress": THEIR_ADDRESS}
    properties = {
        "connectionType": "IPsec", "sharedKey": "theirs0123456789", "enableBgp": True, "routingWeight": 7,
        "virtualNetworkGateway1": {"id": _GATEWAY, "properties": {}},
        "localNetworkGateway2": {"id": local, "properties": {}}, "gatewayCustomBgpIpAddresses": [used],
    }  # fmt: skip
    _arm(harness, "PUT", f"{_GROUP}/connections/branch", {"location": "westeurope", "properties": properties})
    harness.settle()


def _mail(harness: Harness) -> None:
    """A record of somebody else's in the zone."""
    record = {"Name": "mail.prod.corp.example", "Type": "A", "TTL": 9, "ResourceRecords": [{"Value": "10.10.7.7"}]}
    Snapshots(harness).client("route53").change_resource_record_sets(
        HostedZoneId=ADOPTED_ZONE, ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    )


def _hub(harness: Harness) -> None:
    """A hub that the cluster's VNet is peered with, and that lets it use a gateway."""
    hub, spoke = (f"{_GROUP}/virtualNetworks/{name}" for name in ("hub", "test-vnet"))
    space = {"addressSpace": {"addressPrefixes": ["10.30.0.0/16"]}, "subnets": []}
    _arm(harness, "PUT", hub, {"location": "westeurope", "properties": space})
    harness.settle()
    for here, there in ((hub, spoke), (spoke, hub)):
        properties = {
            "remoteVirtualNetwork": {"id": there}, "allowVirtualNetworkAccess": True, "allowForwardedTraffic": True,
            "allowGatewayTransit": here == hub, "useRemoteGateways": False,
        }  # fmt: skip
        _arm(harness, "PUT", f"{here}/virtualNetworkPeerings/to-{there.rpartition('/')[2]}", {"properties": properties})
        harness.settle()


def _ruleset(harness: Harness) -> None:
    """A resolver, an endpoint and a ruleset that the VNet is linked to, with a rule of its owner's."""
    vnet, resolver, ruleset = (
        f"{_GROUP}/{kind}"
        for kind in ("virtualNetworks/test-vnet", "dnsResolvers/theirs", "dnsForwardingRulesets/theirs")
    )
    given = [{"name": "d", "properties": {"serviceName": "Microsoft.Network/dnsResolvers"}}]
    out, here = f"{resolver}/outboundEndpoints/out", {"location": "westeurope"}
    rule = {"domainName": "other-team.example.", "targetDnsServers": [{"ipAddress": "10.20.0.9", "port": 53}]}
    made: tuple[tuple[str, dict[str, Any], str], ...] = (
        (f"{vnet}/subnets/their-dns", {"properties": {"addressPrefix": "10.20.200.0/28", "delegations": given}}, _API),
        (resolver, {**here, "properties": {"virtualNetwork": {"id": vnet}}}, _DNS_API),
        (out, {**here, "properties": {"subnet": {"id": f"{vnet}/subnets/their-dns"}}}, _DNS_API),
        (ruleset, {**here, "properties": {"dnsResolverOutboundEndpoints": [{"id": out}]}}, _DNS_API),
        (f"{ruleset}/forwardingRules/other", {"properties": rule}, _DNS_API),
        (f"{ruleset}/virtualNetworkLinks/theirs", {"properties": {"virtualNetwork": {"id": vnet}}}, _DNS_API),
    )
    for path, body, api in made:
        _arm(harness, "PUT", path, body, api)
        harness.settle()


KINDS = {
    k.name: k
    for k in (
        LinkKind("existing", _text('[link]\ntransport = "existing"', gateway=""), 'wire = "vpn"\n'),
        LinkKind("transit gateway joined", _text(aws=f'gateway = "{TRANSIT_GATEWAY}"')),
        LinkKind("transit gateway made", _text(aws='gateway = "create-transit"')),
        LinkKind("adopted Azure gateway", _text(gateway=_ADOPTED_GATEWAY), 'gateway = "active-active"\n', prepare=_branch),
        LinkKind("adopted Azure gateway with one instance", _text(gateway=_ADOPTED_GATEWAY), 'gateway = "active-standby"\n', prepare=_branch),
        LinkKind("adopted zone", _text(zone=f'hosted_zone = "{ADOPTED_ZONE}"'), prepare=_mail),
        LinkKind(
            "several zones",
            _text() + _MORE_ZONES,
            edits={**NAMES, "a zone less": ((_MORE_ZONES, _MORE_ZONES.partition('[[dns.zones]]\nzone = "other')[0]),)},
        ),
        LinkKind("names for the whole VNet", _text(zone='forward = "vnet"')),
        LinkKind("names for the whole VNet, in a ruleset of others", _text(zone='forward = "vnet"'), prepare=_ruleset),
        LinkKind("names back", _text() + _BACK + _OTHER_BACK, edits=BACKS, changed="a zone back less"),
        LinkKind(
            "names back, on a resolver of others", _text('[link]\ntransport = "existing"', gateway="") + _BACK + _OTHER_BACK,
            'wire = "vpn"\n', edits=BACKS, prepare=_ruleset, changed="no names back",
        ),
        LinkKind("several AKS clusters", _text() + _GREEN, edits=CLUSTERS, changed="a cluster more"),
        LinkKind(
            "several AKS clusters in peered VNets", _text('[link]\ntransport = "existing"', gateway="") + _GREEN,
            'wire = "vpn"\n' + _PEERED, edits=PEERED_CLUSTERS, changed="a cluster more",
        ),
        LinkKind("state in S3", _text(store=IN_S3), store=IN_S3),
        LinkKind("state in a blob", _text(store=IN_A_BLOB), store=IN_A_BLOB),
        LinkKind(
            "hub", _text(), prepare=_hub,
            changes=(('name = "test-vnet"', 'name = "hub"'), ("10.20.255.0/27", "10.30.255.0/27")),
        ),
    )
}  # fmt: skip
EXAMPLE_KIND = "the example"

# The configurations of a sequence: each makes some objects go, come, change or be replaced.
EDITS: Edits = {
    "as the example": (),
    "other records": (
        ("# ttl = 60", "ttl = 30"),
        ('addresses = ["10.10.8.15", "10.10.24.15"]', 'addresses = ["10.10.8.15", "10.10.24.16"]'),
        ("ports = [8200]\ntls_ports = [8200]\n", 'ports = [8200]\n\n[[dns.hosts]]\nname = "mysql"\naddresses = ["10.10.8.17"]\n'),
    ),
    "a larger gateway and another policy": (
        ('# sku = "VpnGw1AZ"', 'sku = "VpnGw2AZ"'),
        ("[dns]\n", "[vpn.policy]\ndh_group = 14\nike_encryption = \"AES128\"\n\n[dns]\n"),
    ),
    "another number for Azure": (("# asn = 65000", "asn = 65010"),),
    "other inside ranges": (("# inside_pool =", 'inside_pool = "169.254.21.64/26" #'),),
}  # fmt: skip
EXAMPLE = LinkKind(EXAMPLE_KIND, "", edits=EDITS)
