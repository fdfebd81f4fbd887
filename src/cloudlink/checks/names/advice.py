"""One cause, and one thing to do about it, from what names answered. Pure.

What the clouds say of the link is known as well: ``cloudlink up`` is advised only where it would write something that names
need, and ``cloudlink status`` only where tunnels are down, which it then explains.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from cloudlink.checks.names.diagnose import kept_from_dns, silent
from cloudlink.checks.report import Advice, DnsReport, Drift, Health, NameReport
from cloudlink.errors import Finding, Severity

_UP, _STATUS = "cloudlink up", "cloudlink status"
_NAMES = (
    "resolver.",
    "dns_forward.",
    "aws_vpn.route_propagation",
    "aws_vpn.static_routes",
    "aws_vpn.association",
    "aws_vpn.propagation",
    "aws_vpn.attachment",
    "azure_vpn.network",
)
_COMMANDS = ("az ", "aws ", "kubectl ")
_WITNESS = re.compile(r" \([0-9a-f.:]+ answers\)")
"""Of a cause: an address of the VPC that answers, so that no tunnel is the reason. It is another one for each name."""
# Both ask the clouds, and not a pod: a name that only a pod finds wrong has another reason.
_ELSEWHERE = (
    "The tunnels are up and everything of cloudlink is as configured: look at the network ACLs of the endpoint's subnets, at "
    "network policies and NSGs on the way, and at the targets' security groups; if they let it through, open a support case "
    "with AWS."
)


_OVER_EXISTING = (
    "Both clouds have a way there and back, and everything of cloudlink is as configured: look at the firewalls and "
    "appliances between the networks, at network policies on the way, and at the targets."
)


def advised(
    report: DnsReport,
    tunnels: Health,
    drift: Sequence[Drift],
    dropped: Sequence[Finding] = (),
    stopped: Sequence[Finding] = (),
    elsewhere: Mapping[str, Sequence[Finding]] = MappingProxyType({}),
    *,
    way: Sequence[Finding] = (),
    tunnels_are_ours: bool = True,
) -> DnsReport:
    """The report with one thing to do, and without fixes that would find nothing to do.

    tunnels: the verdict on them, or on the path that somebody else has made. drift: what an ``up`` would write. dropped:
    what the clouds' packet filters drop of it. stopped: what the cluster's network policies stop, or may.
    elsewhere: name -> what else answers or blocks it in the VPC. way: what keeps packets of the cluster from the gateway, which no
    ``up`` puts right.
    """
    outside = _ELSEWHERE if tunnels_are_ours else _OVER_EXISTING
    names = tuple(
        replace(n, fix=_fix(n.fix, Health.HEALTHY if _WITNESS.search(n.cause) else tunnels, drift, outside))
        for n in report.names
    )
    if not _needed(drift):
        names = tuple(_caused(n, elsewhere.get(n.name, ())) for n in names)
    if tunnels is Health.HEALTHY and not _needed(drift):
        of_coredns = [f for f in stopped if f.resource.startswith("dns_forward.")]
        names = tuple(
            _caused(n, [*dropped, *stopped]) if silent(n) else _caused(n, of_coredns) if kept_from_dns(n) else n
            for n in names
        )
    names = tuple(_caused(n, way) if silent(n) else n for n in names)
    wrong = [n for n in names if n.verdict != "ok"]
    if not wrong:
        return replace(report, names=names)
    told = one_thing(wrong, len(names), drift, tunnels_are_ours=tunnels_are_ours)
    return replace(report, names=names, advice=told)


def one_thing(wrong: Sequence[NameReport], of: int, drift: Sequence[Drift], *, tunnels_are_ours: bool = True) -> Advice:
    """What most of these names, of which none works, have in common. of: how many were asked."""
    groups: dict[tuple[str, str], list[NameReport]] = {}
    for name in wrong:
        groups.setdefault((_WITNESS.sub("", name.cause), name.fix), []).append(name)
    (alike, fix), chosen = max(groups.items(), key=lambda g: len(g[1]))
    cause = chosen[0].cause
    who = f"All {len(wrong)}" if len(chosen) == of > 1 else ", ".join(n.name for n in chosen)
    others = tuple(
        f"{', '.join(n.name for n in g)}: {g[0].cause}" for (c, f), g in groups.items() if (c, f) != (alike, fix)
    )
    base = Advice(f"{who}: {_sentence(cause)}", others=others)
    if fix == _UP:
        return replace(
            base, command=_UP, effect=f"puts right what differs: {', '.join(d.title for d in _needed(drift))}"
        )
    if fix == _STATUS:
        says = f"says {'why tunnels are down' if tunnels_are_ours else 'where the path is broken'}, and what to do"
        return replace(base, command=_STATUS, effect=says)
    if fix.startswith(_COMMANDS) and ";" not in fix:
        return replace(base, command=fix)
    return replace(base, task=_sentence(fix))


def _caused(name: NameReport, found: Sequence[Finding]) -> NameReport:
    """What is surely in the way comes before what may be."""
    first = sorted(found, key=lambda f: f.severity is not Severity.OBSTACLE)
    return replace(name, cause=" ".join(f.detail for f in first), fix=first[0].hint) if first else name


def _fix(fix: str, tunnels: Health, drift: Sequence[Drift], elsewhere: str) -> str:
    """What helps, of what could."""
    if not fix:
        return ""
    if _UP in fix and _needed(drift):
        return _UP
    if (_UP in fix or _STATUS in fix) and tunnels is not Health.HEALTHY:
        return _STATUS
    kept = [part.strip() for part in fix.split(";") if _UP not in part and _STATUS not in part]
    return "; ".join(kept) or elsewhere


def _needed(drift: Sequence[Drift]) -> list[Drift]:
    return [d for d in drift if d.address.startswith(_NAMES)]


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."
