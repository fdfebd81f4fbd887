"""Writes to Route 53 Resolver, to the endpoint's security group and to the VPC's DNS settings. Each makes the reads stale
that it may have changed, whatever becomes of it, and raises the SDK's errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address
from typing import Literal

from cloudlink.clouds.aws import cached, requests
from cloudlink.clouds.aws.client import Aws, value_in
from cloudlink.clouds.aws.parse_groups import Rule, permission_of, rules_made
from cloudlink.clouds.aws.parse_resolver import EndpointAddress
from cloudlink.clouds.aws.tags import Mark

# --- the endpoint -------------------------------------------------------------------------------------------


def create_endpoint(
    aws: Aws,
    mark: Mark,
    *,
    creator: str,
    groups: Iterable[str],
    subnets: Mapping[str, IPv4Address | None],
    protocols: Iterable[str],
    direction: Literal["INBOUND", "OUTBOUND"] = "INBOUND",
) -> str:
    """Its id. creator: a second create with the same one is refused. subnets: with the address in each;
    None: AWS chooses."""
    with aws.writing(cached.RESOLVER_ENDPOINTS):
        made = aws.client("route53resolver", once=True).create_resolver_endpoint(
            CreatorRequestId=creator,
            Name=mark.name[:64],
            Direction=direction,
            SecurityGroupIds=sorted(groups),
            IpAddresses=[
                {"SubnetId": subnet, **({"Ip": str(address)} if address is not None else {})}
                for subnet, address in sorted(subnets.items())
            ],
            ResolverEndpointType="IPV4",
            Protocols=sorted(protocols),
            Tags=mark.owner.aws_tags(mark.address, mark.name),
        )
    return str(value_in(made, "ResolverEndpoint", "Id"))


def add_address(aws: Aws, endpoint: str, subnet: str) -> None:
    with aws.writing(*_of(endpoint)):
        aws.route53resolver.associate_resolver_endpoint_ip_address(
            ResolverEndpointId=endpoint, IpAddress={"SubnetId": subnet}
        )


def take_address(aws: Aws, endpoint: str, address: EndpointAddress) -> None:
    named = {"IpId": address.id, "SubnetId": address.subnet}
    if address.address is not None:
        named["Ip"] = str(address.address)
    with aws.writing(*_of(endpoint)):
        aws.route53resolver.disassociate_resolver_endpoint_ip_address(ResolverEndpointId=endpoint, IpAddress=named)


def set_protocols(aws: Aws, endpoint: str, protocols: Iterable[str]) -> None:
    with aws.writing(*_of(endpoint)):
        aws.route53resolver.update_resolver_endpoint(ResolverEndpointId=endpoint, Protocols=sorted(protocols))


def delete_endpoint(aws: Aws, endpoint: str) -> None:
    with aws.writing(*_of(endpoint)):
        aws.route53resolver.delete_resolver_endpoint(ResolverEndpointId=endpoint)


def _of(endpoint: str) -> tuple[str, ...]:
    return cached.RESOLVER_ENDPOINTS, f"{cached.ENDPOINT_ADDRESSES}/{endpoint}", cached.SECURITY_GROUPS


# --- rules --------------------------------------------------------------------------------------------------


def create_rule(
    aws: Aws, mark: Mark, *, creator: str, domain: str, targets: Iterable[IPv4Address], endpoint: str
) -> str:
    """Of the kind FORWARD; its id. creator: a second create with the same one is refused."""
    with aws.writing(cached.RESOLVER_RULES):
        made = aws.client("route53resolver", once=True).create_resolver_rule(
            CreatorRequestId=creator,
            Name=mark.name[:64],
            RuleType="FORWARD",
            DomainName=domain,
            TargetIps=[{"Ip": str(t), "Port": 53} for t in sorted(targets)],
            ResolverEndpointId=endpoint,
            Tags=mark.owner.aws_tags(mark.address, mark.name),
        )
    return str(value_in(made, "ResolverRule", "Id"))


def update_rule(aws: Aws, rule: str, *, targets: Iterable[IPv4Address], endpoint: str) -> None:
    with aws.writing(cached.RESOLVER_RULES):
        aws.route53resolver.update_resolver_rule(
            ResolverRuleId=rule,
            Config={
                "TargetIps": [{"Ip": str(t), "Port": 53} for t in sorted(targets)],
                "ResolverEndpointId": endpoint,
            },
        )


def delete_rule(aws: Aws, rule: str) -> None:
    """Refused while it is associated with a VPC."""
    with aws.writing(cached.RESOLVER_RULES):
        aws.route53resolver.delete_resolver_rule(ResolverRuleId=rule)


def associate_rule(aws: Aws, rule: str, vpc: str, name: str) -> str:
    """The association's id. It has no tags: it is its rule's. A second one of the rule with the VPC is refused."""
    with aws.writing(f"{cached.RULE_ASSOCIATIONS}/{vpc}"):
        made = aws.client("route53resolver", once=True).associate_resolver_rule(
            ResolverRuleId=rule, VPCId=vpc, Name=name[:64]
        )
    return str(value_in(made, "ResolverRuleAssociation", "Id"))


def disassociate_rule(aws: Aws, rule: str, vpc: str) -> None:
    with aws.writing(f"{cached.RULE_ASSOCIATIONS}/{vpc}"):
        aws.route53resolver.disassociate_resolver_rule(ResolverRuleId=rule, VPCId=vpc)


# --- its security group -------------------------------------------------------------------------------------


def create_group(aws: Aws, vpc: str, description: str, mark: Mark) -> str:
    """Its id."""
    with aws.writing(cached.SECURITY_GROUPS):
        made = requests.create_group(vpc, description, mark).send(aws.ec2_once)
    return str(value_in(made, "GroupId"))


def let_dns_out(aws: Aws, group: str) -> None:
    """To everywhere, as a new group does of itself."""
    ports = [{"IpProtocol": p, "FromPort": 53, "ToPort": 53} for p in ("tcp", "udp")]
    with aws.writing(cached.SECURITY_GROUPS):
        aws.ec2.authorize_security_group_egress(
            GroupId=group, IpPermissions=[{**p, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]} for p in ports]
        )


def delete_group(aws: Aws, id_: str) -> None:
    with aws.writing(cached.SECURITY_GROUPS):
        requests.delete_group(id_).send(aws.ec2)


_RULES = {
    "let in": "authorize_security_group_ingress",
    "shut out": "revoke_security_group_ingress",
    "describe": "update_security_group_rule_descriptions_ingress",
}


def change_rules(
    aws: Aws, group: str, what: Literal["let in", "shut out", "describe"], rules: Iterable[Rule]
) -> frozenset[Rule]:
    """The inbound rules that AWS answers with: those that it let in; none of other changes."""
    with aws.writing(cached.SECURITY_GROUPS):
        call = getattr(aws.ec2, _RULES[what])
        done = call(GroupId=group, IpPermissions=[permission_of(rule) for rule in sorted(rules)])
    return rules_made(done) if what == "let in" else frozenset()


# --- the VPC's two DNS settings -----------------------------------------------------------------------------

_SETTINGS = {"support": "enableDnsSupport", "hostnames": "enableDnsHostnames"}
Setting = Literal["support", "hostnames"]


def dns_setting(aws: Aws, vpc: str, setting: Setting, *, fresh: bool = False) -> bool | None:
    """None: there is no such VPC."""
    return aws.vpc_attribute(vpc, _SETTINGS[setting], fresh=fresh)


def set_dns_setting(aws: Aws, vpc: str, setting: Setting, *, on: bool) -> None:
    name = _SETTINGS[setting]
    with aws.writing(*(f"{cached.VPC_ATTRIBUTES}/{vpc}/{each}" for each in _SETTINGS.values())):
        aws.ec2.modify_vpc_attribute(VpcId=vpc, **{name[0].upper() + name[1:]: {"Value": on}})
