"""What a name should lead to, and what else is known of its way, before it is diagnosed."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address


@dataclass(frozen=True)
class Wanted:
    """One name to diagnose."""

    name: str
    configured: str  # the name as the configuration has it, ``*.corp.example`` for a wildcard
    zone: str
    addresses: frozenset[IPv4Address]  # where it should lead; empty when that is not known
    # the configuration gives them as addresses, so that no load balancer is behind them as far as we know
    fixed: bool = False
    known: bool = True  # it is configured; False: somebody typed it


@dataclass(frozen=True)
class DnsContext:
    """What else is known of the DNS path."""

    key_problem: str = ""  # one line on the CoreDNS key when it is wrong
    key_task: str = ""  # what a person has to do about it, where an ``up`` would not put it right
    shadowed: tuple[str, ...] = ()  # more specific zones elsewhere
    control: str = ""  # how the cluster's own name was answered: answer, timeout, ...; empty: it was not asked
    by_vnet: bool = False  # the VNet's own resolver forwards the zones, and not CoreDNS
    namespace: str = "default"  # of the probe's pod


NOTHING_ELSE = DnsContext()
