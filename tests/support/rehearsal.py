"""A healthy link as both clouds would answer it, for rehearsals without a cloud."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from cloudlink.clouds.aws.parse_offers import Phase, TunnelOffer
from cloudlink.clouds.azure.parse_gateway import GatewayAddresses
from cloudlink.clouds.azure.parse_offers import ConnectionOffer, FarGateway, Policy
from cloudlink.rehearse.answers import Answers, Host
from cloudlink.secret import Secret

PUBLIC = ("203.0.113.10", "203.0.113.20")
OUTSIDE = ("198.51.100.11", "198.51.100.12", "198.51.100.21", "198.51.100.22")
INSIDE = ("169.254.21.0/30", "169.254.22.0/30", "169.254.21.4/30", "169.254.22.4/30")
POLICY = Policy("AES256", "SHA256", "ECP384", "GCMAES256", "GCMAES256", "ECP384", 3600)
ZONE = "corp.example"
BLOCK = f"{ZONE}:53 {{\n  errors\n  cache 30\n  forward . 10.10.1.53 10.10.2.53\n}}\n"


def key(number: int) -> Secret:
    return Secret(f"Tunnel{number}.key.of.the.rehearsal.test")


def offer(number: int, **changed: Any) -> TunnelOffer:
    net = IPv4Network(INSIDE[number])
    made = TunnelOffer(
        connection=f"vpn-{number // 2}",
        gateway="vgw-1",
        outside=OUTSIDE[number],
        customer=PUBLIC[number // 2],
        inside=net,
        own_inside=str(net[1]),
        peer_inside=str(net[2]),
        asn=64512,
        peer_asn=65000,
        hold_time=30,
        key=key(number),
        ike=Phase(("AES256",), ("SHA2-256",), (20,), 28_800),
        esp=Phase(("AES256-GCM-16",), ("SHA2-256",), (20,), 3_600),
        versions=("ikev2",),
        opens=True,
        dpd_timeout=45,
        dpd_action="restart",
        rekey_margin=270,
        azure_range="0.0.0.0/0",
        aws_range="0.0.0.0/0",
        bgp=True,
        mss=1379,
    )
    return replace(made, **changed)


def connection(number: int, **changed: Any) -> ConnectionOffer:
    made = ConnectionOffer(
        name=f"connection-{number + 1}",
        gateway="gateway",
        local_gateway=f"far-{number}",
        protocol="IKEv2",
        key=key(number),
        policy=POLICY,
        mode="Default",
        bgp=True,
        inside={
            "config-0": str(IPv4Network(INSIDE[number])[2]) if number < 2 else str(IPv4Network(INSIDE[number - 2])[2]),
            "config-1": str(IPv4Network(INSIDE[number])[2]) if number >= 2 else str(IPv4Network(INSIDE[number + 2])[2]),
        },
    )
    return replace(made, **changed)


def far(number: int, **changed: Any) -> FarGateway:
    made = FarGateway(f"far-{number}", OUTSIDE[number], 64512, str(IPv4Network(INSIDE[number])[1]), ())
    return replace(made, **changed)


def answers(**changed: Any) -> Answers:
    made = Answers(
        offers=tuple(offer(n) for n in range(4)),
        attached=frozenset({"vgw-1"}),
        vpc=(IPv4Network("10.10.0.0/16"),),
        endpoints=(Host("10.10.1.53", True), Host("10.10.2.53", True)),
        targets=(Host("10.10.1.10", True),),
        zone=ZONE,
        records={f"app.{ZONE}": ("10.10.1.10",)},
        instances=tuple(
            GatewayAddresses(
                f"config-{n}",
                tuple(IPv4Network(i)[2] for i in INSIDE[2 * n : 2 * n + 2]),
                (IPv4Address(f"10.20.255.{4 + n}"),),
                (IPv4Address(PUBLIC[n]),),
            )
            for n in range(2)
        ),
        azure_asn=65000,
        connections=tuple(connection(n) for n in range(4)),
        far=tuple(far(n) for n in range(4)),
        vnet=(IPv4Network("10.20.0.0/16"),),
        nodes=IPv4Network("10.20.0.0/20"),
        server_blocks={"link.server": BLOCK},
        coredns="1.12.1",
    )
    return replace(made, **changed)
