"""The four expected tunnels as both clouds report them: which are up, and for each of the others why not.

Pure: plain dicts as boto3 and ARM give them, in; plain data out. A tunnel is known by its inside range and its outside
address, never by its place in a list.

Azure tries every connection from both instances, eight attempts for four tunnels. AWS answers only the address of the
customer gateway, so four of them stay down for ever, and their BGP neighbours too. That is by design: only the pair of
inside addresses that belongs to a tunnel is considered.
https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-howto-aws-bgp
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cloudlink import ipsec
from cloudlink.checks.report import AwsTunnelView, AzureTunnelView, BgpView, Health, TunnelStatus
from cloudlink.clouds.malformed import parsing
from cloudlink.clouds.ownership import RESOURCE_TAG, from_aws
from cloudlink.link import Link, Tunnel
from cloudlink.secret import Secret

Json = Mapping[str, Any]

_UP = "cloudlink up"
_WAIT = "Wait a few minutes, then: cloudlink status"


@dataclass(frozen=True)
class AwsFacts:
    connections: Sequence[Json] = ()  # DescribeVpnConnections, all of the region
    # customer_gateways and gateways: DescribeCustomerGateways and DescribeVpnGateways
    customer_gateways: Sequence[Json] = ()
    gateways: Sequence[Json] = ()
    ids: frozenset[str] = frozenset()  # VPN connections that are ours although their tags are gone (from the receipts)
    unseen: str = ""  # why they could not be read


@dataclass(frozen=True)
class AzureFacts:
    gateway: Json | None = None
    # GETs of single connections (lists lack status and key) by tunnel index
    connections: Mapping[int, Json] | None = None
    local_gateways: Sequence[Json] = ()
    bgp: Sequence[Json] | None = None  # rows of getBgpPeerStatus; None: not asked (it takes ten seconds)
    unseen: str = ""  # why the others could not be read


@dataclass(frozen=True)
class _Ends:
    """What belongs to one tunnel on both sides, as far as it exists."""

    tunnel: Tunnel
    vpn: Json | None  # VPN connection
    option: Json | None  # its tunnel
    telemetry: Json | None
    customer_gateway: Json | None
    vpn_gateway: Json | None
    connection: Json | None
    local_gateway: Json | None
    gateway: Json | None


@parsing("AWS's and Azure's answers about the tunnels")
def statuses(link: Link, aws: AwsFacts, azure: AzureFacts) -> tuple[TunnelStatus, ...]:
    """One for each of the link's tunnels, in order."""
    return tuple(_status(link, _ends(link, t, aws, azure), aws, azure) for t in link.tunnels)


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


def verdict(tunnels: Iterable[TunnelStatus]) -> str:
    """One sentence on the tunnels."""
    tunnels = tuple(tunnels)
    up = [t for t in tunnels if t.up]
    match health(tunnels):
        case Health.ABSENT:
            return "There is no link: neither cloud has any part of it."
        case Health.DOWN:
            return "No tunnel is up: nothing passes between AKS and the VPC."
        case Health.NO_REDUNDANCY:
            instance = up[0].instance + 1
            return (
                f"{len(up)} of {len(tunnels)} tunnels are up, all on Azure instance {instance}: "
                "maintenance of that instance takes the whole link down."
            )
        case Health.DEGRADED if len(up) == len(tunnels):
            names = ", ".join(t.name for t in tunnels if t.concern)
            return f"All {len(tunnels)} tunnels are up, but {names} will not stay so."
        case Health.DEGRADED:
            return f"{len(up)} of {len(tunnels)} tunnels are up, at least one on each Azure instance: traffic passes."
        case _:
            return f"All {len(tunnels)} tunnels are up and carry routes."


# --- one tunnel -------------------------------------------------------------------------------------------


def _ends(link: Link, tunnel: Tunnel, aws: AwsFacts, azure: AzureFacts) -> _Ends:
    vpn, option = _aws_tunnel(link, tunnel, aws)
    outside = str((option or {}).get("OutsideIpAddress") or "")
    connection = (azure.connections or {}).get(tunnel.index)
    local_id = str(((_properties(connection).get("localNetworkGateway2")) or {}).get("id") or "").lower()
    return _Ends(
        tunnel=tunnel,
        vpn=vpn,
        option=option,
        telemetry=next(
            (t for t in (vpn or {}).get("VgwTelemetry") or () if t.get("OutsideIpAddress") == outside), None
        ),
        customer_gateway=_by_id(aws.customer_gateways, "CustomerGatewayId", (vpn or {}).get("CustomerGatewayId")),
        vpn_gateway=_by_id(aws.gateways, "VpnGatewayId", (vpn or {}).get("VpnGatewayId")),
        connection=connection,
        local_gateway=next((g for g in azure.local_gateways if str(g.get("id", "")).lower() == local_id), None),
        gateway=azure.gateway,
    )


def _aws_tunnel(link: Link, tunnel: Tunnel, aws: AwsFacts) -> tuple[Json | None, Json | None]:
    """Our VPN connection and its tunnel; the tunnel is None when the connection has none with that inside range."""
    wanted = f"aws_vpn.connection[{tunnel.vpn}]"
    ours = None
    for vpn in aws.connections:
        if vpn.get("State") in ("deleted", "deleting"):
            continue
        tags = from_aws(vpn.get("Tags"))
        if tags.get("cloudlink-link") != link.name and vpn.get("VpnConnectionId") not in aws.ids:
            continue
        for option in (vpn.get("Options") or {}).get("TunnelOptions") or ():
            if option.get("TunnelInsideCidr") == str(tunnel.inside):
                return vpn, option
        if tags.get(RESOURCE_TAG) == wanted:
            ours = vpn
    return ours, None


def _status(link: Link, ends: _Ends, aws: AwsFacts, azure: AzureFacts) -> TunnelStatus:
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
    why, fix = ("", "") if up else ("; ".join(unseen), "") if unseen else _why(link, ends, aws_view, azure_view, bgp)
    return TunnelStatus(
        address=f"tunnel[{tunnel.index}]",
        inside=str(tunnel.inside),
        instance=tunnel.vpn,
        aws=aws_view,
        azure=azure_view,
        bgp=bgp,
        up=up,
        why=why,
        fix=fix,
        concern=_concern(ends) if up else "",
    )


def _concern(ends: _Ends) -> str:
    """What will take a tunnel down that is up now."""
    assert ends.vpn is not None
    assert ends.option is not None
    if narrowed := _narrowed(ends.vpn):
        return narrowed
    policies = _properties(ends.connection).get("ipsecPolicies") or ()
    if policies and (groups := ipsec.no_pfs_group_in_common(ends.option, policies[0])):
        return f"it will be lost when its keys are renewed, for no PFS group is common to both: {groups}"
    return ""


def _narrowed(vpn: Json) -> str:
    """A route-based gateway asks for all addresses, so that both sides agree on nothing less; BGP's own are inside."""
    options = vpn.get("Options") or {}
    ranges = {
        side: str(options.get(key) or ipsec.ANY_RANGE)
        for side, key in (("Azure's", "LocalIpv4NetworkCidr"), ("AWS's", "RemoteIpv4NetworkCidr"))
    }
    said = " and ".join(f"{text} on {side} side" for side, text in ranges.items() if text != ipsec.ANY_RANGE)
    return f"AWS's VPN connection is narrowed to {said}" if said else ""


def _aws_view(ends: _Ends) -> AwsTunnelView | None:
    if ends.vpn is None or ends.option is None:
        return None
    telemetry = ends.telemetry or {}
    return AwsTunnelView(
        connection=str(ends.vpn.get("VpnConnectionId")),
        outside_ip=str(ends.option.get("OutsideIpAddress") or ""),
        state=str(telemetry.get("Status") or "DOWN"),
        message=str(telemetry.get("StatusMessage") or ""),
        routes=int(telemetry.get("AcceptedRouteCount") or 0),
        since=_seconds(telemetry.get("LastStatusChange")),
    )


def _azure_view(ends: _Ends) -> AzureTunnelView | None:
    if ends.connection is None:
        return None
    properties = _properties(ends.connection)
    return AzureTunnelView(
        connection=str(ends.connection.get("name") or ""),
        status=str(properties.get("connectionStatus") or "Unknown"),
        ingress=int(properties.get("ingressBytesTransferred") or 0),
        egress=int(properties.get("egressBytesTransferred") or 0),
    )


def _bgp_view(tunnel: Tunnel, rows: Sequence[Json] | None) -> BgpView | None:
    if rows is None:
        return None
    local, neighbor = str(tunnel.azure_inside), str(tunnel.aws_inside)
    for row in rows:
        if row.get("localAddress") == local and row.get("neighbor") == neighbor:
            return BgpView(
                local,
                neighbor,
                str(row.get("state") or "Unknown"),
                int(row.get("routesReceived") or 0),
                timespan(row.get("connectedDuration")),
            )
    return BgpView(local, neighbor, "absent", 0, None)


# --- why a tunnel is not up -------------------------------------------------------------------------------


def _why(
    link: Link, ends: _Ends, aws: AwsTunnelView | None, azure: AzureTunnelView | None, bgp: BgpView | None
) -> tuple[str, str]:
    """The first thing that explains it, in the order in which a tunnel comes up, and what to do about it."""
    if found := _absent(ends) or _unsettled(link.aws.vpc_id, ends) or _ipsec(ends):
        return found
    ipsec_up = (aws is not None and aws.message not in ("", "IPSEC IS DOWN")) or (
        azure is not None and azure.status == "Connected"
    )
    if found := _bgp(link, ends):
        return found
    if not ipsec_up:
        seen = f"AWS reports {aws.message or aws.state if aws else 'nothing'}, Azure {azure.status if azure else 'nothing'}"
        if hidden := _hidden_key(ends):
            return (
                f"IPsec is not established: {seen}. {hidden}, so that it cannot be told whether both have the same",
                _UP,
            )
        reset = f"az network vpn-connection reset --name {azure.connection if azure else ''}"
        return (
            f"Both sides are configured alike, but IPsec is not established: {seen}",
            f"A new tunnel takes a minute or two; if it stays so: {reset} --resource-group {link.azure.resource_group}",
        )
    if aws is not None and aws.state == "UP" and aws.routes == 0:
        return (
            "BGP is up, but Azure advertises no prefix to AWS",
            "Look at the VNet's address space and at its peerings' gateway transit",
        )
    if bgp is not None and bgp.state == "Connected" and bgp.routes == 0:
        return (
            "BGP is up, but Azure accepts no prefix from AWS: Azure drops those that overlap the VNet or a peered VNet",
            "Compare the ranges of VPC and VNets",
        )
    if aws is not None and aws.state == "UP":
        state = (
            f"Azure reports {azure.status}" if azure and azure.status != "Connected" else "Azure's BGP is not there yet"
        )
        return f"AWS has the tunnel up, but {state}", _WAIT
    return (
        "IPsec is up, but the BGP session is not: both sides are configured alike",
        "A session takes up to a minute. If it comes and goes with 'hold timer expired', open a support case with either cloud",
    )


def _absent(ends: _Ends) -> tuple[str, str] | None:
    if ends.vpn is None:
        return "AWS has no VPN connection for it", _UP
    if ends.option is None:
        vpn = ends.vpn.get("VpnConnectionId")
        return f"AWS's VPN connection {vpn} has no tunnel with the inside range {ends.tunnel.inside}", _UP
    if ends.gateway is None:
        return "Azure has no VPN gateway for it", _UP
    if ends.connection is None:
        return "Azure has no connection for it", _UP
    if ends.local_gateway is None:
        return "Azure's connection leads to a local network gateway that is not ours", _UP
    return None


def _unsettled(vpc: str, ends: _Ends) -> tuple[str, str] | None:
    assert ends.vpn is not None
    state = str(ends.vpn.get("State") or "available")
    if state != "available":
        return f"AWS's VPN connection is {state}", _WAIT
    if detached := _detached(vpc, ends.vpn_gateway):
        return detached, _UP
    # The state of Azure's gateway does not count: it goes on working while it is being updated.
    for what, item in (("connection", ends.connection), ("local network gateway", ends.local_gateway)):
        state = str(_properties(item).get("provisioningState") or "Succeeded")
        if state == "Failed":
            return f"Azure failed to set up the {what}", _UP
        if state != "Succeeded":
            return f"Azure's {what} is {state}", _WAIT
    return None


def _detached(vpc: str, gateway: Json | None) -> str:
    """Without its VPC a gateway keeps its tunnels, but has nothing to tell Azure over BGP."""
    if gateway is None or "VpcAttachments" not in gateway:
        return ""
    states = {a.get("VpcId"): str(a.get("State")) for a in gateway["VpcAttachments"] or ()}
    if states.get(vpc) == "attached":
        return ""
    return f"AWS's virtual private gateway {gateway.get('VpnGatewayId')} is not attached to {vpc}"


def _ipsec(ends: _Ends) -> tuple[str, str] | None:
    assert ends.option is not None
    connection = _properties(ends.connection)
    outside, peer = ends.option.get("OutsideIpAddress"), _properties(ends.local_gateway).get("gatewayIpAddress")
    if outside and peer != outside:
        return f"Azure's local network gateway leads to {peer}, AWS's end of the tunnel is {outside}", _UP
    publics = _public_addresses(ends.gateway, ends.tunnel)
    theirs = (ends.customer_gateway or {}).get("IpAddress")
    if theirs and publics and theirs not in publics:
        return f"AWS's customer gateway has the address {theirs}, Azure's instance {' and '.join(sorted(publics))}", _UP
    assert ends.vpn is not None
    if narrowed := _narrowed(ends.vpn):
        return narrowed, _UP
    if _keys_differ(ends.option.get("PreSharedKey"), connection.get("sharedKey")):
        return "the pre-shared keys differ", _UP
    if mismatch := _policy_mismatch(ends.option, connection):
        return mismatch, _UP
    protocol = str(connection.get("connectionProtocol") or "IKEv2")
    versions = {str(v.get("Value")) for v in ends.option.get("IkeVersions") or ()} or {"ikev1", "ikev2"}
    if protocol.lower() not in versions:
        return f"Azure speaks {protocol}, AWS {', '.join(sorted(versions))}", _UP
    if connection.get("usePolicyBasedTrafficSelectors"):
        return "Azure uses policy-based traffic selectors, AWS allows any", _UP
    mode = str(connection.get("connectionMode") or "Default")
    if mode == "ResponderOnly" and ends.option.get("StartupAction") != "start":
        return "neither side opens the tunnel: Azure only responds and AWS waits", _UP
    return None


def _bgp(link: Link, ends: _Ends) -> tuple[str, str] | None:
    assert ends.vpn is not None
    tunnel = ends.tunnel
    connection, local = _properties(ends.connection), _properties(ends.local_gateway)
    peer = local.get("bgpSettings") or {}
    own = _properties(ends.gateway).get("bgpSettings") or {}
    if (ends.vpn.get("Options") or {}).get("StaticRoutesOnly"):
        return "AWS's VPN connection has static routes only, which cannot be changed", _UP
    if not connection.get("enableBgp", connection.get("enableBGP")):
        return "BGP is off on Azure's connection", _UP
    if peer.get("bgpPeeringAddress") != str(tunnel.aws_inside):
        return f"Azure expects the BGP peer {peer.get('bgpPeeringAddress')}, AWS is {tunnel.aws_inside}", _UP
    used = _used_address(ends)
    if used is not None and used != str(tunnel.azure_inside):
        return f"Azure's instance speaks BGP from {used}, AWS expects {tunnel.azure_inside}", _UP
    if _custom_addresses(ends) and str(tunnel.azure_inside) not in _custom_addresses(ends):
        return f"Azure's gateway does not have the custom BGP address {tunnel.azure_inside}", _UP
    amazon = (ends.vpn_gateway or {}).get("AmazonSideAsn") or link.aws.asn
    if peer.get("asn") is not None and int(peer["asn"]) != int(amazon):
        return f"Azure expects ASN {peer['asn']}, AWS has {amazon}", _UP
    expected = (ends.customer_gateway or {}).get("BgpAsn") or (ends.customer_gateway or {}).get("BgpAsnExtended")
    if expected and own.get("asn") is not None and int(expected) != int(own["asn"]):
        return f"AWS expects ASN {expected}, Azure has {own['asn']}", _UP
    return None


def _policy_mismatch(option: Json, connection: Json) -> str:
    """What the two sides have no common value of; empty if they agree. Lists of AWS are what it permits."""
    policies = connection.get("ipsecPolicies") or ()
    if not policies:
        return ""  # Azure's default set is long; whether it fits cannot be told from here
    aws = ipsec.from_aws_tunnel_options(option)
    azure = ipsec.from_azure(policies[0], dpd_timeout=connection.get("dpdTimeoutSeconds"))
    for field, words in _COMPARED:
        permitted, ours = getattr(aws, field), getattr(azure, field)
        if field == "esp_integrity" and azure.gcm:
            continue
        names = _GROUPS.get(field)
        allowed = [str(v.get("Value")) for v in option.get(names) or ()] if names else str(permitted).split(", ")
        if allowed and allowed != ["any"] and str(ours) not in allowed:
            return f"{words} differs: AWS permits {', '.join(allowed)}, Azure uses {ours}"
    return ""


_COMPARED = (
    ("ike_encryption", "the IKE encryption"),
    ("ike_integrity", "the IKE integrity"),
    ("ike_group", "the IKE Diffie-Hellman group"),
    ("esp_encryption", "the ESP encryption"),
    ("esp_integrity", "the ESP integrity"),
    ("pfs_group", "the PFS group"),
)
_GROUPS = {"ike_group": "Phase1DHGroupNumbers", "pfs_group": "Phase2DHGroupNumbers"}


def _keys_differ(aws: object, azure: object) -> bool:
    """False when either side does not say (keys in Secrets Manager are not described)."""
    if not aws or not azure:
        return False
    ours, theirs = (k if isinstance(k, Secret) else Secret(str(k)) for k in (aws, azure))
    return ours != theirs


def _hidden_key(ends: _Ends) -> str:
    """Said where Azure does not show the tunnel's key; empty: it was compared."""
    return "" if _properties(ends.connection).get("sharedKey") else "Azure does not show its pre-shared key"


def _peerings(gateway: Json | None) -> Sequence[Json]:
    return (_properties(gateway).get("bgpSettings") or {}).get("bgpPeeringAddresses") or ()


def _instance(gateway: Json | None, tunnel: Tunnel) -> Json | None:
    """The instance that the tunnel should end on: the one that has its inside address."""
    return next(
        (p for p in _peerings(gateway) if str(tunnel.azure_inside) in (p.get("customBgpIpAddresses") or ())), None
    )


def _public_addresses(gateway: Json | None, tunnel: Tunnel) -> frozenset[str]:
    return frozenset((_instance(gateway, tunnel) or {}).get("tunnelIpAddresses") or ())


def _custom_addresses(ends: _Ends) -> frozenset[str]:
    return frozenset(a for p in _peerings(ends.gateway) for a in p.get("customBgpIpAddresses") or ())


def _used_address(ends: _Ends) -> str | None:
    """From which address the right instance speaks BGP on this connection.

    A connection that names none uses the first custom address of each instance, so that second tunnels get no session.
    """
    theirs = (ends.customer_gateway or {}).get("IpAddress")
    instance = next((p for p in _peerings(ends.gateway) if theirs in (p.get("tunnelIpAddresses") or ())), None)
    instance = instance or _instance(ends.gateway, ends.tunnel)
    if instance is None:
        return None
    config = str(instance.get("ipconfigurationId") or "").lower()
    for entry in _properties(ends.connection).get("gatewayCustomBgpIpAddresses") or ():
        if str(entry.get("ipConfigurationId") or "").lower() == config:
            return str(entry.get("customBgpIpAddress"))
    custom = instance.get("customBgpIpAddresses") or instance.get("defaultBgpIpAddresses") or ()
    return str(custom[0]) if custom else None


# --- small readings ---------------------------------------------------------------------------------------


def _properties(item: Json | None) -> Json:
    return (item or {}).get("properties") or {}


def _by_id(items: Iterable[Json], key: str, value: object) -> Json | None:
    return next((i for i in items if value and i.get(key) == value), None)


def _seconds(moment: object) -> float | None:
    if isinstance(moment, datetime):
        return moment.timestamp()
    return None


def timespan(text: object) -> float | None:
    """Seconds of a .NET TimeSpan such as ``3.03:14:13.1796961``; None for anything else."""
    if not isinstance(text, str) or not text:
        return None
    days, clock = "0", text
    if "." in text.partition(":")[0]:
        days, _, clock = text.partition(".")
    try:
        hours, minutes, seconds = clock.split(":")
        return int(days) * 86_400 + int(hours) * 3_600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None
