"""Writes to the VPN side of EC2. Each makes the reads stale that it may have changed, whatever becomes of it, and raises the
SDK's errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address

from cloudlink.clouds.aws import cached, parse_ec2, requests
from cloudlink.clouds.aws.client import Aws, value_in
from cloudlink.clouds.aws.parse_ec2 import Ec2Object
from cloudlink.clouds.aws.parse_ipsec import tunnel_options
from cloudlink.clouds.aws.requests import Bandwidth, NewTunnel, PskStorage
from cloudlink.clouds.aws.tags import Mark
from cloudlink.clouds.ownership import to_aws
from cloudlink.ipsec import IpsecPolicy
from cloudlink.secret import Secret

# --- customer gateways --------------------------------------------------------------------------------------


def create_customer_gateway(aws: Aws, address: IPv4Address, asn: int, mark: Mark) -> Ec2Object:
    """What AWS answers with, which may be somebody else's: it gives back an existing one of the same address, ASN and
    device name."""
    with aws.writing(cached.CUSTOMER_GATEWAYS):
        made = requests.create_customer_gateway(address, asn, mark).send(aws.ec2)
    (there,) = parse_ec2.objects([value_in(made, "CustomerGateway")], "CustomerGatewayId")
    return there


def delete_customer_gateway(aws: Aws, id_: str) -> None:
    with aws.writing(cached.CUSTOMER_GATEWAYS):
        requests.delete_customer_gateway(id_).send(aws.ec2)


# --- connections --------------------------------------------------------------------------------------------


def create_connection(
    aws: Aws,
    gateway: str,
    customer_gateway: str,
    mark: Mark,
    tunnels: Sequence[NewTunnel],
    *,
    bgp: bool,
    psk_storage: PskStorage,
    bandwidth: Bandwidth,
    azure_range: str,
    aws_range: str,
) -> str:
    """Its id. The request and the answer hold the keys in clear, and end here."""
    with aws.writing(cached.VPN_CONNECTIONS):
        options = requests.connection_options(
            tunnels,
            bgp=bgp,
            psk_storage=psk_storage,
            bandwidth=bandwidth,
            azure_range=azure_range,
            aws_range=aws_range,
        )
        made = requests.create_connection(gateway, customer_gateway, mark, **options).send(aws.ec2_once)
        return str(value_in(made, "VpnConnection", "VpnConnectionId"))


def delete_connection(aws: Aws, id_: str) -> None:
    with aws.writing(cached.VPN_CONNECTIONS):
        requests.delete_connection(id_).send(aws.ec2)


def change_tunnel(aws: Aws, id_: str, outside: IPv4Address, policy: IpsecPolicy) -> None:
    """One tunnel of a connection, which is down for minutes."""
    with aws.writing(cached.VPN_CONNECTIONS):
        aws.ec2.modify_vpn_tunnel_options(
            VpnConnectionId=id_, VpnTunnelOutsideIpAddress=str(outside), TunnelOptions=tunnel_options(policy)
        )


def change_key(aws: Aws, id_: str, outside: str, key: Secret) -> None:
    """Another key for one tunnel, which is down for minutes. Sent once: repeated by the SDK after a lost answer, it would
    be refused because of itself. The answer holds the keys in clear, and ends here.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVpnTunnelOptions.html
    """
    with aws.writing(cached.VPN_CONNECTIONS):
        requests.change_key(id_, outside, key).send(aws.ec2_once)


def change_logs(aws: Aws, id_: str, outside: str, group: str) -> None:
    """Both logs of one tunnel on or off, which is down for minutes. group: see ``requests.change_logs``. Sent once, as
    ``change_key`` is; the answer holds the keys in clear, and ends here.

    https://docs.aws.amazon.com/vpn/latest/s2svpn/enable-logs.html
    """
    with aws.writing(cached.VPN_CONNECTIONS):
        requests.change_logs(id_, outside, group).send(aws.ec2_once)


def replace_tunnel(aws: Aws, id_: str, outside: str) -> None:
    """One tunnel gets a new endpoint with the same options; it is down for minutes.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReplaceVpnTunnel.html
    """
    with aws.writing(cached.VPN_CONNECTIONS):
        aws.ec2_once.replace_vpn_tunnel(VpnConnectionId=id_, VpnTunnelOutsideIpAddress=outside)


def tag_connection(aws: Aws, id_: str, tags: Mapping[str, str]) -> None:
    """Add tags to one of our connections; repeating it is harmless."""
    with aws.writing(cached.VPN_CONNECTIONS):
        aws.ec2.create_tags(Resources=[id_], Tags=to_aws(tags))


def change_ranges(aws: Aws, id_: str, *, azure: str, aws_side: str) -> None:
    """What goes through a connection, whose tunnels are both down for minutes.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVpnConnectionOptions.html
    """
    with aws.writing(cached.VPN_CONNECTIONS):
        aws.ec2.modify_vpn_connection_options(
            VpnConnectionId=id_, LocalIpv4NetworkCidr=azure, RemoteIpv4NetworkCidr=aws_side
        )


def change_bandwidth(aws: Aws, id_: str, bandwidth: Bandwidth) -> None:
    """Of both tunnels of a connection, which are down for minutes. AWS changes nothing else in such a call.

    https://aws.amazon.com/about-aws/whats-new/2026/05/aws-site-to-site-vpn-modify-bandwidth/
    """
    with aws.writing(cached.VPN_CONNECTIONS):
        aws.ec2.modify_vpn_connection_options(VpnConnectionId=id_, TunnelBandwidth=bandwidth)
