"""Calls of EC2 that make, join and delete the parts of a link: what a write sends and what a dry run of it tries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Literal

from cloudlink.clouds.aws.parse_ipsec import tunnel_options
from cloudlink.clouds.aws.tags import Mark
from cloudlink.ipsec import ANY_RANGE, IpsecPolicy
from cloudlink.secret import Secret

PskStorage = Literal["standard", "secrets-manager"]
Bandwidth = Literal["standard", "large"]

_STORAGE = {"standard": "Standard", "secrets-manager": "SecretsManager"}
_SIGNED = 2**31 - 1  # BgpAsn is


@dataclass(frozen=True)
class Request:
    """operation: as AWS names it, such as ``CreateVpnGateway``."""

    operation: str
    parameters: dict[str, Any] = field(repr=False)  # they may hold keys in clear

    @property
    def method(self) -> str:
        """The client's."""
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in self.operation).lstrip("_")

    @property
    def but_for_names(self) -> str:
        """The same for calls that differ only in the name and the tags of what they make."""
        told = {
            name: value for name, value in self.parameters.items() if name not in ("DeviceName", "TagSpecifications")
        }
        return f"{self.operation} {told}"

    def send(self, client: Any) -> Any:
        """AWS's answer. Raises the SDK's errors."""
        return getattr(client, self.method)(**self.parameters)


@dataclass(frozen=True)
class NewTunnel:
    inside: IPv4Network
    key: Secret
    policy: IpsecPolicy


def create_customer_gateway(address: IPv4Address, asn: int, mark: Mark) -> Request:
    """Its device name is the mark's name, which makes it unlike any other of the same address."""
    return Request(
        "CreateCustomerGateway",
        {
            "Type": "ipsec.1",
            "IpAddress": str(address),
            "DeviceName": mark.name,
            "BgpAsnExtended" if asn > _SIGNED else "BgpAsn": asn,
            "TagSpecifications": mark.specification("customer-gateway"),
        },
    )


def delete_customer_gateway(id_: str) -> Request:
    return Request("DeleteCustomerGateway", {"CustomerGatewayId": id_})


_KIND_OF_GATEWAY = {"vgw": "VpnGatewayId", "tgw": "TransitGatewayId"}


def create_connection(gateway: str, customer_gateway: str, mark: Mark, **options: Any) -> Request:
    """options: of ``connection_options``; a dry run needs none."""
    return Request(
        "CreateVpnConnection",
        {
            "Type": "ipsec.1",
            "CustomerGatewayId": customer_gateway,
            _KIND_OF_GATEWAY.get(gateway.partition("-")[0], "VpnGatewayId"): gateway,
            "TagSpecifications": mark.specification("vpn-connection"),
            **options,
        },
    )


def connection_options(
    tunnels: Sequence[NewTunnel],
    *,
    bgp: bool = True,
    psk_storage: PskStorage = "standard",
    bandwidth: Bandwidth = "standard",
    azure_range: str = ANY_RANGE,
    aws_range: str = ANY_RANGE,
) -> dict[str, Any]:
    return {
        "PreSharedKeyStorage": _STORAGE[psk_storage],
        "Options": {
            "StaticRoutesOnly": not bgp,
            "TunnelInsideIpVersion": "ipv4",
            "LocalIpv4NetworkCidr": azure_range,  # AWS's "local" is the customer's side
            "RemoteIpv4NetworkCidr": aws_range,
            # left out where nothing is asked for: not every region knows it
            **({"TunnelBandwidth": bandwidth} if bandwidth != "standard" else {}),
            "TunnelOptions": [
                {
                    "TunnelInsideCidr": str(tunnel.inside),
                    "PreSharedKey": tunnel.key.reveal(),
                    **tunnel_options(tunnel.policy),
                }
                for tunnel in tunnels
            ],
        },
    }


def change_key(id_: str, outside: str, key: Secret) -> Request:
    """outside: the address of the tunnel."""
    return Request(
        "ModifyVpnTunnelOptions",
        {
            "VpnConnectionId": id_,
            "VpnTunnelOutsideIpAddress": outside,
            "TunnelOptions": {"PreSharedKey": key.reveal()},
        },
    )


def change_logs(id_: str, outside: str, group: str) -> Request:
    """Both logs of a tunnel, in one call. outside: the address of the tunnel. group: the ARN of the log group that they go
    to; empty: they are switched off."""
    options: dict[str, Any] = {"LogEnabled": bool(group), "BgpLogEnabled": bool(group)}
    if group:
        options |= {"LogGroupArn": group, "LogOutputFormat": "json"}
        options |= {"BgpLogGroupArn": group, "BgpLogOutputFormat": "json"}
    return Request(
        "ModifyVpnTunnelOptions",
        {
            "VpnConnectionId": id_,
            "VpnTunnelOutsideIpAddress": outside,
            "TunnelOptions": {"LogOptions": {"CloudWatchLogOptions": options}},
        },
    )


def delete_connection(id_: str) -> Request:
    return Request("DeleteVpnConnection", {"VpnConnectionId": id_})


def create_group(vpc: str, description: str, mark: Mark) -> Request:
    """Its name is the mark's name; names are unique in a VPC."""
    return Request(
        "CreateSecurityGroup",
        {
            "GroupName": mark.name,
            "Description": description,
            "VpcId": vpc,
            "TagSpecifications": mark.specification("security-group"),
        },
    )


def delete_group(id_: str) -> Request:
    return Request("DeleteSecurityGroup", {"GroupId": id_})
