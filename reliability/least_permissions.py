"""The least permissions, both ways: with exactly these each command passes, and without any one of them a command ends
with the missing one named. What ``cloudlink permissions`` prints is made from the same."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from cloudlink.connect import topology_unasked
from cloudlink.steps.least_permissions import COMMANDS, Allowance, Where, least
from reliability.fork_server import Ended
from reliability.harness import Harness
from reliability.results import Point, Results
from reliability.scenarios import prepare
from reliability.snapshot import Snapshots

WORLDS = {
    "up": ("empty", "changed", "drifted"),
    "status": ("built",),
    "verify-dns": ("built",),
    "teardown": ("built",),
}
ARGUMENTS = {"up": ("up",), "status": ("status",), "verify-dns": ("verify-dns",), "teardown": ("teardown", "--yes")}
NOT_IN_THESE_WORLDS = {
    "up": {
        "ec2:ModifyVpnConnectionOptions",
        "ec2:ModifyVpnTunnelOptions",
        "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
        "route53:AssociateVPCWithHostedZone",
        "route53resolver:AssociateResolverEndpointIpAddress",
        "route53resolver:DisassociateResolverEndpointIpAddress",
        "route53resolver:UpdateResolverEndpoint",
        # of up: only where something is made a second time, as teardown shows for each of them
        "ec2:DeleteCustomerGateway",
        "ec2:DeleteNetworkInterface",
        "ec2:DeleteSecurityGroup",
        "ec2:DeleteVpnConnection",
        "ec2:DeleteVpnGateway",
        "ec2:DetachVpnGateway",
        "ec2:DisableVgwRoutePropagation",
        "ec2:RevokeSecurityGroupIngress",
        "route53:DeleteHostedZone",
        "route53resolver:DeleteResolverEndpoint",
        "Microsoft.Network/connections/delete",
        "Microsoft.Network/localNetworkGateways/delete",
        "Microsoft.Network/publicIPAddresses/delete",
        "Microsoft.Network/virtualNetworkGateways/delete",
        "Microsoft.Network/virtualNetworks/subnets/delete",
    },
    "status": {"route53:ListHostedZones"},  # only where the state does not know the zone, or it is gone
    "teardown": {"ec2:ModifyVpcAttribute"},  # only where a link had to change it
}
"""What a command needs for changes that no world here asks of it."""


def granted(allowance: Allowance) -> str:
    """As the sandbox's grants name it."""
    if allowance.where in (Where.AWS, Where.AZURE):
        return allowance.action
    name = "*" if allowance.place != "kube-system" and not allowance.name else allowance.name
    return f"{allowance.where}:{allowance.action}:{allowance.resource}:{allowance.place}:{name}"


def named(allowance: Allowance, ended: Ended) -> bool:
    """Whether what was shown names what is missing."""
    words = re.sub(r"\s+", " ", ended.out + ended.err).lower()
    if allowance.where in (Where.AWS, Where.AZURE):
        return allowance.action.lower() in words
    return allowance.resource.partition("/")[0] in words and allowance.action in words


class Runner:
    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        prepare(harness, Snapshots(harness))
        self.nodes = topology_unasked(harness.link).nodes()
        self.grants = harness.sandbox.context.grants

    def all_points(self) -> Iterator[tuple[str, Allowance | None]]:
        for command in COMMANDS:
            yield command, None
            for allowance in least(self.harness.link, self.nodes, [command]):
                if allowance.action not in NOT_IN_THESE_WORLDS.get(command, ()):
                    yield command, allowance

    def point(self, command: str, without: Allowance | None) -> Point:
        wrong = self._without(command, without) if without is not None else self._exactly(command)
        what = f"{command} without one of them" if without is not None else f"{command} with exactly these"
        return Point("least_permissions", what, f"{command}: {without}", wrong)

    def _run(self, command: str, world: str, without: Allowance | None) -> Ended:
        self.harness.back_to(world)
        given = least(self.harness.link, self.nodes, [command])
        self.grants.limit(granted(a) for a in given if a != without)
        try:
            return self.harness.run(*ARGUMENTS[command])
        finally:
            self._denied = [a for a, allowed in self.grants.json()["used"].items() if not allowed]
            self.grants.allow_all()

    def _exactly(self, command: str) -> str:
        for world in WORLDS[command]:
            ended = self._run(command, world, None)
            if ended.code != 0:
                return f"{world}: denied {self._denied}\n{ended}"
        return ""

    def _without(self, command: str, allowance: Allowance) -> str:
        seen = []
        for world in WORLDS[command]:
            ended = self._run(command, world, allowance)
            if ended.code == 4 and named(allowance, ended):
                return ""
            seen.append(f"{world}: denied {self._denied}\n{ended}")
        return "\n".join(seen)


def run(results: Results, *, seed: int, part: int = 0, of: int = 1, most: int = 0) -> int:
    with Harness() as harness:
        runner = Runner(harness)
        points = list(runner.all_points())
        chosen = points[part::of]
        random.Random(seed).shuffle(chosen)
        for command, allowance in results.in_time(chosen, most):
            if f"{command}: {allowance}" not in results.done:
                results.add(runner.point(command, allowance))
        return len(points)
