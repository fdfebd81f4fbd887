"""The least permissions, both ways: with exactly these each command passes, and without any one of them a command ends
with the missing one named. What ``cloudlink permissions`` prints is made from the same."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

from cloudlink.connect import topology_unasked
from cloudlink.steps.least_permissions import COMMANDS, Allowance, Where, least
from reliability.fork_server import Ended
from reliability.harness import Harness
from reliability.link_kinds import EXAMPLE, EXAMPLE_KIND, KINDS, LinkKind
from reliability.results import Point, Results
from reliability.scenarios import prepare
from reliability.snapshot import Snapshots

WORLDS = {
    "up": ("empty", "changed", "drifted"),
    "status": ("built",),
    "verify-dns": ("built",),
    "teardown": ("built",),
}
OF_OTHER_KINDS = ("empty", "changed")  # worlds of an up
TRIED = (EXAMPLE_KIND, "several AKS clusters")
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
    """kind: of link. What does not depend on it is tried on the example alone: of the others each command with exactly its
    permissions, and without each of those in the AKS clusters."""

    def __init__(self, harness: Harness, kind: LinkKind = EXAMPLE) -> None:
        self.harness = harness
        self.kind = kind
        if kind is not EXAMPLE:
            kind.begin(harness)
        prepare(harness, Snapshots(harness), kind)
        self.nodes = topology_unasked(harness.link).nodes()
        self.grants = harness.sandbox.context.grants

    def all_points(self) -> Iterator[tuple[str, Allowance | None]]:
        for command in COMMANDS:
            yield command, None
            for allowance in least(self.harness.link, self.nodes, [command]):
                tried = self.kind is EXAMPLE or allowance.where is Where.AKS
                if tried and allowance.action not in NOT_IN_THESE_WORLDS.get(command, ()):
                    yield command, allowance

    def point(self, command: str, without: Allowance | None) -> Point:
        wrong = self._without(command, without) if without is not None else self._exactly(command)
        what = f"{command} without one of them" if without is not None else f"{command} with exactly these"
        return Point("least_permissions", what, f"{self.where}{command}: {without}", wrong)

    @property
    def where(self) -> str:
        return "" if self.kind is EXAMPLE else f"{self.kind.name}, "

    @property
    def worlds(self) -> dict[str, tuple[str, ...]]:
        if self.kind is EXAMPLE:
            return WORLDS
        return {**WORLDS, "up": tuple(w for w in WORLDS["up"] if w in OF_OTHER_KINDS)}

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
        for world in self.worlds[command]:
            ended = self._run(command, world, None)
            if ended.code != 0:
                return f"{world}: denied {self._denied}\n{ended}"
        return ""

    def _without(self, command: str, allowance: Allowance) -> str:
        seen = []
        for world in self.worlds[command]:
            ended = self._run(command, world, allowance)
            # of several clusters the one that cannot be read leaves the others to be judged
            codes = (4, 8) if allowance.where is Where.AKS and self.harness.link.azure.more_clusters else (4,)
            if ended.code in codes and named(allowance, ended):
                return ""
            seen.append(f"{world}: denied {self._denied}\n{ended}")
        return "\n".join(seen)


def run(results: Results, *, seed: int, part: int = 0, of: int = 1, most: int = 0, kinds: Sequence[str] = TRIED) -> int:
    """Returns the number of points that there are. most: points of each kind; 0: all."""
    there_are = 0
    for left, name in enumerate(kinds):
        kind = KINDS.get(name, EXAMPLE)
        with results.share(len(kinds) - left), kind.opened() as harness:
            runner = Runner(harness, kind)
            points = list(runner.all_points())
            there_are += len(points)
            chosen = points[part::of]
            random.Random(seed).shuffle(chosen)
            for command, allowance in results.in_time(chosen, most):
                if f"{runner.where}{command}: {allowance}" not in results.done:
                    results.add(runner.point(command, allowance))
    return there_are
