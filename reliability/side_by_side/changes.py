"""The changes: one thing each, on one side, as a colleague would make it by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reliability.side_by_side.hands import Hands


@dataclass(frozen=True)
class Change:
    """name: what is changed, in the fields' own words. reason: why the three may differ here; empty: they must agree.
    names: whether names are asked for too (``verify-dns``)."""

    area: str
    name: str
    make: Callable[[Hands], None]
    reason: str = ""
    names: bool = False

    def __str__(self) -> str:
        return f"{self.area}: {self.name}"


def _values(*values: Any) -> list[dict[str, Any]]:
    return [{"Value": v} for v in values]


def _options(**options: Any) -> Callable[[Hands], None]:
    return lambda hands: hands.tunnel_options(0, **options)


def _policy(**values: str | int) -> Callable[[Hands], None]:
    return lambda hands: hands.policy(0, **values)


def _connection(**values: Any) -> Callable[[Hands], None]:
    return lambda hands: hands.connection(0, lambda p: p.update(values))


def _peer(**values: Any) -> Callable[[Hands], None]:
    return lambda hands: hands.local_gateway(0, lambda p: p["bgpSettings"].update(values))


def _key(hands: Hands) -> None:
    hands.arm("PUT", f"{hands.path('connections', f'cloudlink-{hands.link.name}-connection-1')}/sharedkey",
              {"value": "another.key.of.somebody.else"})  # fmt: skip
    hands.harness.settle()


def _default_policy(tunnel: int = 0) -> Callable[[Hands], None]:
    return lambda hands: hands.connection(tunnel, lambda p: p.update(ipsecPolicies=[]))


def _aws_default(**more: Any) -> Callable[[Hands], None]:
    """AWS's own lists against Azure's own policy."""

    def make(hands: Hands) -> None:
        _default_policy()(hands)
        hands.tunnel_options(
            0,
            Phase1DHGroupNumbers=_values(2, 14, 19, 20),
            Phase2DHGroupNumbers=_values(2, 14, 19, 20),
            Phase1EncryptionAlgorithms=_values("AES256", "AES256-GCM-16"),
            Phase1IntegrityAlgorithms=_values("SHA1", "SHA2-256"),
            Phase2EncryptionAlgorithms=_values("AES256", "AES256-GCM-16"),
            Phase2IntegrityAlgorithms=_values("SHA1", "SHA2-256"),
            **more,
        )

    return make


def _mode(azure: str, aws: str = "") -> Callable[[Hands], None]:
    def make(hands: Hands) -> None:
        _connection(connectionMode=azure)(hands)
        if aws:
            hands.tunnel_options(0, StartupAction=aws)

    return make


def _far_address(hands: Hands) -> None:
    hands.local_gateway(0, lambda p: p.update(gatewayIpAddress="198.51.100.99"))


def _far_crossed(hands: Hands) -> None:
    first, second = hands.outside(0), hands.outside(2)
    hands.local_gateway(0, lambda p: p.update(gatewayIpAddress="198.51.100.98"))
    hands.local_gateway(2, lambda p: p.update(gatewayIpAddress=first))
    hands.local_gateway(0, lambda p: p.update(gatewayIpAddress=second))


def _customer_crossed(hands: Hands) -> None:
    first, second = (hands.vpn(n) for n in (0, 1))
    hands.ec2.modify_vpn_connection(
        VpnConnectionId=first["VpnConnectionId"], CustomerGatewayId=second["CustomerGatewayId"]
    )


def _own_addresses(edit: Callable[[list[dict[str, Any]]], None]) -> Callable[[Hands], None]:
    return lambda hands: hands.connection(0, lambda p: edit(p["gatewayCustomBgpIpAddresses"]))


def _no_own_addresses(tunnel: int) -> Callable[[Hands], None]:
    return lambda hands: hands.connection(tunnel, lambda p: p.update(gatewayCustomBgpIpAddresses=[]))


def _other_instances(entries: list[dict[str, Any]]) -> None:
    first, second = entries[0]["customBgpIpAddress"], entries[1]["customBgpIpAddress"]
    entries[0]["customBgpIpAddress"], entries[1]["customBgpIpAddress"] = second, first


def _wrong_own(hands: Hands) -> None:
    """The address of the instance's other tunnel."""
    mine, other = hands.link.tunnels[0], next(t for t in hands.link.tunnels[1:] if t.vpn == hands.link.tunnels[0].vpn)

    def edit(properties: dict[str, Any]) -> None:
        for entry in properties["gatewayCustomBgpIpAddresses"]:
            if entry["customBgpIpAddress"] == str(mine.azure_inside):
                entry["customBgpIpAddress"] = str(other.azure_inside)

    hands.connection(0, edit)


def _gateway_address_gone(hands: Hands) -> None:
    gone = str(hands.link.tunnels[0].azure_inside)

    def edit(properties: dict[str, Any]) -> None:
        settings = properties["bgpSettings"]
        settings.pop("bgpPeeringAddress", None)
        for entry in settings["bgpPeeringAddresses"]:
            entry.pop("defaultBgpIpAddresses", None)
            entry["customBgpIpAddresses"] = [a for a in entry["customBgpIpAddresses"] if a != gone]

    hands.gateway(edit)


def _gateway_asn(asn: int) -> Callable[[Hands], None]:
    def edit(properties: dict[str, Any]) -> None:
        properties["bgpSettings"]["asn"] = asn
        properties["bgpSettings"].pop("bgpPeeringAddress", None)
        for entry in properties["bgpSettings"]["bgpPeeringAddresses"]:
            entry.pop("defaultBgpIpAddresses", None)

    return lambda hands: hands.gateway(edit)


def _inside(hands: Hands) -> None:
    hands.tunnel_options(0, TunnelInsideCidr="169.254.21.64/30")


def _second_range(cidr: str) -> Callable[[Hands], None]:
    def make(hands: Hands) -> None:
        hands.ec2.associate_vpc_cidr_block(VpcId=hands.link.aws.vpc_id, CidrBlock=cidr)
        hands.harness.settle()

    return make


def _vnet_prefix(prefix: str) -> Callable[[Hands], None]:
    def make(hands: Hands) -> None:
        azure = hands.link.azure
        hands.change(
            "virtualNetworks",
            azure.vnet,
            lambda p: p["addressSpace"]["addressPrefixes"].append(prefix),
            group=azure.vnet_resource_group,
        )

    return make


def _detached(hands: Hands) -> None:
    hands.ec2.detach_vpn_gateway(VpnGatewayId=hands.vpn_gateway, VpcId=hands.link.aws.vpc_id)


def _many_prefixes(hands: Hands) -> None:
    azure = hands.link.azure
    more = [f"10.{40 + n // 64}.{n % 64 * 4}.0/24" for n in range(101)]
    hands.change(
        "virtualNetworks",
        azure.vnet,
        lambda p: p["addressSpace"]["addressPrefixes"].extend(more),
        group=azure.vnet_resource_group,
    )


def _zone_elsewhere(hands: Hands) -> None:
    region, here = hands.link.aws.region, hands.link.aws.vpc_id
    other = next(v["VpcId"] for v in hands.ec2.describe_vpcs()["Vpcs"] if v["VpcId"] != here)
    for verb, vpc in (("associate_vpc_with_hosted_zone", other), ("disassociate_vpc_from_hosted_zone", here)):
        getattr(hands.route53, verb)(HostedZoneId=hands.zone(), VPC={"VPCRegion": region, "VPCId": vpc})


def _no_record(hands: Hands) -> None:
    hands.change_record("DELETE", hands.record(f"vault.{hands.link.dns.zone}"))


def _stale_record(hands: Hands) -> None:
    name = f"postgres.{hands.link.dns.zone}"
    record = hands.record(name) | {"ResourceRecords": [{"Value": "10.10.8.99"}]}
    hands.change_record("UPSERT", record)


def _other_forward(text: str) -> str:
    """The endpoint's addresses give way to one that nobody has."""
    return re.sub(r"forward \. [0-9. ]+", "forward . 10.10.200.53 ", text)


def _edited(edit: Callable[[str], str | None]) -> Callable[[Hands], None]:
    def make(hands: Hands) -> None:
        hands.forward_key(edit)
        hands.harness.sandbox.context.clock.advance(120)
        patch = {"spec": {"template": {"metadata": {"annotations": {"restarted-by-hand": "yes"}}}}}
        hands.clouds.aks.patch_deployment("kube-system", "coredns", patch)
        hands.harness.sandbox.context.clock.advance(120)

    return make


def _aks_table(own_route: bool) -> Callable[[Hands], None]:
    """Without an own route it takes no routes of the gateway."""

    def make(hands: Hands) -> None:
        azure = hands.link.azure
        path = hands.path("routeTables", "somebodys", azure.vnet_resource_group)
        route = {"name": "own", "properties": {"addressPrefix": "10.10.0.0/16", "nextHopType": "None"}}
        properties = {"disableBgpRoutePropagation": not own_route, "routes": [route] if own_route else []}
        hands.arm("PUT", path, {"location": azure.location, "properties": properties})
        hands.harness.settle()
        hands.aks_subnet(lambda p: p.update(routeTable={"id": path}))

    return make


def _balancer_shut(hands: Hands) -> None:
    balancers = hands.clouds.aws.client("elbv2").describe_load_balancers()["LoadBalancers"]
    group = next(b["SecurityGroups"][0] for b in balancers if b["LoadBalancerName"] == "sentry-internal")
    rules = hands.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    hands.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=rules)


_OLD_PODS = (
    "the pods that are there go on with what they read before, so that names work until the last of them ends; "
    "`status` reads the key, and the daemons begin with it"
)
_EDITED = "names work, and `status` tells that the key is not as cloudlink wrote it"


def _deny(protocol: str, *, leaving: bool, ports: tuple[int, int]) -> Callable[[Hands], None]:
    """An entry before all others of every network ACL of the VPC."""

    def make(hands: Hands) -> None:
        acls = hands.ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [hands.link.aws.vpc_id]}])
        for acl in acls["NetworkAcls"]:
            hands.ec2.create_network_acl_entry(
                NetworkAclId=acl["NetworkAclId"],
                RuleNumber=1,
                Protocol=protocol,
                RuleAction="deny",
                Egress=leaving,
                CidrBlock="0.0.0.0/0",
                PortRange={"From": ports[0], "To": ports[1]},
            )

    return make


def _nodes_shut(protocol: str, ports: str) -> Callable[[Hands], None]:
    """A security group of the network team around the nodes' subnet, with one rule of its own."""

    def make(hands: Hands) -> None:
        azure = hands.link.azure
        path = hands.path("networkSecurityGroups", "somebodys", azure.vnet_resource_group)
        rule = {
            "priority": 100,
            "direction": "Outbound",
            "access": "Deny",
            "protocol": protocol,
            "sourceAddressPrefix": "*",
            "sourcePortRange": "*",
            "destinationAddressPrefix": "10.10.0.0/16",
            "destinationPortRange": ports,
        }
        properties = {"securityRules": [{"name": "none-to-aws", "properties": rule}]}
        hands.arm("PUT", path, {"location": azure.location, "properties": properties})
        hands.harness.settle()
        hands.aks_subnet(lambda p: p.update(networkSecurityGroup={"id": path}))

    return make


def _zone_below(hands: Hands) -> None:
    here = {"VPCRegion": hands.link.aws.region, "VPCId": hands.link.aws.vpc_id}
    hands.route53.create_hosted_zone(Name=f"vault.{hands.link.dns.zone}", VPC=here, CallerReference="somebody")
    hands.harness.settle()


def _rule(hands: Hands) -> None:
    resolver = hands.clouds.aws.route53resolver
    outbound = resolver.create_resolver_endpoint(
        CreatorRequestId="somebody",
        Direction="OUTBOUND",
        SecurityGroupIds=[hands.group(f"cloudlink-{hands.link.name}-resolver")["GroupId"]],
        IpAddresses=[{"SubnetId": s} for s in hands.endpoint_subnets()[:2]],
    )["ResolverEndpoint"]["Id"]
    hands.harness.settle()
    made = resolver.create_resolver_rule(
        CreatorRequestId="somebody",
        RuleType="FORWARD",
        DomainName=hands.link.dns.zone,
        TargetIps=[{"Ip": "10.10.200.53"}],
        ResolverEndpointId=outbound,
    )["ResolverRule"]["Id"]
    hands.harness.settle()
    resolver.associate_resolver_rule(ResolverRuleId=made, VPCId=hands.link.aws.vpc_id)
    hands.harness.settle()


def _override(hands: Hands) -> None:
    kept: dict[str, str] = {}

    def move(text: str) -> None:
        body = text[text.index("{") + 1 : text.rindex("}")]
        kept["text"] = body

    _edited(move)(hands)
    data = {f"cloudlink-{hands.link.name}.override": kept["text"]}
    hands.clouds.aks.patch_config_map("kube-system", "coredns-custom", {"data": data})
    hands.harness.sandbox.context.clock.advance(240)


CHANGES: tuple[Change, ...] = (
    Change("none", "nothing", lambda hands: None, names=True),
    # keys
    Change("key", "AWS PreSharedKey", _options(PreSharedKey="another.key.of.somebody.else")),
    Change("key", "Azure sharedKey", _key),
    # IKE
    Change("IKE", "AWS Phase1EncryptionAlgorithms AES128", _options(Phase1EncryptionAlgorithms=_values("AES128"))),
    Change("IKE", "AWS Phase1EncryptionAlgorithms AES256-GCM-16",
           _options(Phase1EncryptionAlgorithms=_values("AES256-GCM-16"))),
    Change("IKE", "AWS Phase1EncryptionAlgorithms AES128, AES256",
           _options(Phase1EncryptionAlgorithms=_values("AES128", "AES256"))),
    Change("IKE", "AWS Phase1IntegrityAlgorithms SHA2-512", _options(Phase1IntegrityAlgorithms=_values("SHA2-512"))),
    Change("IKE", "AWS Phase1DHGroupNumbers 14", _options(Phase1DHGroupNumbers=_values(14))),
    Change("IKE", "AWS Phase1DHGroupNumbers 14, 20", _options(Phase1DHGroupNumbers=_values(14, 20))),
    Change("IKE", "AWS Phase1LifetimeSeconds 7200", _options(Phase1LifetimeSeconds=7200)),
    Change("IKE", "AWS IKEVersions ikev1, StartupAction add", _options(IKEVersions=_values("ikev1"), StartupAction="add")),
    Change("IKE", "AWS IKEVersions ikev1, ikev2", _options(IKEVersions=_values("ikev1", "ikev2"))),
    Change("IKE", "Azure ikeEncryption AES128", _policy(ikeEncryption="AES128")),
    Change("IKE", "Azure ikeEncryption GCMAES256", _policy(ikeEncryption="GCMAES256")),
    Change("IKE", "Azure ikeEncryption DES3", _policy(ikeEncryption="DES3")),
    Change("IKE", "Azure ikeIntegrity SHA384", _policy(ikeIntegrity="SHA384")),
    Change("IKE", "Azure ikeIntegrity SHA1", _policy(ikeIntegrity="SHA1")),
    Change("IKE", "Azure dhGroup DHGroup14", _policy(dhGroup="DHGroup14")),
    Change("IKE", "Azure dhGroup ECP256", _policy(dhGroup="ECP256")),
    Change("IKE", "Azure dhGroup None", _policy(dhGroup="None")),
    Change("IKE", "Azure ipsecPolicies none", _default_policy()),
    # ESP
    Change("ESP", "AWS Phase2EncryptionAlgorithms AES256", _options(Phase2EncryptionAlgorithms=_values("AES256"))),
    Change("ESP", "AWS Phase2EncryptionAlgorithms AES128-GCM-16",
           _options(Phase2EncryptionAlgorithms=_values("AES128-GCM-16"))),
    Change("ESP", "AWS Phase2EncryptionAlgorithms AES128, AES256-GCM-16",
           _options(Phase2EncryptionAlgorithms=_values("AES128", "AES256-GCM-16"))),
    Change("ESP", "AWS Phase2IntegrityAlgorithms SHA1 (with GCM)", _options(Phase2IntegrityAlgorithms=_values("SHA1"))),
    Change("ESP", "AWS Phase2DHGroupNumbers 19", _options(Phase2DHGroupNumbers=_values(19))),
    Change("ESP", "AWS Phase2DHGroupNumbers 19, 20", _options(Phase2DHGroupNumbers=_values(19, 20))),
    Change("ESP", "AWS Phase2LifetimeSeconds 900", _options(Phase2LifetimeSeconds=900, RekeyMarginTimeSeconds=270)),
    Change("ESP", "Azure ipsecEncryption AES256, ipsecIntegrity SHA256",
           _policy(ipsecEncryption="AES256", ipsecIntegrity="SHA256")),
    Change("ESP", "Azure ipsecEncryption GCMAES128, ipsecIntegrity GCMAES128",
           _policy(ipsecEncryption="GCMAES128", ipsecIntegrity="GCMAES128")),
    Change("ESP", "Azure ipsecEncryption None, ipsecIntegrity SHA256",
           _policy(ipsecEncryption="None", ipsecIntegrity="SHA256")),
    Change("ESP", "Azure pfsGroup None", _policy(pfsGroup="None")),
    Change("ESP", "Azure pfsGroup PFS24", _policy(pfsGroup="PFS24")),
    Change("ESP", "Azure pfsGroup PFS2048", _policy(pfsGroup="PFS2048")),
    Change("ESP", "Azure pfsGroup PFSMM", _policy(pfsGroup="PFSMM")),
    Change("ESP", "Azure saLifeTimeSeconds 27000", _policy(saLifeTimeSeconds=27000)),
    Change("ESP", "AWS's lists and Azure's own policy, AWS StartupAction start", _aws_default(StartupAction="start")),
    Change("ESP", "AWS's lists and Azure's own policy, AWS StartupAction add", _aws_default(StartupAction="add")),
    # selectors
    Change("selectors", "AWS LocalIpv4NetworkCidr 10.20.0.0/16",
           lambda hands: hands.ranges(0, LocalIpv4NetworkCidr="10.20.0.0/16")),
    Change("selectors", "AWS RemoteIpv4NetworkCidr 10.10.0.0/16",
           lambda hands: hands.ranges(0, RemoteIpv4NetworkCidr="10.10.0.0/16")),
    Change("selectors", "both",
           lambda hands: hands.ranges(1, LocalIpv4NetworkCidr="10.20.0.0/16", RemoteIpv4NetworkCidr="10.10.0.0/16")),
    Change("selectors", "Azure usePolicyBasedTrafficSelectors", _connection(usePolicyBasedTrafficSelectors=True)),
    # who opens, and when a tunnel is given up
    Change("opening", "AWS StartupAction add", _options(StartupAction="add")),
    Change("opening", "Azure connectionMode ResponderOnly", _mode("ResponderOnly")),
    Change("opening", "Azure connectionMode ResponderOnly, AWS StartupAction add", _mode("ResponderOnly", "add")),
    Change("opening", "Azure connectionMode InitiatorOnly", _mode("InitiatorOnly")),
    Change("opening", "Azure connectionMode InitiatorOnly, pfsGroup ECP256",
           lambda hands: (_mode("InitiatorOnly")(hands), hands.policy(0, pfsGroup="ECP256"))[0]),
    Change("timers", "AWS DPDTimeoutSeconds 30", _options(DPDTimeoutSeconds=30)),
    Change("timers", "AWS DPDTimeoutAction clear", _options(DPDTimeoutAction="clear")),
    Change("timers", "Azure dpdTimeoutSeconds 30", _connection(dpdTimeoutSeconds=30)),
    Change("timers", "AWS ReplayWindowSize 64", _options(ReplayWindowSize=64)),
    Change("timers", "AWS RekeyMarginTimeSeconds 60, RekeyFuzzPercentage 0",
           _options(RekeyMarginTimeSeconds=60, RekeyFuzzPercentage=0)),
    Change("timers", "Azure routingWeight 10", _connection(routingWeight=10)),
    # addresses
    Change("addresses", "Azure gatewayIpAddress of nobody", _far_address),
    Change("addresses", "Azure gatewayIpAddress of tunnels 1 and 3 crossed", _far_crossed),
    Change("addresses", "AWS customer gateway of a foreign address",
           lambda hands: hands.customer_gateway(0, address="203.0.113.99")),
    Change("addresses", "AWS customer gateway of the other instance", _customer_crossed),
    Change("addresses", "AWS TunnelInsideCidr 169.254.21.64/30", _inside),
    # BGP
    Change("BGP", "Azure bgpPeeringAddress of the far gateway", _peer(bgpPeeringAddress="169.254.21.129")),
    Change("BGP", "Azure bgpPeeringAddress of the far gateway is Azure's own end",
           lambda hands: _peer(bgpPeeringAddress=str(hands.link.tunnels[0].azure_inside))(hands)),
    Change("BGP", "Azure asn of the far gateway", _peer(asn=64999)),
    Change("BGP", "Azure enableBgp false", _connection(enableBgp=False)),
    Change("BGP", "Azure gatewayCustomBgpIpAddresses none, of the instance's first tunnel", _no_own_addresses(0)),
    Change("BGP", "Azure gatewayCustomBgpIpAddresses none, of its second tunnel", _no_own_addresses(1)),
    Change("BGP", "Azure gatewayCustomBgpIpAddresses of the instance's other tunnel", _wrong_own),
    Change("BGP", "Azure gatewayCustomBgpIpAddresses of both instances swapped", _own_addresses(_other_instances)),
    Change("BGP", "Azure gateway without the custom address of tunnel 1", _gateway_address_gone),
    Change("BGP", "Azure gateway's asn 65010", _gateway_asn(65010)),
    Change("BGP", "Azure gateway's asn is AWS's", _gateway_asn(64512)),
    Change("BGP", "AWS customer gateway's BgpAsn", lambda hands: hands.customer_gateway(0, asn=65010)),
    Change("BGP", "VNet of more than 100 prefixes", _many_prefixes),
    # routes
    Change("routes", "AWS VPC's second range 10.60.0.0/16", _second_range("10.60.0.0/16")),
    Change("routes", "AWS VPC's second range 10.20.128.0/20, inside the VNet", _second_range("10.20.128.0/20")),
    Change("routes", "VNet prefix 10.10.8.0/24, inside the VPC, where a target is", _vnet_prefix("10.10.8.0/24")),
    Change("routes", "VNet prefix 10.10.0.0/16, the VPC's own", _vnet_prefix("10.10.0.0/16")),
    Change("routes", "AWS virtual private gateway detached", _detached),
    Change("routes", "AWS route propagation off in every table",
           lambda hands: hands.stop_propagation(*hands.tables()), names=True),
    Change("routes", "AWS route propagation off in one table",
           lambda hands: hands.stop_propagation(hands.tables()[-1]), names=True),
    Change("routes", "AKS subnet with a route table that takes no routes of the gateway", _aks_table(False), names=True),
    Change("routes", "AKS subnet with a route of its own to nowhere for the VPC's range", _aks_table(True), names=True),
    # rules
    Change("rules", "AWS security group of the endpoint without UDP",
           lambda hands: hands.shut(f"cloudlink-{hands.link.name}-resolver", "udp"), names=True),
    Change("rules", "AWS security group of the endpoint without TCP",
           lambda hands: hands.shut(f"cloudlink-{hands.link.name}-resolver", "tcp"), names=True),
    Change("rules", "AWS security group of a load balancer without its port", _balancer_shut, names=True),
    Change("rules", "AWS network ACL of the endpoint's subnets denies UDP 53",
           _deny("17", leaving=False, ports=(53, 53)), names=True),
    Change("rules", "AWS network ACL of the endpoint's subnets lets no answers out over TCP",
           _deny("6", leaving=True, ports=(1024, 65535)), names=True),
    Change("rules", "Azure network security group of the AKS subnet drops TCP 443 to the VPC",
           _nodes_shut("Tcp", "443"), names=True),
    Change("rules", "Azure network security group of the AKS subnet drops UDP to the VPC", _nodes_shut("Udp", "*"),
           names=True),
    # names
    Change("names", "Route 53 record deleted", _no_record, names=True),
    Change("names", "Route 53 record of an old address", _stale_record, names=True),
    Change("names", "Route 53 zone associated with another VPC only", _zone_elsewhere, names=True),
    Change("names", "Route 53 zone vault.prod.corp.example, empty, beside the link's", _zone_below, names=True),
    Change("names", "Route 53 Resolver rule that sends the zone elsewhere", _rule, names=True),
    Change("names", "coredns-custom with a block that CoreDNS cannot read",
           _edited(lambda text: text.replace("forward", "forwrd")), _OLD_PODS, names=True),
    Change("names", "coredns-custom's key as .override", _override, names=True),
    Change("names", "coredns-custom without the key", _edited(lambda text: None), names=True),
    Change("names", "coredns-custom for another zone",
           _edited(lambda text: text.replace("prod.corp.example", "test.corp.example")), names=True),
    Change("names", "coredns-custom forwards to an address of nobody", _edited(_other_forward), names=True),
    Change("names", "coredns-custom cache 300", _edited(lambda text: text.replace("cache 30", "cache 300")), _EDITED,
           names=True),
)  # fmt: skip
