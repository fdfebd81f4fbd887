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
from ipaddress import IPv4Address, IPv4Network, ip_address
from urllib.parse import urlsplit

from cloudlink.clouds.answers import is_loopback
from cloudlink.clouds.local_settings import named_by
from cloudlink.clouds.proxies import VARIABLES, unreadable_proxy, url_of_proxy
from cloudlink.errors import CloudlinkError, NoContactError

_HOST = re.compile(r"host='([^']+)'|https?://([A-Za-z0-9.-]+)|resolve '([^']+)'")
# As other programs quote them, such as ``az``.
_CLASSES = re.compile(r"\b(ProxyError|NameResolutionError|ConnectTimeoutError)\(")
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3} [A-Za-z ]*[A-Za-z]|\d{3})")
_SOCKS = ("Missing dependencies for SOCKS", "No module named 'socks'", "socks5h://", "socks5://", "socks4://")
_OWN_AUTHORITY = (
    "If your company opens TLS, give its root certificate in a PEM file: export AWS_CA_BUNDLE=FILE (AWS) and "
    "REQUESTS_CA_BUNDLE=FILE (Azure, az)."
)
# The variables with a file of authorities that each SDK reads, the first that is set alone; both bring authorities of their own
# (certifi), so that what Python itself reads (SSL_CERT_FILE) moves neither.
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-gen-config.html
# https://requests.readthedocs.io/en/latest/user/advanced/#ssl-cert-verification
_READ = {
    "AWS": ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"),
    "Azure": ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    "Microsoft Entra": ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
}
_OF_AUTHORITIES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


def _authorities(who: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """What is to be said of the files of authorities that are set here, and what to do."""
    read = _READ.get(who, ())
    there = [name for name in _OF_AUTHORITIES if environ.get(name)]
    if used := next((name for name in read if name in there), ""):
        return (
            f" The authorities are those of {used} ({environ[used]}) alone, and the one that signed it is not among them.",
            f"Add your company's root certificate to that file, which also has to hold the public ones, or unset {used}.",
        )
    if read and there:
        sdk, said = "AWS's" if who == "AWS" else "Azure's", " and ".join(there)
        known = (
            f"is set, which {sdk} SDK does not read"
            if len(there) == 1
            else f"are set, and {sdk} SDK reads none of them"
        )
        file = next((name for name in there if name != "SSL_CERT_DIR"), "")
        return f" {said} {known}.", f"export {read[0]}=${file}" if file else _OWN_AUTHORITY
    return "", _OWN_AUTHORITY


def explain(error: BaseException, who: str, environ: Mapping[str, str] | None = None) -> CloudlinkError | None:
    """Ours for an error of transport whose cause can be told; None where it says no more than that there was no answer.

    who: which cloud, as the sentence begins.
    """
    environ = os.environ if environ is None else environ
    chain = list(_chain(error))
    text = " ".join(str(e) for e in chain)
    names = {type(e).__name__ for e in chain} | set(_CLASSES.findall(text))
    host = _host(text, environ)
    if found := _socks(who, text, environ):
        return found
    bundle = _bundle(chain, text, environ)
    if bundle and "CA" not in bundle and "CERT" not in bundle:
        return NoContactError(
            "A file that TLS is set to use cannot be opened",
            f"{who}{_at(host)} was not asked: the file that {bundle} names cannot be read or written by this user.",
            f"Correct or unset {bundle}.",
        )
    if bundle:
        return NoContactError(
            "The file of certificate authorities cannot be read",
            f"{who}{_at(host)} was not asked: the file that {bundle} names is not there, or not to be read by this user.",
            f"Correct or unset {bundle}.",
        )
    if "407" in text and "roxy" in text:
        return NoContactError(
            "The proxy wants a sign-in of its own",
            f"{who} is asked through {_proxy(environ)}, which answered 407 Proxy Authentication Required.",
            "Give user and password in the variable: export HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT",
        )
    if refused := _TUNNEL.search(text):
        return NoContactError(
            "The proxy refuses the connection",
            f"{who}{_at(host)} is asked through {_proxy(environ)}, which answered {refused[1]}: it does not let this machine, or "
            "this user, go there.",
            f"Ask who runs the proxy to allow {host or 'the host'} on port 443, or name it in NO_PROXY if there is another way.",
        )
    if names & {"ProxyError", "ProxyConnectionError", "ProxySchemeUnknown"} or "Unable to connect to proxy" in text:
        return NoContactError(
            "The proxy does not answer",
            f"{who}{_at(host)} is asked through {_proxy(environ)}, and that cannot be reached: {_innermost(chain)}.",
            "Correct or unset that variable, or name the host in NO_PROXY.",
        )
    if "CERTIFICATE_VERIFY_FAILED" in text or any(isinstance(e, ssl.SSLCertVerificationError) for e in chain):
        if of_its_time_or_name := _certificate(who, host, text):
            return of_its_time_or_name
        if "Missing Authority Key Identifier" in text or "Basic Constraints of CA cert" in text:
            return NoContactError(
                "The company's certificate authority is not what newer Pythons accept",
                f"{who}{_at(host)} shows a certificate whose authority lacks what RFC 5280 asks for ({_verify_words(text)}). "
                "Python checks that from 3.13 on, although the file of authorities holds it.",
                "Ask who runs the proxy for a newer root, or run cloudlink with Python 3.12 or 3.11.",
            )
        through = f" It is asked through {_proxy(environ)}." if _variable(environ) else ""
        authorities, hint = _authorities(who, environ)
        return NoContactError(
            "A certificate was not issued by an authority that is trusted",
            f"{who}{_at(host)} shows a certificate that cannot be verified ({_verify_words(text)}): a proxy opens TLS, or "
            f"something answers in its place.{through} Nothing was sent.{authorities}",
            hint,
        )
    if "NameResolutionError" in names or "gaierror" in names or "Failed to resolve" in text:
        return NoContactError(
            "A name does not resolve",
            f"{who}{_at(host)}: the name is not known to this machine's DNS ({_innermost(chain)}).",
            "Check the network, the VPN and DNS of this machine, then run the command again.",
        )
    if names & {"ConnectTimeoutError", "ConnectTimeout", "ServiceRequestTimeoutError"}:
        tip = _no_proxy_tip(environ)
        return NoContactError(
            "No connection in time",
            f"{who}{_at(host)} does not take a connection: packets are dropped on the way.{tip}",
            "Check the network, the VPN and any proxy (HTTPS_PROXY), then run the command again.",
        )
    return None


def _certificate(who: str, host: str, text: str) -> NoContactError | None:
    """One whose authority is not what is wrong with it."""
    if "certificate is not yet valid" in text:
        return NoContactError(
            "This machine's clock is wrong",
            f"{who}{_at(host)} shows a certificate that is not valid before a time that this machine's clock has not reached. "
            "Nothing was sent.",
            "Set the clock (timedatectl set-ntp true; WSL: wsl --shutdown), then run the command again.",
        )
    if "certificate has expired" in text:
        return NoContactError(
            "A certificate has expired",
            f"{who}{_at(host)} shows a certificate whose time is over by this machine's clock. Nothing was sent.",
            "See whether the clock is right (date -u). If it is, whoever runs the host, or the proxy before it, has to renew the "
            "certificate.",
        )
    if "ostname mismatch" in text or "IP address mismatch" in text:
        return NoContactError(
            "A certificate is for another host",
            f"{who}{_at(host)} is answered by something whose certificate is for another host ({_verify_words(text)}): a sign-in "
            "page of this network, a proxy, or a DNS that leads elsewhere. Nothing was sent.",
            f"See where the name leads from here: getent hosts {host or 'HOST'}; and what answers: curl -v https://{host or 'HOST'}",
        )
    return None


# Statuses that proxies, filters and sign-in pages give in a cloud's place. A cloud's own refusal says a code of its own.
BETWEEN = frozenset({403, 407, 451, 502, 503, 504, 511})


def between(who: str, status: int, said: str) -> NoContactError:
    """Ours for an answer without any code of the cloud's. said: how it begins."""
    through = f" It was asked through {_proxy(os.environ)}." if _variable(os.environ) else ""
    return NoContactError(
        f"Something between here and {who} answered in its place",
        f"HTTP {status} came without an error code of {who}'s: it is the page of a proxy, a firewall or a sign-in of this "
        f"network.{through} {said}".strip(),
        "Open the cloud's portal from this machine to see the page, and ask who runs this network; then run the command again.",
        code=str(status),
    )


def proxy_for(url: str, environ: Mapping[str, str] | None = None) -> str:
    """The variable and the address of the proxy that is used for this address; empty: none is."""
    environ = os.environ if environ is None else environ
    if is_loopback(url) or not _variable(environ) or bypassed(urlsplit(url).hostname or "", environ):
        return ""
    return _proxy(environ)


def proxy_address(url: str, environ: Mapping[str, str] | None = None) -> str:
    """The proxy's own address, user and password included, for an SDK that does not look for it itself; empty: none.

    What is on this machine or its link (169.254.0.0/16: metadata, containers' credentials) is never behind one.
    """
    environ = os.environ if environ is None else environ
    host = urlsplit(url).hostname or ""
    if not proxy_for(url, environ) or _link_local(host):
        return ""
    variable = _variable(environ)
    if (address := environ.get(variable, "")) and not url_of_proxy(address):
        raise unreadable_proxy(variable)
    return address


def _link_local(host: str) -> bool:
    try:
        return ip_address(host).is_link_local
    except ValueError:
        return False


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


def _bundle(chain: list[BaseException], text: str, environ: Mapping[str, str]) -> str:
    """The variable with the file of authorities that cannot be opened; empty: that is not what happened."""
    unreadable = [e for e in chain if isinstance(e, FileNotFoundError | PermissionError | IsADirectoryError)]
    if not unreadable and "TLS CA certificate bundle" not in text:
        return ""
    if path := next((str(e.filename) for e in unreadable if isinstance(e, OSError) and e.filename), ""):
        # some other file that is opened for TLS, as SSLKEYLOGFILE names it, is none of these
        return named_by(path, environ)
    return next((v for v in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if environ.get(v)), "")


def _socks(who: str, text: str, environ: Mapping[str, str]) -> CloudlinkError | None:
    address = environ.get(_variable(environ), "") if _variable(environ) else ""
    if not address.lower().startswith("socks") or not any(mark in text for mark in (*_SOCKS, "roxy", "SOCKS")):
        return None
    return NoContactError(
        "A SOCKS proxy cannot be used",
        f"{who} would be asked through {_proxy(environ)}. AWS's SDK takes http:// proxies only, Azure's needs PySocks.",
        "Use the HTTP port of that proxy: export HTTPS_PROXY=http://HOST:PORT, or unset the variable and use a VPN.",
    )


def _variable(environ: Mapping[str, str]) -> str:
    return next((name for name in VARIABLES if environ.get(name)), "")


def _proxy(environ: Mapping[str, str]) -> str:
    """``HTTPS_PROXY (http://proxy:3128)``: never with the user and password that stand in it."""
    variable = _variable(environ)
    if not variable:
        return "a proxy of this machine's settings"
    place = "an address that cannot be read"
    if url := url_of_proxy(environ[variable]):
        parts = urlsplit(url)
        place = f"{parts.scheme}://{parts.hostname or ''}" + (f":{parts.port}" if parts.port else "")
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
    quoted = re.search(r"\[Errno -?\d+\] ([A-Z][A-Za-z ]+)", " ".join(map(str, chain)))
    return quoted[1] if quoted else "no connection"


def _host(text: str, environ: Mapping[str, str]) -> str:
    """The host that the SDK asked, where the error names it: the first one in it that is not the proxy."""
    proxy = urlsplit(url_of_proxy(environ.get(_variable(environ), ""))).hostname
    hosts = (next(filter(None, found.groups())) for found in _HOST.finditer(text))
    return next((host for host in hosts if host != proxy), "")


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
