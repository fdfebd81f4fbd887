"""Load balancers: moto's store with AWS's names, canonical hosted zones and network interfaces."""

from __future__ import annotations

import secrets
import zlib
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.elbv2.models import elbv2_backends
from moto.elbv2.responses import ELBV2Response

from cloudlink_sandbox.aws import from_moto
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


def finish(store: SandboxEc2, balancers: Any, made: Any, arn: str | None = None) -> Balancer:
    """Give a load balancer that moto made its ARN, name, hosted zone, and an interface in each of its subnets."""
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
    interfaces = []
    for subnet in made.subnets:
        interface = store.create_network_interface(
            subnet.id,
            str(free_address(store, subnet.id, f"{made.name}/{subnet.id}")),
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

    def create_load_balancer(self) -> ActionResult:
        answer: Any = ELBV2Response.create_load_balancer(self)
        (made,) = answer.result["LoadBalancers"]
        balancer = finish(self.network, elbv2_backends[self.cloud.account][self.region], made)
        self.cloud.balancers[balancer.arn] = balancer
        return ActionResult({"LoadBalancers": [made]})

    def describe_load_balancers(self) -> ActionResult:
        """By ARN or name. Raises ApiError LoadBalancerNotFound for any that is missing, as AWS does."""
        store = elbv2_backends[self.cloud.account][self.region]
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
        if self.given("TargetGroupArn") not in elbv2_backends[self.cloud.account][self.region].target_groups:
            return EmptyResult()
        return ELBV2Response.delete_target_group(self)

    def delete_load_balancer(self) -> ActionResult:
        arn = self.given("LoadBalancerArn")
        balancer = self.cloud.balancers.pop(arn, None)
        if balancer is not None:
            for interface in balancer.interfaces:
                self.network.enis.pop(interface, None)
        elbv2_backends[self.cloud.account][self.region].load_balancers.pop(arn, None)
        return EmptyResult()
