"""Why a cloud cannot be reached: one explanation for the errors of all three SDKs.

Each wraps what happened in its own classes (botocore, requests, azure-core, urllib3). The classes' names and the texts of
the innermost errors say what it was: a proxy, a certificate, a name, a time-out.
https://urllib3.readthedocs.io/en/stable/reference/urllib3.exceptions.html
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from urllib.parse import urlsplit

from cloudlink.clouds.answers import is_loopback
from cloudlink.errors import CloudlinkError, UnreachableError

_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_HOST = re.compile(r"host='([^']+)'|https?://([A-Za-z0-9.-]+)|resolve '([^']+)'")
_SOCKS = ("Missing dependencies for SOCKS", "No module named 'socks'", "socks5h://", "socks5://", "socks4://")
_OWN_AUTHORITY = (
    "If your company opens TLS, give its root certificate in a PEM file: export AWS_CA_BUNDLE=FILE (AWS) and "
    "REQUESTS_CA_BUNDLE=FILE (Azure, az)."
)


def explain(error: BaseException, who: str, environ: Mapping[str, str] | None = None) -> CloudlinkError | None:
    """Ours for an error of transport whose cause can be told; None where it says no more than that there was no answer.

    who: which cloud, as the sentence begins.
    """
    environ = os.environ if environ is None else environ
    chain = list(_chain(error))
    text = " ".join(str(e) for e in chain)
    names = {type(e).__name__ for e in chain}
    host = _host(text)
    if found := _socks(who, text, environ):
        return found
    if "407" in text and "roxy" in text:
        return UnreachableError(
            "The proxy wants a sign-in of its own",
            f"{who} is asked through {_proxy(environ)}, which answered 407 Proxy Authentication Required.",
            "Give user and password in the variable: export HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT",
        )
    if names & {"ProxyError", "ProxyConnectionError", "ProxySchemeUnknown"} or "Unable to connect to proxy" in text:
        return UnreachableError(
            "The proxy does not answer",
            f"{who}{_at(host)} is asked through {_proxy(environ)}, and that cannot be reached: {_innermost(chain)}.",
            "Correct or unset that variable, or name the host in NO_PROXY.",
        )
    if "CERTIFICATE_VERIFY_FAILED" in text or any(isinstance(e, ssl.SSLCertVerificationError) for e in chain):
        through = f" It is asked through {_proxy(environ)}." if _variable(environ) else ""
        return UnreachableError(
            "A certificate was not issued by an authority that is trusted",
            f"{who}{_at(host)} shows a certificate that cannot be verified ({_verify_words(text)}): a proxy opens TLS, or "
            f"something answers in its place.{through} Nothing was sent.",
            _OWN_AUTHORITY,
        )
    if "NameResolutionError" in names or "gaierror" in names or "Failed to resolve" in text:
        return UnreachableError(
            "A name does not resolve",
            f"{who}{_at(host)}: the name is not known to this machine's DNS ({_innermost(chain)}).",
            "Check the network, the VPN and DNS of this machine, then run the command again.",
        )
    if names & {"ConnectTimeoutError", "ConnectTimeout", "ServiceRequestTimeoutError"}:
        tip = _no_proxy_tip(environ)
        return UnreachableError(
            "No connection in time",
            f"{who}{_at(host)} does not take a connection: packets are dropped on the way.{tip}",
            "Check the network, the VPN and any proxy (HTTPS_PROXY), then run the command again.",
        )
    return None


def proxy_for(url: str, environ: Mapping[str, str] | None = None) -> str:
    """The variable and the address of the proxy that is used for this address; empty: none is."""
    environ = os.environ if environ is None else environ
    if is_loopback(url) or not _variable(environ) or bypassed(urlsplit(url).hostname or "", environ):
        return ""
    return _proxy(environ)


def bypassed(host: str, environ: Mapping[str, str]) -> bool:
    """Whether NO_PROXY names this host: itself, a domain above it, or (an address) a range."""
    for entry in (environ.get("no_proxy") or environ.get("NO_PROXY") or "").split(","):
        name = entry.strip().lower()
        if name == "*" or (
            name and (host.lower() == name.lstrip(".") or host.lower().endswith(f".{name.lstrip('.')}"))
        ):
            return True
        try:
            if "/" in name and IPv4Address(host) in IPv4Network(name, strict=False):
                return True
        except ValueError:
            continue
    return False


def _socks(who: str, text: str, environ: Mapping[str, str]) -> CloudlinkError | None:
    address = environ.get(_variable(environ), "") if _variable(environ) else ""
    if not address.lower().startswith("socks") or not any(mark in text for mark in (*_SOCKS, "roxy", "SOCKS")):
        return None
    return UnreachableError(
        "A SOCKS proxy cannot be used",
        f"{who} would be asked through {_proxy(environ)}. AWS's SDK takes http:// proxies only, Azure's needs PySocks.",
        "Use the HTTP port of that proxy: export HTTPS_PROXY=http://HOST:PORT, or unset the variable and use a VPN.",
    )


def _variable(environ: Mapping[str, str]) -> str:
    return next((name for name in _VARIABLES if environ.get(name)), "")


def _proxy(environ: Mapping[str, str]) -> str:
    """``HTTPS_PROXY (http://proxy:3128)``: never with the user and password that stand in it."""
    variable = _variable(environ)
    if not variable:
        return "a proxy of this machine's settings"
    try:
        parts = urlsplit(environ[variable])
        place = f"{parts.scheme}://{parts.hostname or ''}" + (f":{parts.port}" if parts.port else "")
    except ValueError:
        place = "an address that cannot be read"
    return f"the proxy of {variable} ({place})"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was made of, whichever of the SDKs' ways it is kept in."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        kept = getattr(one, "kwargs", None)
        waiting += [
            getattr(one, "reason", None),
            getattr(one, "inner_exception", None),
            getattr(one, "original_error", None),
        ]
        waiting += [kept.get("error")] if isinstance(kept, dict) else []
        waiting += [a for a in one.args if isinstance(a, BaseException)]
        waiting += [one.__cause__, one.__context__]


def _innermost(chain: list[BaseException]) -> str:
    """The operating system's own words where there are any."""
    for one in reversed(chain):
        if isinstance(one, OSError) and one.strerror:
            return str(one.strerror)
    return "no connection"


def _host(text: str) -> str:
    found = _HOST.search(text)
    return next((g for g in found.groups() if g), "") if found else ""


def _at(host: str) -> str:
    return f" ({host})" if host else ""


def _verify_words(text: str) -> str:
    found = re.search(r"certificate verify failed: ([^(\n']+)", text)
    return found[1].strip() if found else "it is not signed by a known authority"


def _no_proxy_tip(environ: Mapping[str, str]) -> str:
    names = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if "/" in names or "*." in names:
        return (
            " NO_PROXY has a range or a wildcard, which not every SDK understands: AWS's knows names and single addresses "
            "only."
        )
    return ""
