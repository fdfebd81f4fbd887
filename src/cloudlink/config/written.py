"""A configuration as text, with what each part means: what ``init`` writes, to be read and changed by people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network


@dataclass(frozen=True)
class NewHost:
    label: str
    key: str  # load_balancer, kubernetes_service, kubernetes_ingress, addresses
    target: str  # addresses: separated by commas
    ports: tuple[int, ...] = ()  # empty: the default


@dataclass(frozen=True)
class NewBeside:
    name: str
    group: str
    subscription: str


@dataclass(frozen=True)
class NewConfig:
    """None or empty: the default is used."""

    name: str
    region: str
    vpc: str
    eks: str
    subscription: str
    location: str
    vnet: str
    vnet_group: str
    gateway_subnet: IPv4Network
    aks: str
    aks_group: str
    zone: str
    hosts: tuple[NewHost, ...]
    profile: str | None = None
    cloud: str = "public"
    aks_subscription: str = ""  # where it differs from the VNet's
    aws_asn: int | None = None
    azure_asn: int | None = None
    adopt_gateway: str = ""
    adopt_zone: str = ""
    zones: tuple[str, ...] | None = None
    inside_pool: tuple[IPv4Network, ...] = ()
    beside: tuple[NewBeside, ...] = ()  # other AKS clusters in the VNet, to be proposed in comments


def written(new: NewConfig, *, schema: str) -> str:
    """schema: path of the JSON Schema, from the file's folder."""
    return "\n".join(_lines(new, schema)) + "\n"


def _lines(new: NewConfig, schema: str) -> Iterator[str]:
    yield f"#:schema {schema}"
    yield "# Made by `cloudlink init`. Check it, then: cloudlink doctor, cloudlink plan, cloudlink up."
    yield "# Every key: cloudlink schema, or docs/configuration.md."
    yield ""
    yield f"name = {_quoted(new.name)}  # part of every object's name; two links differ in it"
    yield ""
    yield "[aws]"
    yield f"region = {_quoted(new.region)}"
    yield f"vpc = {_quoted(new.vpc)}"
    yield f"eks_cluster = {_quoted(new.eks)}"
    if new.profile:
        yield f"profile = {_quoted(new.profile)}"
    if new.adopt_gateway:
        yield f"gateway = {_quoted(new.adopt_gateway)}  # attached to the VPC already: used, and never deleted"
    if new.aws_asn:
        yield f"asn = {new.aws_asn}  # that of the gateway"
    yield ""
    yield "[azure]"
    if new.cloud != "public":
        yield f"cloud = {_quoted(new.cloud)}"
    yield f"subscription = {_quoted(new.subscription)}"
    yield f"resource_group = {_quoted(new.vnet_group)}  # where the gateway and its parts are made"
    yield f"location = {_quoted(new.location)}"
    yield ""
    yield "[azure.vnet]  # the one that AKS runs in"
    yield f"name = {_quoted(new.vnet)}"
    yield ""
    yield "[azure.vpn_gateway]"
    yield f"subnet_prefix = {_quoted(str(new.gateway_subnet))}  # free in the VNet, or its GatewaySubnet"
    yield '# sku = "VpnGw1AZ"  # 650 Mbit/s; from VpnGw2AZ on 1.25 Gbit/s'
    if new.zones is not None:
        yield f"zones = {_list(new.zones)}  # those that the location has"
    if new.azure_asn:
        yield f"asn = {new.azure_asn}  # another than AWS's"
    yield ""
    yield "[azure.aks]"
    yield f"name = {_quoted(new.aks)}"
    yield f"resource_group = {_quoted(new.aks_group)}"
    if new.aks_subscription:
        yield f"subscription = {_quoted(new.aks_subscription)}"
    if new.beside:
        yield ""
        yield "# Other clusters in this VNet. Without the first mark of a line they get the names as well:"
    for other in new.beside:
        yield "# [[azure.clusters]]"
        yield f"# name = {_quoted(other.name)}"
        if other.group.lower() != new.aks_group.lower():
            yield f"# resource_group = {_quoted(other.group)}"
        if other.subscription.lower() != (new.aks_subscription or new.subscription).lower():
            yield f"# subscription = {_quoted(other.subscription)}"
    yield ""
    if new.inside_pool:
        yield "[vpn]"
        yield f"inside_pool = {_list(tuple(map(str, new.inside_pool)))}  # other VPN connections use the rest"
        yield ""
    yield "[dns]"
    yield f"zone = {_quoted(new.zone)}  # hides public names below it from the VPC: give it a sub-domain of its own"
    if new.adopt_zone:
        yield f"hosted_zone = {_quoted(new.adopt_zone)}  # there already: only cloudlink's own records are touched in it"
    yield ""
    yield "# Names for pods on AKS. Ports are what `cloudlink verify-dns` connects to."
    for host in new.hosts:
        yield ""
        yield "[[dns.hosts]]"
        yield f"name = {_quoted(host.label)}"
        if host.key == "addresses":
            yield f"addresses = {_list(tuple(host.target.split(',')))}"
        else:
            yield f"{host.key} = {_quoted(host.target)}"
        if host.ports:
            yield f"ports = [{', '.join(map(str, host.ports))}]"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _list(items: tuple[str, ...]) -> str:
    return f"[{', '.join(map(_quoted, items))}]"
