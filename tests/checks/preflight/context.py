"""The example's link and a plan that makes all of it, without a cloud behind it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from cloudlink.checks.preflight.context import Context
from cloudlink.config import load
from cloudlink.core.plan import Action, Change, Plan
from cloudlink.link import Link

EXAMPLE = Path(__file__).parents[3] / "config.example.toml"
ADDRESSES = ("resolver.zone", "resolver.records", "resolver.endpoint", "dns_forward.forward", "azure_vpn.gateway")


def link(**dns: Any) -> Link:
    found = load(EXAMPLE, sandbox=True)
    return replace(found, dns=replace(found.dns, **dns))


def plan(**actions: Action) -> Plan:
    """Everything is created; by keyword, with ``__`` for the dot, what is not."""
    chosen = {k.replace("__", "."): v for k, v in actions.items()}
    return Plan(tuple(Change(a, a, chosen.get(a, Action.CREATE)) for a in ADDRESSES))


def context(**more: Any) -> Context:
    nothing: dict[str, Any] = dict.fromkeys(("aws", "azure", "aks", "eks"))
    return Context(**{"link": link(), "plan": plan(), **nothing, **more})
