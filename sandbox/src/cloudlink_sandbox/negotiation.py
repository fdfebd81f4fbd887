"""IKE between one AWS tunnel and one Azure connection: who opens it, on what both agree, and how long it holds.

A tunnel that is up can be lost without any change of configuration: when its keys are renewed and the two sides have
no PFS group in common, and when it was interrupted and neither side opens it again.
"""

from __future__ import annotations

from dataclasses import dataclass

from cloudlink_sandbox.facts import AwsTunnel, AzureConnection, Proposals


@dataclass(frozen=True)
class IkePhase:
    """What IKE has come to at a moment. up: whether IPsec is established; since: since when that is so."""

    up: bool
    since: float
    why: str = ""


def mismatch(aws: AwsTunnel, azure: AzureConnection) -> str:
    """What keeps the two from ever agreeing; empty when nothing does."""
    if not azure.ready:
        return "the Azure connection is not ready"
    if aws.psk != azure.psk:
        return "the pre-shared keys differ"
    if why := proposals_mismatch(aws.proposals, azure.proposals):
        return why
    # Azure asks for a match of all combinations then, and AWS's tunnel of a route-based connection offers any to any.
    # https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-about-compliance-crypto
    if not azure.any_traffic:
        return "the traffic selectors differ: Azure's connection is policy-based, AWS's tunnel is route-based"
    if not aws.any_traffic:
        return "the traffic selectors differ: AWS's connection is limited to ranges, Azure's is not"
    if aws.proposals.ike_versions & azure.proposals.ike_versions == {1} and not _group_in_common(
        aws, azure, asked_by_aws=aws.initiates and azure.responds
    ):
        return _NO_PFS  # IKEv1 needs the group for the first keys already, which whoever opens the tunnel asks for
    if not (aws.initiates and azure.responds) and not azure.initiates:
        return "neither side opens the tunnel"
    return ""


_NO_PFS = "no PFS group in common"


def ike_phase(
    aws: AwsTunnel, azure: AzureConnection, *, changed: float, lost: float, now: float, takes: float
) -> IkePhase:
    """Of two sides that can agree. changed: the last change of either; lost: when it was last interrupted from outside
    and could come back; takes: how long a negotiation lasts."""
    if lost > changed and not azure.initiates and not (aws.reopens and azure.responds):
        # With StartupAction start AWS opens a tunnel once; only DPDTimeoutAction restart opens it again.
        # https://docs.aws.amazon.com/vpn/latest/s2svpn/initiate-vpn-tunnels.html
        return IkePhase(up=False, since=lost, why="the tunnel was lost and neither side opens it again")
    begun = max(changed, lost) + takes
    if now < begun:
        return IkePhase(up=False, since=max(changed, lost), why="IKE is being negotiated")
    if renews(aws, azure):
        return IkePhase(up=True, since=begun)
    # In IKEv2 the first keys need no group of their own, the next ones do (RFC 7296, 1.2 and 1.3). Assumption: when
    # they cannot be renewed, both sides begin from the start, which takes as long as the first time.
    holds = min(aws.sa_seconds, azure.sa_seconds)
    turns, into = divmod(now - begun, holds + takes)
    began = begun + turns * (holds + takes)
    if into < holds:
        return IkePhase(up=True, since=began)
    return IkePhase(up=False, since=began + holds, why=f"{_NO_PFS}: the keys could not be renewed")


def renews(aws: AwsTunnel, azure: AzureConnection) -> bool:
    """Whether the keys can be renewed. The side with the shorter lifetime asks for it, AWS where both have the same: its
    margin before the end is the larger one. AWS always asks for a group, Azure without a policy of its own for none,
    though it accepts many. https://docs.aws.amazon.com/vpn/latest/s2svpn/VPNTunnels.html (rekey margin time)
    https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-about-vpn-devices"""
    return _group_in_common(aws, azure, asked_by_aws=aws.sa_seconds <= azure.sa_seconds)


def _group_in_common(aws: AwsTunnel, azure: AzureConnection, *, asked_by_aws: bool) -> bool:
    asked = azure.proposals.pfs_groups if asked_by_aws or azure.own_pfs is None else azure.own_pfs
    return bool(aws.proposals.pfs_groups & asked)


def proposals_mismatch(a: Proposals, b: Proposals) -> str:
    """Empty if some proposal suits both ends, PFS aside, else what has nothing in common."""
    if not a.ike_versions & b.ike_versions:
        return "the IKE versions differ"
    if not a.ike_encryption & b.ike_encryption:
        return "no IKE encryption in common"
    if not a.ike_integrity & b.ike_integrity:
        return "no IKE integrity in common"
    if not a.ike_groups & b.ike_groups:
        return "no Diffie-Hellman group in common"
    esp = a.esp_encryption & b.esp_encryption
    if not esp:
        return "no ESP encryption in common"
    if all("GCM" not in e for e in esp) and not a.esp_integrity & b.esp_integrity:
        return "no ESP integrity in common"
    return ""
