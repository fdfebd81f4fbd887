"""The addresses of proxies, as the variables of this machine name them: whether they are any, and never what stands in them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from cloudlink.errors import NoContactError

VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def url_of_proxy(address: str) -> str:
    """The address of a proxy as a URL, as all three SDKs take it; empty: none of them could."""
    url = address if "://" in address else f"http://{address}"
    try:
        parts = urlsplit(url)
        whole = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is no number: as often as not a "#" or "/" in the password
        return ""
    return url if whole and not re.search(r"[\s\x00-\x1f]", url) else ""


def unreadable_proxy(variable: str) -> NoContactError:
    """variable: whose value is no address. The value stays unsaid, for there may be a password in it."""
    return NoContactError(
        "The address of the proxy cannot be read",
        f"{variable} is set, and what it says is not http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, so nothing was asked.",
        f"Correct or unset {variable}. In user and password write # / ? @ : and blanks as %23 %2F %3F %40 %3A %20.",
    )


def variable_of(address: str, environ: Mapping[str, str] | None = None) -> str:
    """The variable that holds this address of a proxy."""
    environ = os.environ if environ is None else environ
    return next((v for v in (*VARIABLES, "http_proxy", "HTTP_PROXY") if environ.get(v) == address), "HTTPS_PROXY")
