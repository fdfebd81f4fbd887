"""Names whose target could not be read: what the pod and the zone's records prove of them all the same, and what stays open.

Pure. A load balancer's DNS name begins with its own name, internal ones of the application kind with ``internal-`` before it:
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/network-load-balancers.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from cloudlink.checks.names.diagnose import health
from cloudlink.checks.names.verify import host_of
from cloudlink.checks.report import DnsReport, Hop, NameReport
from cloudlink.link import Link, LoadBalancerTarget

RECORD = "record"  # the hop of what the zone's record says, where nothing else tells the target


def told(report: DnsReport, link: Link, compared: Collection[str], records: Mapping[str, str], why: str) -> DnsReport:
    """The report with what is not proved of names that work.

    compared: the configured names whose addresses were known. records: configured name -> the name that its record leads to, as
    far as that was read. why: what could not be read; empty: all of it was.
    """
    names = list[NameReport]()
    by_record, still = list[tuple[str, str]](), list[tuple[str, str]]()
    for name in report.names:
        of, target = _configured(name.name, link)
        if not of or of in compared or name.verdict != "ok":
            names.append(name)
            continue
        wanted, leads = _own_name(target), records.get(of, "")
        if wanted and leads and not _begins_with(leads, wanted):
            names.append(_elsewhere(name, leads, wanted, of))
            continue
        names.append(name)
        (by_record if wanted and leads else still).append((name.name, leads))
    return replace(report, names=tuple(names), health=health(names), unproved=tuple(_sentences(by_record, still, why)))


def _sentences(by_record: list[tuple[str, str]], still: list[tuple[str, str]], why: str) -> list[str]:
    said = []
    reason = f": {why.rstrip('.')}" if why else ": no address of it could be read"
    if by_record:
        known = ", ".join(f"{name} ({leads})" for name, leads in by_record)
        said.append(
            f"Resolved to private addresses and reached on each port, and the record leads to a load balancer of the configured "
            f"name: {known}. Not proved that the answers are that load balancer's addresses{reason}."
        )
    if still:
        known = ", ".join(f"{name} (record: {leads})" if leads else name for name, leads in still)
        said.append(
            f"Resolved to private addresses and reached on each port: {known}. Not proved that this is the configured "
            f"target{reason}."
        )
    return said


def _elsewhere(name: NameReport, leads: str, wanted: str, configured: str) -> NameReport:
    hop = Hop(RECORD, "stale-address", f"leads to {leads}, which is no name of the load balancer {wanted}")
    cause = f"The record of {configured} leads to {leads}, and the configuration names the load balancer {wanted}"
    return replace(name, verdict=hop.result, hops=(*name.hops, hop), cause=cause, fix="cloudlink up")


def _configured(asked: str, link: Link) -> tuple[str, str]:
    """The configured name that answers for one that was asked, empty where none does, and the load balancer that it names."""
    zone = link.dns.zone_of(asked)
    host = host_of(zone, asked) if zone is not None else None
    if zone is None or host is None:
        return "", ""
    target = host.target
    return host.fqdn(zone.name), target.name_or_arn if isinstance(target, LoadBalancerTarget) else ""


def _own_name(name_or_arn: str) -> str:
    return name_or_arn.split("/")[-2].lower() if name_or_arn.count("/") >= 2 else name_or_arn.lower()


def _begins_with(leads: str, wanted: str) -> bool:
    label = leads.lower().removeprefix("dualstack.").partition(".")[0].removeprefix("internal-")
    return label.startswith(f"{wanted.removeprefix('internal-')}-")
