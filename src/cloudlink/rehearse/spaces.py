"""Network namespaces of a rehearsal: they are made inside a mount and PID namespace of its own, so that nothing is left
when its first process ends, however it ends."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from cloudlink.rehearse.stage import ROUTER, VNET, Link

NAMES = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

_SETTINGS = {
    "ipv4/ip_forward": "1",
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    "ipv4/fib_multipath_hash_policy": "1",
    "ipv6/conf/all/disable_ipv6": "1",
    "ipv6/conf/default/disable_ipv6": "1",
}


def make(names: tuple[str, ...]) -> None:
    NAMES.mkdir(parents=True, exist_ok=True)
    ip("".join(f"netns add {name}\n" for name in dict.fromkeys(names)))
    for name in dict.fromkeys(names):
        with inside(name):
            for setting, value in _SETTINGS.items():
                with contextlib.suppress(OSError):
                    Path("/proc/sys/net", setting).write_text(value)
        ip("link set lo up\n", name)


def join(links: tuple[Link, ...]) -> None:
    """Each host by a cable of its own to its router, with nothing but addresses of one host."""
    routers: dict[str, str] = {}
    made = ""
    for link in links:
        made += f"link add eth0 netns {link.host} type veth peer name {link.host} netns {link.router}\n"
        near = routers.setdefault(link.router, f"addr add {ROUTER}/32 dev lo\n")
        far = f"link set {link.host} up\n"
        # several daemons have one of Azure's addresses: which is meant is a rule's matter
        if link.router != "inet" or f" {link.address}/32 " not in near:
            far += f"route add {link.address}/32 dev {link.host}\n"
        routers[link.router] = near + far
    ip(made)
    for router, lines in routers.items():
        ip(lines, router)
    for link in links:
        ip(
            f"addr add {link.address}/32 dev eth0\nlink set eth0 up\nroute add {ROUTER}/32 dev eth0\n"
            + (f"route add default via {ROUTER} src {link.address}\n" if link.default else ""),
            link.host,
        )


def join_instances(names: list[str], addresses: list[str]) -> None:
    """The instances of Azure's gateway to the VNet's router."""
    for name, address in zip(names, addresses, strict=True):
        ip(f"link add eth0 netns {name} type veth peer name {name} netns vnet\n")
        ip(f"addr add {VNET} peer {address} dev {name}\nlink set {name} up\n", "vnet")
        ip(f"addr add {address} peer {VNET} dev eth0\nlink set eth0 up\n", name)


def ip(batch: str, namespace: str = "") -> None:
    """Lines of ``ip``. Raises RuntimeError with what it says."""
    command = ["ip", *(("-n", namespace) if namespace else ()), "-batch", "-"]
    done = subprocess.run(command, input=batch, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {namespace}: {done.stderr.strip()}")


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """This thread is in the namespace; what it opens there stays there."""
    back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(NAMES / namespace, os.O_RDONLY)
    try:
        _enter(there)
        yield
    finally:
        _enter(back)
        os.close(there)
        os.close(back)


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
