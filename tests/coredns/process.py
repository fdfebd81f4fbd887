"""One CoreDNS process, started as AKS starts it: its base Corefile, and coredns-custom mounted beside it.

Only what cannot be so on a machine of our own is changed, each in one place (``base_corefile``, ``with_port``): the
ports, the node's resolv.conf, and where the Kubernetes API is.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode

from cloudlink_sandbox.kube.addons import ADDON_CONFIGMAPS
from tests.coredns.upstreams import free_port

_START_SECONDS = 20.0
_TRIES = 3


@dataclass(frozen=True)
class Surroundings:
    """kubeconfig: of the API that the kubernetes plugin watches. resolver: address:port in /etc/resolv.conf's place."""

    kubeconfig: Path
    resolver: str


@dataclass(frozen=True)
class Refused:
    """It did not start. log: all that it said."""

    log: str


@dataclass
class Running:
    """port: of DNS, at 127.0.0.1."""

    port: int
    folder: Path
    _process: subprocess.Popen[bytes]
    _generation: int = field(default=0)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, name: str, kind: str = "A", *, tcp: bool = False, timeout: float = 6.0) -> dns.message.Message:
        """Over UDP it is asked again when nothing came, as every resolver of a pod does: a datagram may be lost."""
        query = dns.message.make_query(name, kind)
        if tcp:
            return dns.query.tcp(query, "127.0.0.1", timeout * _TRIES, self.port)
        for tries_left in reversed(range(_TRIES)):
            try:
                return dns.query.udp(query, "127.0.0.1", timeout, self.port)
            except dns.exception.Timeout:
                if not tries_left:
                    raise AssertionError(f"no answer for {name} in {_TRIES} times {timeout} s:\n{self.log}") from None
        raise AssertionError("unreachable")

    def addresses(self, name: str, *, tcp: bool = False) -> list[str]:
        """Of an answer that must be one."""
        answer = self.ask(name, tcp=tcp)
        assert answer.rcode() == dns.rcode.NOERROR, f"{answer}\n{self.log}"
        return [str(record) for rrset in answer.answer for record in rrset]

    def mount(self, keys: Mapping[str, str]) -> None:
        """The ConfigMap's new content, in one step, as the kubelet does it."""
        self._generation += 1
        project(self.folder, self.port, keys, self._generation)

    def wait_for_log(self, words: str, seconds: float = 15.0) -> None:
        until = time.monotonic() + seconds
        while words not in self.log:
            assert time.monotonic() < until, f"it never says '{words}':\n{self.log}"
            time.sleep(0.05)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


def start(
    program: Path, folder: Path, keys: Mapping[str, str], around: Surroundings, *, reload: str = "reload"
) -> Running | Refused:
    """keys: what coredns-custom holds. reload: the base Corefile's line, for one that looks more often."""
    for _ in range(3):
        begun = _start(program, folder, keys, around, reload)
        # Between finding a free port and using it, somebody else may have taken it.
        if isinstance(begun, Running) or "address already in use" not in begun.log:
            return begun
    raise AssertionError(begun.log)


def _start(
    program: Path, folder: Path, keys: Mapping[str, str], around: Surroundings, reload: str
) -> Running | Refused:
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Corefile").write_text(base_corefile(port, around, reload))
    project(folder, port, keys, 0)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "-conf", "Corefile", "-dns.port", str(port)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    running = Running(port, folder, process)
    until = time.monotonic() + _START_SECONDS
    while f"CoreDNS-{program.parent.name}" not in running.log:
        if process.poll() is not None:
            return Refused(running.log)
        if time.monotonic() > until:
            running.stop()
            raise AssertionError(f"CoreDNS neither starts nor ends:\n{running.log}")
        time.sleep(0.01)
    return running


def base_corefile(port: int, around: Surroundings, reload: str = "reload") -> str:
    """AKS's, as the sandbox's clusters have it.

    noendpoints: the sandbox's API knows no EndpointSlices, for no Service of it has pods that serve.
    """
    text = ADDON_CONFIGMAPS["coredns"]["data"]["Corefile"]
    for ours, theirs in (
        ("    health {\n", f"    health 127.0.0.1:{free_port()} {{\n"),
        ("    ready\n", f"    ready 127.0.0.1:{free_port()}\n"),
        ("    prometheus :9153\n", f"    prometheus 127.0.0.1:{free_port()}\n"),
        ("      ttl 30\n", f"      ttl 30\n      kubeconfig {around.kubeconfig}\n      noendpoints\n"),
        ("    forward . /etc/resolv.conf\n", f"    forward . {around.resolver}\n"),
        ("    reload\n", f"    {reload}\n"),
    ):
        assert text.count(ours) == 1, ours
        text = text.replace(ours, theirs)
    return with_port(text, port)


def with_port(text: str, port: int) -> str:
    """Server blocks at this port instead of 53. Those that name none have it from the command line."""
    return re.sub(
        r"(?m)^([^\s#][^{\n]*)$|^([^\s#][^{\n]*\{)", lambda m: re.sub(r":53(?=[\s,{]|$)", f":{port}", m[0]), text
    )


def project(folder: Path, port: int, keys: Mapping[str, str], generation: int) -> None:
    """``custom/`` as a ConfigMap's volume looks: links to a folder that is exchanged as a whole."""
    custom = folder / "custom"
    data = custom / f"..{generation}"
    data.mkdir(parents=True, exist_ok=True)
    for key, text in keys.items():
        (data / key).write_text(with_port(text, port))
    link = custom / "..data_tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(data.name)
    link.replace(custom / "..data")
    for old in custom.iterdir():
        if not old.name.startswith("..") and old.name not in keys:
            old.unlink()
    for key in keys:
        if not (custom / key).is_symlink():
            (custom / key).symlink_to(f"..data/{key}")
