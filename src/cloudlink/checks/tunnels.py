"""The expected tunnels as both clouds report them: which are up, and what of that is a finding of status.

Pure: facts in, plain data out.

Azure tries every connection from both instances, eight attempts for four tunnels. AWS answers only the address of the
customer gateway, so four of them stay down for ever, and their BGP neighbours too. That is by design: only the pair of
inside addresses that belongs to a tunnel is considered.
https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-howto-aws-bgp
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from cloudlink.checks.marks import key_changed
from cloudlink.checks.report import AwsTunnelView, AzureTunnelView, BgpView, Check, Health, Outcome, TunnelStatus, check
from cloudlink.checks.tunnel_causes import Why, why_down
from cloudlink.checks.tunnel_ends import AwsFacts, AzureFacts, Ends, ends_of, narrowed
from cloudlink.clouds.aws.parse_logs import TunnelLogEntry
from cloudlink.clouds.azure.parse_gateway import BgpPeer
from cloudlink.clouds.azure.parse_ipsec import AZURES_OWN
from cloudlink.clouds.azure.parse_monitor import GatewayLogEntry
from cloudlink.link import Link, Tunnel


def statuses(link: Link, aws: AwsFacts, azure: AzureFacts) -> tuple[TunnelStatus, ...]:
    """One for each of the link's tunnels, in order."""
    return tuple(_status(link, ends_of(link, t, aws, azure), aws, azure) for t in link.tunnels)


def health(tunnels: Iterable[TunnelStatus]) -> Health:
    """By tunnels alone. Absent when neither cloud has any part of them."""
    tunnels = tuple(tunnels)
    if all(t.aws is None and t.azure is None for t in tunnels):
        return Health.ABSENT
    instances_up = {t.instance for t in tunnels if t.up}
    if not instances_up:
        return Health.DOWN
    if len(instances_up) == 1:
        return Health.NO_REDUNDANCY
    return Health.HEALTHY if all(t.up and not t.concern for t in tunnels) else Health.DEGRADED


def one_instance(tunnels: Iterable[TunnelStatus]) -> bool:
    """Whether Azure's gateway, one that existed, has one instance only: no tunnel is expected on another."""
    return len({t.instance for t in tunnels}) == 1


def verdict(tunnels: Iterable[TunnelStatus]) -> str:
    """One sentence on the tunnels."""
    tunnels = tuple(tunnels)
    up = [t for t in tunnels if t.up]
    match health(tunnels):
        case Health.ABSENT:
            return "There is no link: neither cloud has any part of it."
        case Health.DOWN:
            return "No tunnel is up: nothing passes between AKS and the VPC."
        case Health.NO_REDUNDANCY if one_instance(tunnels):
            state = (
                f"All {len(tunnels)} tunnels are up"
                if len(up) == len(tunnels)
                else f"{len(up)} of {len(tunnels)} tunnels {_is(len(up))} up"
            )
            return (
                f"{state}. There is no redundancy on Azure's side: its gateway has one instance (it is not active-active), and "
                "while that is maintained, for seconds or minutes, nothing passes."
            )
        case Health.NO_REDUNDANCY:
            instance = up[0].instance + 1
            return (
                f"{len(up)} of {len(tunnels)} tunnels {_is(len(up))} up, all on Azure instance {instance}: "
                "maintenance of that instance takes the whole link down."
            )
        case Health.DEGRADED if len(up) == len(tunnels):
            names = ", ".join(t.name for t in tunnels if t.concern)
            return f"All {len(tunnels)} tunnels are up, but {names} will not stay so."
        case Health.DEGRADED:
            return f"{len(up)} of {len(tunnels)} tunnels {_is(len(up))} up, at least one on each Azure instance: traffic passes."
        case _:
            return f"All {len(tunnels)} tunnels are up and carry routes."


# --- one tunnel -------------------------------------------------------------------------------------------


def _status(link: Link, ends: Ends, aws: AwsFacts, azure: AzureFacts) -> TunnelStatus:
    tunnel = ends.tunnel
    aws_view, azure_view, bgp = _aws_view(ends), _azure_view(ends), _bgp_view(tunnel, azure.bgp)
    up = (
        aws_view is not None
        and azure_view is not None
        and aws_view.state == "UP"
        and aws_view.routes >= 1
        and azure_view.status == "Connected"
        and (bgp is None or (bgp.state == "Connected" and bgp.routes >= 1))
    )
    unseen = [
        f"{cloud} could not be read: {why}" for cloud, why in (("AWS", aws.unseen), ("Azure", azure.unseen)) if why
    ]
    cause = Why("", "", "")
    if not up:
        cause = Why("; ".join(unseen), "", "") if unseen else why_down(link, ends, aws_view, azure_view, bgp)
    return TunnelStatus(
        address=f"tunnel[{tunnel.index}]",
        inside=str(tunnel.inside),
        instance=tunnel.vpn,
        aws=aws_view,
        azure=azure_view,
        bgp=bgp,
        up=up,
        why=cause.why,
        fix=cause.fix,
        kind=cause.kind,
        concern=_concern(ends) if up else "",
        key_changed=key_changed(ends.vpn.tags, tunnel) if ends.vpn is not None else None,
    )


def _concern(ends: Ends) -> str:
    """What will take a tunnel down that is up now."""
    assert ends.vpn is not None
    assert ends.option is not None
    assert ends.connection is not None
    if found := narrowed(ends.vpn):
        return found
    permitted, azure = ends.option.pfs_groups, ends.connection.renewal_group
    if not ends.connection.has_policy:
        # AWS asks, since its keys live shorter than Azure's own 27,000 s, and Azure takes many a group
        if permitted and not set(permitted) & set(AZURES_OWN["pfs_group"]):
            groups = (
                f"AWS permits {', '.join(permitted)}, Azure has without a policy {', '.join(AZURES_OWN['pfs_group'])}"
            )
            return f"it will be lost when its keys are renewed, for no PFS group is common to both: {groups}"
    elif groups := no_pfs_group_in_common(permitted, azure):
        return f"it will be lost when its keys are renewed, for no PFS group is common to both: {groups}"
    return ""


def no_pfs_group_in_common(permitted: Sequence[str], azure: str) -> str:
    """What each side has, where they share no Diffie-Hellman group for the renewal of a tunnel's keys; empty: they share
    one, or it cannot be told. The first keys need none of their own in IKEv2, so such a tunnel comes up all the same.

    permitted: the groups that AWS permits; none: AWS's own list, which is long. azure: a number, ``none``, or empty where it cannot be told.
    """
    if azure != "none" and (not azure or not permitted or azure in permitted):
        return ""
    return f"AWS permits {', '.join(permitted) or 'its own, but not none'}, Azure uses {azure}"


def with_evidence(statuses: Iterable[TunnelStatus], written: Iterable[TunnelLogEntry]) -> tuple[TunnelStatus, ...]:
    """Those that are not up with the last that AWS's end wrote of why not. written: oldest first."""
    last: dict[tuple[str, str], TunnelLogEntry] = {}
    for entry in written:
        if entry.good is False:
            last[entry.connection, entry.outside] = entry
    found = []
    for status in statuses:
        said = last.get((status.aws.connection, status.aws.outside_ip)) if status.aws and not status.up else None
        found.append(replace(status, evidence=said.text, evidence_at=said.at) if said else status)
    return tuple(found)


def with_azures_evidence(
    statuses: Iterable[TunnelStatus], written: Iterable[GatewayLogEntry]
) -> tuple[TunnelStatus, ...]:
    """Those that are not up with the last that Azure's gateway wrote of why not. written: oldest first. What it says of IKE tells
    the cause, and what it says of the tunnel only that it went."""
    last: dict[tuple[str, str], GatewayLogEntry] = {(e.remote, e.kind): e for e in written if e.good is False}
    found = []
    for status in statuses:
        outside = status.aws.outside_ip if status.aws and not status.up else ""
        said = (last.get((outside, "ike")) or last.get((outside, "tunnel"))) if outside else None
        found.append(replace(status, azure_evidence=said.text, azure_evidence_at=said.at) if said else status)
    return tuple(found)


def log_groups(statuses: Iterable[TunnelStatus], aws: AwsFacts) -> tuple[str, ...]:
    """ARNs of the log groups that tell of tunnels that are not up."""
    options = {str(o.outside): o for c in aws.connections for o in c.tunnels}
    down = (options.get(s.aws.outside_ip) for s in statuses if s.aws and not s.up)
    return tuple(sorted({arn for o in down if o is not None for arn in (o.ike_log, o.bgp_log) if arn}))


def _aws_view(ends: Ends) -> AwsTunnelView | None:
    if ends.vpn is None or ends.option is None:
        return None
    option = ends.option
    return AwsTunnelView(
        ends.vpn.id, str(option.outside or ""), option.state, option.message, option.routes, option.since
    )


def _azure_view(ends: Ends) -> AzureTunnelView | None:
    if ends.connection is None:
        return None
    found = ends.connection
    return AzureTunnelView(found.name, found.status, found.ingress, found.egress)


def _bgp_view(tunnel: Tunnel, peers: Sequence[BgpPeer] | None) -> BgpView | None:
    if peers is None:
        return None
    local, neighbor = str(tunnel.azure_inside), str(tunnel.aws_inside)
    for peer in peers:
        if (peer.local, peer.neighbor) == (local, neighbor):
            return BgpView(local, neighbor, peer.state, peer.routes, peer.seconds)
    return BgpView(local, neighbor, "absent", 0, None)


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


# --- findings of status -----------------------------------------------------------------------------------


def tunnel_check(statuses: Sequence[TunnelStatus]) -> Check:
    found = _tunnel_check(statuses)
    return replace(found, title="Two tunnels are up") if len(statuses) == 2 else found


def _tunnel_check(statuses: Sequence[TunnelStatus]) -> Check:
    down = [s for s in statuses if not s.up]
    if not down:
        return check("tunnels", Outcome.PASSED, f"all {len(statuses)} are up")
    named: dict[str, list[str]] = {}
    for status in down:
        named.setdefault(status.why, []).append(status.name)
    words = "; ".join(f"{', '.join(names)}: {why}" for why, names in named.items())
    return check(
        "tunnels", Outcome.FAILED, f"{len(statuses) - len(down)} of {len(statuses)} are up; {words}", down[0].fix
    )


def bgp_check(statuses: Sequence[TunnelStatus]) -> Check:
    found = _bgp_check(statuses)
    return replace(found, title="Two BGP sessions carry routes") if len(statuses) == 2 else found


def _bgp_check(statuses: Sequence[TunnelStatus]) -> Check:
    sessions = [s.bgp for s in statuses if s.bgp is not None]
    if not sessions:
        return check("bgp", Outcome.SKIPPED, "Azure has no gateway to ask")
    bad = [b for b in sessions if b.state != "Connected" or b.routes < 1]
    if not bad:
        return check("bgp", Outcome.PASSED, f"all {len(sessions)} are connected")
    words = ", ".join(f"{b.local} to {b.neighbor} {b.state}, {b.routes} routes" for b in bad)
    return check("bgp", Outcome.FAILED, f"{len(sessions) - len(bad)} of {len(sessions)} are connected; {words}")


def lasting_check(statuses: Sequence[TunnelStatus]) -> Check:
    concerned = [s for s in statuses if s.concern]
    if not any(s.up for s in statuses):
        return check("lasting", Outcome.SKIPPED, "no tunnel is up")
    if not concerned:
        return check("lasting", Outcome.PASSED, "none has a reason to be lost")
    words = "; ".join(f"{s.name}: {s.concern}" for s in concerned)
    return check("lasting", Outcome.FAILED, words, "cloudlink up")
