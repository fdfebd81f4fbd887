"""What the configured names point at: load balancers, found and checked, or fixed addresses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Protocol

from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_balancers import LoadBalancer as LoadBalancerFact
from cloudlink.clouds.aws.parse_balancers import load_balancers
from cloudlink.clouds.aws.parse_zones import plain_name
from cloudlink.core.resource import Lookup, Node, Outputs
from cloudlink.errors import CloudError, MissingError, UnreachableError, finding_of
from cloudlink.link import AddressTarget, Host, KubernetesTarget, Link, LoadBalancerTarget
from cloudlink.steps.outputs import EksCluster, LoadBalancer, Targets


class KnowsBalancers(Protocol):
    """The Kubernetes API of the EKS cluster, as far as it is needed here."""

    def load_balancer_of(self, kind: str, namespace: str, name: str) -> str:
        """The DNS name in the status of a ``service`` or ``ingress``. Raises MissingError."""
        ...


BalancerNames = Callable[[EksCluster], KnowsBalancers]
"""Gives access to a cluster; called only when a name points at a Service or Ingress."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TargetLookup(Lookup[Targets]):
    link: Link
    aws: Aws
    cluster: Node[EksCluster]
    kube_eks: BalancerNames

    def read(self, outputs: Outputs) -> Targets:
        """Raises MissingError for a load balancer that is not there, CloudError for one that is public or of another VPC;
        of several, one that carries them all."""
        found: dict[str, LoadBalancerFact] = {}
        fixed: dict[str, tuple[IPv4Address, ...]] = {}
        wrong: list[CloudError] = []
        for zone, host in self.link.dns.all_hosts:
            name = host.fqdn(zone.name)
            if isinstance(host.target, AddressTarget):
                fixed[name] = host.target.addresses
                continue
            try:
                found[name] = self._balancer(name, host, outputs)
                short = self.link.dns.short_name(zone, host)
                self._refuse_unable(short, found[name])
                self._refuse_public(short, found[name])
                self._refuse_elsewhere(short, found[name])
            except CloudError as error:
                wrong.append(error)
        if wrong:
            raise _all_of(wrong, self.address)
        return Targets(
            {name: LoadBalancer(b.name, b.arn, plain_name(b.dns_name), b.zone) for name, b in found.items()},
            fixed,
        )

    def without_clusters(self) -> Targets:
        """What can be known where ``read`` fails: configured addresses, and load balancers that are named in the
        configuration, where the region's may be listed. Raises what that read raises."""
        named = {
            host.fqdn(zone.name): host.target.name_or_arn
            for zone, host in self.link.dns.all_hosts
            if isinstance(host.target, LoadBalancerTarget)
        }
        listed = load_balancers(self.aws.load_balancers()) if named else ()
        found = {name: b for name, wanted in named.items() for b in listed if wanted in (b.name, b.arn)}
        return Targets(
            {name: LoadBalancer(b.name, b.arn, plain_name(b.dns_name), b.zone) for name, b in found.items()},
            configured_addresses(self.link),
        )

    def _balancer(self, full_name: str, host: Host, outputs: Outputs) -> LoadBalancerFact:
        match host.target:
            case LoadBalancerTarget(name_or_arn):
                return self._named(full_name, name_or_arn)
            case KubernetesTarget(kind, namespace, name):
                cluster = self.kube_eks(outputs[self.cluster])
                return self._with_dns_name(full_name, cluster.load_balancer_of(kind, namespace, name))
        raise AssertionError(host.target)

    def _named(self, name: str, wanted: str) -> LoadBalancerFact:
        for balancer in load_balancers(self.aws.load_balancers()):
            if wanted in (balancer.name, balancer.arn):
                return balancer
        raise MissingError(
            "The load balancer does not exist",
            f"{name} points at {wanted}, but {self.link.aws.region} has no application or "
            "network load balancer of that name.",
            f"Have it made again, or name another one in dns.hosts (aws elbv2 describe-load-balancers --region "
            f"{self.link.aws.region}).",
            resource=self.address,
        )

    def _with_dns_name(self, name: str, wanted: str) -> LoadBalancerFact:
        for balancer in load_balancers(self.aws.load_balancers()):
            if plain_name(balancer.dns_name) == plain_name(wanted).removeprefix("dualstack."):
                return balancer
        raise MissingError(
            "The load balancer does not exist",
            f"{name} leads to {wanted}, which is not an application or network load balancer of "
            f"{self.link.aws.region}. Classic load balancers are not supported.",
            "Let the AWS Load Balancer Controller make an internal NLB or ALB for it.",
            resource=self.address,
        )

    def _refuse_unable(self, name: str, balancer: LoadBalancerFact) -> None:
        """One that no name can point at, or that will never answer. One that is being made is waited for by nobody: its
        name is there, and resolves once it is ready."""
        if balancer.kind == "gateway":
            raise CloudError(
                "The load balancer is a gateway load balancer",
                f"{balancer.name} (for {name}) leads packets through appliances and has no DNS name that a name could point "
                "at.",
                "Point the name at an application or network load balancer, or at addresses: dns.hosts.",
                resource=self.address,
            )
        if balancer.state == "failed":
            raise CloudError(
                "The load balancer has failed",
                f"AWS could not make {balancer.name} (for {name})"
                + (f": {balancer.why.rstrip('.')}." if balancer.why else "."),
                "Delete it and have it made again (of a Kubernetes Service or Ingress: delete that, and apply it again).",
                resource=self.address,
            )

    def _refuse_public(self, name: str, balancer: LoadBalancerFact) -> None:
        """An internet-facing load balancer answers with public addresses, and traffic to those passes by the link."""
        if balancer.internal:
            return
        raise CloudError(
            "The load balancer is not internal",
            f"{balancer.name} (for {name}) is {balancer.scheme}: its name resolves to public "
            "addresses, so pods on AKS would go over the internet instead of through the tunnels.",
            "Make an internal load balancer (service.beta.kubernetes.io/aws-load-balancer-scheme: internal) and point "
            "the name at that one.",
            resource=self.address,
        )

    def _refuse_elsewhere(self, name: str, balancer: LoadBalancerFact) -> None:
        """A virtual private gateway carries packets for its own VPC only, not on to one that is peered with it; over a transit
        gateway cloudlink makes the ways to that one VPC."""
        vpc = balancer.vpc
        if not vpc or vpc == self.link.aws.vpc_id:
            return
        why = "a virtual private gateway does not pass packets on to another VPC, also where both are peered"
        if self.link.aws.transit:
            why = "over its transit gateway, cloudlink makes the ways to that VPC alone"
        raise CloudError(
            "The load balancer is in another VPC",
            f"{balancer.name} (for {name}) is in {vpc}, and the link ends in {self.link.aws.vpc_id}: {why}.",
            f"Point the name at a load balancer in {self.link.aws.vpc_id}, or make the link to {vpc}.",
            resource=self.address,
        )


def configured_addresses(link: Link) -> dict[str, tuple[IPv4Address, ...]]:
    """Of the names that point at addresses: no cloud need be asked for them."""
    return {
        host.fqdn(zone.name): host.target.addresses
        for zone, host in link.dns.all_hosts
        if isinstance(host.target, AddressTarget)
    }


def _all_of(wrong: list[CloudError], address: str) -> CloudError:
    """One error for all of them; a cluster that does not answer is no fault of the targets."""
    away = next((e for e in wrong if isinstance(e, UnreachableError)), None)
    if away is not None or len(wrong) == 1:
        return away or wrong[0]
    kind = MissingError if all(isinstance(e, MissingError) for e in wrong) else CloudError
    names = "; ".join(dict.fromkeys(e.detail.rstrip(".") for e in wrong))
    made = kind(
        "Targets of several names are not as they must be",
        names,
        "Correct dns.hosts, or what the names point at.",
        resource=address,
    )
    made.findings = tuple(finding_of(e) for e in wrong)
    return made
