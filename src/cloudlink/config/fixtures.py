"""Fixtures of the sandbox's clouds: what [sandbox] says, and sensible ranges for what it leaves out.

Chosen ranges never overlap anything that the configuration names, so that an unchanged configuration can be
rehearsed. Ranges that are given are taken as they are, even if they collide: that is how the checks are rehearsed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, collapse_addresses

from cloudlink.config import schema
from cloudlink.config.reading import Document
from cloudlink.link import SandboxFixtures

_EKS_SUBNETS = 3
_MOST_VPC_CIDRS = 5  # AWS's quota for one VPC


def fixtures(document: Document) -> SandboxFixtures:
    """The document must have no mistakes."""
    joined = document[schema.TRANSPORT] == "existing"
    adopted = not joined and document[schema.GATEWAY_ADOPT] is not None
    gateway = document[schema.GATEWAY_SUBNET] if not (joined or adopted) else _room_for_gateway(document)
    addresses = [a for host in document.all_hosts for a in host[schema.HOST_ADDRESSES] or ()]
    named = [*_named(document), *map(IPv4Network, addresses)]

    new_network = document[schema.VNET_CREATE]
    vnet, nodes = document[schema.SANDBOX_VNET_PREFIXES], document[schema.SANDBOX_AKS_SUBNET]
    if new_network:
        vnet = ()
    elif not vnet:
        vnet = _vnet(gateway, nodes, [network for network in named if network not in (gateway, nodes)])
    if nodes is None and not new_network:
        nodes = _free_part(vnet, gateway)
    named += [gateway, *vnet]

    vpc = document[schema.SANDBOX_VPC_CIDRS] or _vpc(addresses, named)
    named += vpc
    eks_services = document[schema.SANDBOX_EKS_SERVICE_CIDR] or _first_free(
        _candidates("172.20.0.0/16", "10.100.0.0/16"), named
    )
    named.append(eks_services)
    if document[schema.AKS_CREATE]:
        pods, services = document[schema.AKS_POD_CIDR], document[schema.AKS_SERVICE_CIDR]
    else:
        pods = document[schema.SANDBOX_POD_CIDR] or _first_free(_candidates("10.244.0.0/16", "10.245.0.0/16"), named)
        named.append(pods)
        services = document[schema.SANDBOX_SERVICE_CIDR] or _first_free(
            _candidates("10.0.0.0/16", "10.1.0.0/16"), named
        )

    named += [pods, services]
    peered: list[IPv4Network] = []
    for _ in document.clusters if document[schema.SANDBOX_MORE_CLUSTERS] == "peered" else ():
        peered.append(_first_free(_candidates(*(f"10.{n}.0.0/16" for n in range(30, 60))), [*named, *peered]))

    eks_subnets, balancer_subnets = document[schema.SANDBOX_EKS_SUBNETS], document[schema.SANDBOX_LB_SUBNETS]
    return SandboxFixtures(
        vpc_cidrs=vpc,
        eks_service_cidr=eks_services,
        eks_subnets=eks_subnets or _eks_subnets(document, vpc, addresses),
        load_balancer_subnets=balancer_subnets or (),
        vnet_prefixes=vnet,
        aks_subnet=nodes,
        aks_pod_cidr=pods,
        aks_service_cidr=services,
        aks_version=document[schema.SANDBOX_VERSION],
        aks_sign_in=document[schema.SANDBOX_SIGN_IN],
        speed=document[schema.SANDBOX_SPEED],
        wire=document[schema.SANDBOX_WIRE] if joined else None,
        wire_gateway_subnet=gateway if joined else None,
        gateway=document[schema.SANDBOX_GATEWAY] if adopted else None,
        gateway_subnet=gateway if adopted else None,
        peered=tuple(peered),
    )


def _room_for_gateway(document: Document) -> IPv4Network:
    """Of somebody else's gateway: at the end of the VNet's first range, else somewhere free."""
    nodes, vnet = document[schema.SANDBOX_AKS_SUBNET], document[schema.SANDBOX_VNET_PREFIXES]
    taken = [nodes] if nodes is not None else []
    for prefix in vnet or ():
        for part in reversed(list(prefix.subnets(new_prefix=max(27, prefix.prefixlen)))):
            if not _overlaps(part, taken):
                return part
    named = list(_named(document))
    return next(_first_free(_candidates("10.20.0.0/16"), named).subnets(new_prefix=27))


def _named(document: Document) -> Iterator[IPv4Network]:
    """Every range that the configuration names, apart from the gateway subnet."""
    for several in (schema.SANDBOX_VPC_CIDRS, schema.SANDBOX_VNET_PREFIXES):
        ranges = document[several]
        yield from ranges or ()
    for one in (
        schema.SANDBOX_EKS_SERVICE_CIDR,
        schema.SANDBOX_AKS_SUBNET,
        schema.SANDBOX_POD_CIDR,
        schema.SANDBOX_SERVICE_CIDR,
    ):
        if network := document[one]:
            yield network
    if document[schema.VNET_CREATE]:
        prefixes = document[schema.VNET_PREFIXES]
        yield from prefixes or ()
    if document[schema.AKS_CREATE]:
        yield document[schema.AKS_POD_CIDR]
        yield document[schema.AKS_SERVICE_CIDR]


def _vnet(gateway: IPv4Network, nodes: IPv4Network | None, others: Sequence[IPv4Network]) -> tuple[IPv4Network, ...]:
    """Ranges of the existing VNet: around the gateway subnet, with room for the nodes."""
    wide = _around(gateway, others, shortest=min(16, gateway.prefixlen - 4))
    if nodes is not None:
        near_nodes = nodes if nodes.subnet_of(wide) else _around(nodes, [*others, wide])
        return tuple(collapse_addresses([wide, near_nodes]))
    if _free_part((wide,), gateway) is None:
        return (wide, _first_free(_candidates("10.20.0.0/16"), [*others, wide]))
    return (wide,)


def _vpc(addresses: Sequence[IPv4Address], named: Sequence[IPv4Network]) -> tuple[IPv4Network, ...]:
    """Ranges that hold the fixed addresses of [[dns.hosts]], which are meant to be in the VPC."""
    fixed = {IPv4Network(address) for address in addresses}
    others = [network for network in named if network not in fixed]
    around = {_around(IPv4Network(address), others, shortest=16, longest=28) for address in addresses}
    free = sorted(
        part
        for network in collapse_addresses(around)
        if not _overlaps(network, others)
        for part in network.subnets(new_prefix=max(16, network.prefixlen))  # AWS takes none larger than /16
    )
    if any(network.prefixlen <= 20 for network in free):
        free.sort(key=lambda network: network.prefixlen)  # the largest first: the cluster's subnets go there
        return tuple(free[:_MOST_VPC_CIDRS])
    return (_first_free(_candidates("10.10.0.0/16"), [*others, *free]), *free[: _MOST_VPC_CIDRS - 1])


def _around(network: IPv4Network, others: Sequence[IPv4Network], shortest: int = 16, longest: int = 29) -> IPv4Network:
    """The largest range around a network, /16 at most, that touches none of the others."""
    for prefixlen in range(shortest, min(longest, network.prefixlen) + 1):
        wider = network.supernet(new_prefix=prefixlen)
        if not _overlaps(wider, others):
            return wider
    return network if network.prefixlen <= longest else network.supernet(new_prefix=longest)


def _eks_subnets(
    document: Document, vpc: Sequence[IPv4Network], addresses: Sequence[IPv4Address]
) -> tuple[IPv4Network, ...]:
    """Three subnets at the start of the VPC's first range, or as many as endpoint_subnets lists.

    Fixed addresses of [[dns.hosts]] get a subnet as well, so that something can answer there.
    """
    wanted = max(_EKS_SUBNETS, len(document[schema.ENDPOINT_SUBNETS] or ()))
    homes = {
        IPv4Network(address).supernet(new_prefix=_subnet_size(cidr))
        for address in addresses
        for cidr in vpc
        if address in cidr
    }
    balancers = document[schema.SANDBOX_LB_SUBNETS] or ()  # AWS takes no subnets that overlap
    parts = list(vpc[0].subnets(new_prefix=_subnet_size(vpc[0])))
    for part in [part for part in parts if not _overlaps(part, balancers)] or parts:
        if len(homes) >= wanted:
            break
        homes.add(part)
    return tuple(sorted(homes))


def _subnet_size(cidr: IPv4Network) -> int:
    """/20 in a /16; in a smaller range a sixteenth of it, as far as AWS's smallest, /28, allows."""
    return max(cidr.prefixlen, min(28, cidr.prefixlen + 4))


def _free_part(vnet: Sequence[IPv4Network], gateway: IPv4Network) -> IPv4Network | None:
    """A subnet for the nodes: the first free /20 of the VNet, or the largest range that is free."""
    for prefixlen in range(20, 30):
        for prefix in vnet:
            if prefix.prefixlen <= prefixlen:
                for part in prefix.subnets(new_prefix=prefixlen):
                    if not part.overlaps(gateway):
                        return part
    return None


def _candidates(*preferred: str) -> Iterator[IPv4Network]:
    yield from map(IPv4Network, preferred)
    for wide in ("10.0.0.0/8", "172.16.0.0/13", "192.168.0.0/16", "100.64.0.0/10"):
        yield from IPv4Network(wide).subnets(new_prefix=16)
    # Someone names whole private ranges: the sandbox may live anywhere, its packets never leave the machine.
    yield from IPv4Network("128.0.0.0/2").subnets(new_prefix=16)


def _first_free(candidates: Iterable[IPv4Network], taken: Sequence[IPv4Network]) -> IPv4Network:
    return next(network for network in candidates if not _overlaps(network, taken))


def _overlaps(network: IPv4Network, others: Iterable[IPv4Network]) -> bool:
    return any(network.overlaps(other) for other in others)
