"""What the configured names point at: load balancers, found and checked, or fixed addresses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Protocol

from cloudlink.clouds.aws.client import Aws, AwsObject
from cloudlink.clouds.malformed import parsing
from cloudlink.core.resource import Lookup, Node, Outputs
from cloudlink.errors import CloudError, MissingError, UnreachableError, finding_of
from cloudlink.link import AddressTarget, Host, KubernetesTarget, Link, LoadBalancerTarget
from cloudlink.steps.outputs import EksCluster, LoadBalancer, Targets
from cloudlink.steps.resolver.hosted_zone import plain_name


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

    @parsing("AWS's load balancers")
    def read(self, outputs: Outputs) -> Targets:
        """Raises MissingError for a load balancer that is not there, CloudError for one that is public or of another VPC;
        of several, one that carries them all."""
        found: dict[str, AwsObject] = {}
        fixed: dict[str, tuple[IPv4Address, ...]] = {}
        wrong: list[CloudError] = []
        for host in self.link.dns.hosts:
            if isinstance(host.target, AddressTarget):
                fixed[host.label] = host.target.addresses
                continue
            try:
                found[host.label] = self._balancer(host, outputs)
                self._refuse_public(host.label, found[host.label])
                self._refuse_elsewhere(host.label, found[host.label])
            except CloudError as error:
                wrong.append(error)
        if wrong:
            raise _all_of(wrong, self.address)
        return Targets(
            {
                label: LoadBalancer(
                    b["LoadBalancerName"],
                    b["LoadBalancerArn"],
                    plain_name(b["DNSName"]),
                    b["CanonicalHostedZoneId"],
                )
                for label, b in found.items()
            },
            fixed,
        )

    def _balancer(self, host: Host, outputs: Outputs) -> AwsObject:
        match host.target:
            case LoadBalancerTarget(name_or_arn):
                return self._named(host, name_or_arn)
            case KubernetesTarget(kind, namespace, name):
                cluster = self.kube_eks(outputs[self.cluster])
                return self._with_dns_name(host, cluster.load_balancer_of(kind, namespace, name))
        raise AssertionError(host.target)

    def _named(self, host: Host, wanted: str) -> AwsObject:
        for balancer in self.aws.load_balancers():
            if wanted in (balancer["LoadBalancerName"], balancer["LoadBalancerArn"]):
                return balancer
        raise MissingError(
            "The load balancer does not exist",
            f"{host.fqdn(self.link.dns.zone)} points at {wanted}, but {self.link.aws.region} has no application or "
            "network load balancer of that name.",
            f"List them with: aws elbv2 describe-load-balancers --region {self.link.aws.region}",
            resource=self.address,
        )

    def _with_dns_name(self, host: Host, wanted: str) -> AwsObject:
        for balancer in self.aws.load_balancers():
            if plain_name(balancer["DNSName"]) == plain_name(wanted).removeprefix("dualstack."):
                return balancer
        raise MissingError(
            "The load balancer does not exist",
            f"{host.fqdn(self.link.dns.zone)} leads to {wanted}, which is not an application or network load balancer of "
            f"{self.link.aws.region}. Classic load balancers are not supported.",
            "Let the AWS Load Balancer Controller make an internal NLB or ALB for it.",
            resource=self.address,
        )

    def _refuse_public(self, label: str, balancer: AwsObject) -> None:
        """An internet-facing load balancer answers with public addresses, and traffic to those passes by the link."""
        if balancer.get("Scheme") == "internal":
            return
        raise CloudError(
            "The load balancer is not internal",
            f"{balancer['LoadBalancerName']} (for {label}) is {balancer.get('Scheme')}: its name resolves to public "
            "addresses, so pods on AKS would go over the internet instead of through the tunnels.",
            "Make an internal load balancer (service.beta.kubernetes.io/aws-load-balancer-scheme: internal) and point "
            "the name at that one.",
            resource=self.address,
        )

    def _refuse_elsewhere(self, label: str, balancer: AwsObject) -> None:
        """A tunnel's gateway carries packets for its own VPC only, not on to one that is peered with it."""
        vpc = balancer.get("VpcId")
        if not vpc or vpc == self.link.aws.vpc_id:
            return
        raise CloudError(
            "The load balancer is in another VPC",
            f"{balancer['LoadBalancerName']} (for {label}) is in {vpc}, and the link ends in {self.link.aws.vpc_id}: a virtual "
            "private gateway does not pass packets on to another VPC, also where both are peered.",
            f"Point the name at a load balancer in {self.link.aws.vpc_id}, or make the link to {vpc}.",
            resource=self.address,
        )


def _all_of(wrong: list[CloudError], address: str) -> CloudError:
    """One error for all of them; a cluster that does not answer is no fault of the targets."""
    away = next((e for e in wrong if isinstance(e, UnreachableError)), None)
    if away is not None or len(wrong) == 1:
        return away or wrong[0]
    kind = MissingError if all(isinstance(e, MissingError) for e in wrong) else CloudError
    names = "; ".join(dict.fromkeys(e.detail for e in wrong))
    made = kind(
        "Targets of several names are not as they must be",
        names,
        "Correct dns.hosts, or what the names point at.",
        resource=address,
    )
    made.findings = tuple(finding_of(e) for e in wrong)
    return made
