"""Why a tunnel is not up: the first thing that explains it, in the order in which a tunnel comes up, and what to do."""

from __future__ import annotations

from typing import Literal, NamedTuple

from cloudlink.checks.report import AwsTunnelView, AzureTunnelView, BgpView
from cloudlink.checks.tunnel_ends import Ends, narrowed
from cloudlink.clouds.aws.parse_connections import Tunnel
from cloudlink.clouds.aws.parse_gateways import VpnGateway
from cloudlink.clouds.azure.parse_connection import Connection
from cloudlink.clouds.azure.parse_ipsec import AZURES_OWN
from cloudlink.link import Link
from cloudlink.secret import Secret

_UP = "cloudlink up"
_WAIT = "Wait a few minutes, then: cloudlink status"


class Why(NamedTuple):
    """kind: see ``TunnelStatus``."""

    why: str
    fix: str
    kind: Literal["repair", "changing", "silent", "session", "hidden", "person", ""]


def why_down(
    link: Link, ends: Ends, aws: AwsTunnelView | None, azure: AzureTunnelView | None, bgp: BgpView | None
) -> Why:
    """The views: as they are shown."""
    if found := _absent(ends) or _unsettled(ends):
        return _told(found)
    ipsec_up = (aws is not None and aws.message not in ("", "IPSEC IS DOWN")) or (
        azure is not None and azure.status == "Connected"
    )
    if detached := _detached(link.aws.vpc_id, ends.vpn_gateway):
        return Why(f"BGP is up, but it carries nothing: {detached}" if ipsec_up else detached, _UP, "repair")
    if found := _ipsec(ends) or _bgp(link, ends):
        return _told(found)
    if not ipsec_up:
        seen = f"AWS reports {aws.message or aws.state if aws else 'nothing'}, Azure {azure.status if azure else 'nothing'}"
        if hidden := _hidden_key(ends):
            words = f"IPsec is not established: {seen}. {hidden}, so that it cannot be told whether both have the same"
            return Why(words, "Let cloudlink read it: Microsoft.Network/connections/sharedKey/action", "hidden")
        return Why(
            f"Both sides are configured alike, but IPsec is not established: {seen}",
            "A new tunnel takes a minute or two, an outage of a cloud mostly some more",
            "silent",
        )
    if aws is not None and aws.state == "UP" and aws.routes == 0:
        return Why(
            "BGP is up, but Azure advertises no prefix to AWS",
            "Look at the VNet's address space and at its peerings' gateway transit",
            "person",
        )
    if bgp is not None and bgp.state == "Connected" and bgp.routes == 0 and link.aws.transit:
        words = "BGP is up, but the transit gateway announces nothing: its route table for the VPN connection has no route to the VPC"
        return Why(words, _UP, "repair")
    if bgp is not None and bgp.state == "Connected" and bgp.routes == 0:
        return Why(
            "BGP is up, but Azure accepts no prefix from AWS: Azure drops what is a range of the VNet or of a peered one, or lies in it",
            "Compare the ranges of VPC and VNets",
            "person",
        )
    if aws is not None and aws.state == "UP":
        state = (
            f"Azure reports {azure.status}" if azure and azure.status != "Connected" else "Azure's BGP is not there yet"
        )
        return Why(f"AWS has the tunnel up, but {state}", _WAIT, "session")
    return Why(
        "IPsec is up, but the BGP session is not: both sides are configured alike",
        "A session takes up to a minute. If it comes and goes with 'hold timer expired', open a support case with either cloud",
        "session",
    )


def _told(found: tuple[str, str]) -> Why:
    by_hand = found[1].startswith("az ")
    return Why(*found, "repair" if found[1] == _UP else "person" if by_hand else "changing")


def _absent(ends: Ends) -> tuple[str, str] | None:
    if ends.vpn is None:
        return "AWS has no VPN connection for it", _UP
    if ends.option is None:
        return f"AWS's VPN connection {ends.vpn.id} has no tunnel with the inside range {ends.tunnel.inside}", _UP
    if ends.gateway is None:
        return "Azure has no VPN gateway for it", _UP
    if ends.connection is None:
        return "Azure has no connection for it", _UP
    if ends.local_gateway is None:
        return "Azure's connection leads to a local network gateway that is not ours", _UP
    return None


def _unsettled(ends: Ends) -> tuple[str, str] | None:
    assert ends.vpn is not None
    assert ends.connection is not None
    assert ends.local_gateway is not None
    if ends.vpn.state != "available":
        return f"AWS's VPN connection is {ends.vpn.state}", _WAIT
    # The state of Azure's gateway does not count: it goes on working while it is being updated.
    for what, state in (("connection", ends.connection.state), ("local network gateway", ends.local_gateway.state)):
        if state == "Failed":
            return f"Azure failed to set up the {what}", _UP
        if state not in ("", "Succeeded"):
            return f"Azure's {what} is {state}", _WAIT
    return None


def _detached(vpc: str, gateway: VpnGateway | None) -> str:
    """Without its VPC a gateway keeps its tunnels, but has nothing to tell Azure over BGP."""
    if gateway is None or any(a.vpc == vpc and a.state == "attached" for a in gateway.attachments):
        return ""
    return f"AWS's virtual private gateway {gateway.id} is not attached to {vpc}"


def _ipsec(ends: Ends) -> tuple[str, str] | None:
    assert ends.vpn is not None
    assert ends.option is not None
    assert ends.connection is not None
    assert ends.local_gateway is not None
    option, connection = ends.option, ends.connection
    if option.outside and ends.local_gateway.address != str(option.outside):
        leads = ends.local_gateway.address or "no address"
        return f"Azure's local network gateway leads to {leads}, AWS's end of the tunnel is {option.outside}", _UP
    publics = set(ends.instance.public) if ends.instance else set()
    theirs = ends.customer_gateway.address if ends.customer_gateway else None
    known = {p for i in ends.gateway.addresses for p in i.public} if ends.gateway else set()
    if theirs and publics and theirs not in publics | known:
        shown = " and ".join(sorted(map(str, publics)))
        return f"AWS's customer gateway has the address {theirs}, Azure's instance {shown}", _UP
    if found := narrowed(ends.vpn):
        return found, _UP
    if connection.by_certificate:
        # https://learn.microsoft.com/azure/vpn-gateway/site-to-site-certificate-authentication-gateway-portal
        return (
            "Azure's connection signs in with a certificate, and AWS's tunnel with the pre-shared key",
            f"az network vpn-connection update --ids {connection.id} --set authenticationType=PSK",
        )
    if connection.from_private_address:
        # https://learn.microsoft.com/azure/vpn-gateway/site-to-site-vpn-private-peering
        return (
            "Azure's connection tunnels from the gateway's private address, and AWS's end expects the public one",
            f"az network vpn-connection update --ids {connection.id} --set useLocalAzureIpAddress=false",
        )
    if _keys_differ(option.key, connection.key):
        return "the pre-shared keys differ", _UP
    if mismatch := _policy_mismatch(option, connection):
        return mismatch, _UP
    protocol = connection.protocol or "IKEv2"
    if protocol.lower() not in option.versions:
        return f"Azure speaks {protocol}, AWS {', '.join(sorted(option.versions))}", _UP
    if connection.policy_selectors:
        return "Azure uses policy-based traffic selectors, AWS allows any", _UP
    if connection.mode == "ResponderOnly" and not option.initiates:
        return "neither side opens the tunnel: Azure only responds and AWS waits", _UP
    return None


def _bgp(link: Link, ends: Ends) -> tuple[str, str] | None:
    assert ends.vpn is not None
    assert ends.connection is not None
    assert ends.local_gateway is not None
    assert ends.gateway is not None
    tunnel, local = ends.tunnel, ends.local_gateway
    publics = set(ends.instance.public) if ends.instance else set()
    theirs = ends.customer_gateway.address if ends.customer_gateway else None
    if theirs and publics and theirs not in publics:
        # IPsec comes up with that instance, since Azure tries each connection from both
        words = f"AWS's customer gateway has the address {theirs} of Azure's other instance"
        return f"{words}, which does not speak BGP from {tunnel.azure_inside}", _UP
    if not ends.vpn.bgp:
        return "AWS's VPN connection has static routes only, which cannot be changed", _UP
    if not ends.connection.bgp:
        return "BGP is off on Azure's connection", _UP
    if local.peer != str(tunnel.aws_inside):
        return f"Azure expects the BGP peer {local.peer or 'none'}, AWS is {tunnel.aws_inside}", _UP
    used = _used_address(ends)
    if used not in ("", str(tunnel.azure_inside)):
        return f"Azure's instance speaks BGP from {used}, AWS expects {tunnel.azure_inside}", _UP
    custom = {a for instance in ends.gateway.addresses for a in instance.custom}
    if custom and tunnel.azure_inside not in custom:
        return f"Azure's gateway does not have the custom BGP address {tunnel.azure_inside}", _UP
    amazon = (ends.vpn_gateway.asn if ends.vpn_gateway else None) or link.aws.asn
    if local.asn is not None and local.asn != amazon:
        return f"Azure expects ASN {local.asn}, AWS has {amazon}", _UP
    expected = ends.customer_gateway.asn if ends.customer_gateway else 0
    if expected and ends.gateway.asn is not None and expected != ends.gateway.asn:
        return f"AWS expects ASN {expected}, Azure has {ends.gateway.asn}", _UP
    return None


def _policy_mismatch(option: Tunnel, connection: Connection) -> str:
    """What the two sides have no common value of; empty if they agree. Lists of AWS are what it permits."""
    azure = connection.policy
    groups = {"ike_group": option.ike_groups, "pfs_group": option.pfs_groups}
    gcm = False
    for name, words in _COMPARED:
        allowed = list(groups[name]) if name in groups else str(getattr(option.policy, name)).split(", ")
        used = (str(getattr(azure, name)),) if connection.has_policy else AZURES_OWN[name]
        common = set(used) if not allowed or allowed == ["any"] else set(allowed) & set(used)
        if name == "esp_encryption":
            gcm = any(c.endswith("-GCM") for c in common)
        if not common and not (name == "esp_integrity" and gcm):
            has = "uses" if connection.has_policy else "has without a policy"
            return f"{words} differs: AWS permits {', '.join(allowed)}, Azure {has} {', '.join(used)}"
    return ""


_COMPARED = (
    ("ike_encryption", "the IKE encryption"),
    ("ike_integrity", "the IKE integrity"),
    ("ike_group", "the IKE Diffie-Hellman group"),
    ("esp_encryption", "the ESP encryption"),
    ("esp_integrity", "the ESP integrity"),
    ("pfs_group", "the PFS group"),
)


def _keys_differ(aws: Secret | None, azure: Secret | None) -> bool:
    """False when either side does not say (keys in Secrets Manager are not described)."""
    return bool(aws) and bool(azure) and aws != azure


def _hidden_key(ends: Ends) -> str:
    """Said where Azure does not show the tunnel's key; empty: it was compared."""
    shown = ends.connection is not None and ends.connection.key is not None
    return "" if shown else "Azure does not show its pre-shared key"


def _used_address(ends: Ends) -> str:
    """From which address the right instance speaks BGP on this connection; empty: it cannot be told.

    A connection that names none uses the first custom address of each instance, so that second tunnels get no session.
    """
    assert ends.gateway is not None
    assert ends.connection is not None
    theirs = ends.customer_gateway.address if ends.customer_gateway else None
    instance = next((i for i in ends.gateway.addresses if theirs in i.public), None) or ends.instance
    if instance is None:
        return ""
    for entry in ends.connection.bgp_addresses:
        if entry.config == instance.config:
            return str(entry.address or "none")
    return str(next(iter(instance.custom or instance.default), ""))
