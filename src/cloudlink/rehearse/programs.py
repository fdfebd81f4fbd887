"""The daemons of a rehearsal: where they are, and how they come to this machine without a service being started.

Debian's packages are unpacked into a folder of cloudlink's own. Installed in the usual way, strongSwan and BIRD would be
started as services that listen on all addresses.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cloudlink.errors import UsageError

PACKAGES = (
    "charon-systemd",
    "libstrongswan",
    "strongswan-libcharon",
    "libcharon-extra-plugins",
    "strongswan-swanctl",  # vici
    "libstrongswan-standard-plugins",
    "bird2",
    "libssh-gcrypt-4",
)
COREDNS = "github.com/coredns/coredns"
TUN = "/dev/net/tun"
USUAL_COREDNS = "1.14.3"  # where no cluster says which
INSTALL = "cloudlink rehearse --install"
_NEEDED = ("ip", "unshare", "nsenter", "mount")
_DAEMONS = {"charon-systemd": "strongSwan", "bird": "BIRD"}
_PLUGINS = Path("usr/lib/ipsec/plugins")  # where Debian has them
_NEEDED_PLUGINS = {"charon-systemd": ("libstrongswan-vici.so", "libstrongswan-kernel-libipsec.so")}
_PLACES = ("/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/local/bin")
_LONGEST_BUILD = 1800.0  # seconds
# CoreDNS 1.9.4 has a golang.org/x/net that reaches into the standard library, which Go's linker refuses since 1.23.
_LINKING = "-s -w -checklinkname=0"


@dataclass(frozen=True)
class Programs:
    paths: dict[str, str] = field(default_factory=dict)
    libraries: str = ""  # folder that takes the place of /usr/lib; empty: the daemons are installed
    coredns: str = ""  # the version that answers here; empty: there is none


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cloudlink"


def found(coredns: str) -> Programs:
    """coredns: the cluster's version. Raises UsageError with everything that is missing or forbidden, and what to type."""
    problems = [f"{name} is missing (Debian: {_package(name)})" for name in _NEEDED if not _which(name)]
    own = cache() / "rehearsal" / "root"
    paths, libraries = {}, ""
    for name, title in _DAEMONS.items():
        if installed := _installed(name):
            paths[name] = installed
        elif _whole(own, name):
            paths[name], libraries = str(own / "usr/sbin" / name), str(own / "usr/lib")
        else:
            problems.append(f"{title} is not on this machine")
    problems += _forbidden()
    if problems:
        hint = INSTALL if any("not on this machine" in p for p in problems) else _permit(problems)
        raise UsageError("The rehearsal cannot run here", "; ".join(problems) + ". Nothing was started.", hint)
    version = _nearest(coredns)
    if version:
        paths["coredns"] = str(cache() / "coredns" / version / "coredns")
    return Programs(paths, libraries, version)


def _installed(name: str) -> str:
    """The daemon of this machine; empty: there is none, or Debian's without the plugins that a rehearsal needs."""
    path = _which(name)
    return path if not (Path("/") / _PLUGINS).is_dir() or _has_plugins(Path("/"), name) else ""


def _whole(root: Path, name: str) -> bool:
    """Whether a folder has the daemon, and what it loads; an older cloudlink unpacked less."""
    return (root / "usr/sbin" / name).exists() and _has_plugins(root, name)


def _has_plugins(root: Path, name: str) -> bool:
    return all((root / _PLUGINS / plugin).exists() for plugin in _NEEDED_PLUGINS.get(name, ()))


def _nearest(wanted: str) -> str:
    """The cluster's own version of CoreDNS; else the oldest that is newer, else the newest that is here."""

    def order(version: str) -> tuple[int, ...]:
        return tuple(int(part) for part in version.split(".") if part.isdigit())

    here = sorted((p.parent.name for p in (cache() / "coredns").glob("*/coredns")), key=order)
    return next((v for v in here if order(v) >= order(wanted)), here[-1] if here else "")


def _forbidden() -> list[str]:
    """What the system does not allow. Each is tried, since there are many switches that forbid it."""
    problems = []
    try:
        os.close(os.open(TUN, os.O_RDWR))
    except OSError as error:
        problems.append(f"{TUN} cannot be opened ({error.strerror})")
    if _which("unshare") and subprocess.run([*isolated(), "true"], capture_output=True, check=False).returncode:
        problems.append("namespaces may not be made by this user")
    return problems


def _permit(problems: list[str]) -> str:
    text = "; ".join(problems)
    if TUN in text:
        return "sudo sh -c 'modprobe tun && chmod 666 /dev/net/tun'"
    if "namespaces" in text:
        return "sudo sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0"
    return "sudo apt-get install iproute2 util-linux mount"


def isolated() -> list[str]:
    """Around the first process of a rehearsal. A user who is not root is root inside only."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]


def install(coredns: str, tell: Callable[[str], None]) -> None:
    """Everything that is not there. Raises UsageError where that cannot be done."""
    folder = cache() / "rehearsal"
    if not all(_installed(n) or _whole(folder / "root", n) for n in _DAEMONS):
        tell(f"Unpacking Debian's strongSwan and BIRD into {folder}; no service is started.")
        _unpack(folder)
    if coredns and not (cache() / "coredns" / coredns / "coredns").exists():
        tell(f"Building CoreDNS {coredns}, which takes minutes and is done once.")
        _build(coredns)


def _unpack(folder: Path) -> None:
    if not (_which("apt-get") and _which("dpkg-deb")):
        raise UsageError(
            "The daemons cannot be fetched",
            "Debian's apt-get and dpkg-deb unpack them, and this machine has neither.",
            "Install strongSwan (charon-systemd with vici and kernel-libipsec) and BIRD 2 by your own means.",
        )
    debs = folder / "debs"
    shutil.rmtree(folder / "unpacking", ignore_errors=True)
    debs.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["apt-get", "-q", "download", *PACKAGES], cwd=debs, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UsageError(
            "The daemons cannot be fetched", f"apt-get said: {done.stderr.strip()[-300:]}", "sudo apt-get update"
        )
    for package in sorted(debs.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", str(package), str(folder / "unpacking")], check=True)
    shutil.rmtree(folder / "root", ignore_errors=True)
    (folder / "unpacking").rename(folder / "root")
    shutil.rmtree(debs, ignore_errors=True)


def _build(version: str) -> None:
    go = _which("go") or _which("/usr/local/go/bin/go")
    if not go:
        raise UsageError(
            "CoreDNS cannot be built", "Go, which builds it, is not on this machine.", "sudo apt-get install golang-go"
        )
    place = cache() / "coredns" / version
    room = place / "building"
    room.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"GOBIN": str(room), "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    command = [go, "install", f"-ldflags={_LINKING}", f"{COREDNS}@v{version}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_LONGEST_BUILD, check=False)
    if done.returncode:
        raise UsageError("CoreDNS cannot be built", done.stderr.strip()[-300:], " ".join(command))
    (room / "coredns").replace(place / "coredns")
    shutil.rmtree(room, ignore_errors=True)


def _which(name: str) -> str:
    path = os.pathsep.join((os.environ.get("PATH", ""), *_PLACES))
    return shutil.which(name, path=path) or ""


def _package(name: str) -> str:
    return {"ip": "iproute2", "mount": "mount"}.get(name, "util-linux")
