"""Whether a pod on AKS reaches the inbound endpoint, asked before CoreDNS sends the zone there.

Over what somebody else has joined, cloudlink has made no route and no rule of a firewall: only a packet proves them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address

from cloudlink.checks.names.answers import ProbeFacts, Query, Question
from cloudlink.checks.names.probe import Probe
from cloudlink.clouds.kube.client import Kube
from cloudlink.core.polling import Clock
from cloudlink.errors import UnhealthyError
from cloudlink.link import Link
from cloudlink.steps.dns_forward.step import FORWARD

# Below the zone, and no name that anybody has: what CoreDNS answers to it now may stay in caches of the nodes.
ASKED_LABEL = "cloudlink-reach"


def prove(link: Link, kube: Kube, clock: Clock, addresses: Sequence[IPv4Address], resource: str = FORWARD) -> None:
    """Ask these addresses on port 53 from a pod, over UDP and TCP. Raises UnhealthyError where one does not answer, and
    what ``Probe.run`` raises where there is no pod to ask from. resource: the cluster's key in CoreDNS, which is not made then."""
    question = Question(f"{ASKED_LABEL}.{link.dns.zone}")
    refuse_silent(link, Probe(link, kube, clock).run([question], sorted(addresses)), addresses, resource)


def refuse_silent(link: Link, facts: ProbeFacts, addresses: Sequence[IPv4Address], resource: str = FORWARD) -> None:
    """Any answer will do, also that there is no such name. Raises UnhealthyError."""
    asked = [q for name in facts.names for q in name.queries if q.via == "endpoint"]
    silent = [q for q in asked if q.outcome != "answer"]
    if asked and not silent:
        return
    whole = len(silent) == len(asked)
    who = "none of the" if whole else f"{len(silent)} of {len(asked)}"
    who_sends = "CoreDNS" if link.dns.forward == "coredns" else "The VNet"
    raise UnhealthyError(
        "A pod does not reach the inbound endpoint",
        f"From a pod on {link.azure.aks_cluster} {who} questions to port 53 of {_listed(addresses)} "
        f"{'was' if whole else 'were not'} answered ({_outcomes(silent)}). {who_sends} was not told to send {link.dns.zones_said} there, "
        "so that pods resolve names as before.",
        "cloudlink status\nIt says what of the way can be seen. What cannot: firewalls and appliances between the networks must "
        f"let UDP and TCP to port 53 of {_listed(addresses)} pass from {link.azure.aks_cluster}, and the answers back. "
        "Then: cloudlink up",
        resource=resource,
    )


def _listed(addresses: Iterable[IPv4Address]) -> str:
    return ", ".join(map(str, sorted(addresses)))


def _outcomes(silent: Sequence[Query]) -> str:
    """``10.10.1.4 udp: timeout``, each once."""
    return "; ".join(f"{q.server} {q.protocol}: {q.outcome}" for q in silent) or "nothing was asked"
