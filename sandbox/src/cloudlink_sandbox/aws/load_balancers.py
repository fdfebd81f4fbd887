"""Load balancers: moto's store with AWS's names, canonical hosted zones and network interfaces."""

from __future__ import annotations

import secrets
import zlib
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.elbv2.models import ELBv2Backend, FakeAction, FakeListener, elbv2_backends
from moto.elbv2.responses import ELBV2Response
from moto.elbv2.ssl_policies import SSL_POLICIES

from cloudlink_sandbox.aws import balancer_attributes, from_moto, listeners
from cloudlink_sandbox.aws.backend import SandboxEc2, network_of
from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.handlers import Handlers
from cloudlink_sandbox.aws.objects import Balancer
from cloudlink_sandbox.aws.resolver import free_address

CANONICAL_ZONES = {  # region: (application, network)
    "us-east-1": ("Z35SXDOTRQ7X7K", "Z26RNL4JYFTOTI"),
    "us-east-2": ("Z3AADJGX6KTTL2", "ZLMOA37VPKANP"),
    "us-west-2": ("Z1H1FL5HABSF5", "Z18D5FSROUN65G"),
    "eu-west-1": ("Z32O12XQLNTSW2", "Z2IFOLAFXWLO4F"),
    "eu-central-1": ("Z215JYRZR1TBD5", "Z3F0SRJ5LGBH90"),
}
"""Hosted zones of load balancers' names. https://docs.aws.amazon.com/general/latest/gr/elb.html"""


def canonical_zone(region: str, kind: str) -> str:
    """Assumption: any stable id will do for a region that is not in the table."""
    pair = CANONICAL_ZONES.get(region)
    if pair is not None:
        return pair[kind == "network"]
    return f"Z{zlib.crc32(f'{region}/{kind}'.encode()):010d}SBX"


DEFAULT_POLICY = "ELBSecurityPolicy-2016-08"
"""Of a secure listener. https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html"""


def finish(
    store: SandboxEc2, balancers: Any, made: Any, arn: str | None = None, addresses: dict[str, str] | None = None
) -> Balancer:
    """Give a load balancer that moto made its ARN, name, hosted zone, and an interface in each of its subnets.

    addresses: of the interfaces in these subnets, where they were asked for.
    """
    short = "net" if made.type == "network" else "app"
    number = arn.rsplit("/", 1)[-1] if arn else secrets.token_hex(8)
    region = store.region_name
    del balancers.load_balancers[made.arn]
    old = made.arn
    made.arn = arn or (
        f"arn:aws:elasticloadbalancing:{region}:{store.account_id}:loadbalancer/{short}/{made.name}/{number}"
    )
    balancers.load_balancers[made.arn] = made
    tags = balancers.tagging_service.list_tags_for_resource(old)["Tags"]
    balancers.tagging_service.delete_all_tags_for_resource(old)
    balancers.tagging_service.tag_resource(made.arn, tags)
    internal = "internal-" if made.scheme == "internal" and short == "app" else ""
    if short == "net":
        made.dns_name = f"{made.name}-{number}.elb.{region}.amazonaws.com"
    else:
        made.dns_name = f"{internal}{made.name}-{int(number[:8], 16) % 10**10}.{region}.elb.amazonaws.com"
    made.canonical_hosted_zone_id = canonical_zone(region, made.type)
    made.state = "active"
    made.attrs = {}  # those that somebody sets; the others: balancer_attributes
    interfaces = []
    for subnet in made.subnets:
        interface = store.create_network_interface(
            subnet.id,
            (addresses or {}).get(subnet.id) or str(free_address(store, subnet.id, f"{made.name}/{subnet.id}")),
            group_ids=list(made.security_groups or []),
            description=f"ELB {short}/{made.name}/{number}",
        )
        interface.requester_managed, interface.status, interface.requester_id = True, "in-use", "amazon-elb"
        interface.interface_type = "network_load_balancer" if short == "net" else "interface"
        if not made.security_groups:
            interface._group_set = []  # a network load balancer without groups has none, not the default one
        interfaces.append(interface.id)
    return Balancer(made.arn, made.dns_name, tuple(interfaces))


class LoadBalancerHandlers(Handlers, ELBV2Response):
    from_moto = from_moto.LOAD_BALANCERS

    def __init__(self) -> None:
        ELBV2Response.__init__(self)

    @property
    def network(self) -> SandboxEc2:
        return network_of(self.cloud.account, self.region)

    @property
    def balancers(self) -> ELBv2Backend:
        return elbv2_backends[self.cloud.account][self.region]

    def _balancer(self, arn: str) -> Any:
        """Raises ApiError LoadBalancerNotFound."""
        found = self.balancers.load_balancers.get(arn)
        if found is None:
            raise ApiError("LoadBalancerNotFound", f"Load balancer '{arn}' not found")
        return found

    def create_load_balancer(self) -> ActionResult:
        kind, scheme = self.given("Type", "application"), self.given("Scheme", "internet-facing")
        if kind not in listeners.PROTOCOLS:
            raise ApiError(
                "InvalidConfigurationRequest", f"Load balancers of type '{kind}' are not modelled by the sandbox."
            )
        mappings = self.given("SubnetMappings", [])
        subnets = [*self.given("Subnets", []), *(m["SubnetId"] for m in mappings)]
        known = {s for zone in self.network.subnets.values() for s in zone}
        if unknown := [s for s in subnets if s not in known]:
            raise ApiError("SubnetNotFound", f"The subnet ID '{unknown[0]}' is not valid")
        if there := next((b for b in self.balancers.load_balancers.values() if b.name == self.given("Name")), None):
            if (there.type, there.scheme, {s.id for s in there.subnets}) != (kind, scheme, set(subnets)):
                raise ApiError(
                    "DuplicateLoadBalancerName",
                    f"A load balancer with the same name '{there.name}' exists, but with different settings",
                )
            return ActionResult({"LoadBalancers": [there]})
        addresses = {m["SubnetId"]: m["PrivateIPv4Address"] for m in mappings if m.get("PrivateIPv4Address")}
        self._check_addresses(addresses, kind)
        answer: Any = ELBV2Response.create_load_balancer(self)
        (made,) = answer.result["LoadBalancers"]
        made.type, made.scheme = kind, scheme
        balancer = finish(self.network, self.balancers, made, addresses=addresses)
        self.cloud.balancers[balancer.arn] = balancer
        return ActionResult({"LoadBalancers": [made]})

    def _check_addresses(self, addresses: dict[str, str], kind: str) -> None:
        """Raises ApiError for an address that a load balancer cannot have."""
        for subnet_id, text in addresses.items():
            subnet = self.network.get_subnet(subnet_id)
            if kind != "network":
                raise ApiError("ValidationError", "Private IPv4 addresses are for network load balancers only.")
            try:
                inside = IPv4Address(text) in IPv4Network(subnet.cidr_block)
            except ValueError:
                inside = False
            used = any(text == e.private_ip_address for e in self.network.enis.values() if e.subnet.id == subnet_id)
            if not inside or used:
                # Assumption: the wording.
                raise ApiError(
                    "InvalidConfigurationRequest", f"The private IPv4 address '{text}' cannot be used in '{subnet_id}'"
                )

    def describe_load_balancers(self) -> ActionResult:
        """By ARN or name. Raises ApiError LoadBalancerNotFound for any that is missing, as AWS does."""
        store = self.balancers
        arns, names = self.given("LoadBalancerArns", []), self.given("Names", [])
        known = list(store.load_balancers.values())
        for wanted in (*arns, *names):
            if not any(wanted in (b.arn, b.name) for b in known):
                raise ApiError("LoadBalancerNotFound", f"Load balancers '[{wanted}]' not found")
        found = [b for b in known if (not arns and not names) or b.arn in arns or b.name in names]
        size, start = int(self.given("PageSize", 400)), int(self.given("Marker") or 0)
        result: dict[str, Any] = {"LoadBalancers": found[start : start + size]}
        if start + size < len(found):
            result["NextMarker"] = str(start + size)
        return ActionResult(result)

    def set_security_groups(self) -> Any:
        """The interfaces get the same groups as the load balancer."""
        answer = ELBV2Response.set_security_groups(self)
        balancer = self.cloud.balancers.get(self.given("LoadBalancerArn"))
        groups = [self.network.get_security_group_from_id(g) for g in self.given("SecurityGroups", [])]
        for interface in balancer.interfaces if balancer else ():
            self.network.enis[interface]._group_set = list(groups)
        return answer

    def delete_target_group(self) -> Any:
        """One that is gone already is deleted with success."""
        if self.given("TargetGroupArn") not in self.balancers.target_groups:
            return EmptyResult()
        return ELBV2Response.delete_target_group(self)

    # Attributes

    def describe_load_balancer_attributes(self) -> ActionResult:
        return ActionResult({"Attributes": balancer_attributes.of(self._balancer(self.given("LoadBalancerArn")))})

    def modify_load_balancer_attributes(self) -> ActionResult:
        balancer = self._balancer(self.given("LoadBalancerArn"))
        given = {a["Key"]: str(a.get("Value") or "") for a in self.given("Attributes", [])}
        balancer_attributes.check(balancer, given)
        balancer.attrs.update(given)
        return ActionResult({"Attributes": balancer_attributes.of(balancer)})

    # Listeners

    def create_listener(self) -> ActionResult:
        balancer = self._balancer(self.given("LoadBalancerArn"))
        names = ("Protocol", "Port", "Certificates", "SslPolicy", "AlpnPolicy", "DefaultActions")
        wanted = {name: value for name in names if (value := self.given(name)) is not None}
        listeners.check(self.balancers, balancer, wanted)
        self._check_policy(wanted.get("SslPolicy"))
        arn = f"{balancer.arn.replace(':loadbalancer/', ':listener/')}/{secrets.token_hex(8)}"
        actions = [FakeAction(a) for a in wanted["DefaultActions"]]
        certificates = [c["CertificateArn"] for c in wanted.get("Certificates") or ()]
        listener = FakeListener(  # type: ignore[abstract]
            balancer.arn,
            arn,
            wanted["Protocol"],
            wanted["Port"],
            wanted.get("SslPolicy") or (DEFAULT_POLICY if listeners.secure(wanted["Protocol"]) else None),  # type: ignore[arg-type]
            certificates[0] if certificates else None,
            actions,
            wanted.get("AlpnPolicy"),
        )
        balancer.listeners[arn] = listener
        self._tie()
        self.balancers.tagging_service.tag_resource(arn, self.given("Tags", []))
        return ActionResult({"Listeners": [listener]})

    def create_rule(self) -> ActionResult:
        """Of an application load balancer's listener. moto reads what AWS requires without a look whether it is there."""
        listener = self.given("ListenerArn")
        if not any(listener in b.listeners for b in self.balancers.load_balancers.values()):
            raise ApiError("ListenerNotFound", f"Listeners '{listener}' not found")
        for name in ("Conditions", "Actions"):
            if not self.given(name):
                # Assumption: the wording.
                raise ApiError("ValidationError", f"At least one of '{name.lower()}' must be specified for a rule")
        made: ActionResult = ELBV2Response.create_rule(self)
        return made

    def delete_rule(self) -> ActionResult:
        arn = self.given("RuleArn")
        every = (one for b in self.balancers.load_balancers.values() for one in b.listeners.values())
        if not any(rule.arn == arn for one in every for rule in one.rules.values()):
            raise ApiError("RuleNotFound", f"One or more rules not found: '{arn}'")
        made: ActionResult = ELBV2Response.delete_rule(self)
        return made

    def modify_listener(self) -> ActionResult:
        """What is not said stays, but for what another protocol does not have."""
        arn = self.given("ListenerArn")
        owner = next((b for b in self.balancers.load_balancers.values() if arn in b.listeners), None)
        if owner is None:
            raise ApiError("ListenerNotFound", f"Listeners '[{arn}]' not found")
        listener = owner.listeners[arn]
        protocol = self.given("Protocol") or listener.protocol
        kept: dict[str, Any] = {
            "Protocol": protocol,
            "Port": self.given("Port") or listener.port,
            "DefaultActions": self.given("DefaultActions") or [dict(a.data) for a in listener.default_actions],
            "AlpnPolicy": self.given("AlpnPolicy") or (listener.alpn_policy if protocol == "TLS" else []),
        }
        if listeners.secure(protocol):
            kept["Certificates"] = self.given("Certificates") or [{"CertificateArn": c} for c in listener.certificates]
            kept["SslPolicy"] = self.given("SslPolicy") or listener.ssl_policy or DEFAULT_POLICY
        else:
            kept["Certificates"], kept["SslPolicy"] = self.given("Certificates"), self.given("SslPolicy")
        listeners.check(self.balancers, owner, kept, listener)
        self._check_policy(kept["SslPolicy"])
        listener.protocol, listener.port = protocol, kept["Port"]
        listener.certificates = [c["CertificateArn"] for c in kept["Certificates"] or ()]
        listener.certificate = listener.certificates[0] if listener.certificates else None
        listener.ssl_policy, listener.alpn_policy = kept["SslPolicy"], kept["AlpnPolicy"]
        listener.default_actions = [FakeAction(a) for a in kept["DefaultActions"]]
        listener._default_rule[0].actions = listener.default_actions
        self._tie()
        return ActionResult({"Listeners": [listener]})

    def delete_listener(self) -> ActionResult:
        arn = self.given("ListenerArn")
        for balancer in self.balancers.load_balancers.values():
            if balancer.listeners.pop(arn, None) is not None:
                self._tie()
                return EmptyResult()
        raise ApiError("ListenerNotFound", f"Listeners '[{arn}]' not found")

    def _check_policy(self, name: str | None) -> None:
        if name is not None and name not in SSL_POLICIES:
            raise ApiError("SSLPolicyNotFound", f"SSL policy '{name}' not found")

    def _tie(self) -> None:
        """A target group belongs to the load balancer whose listeners lead to it."""
        led: dict[str, list[str]] = {}
        for balancer in self.balancers.load_balancers.values():
            for listener in balancer.listeners.values():
                for rule in listener.rules.values():
                    for arn in listeners.target_groups([a.data for a in rule.actions]):
                        led.setdefault(arn, []).append(balancer.arn)
        for arn, group in self.balancers.target_groups.items():
            group.load_balancer_arns = sorted(set(led.get(arn, ())))

    def delete_load_balancer(self) -> ActionResult:
        arn = self.given("LoadBalancerArn")
        made = self.balancers.load_balancers.get(arn)
        if made is not None and balancer_attributes.of(made)["deletion_protection.enabled"] == "true":
            raise ApiError(
                "OperationNotPermitted",
                f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled",
            )
        balancer = self.cloud.balancers.pop(arn, None)
        if balancer is not None:
            for interface in balancer.interfaces:
                self.network.enis.pop(interface, None)
        self.balancers.load_balancers.pop(arn, None)
        self._tie()
        return EmptyResult()
