"""Which names the certificate of a target is for, and whether they cover the name that was asked."""

from __future__ import annotations

import base64
import binascii

# A certificate for another name is no fault of the link, but the user should know.
REFUSED_BY_CLIENTS = "clients that verify will refuse it"


def certificate_note(certificate: str, name: str) -> str:
    """Which names a certificate (base64 DER) is for, and whether they cover the name. It is not verified otherwise."""
    names = certificate_names(certificate)
    if not names:
        return "the certificate names no host"
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    if any(covers(n, name) for n in names):
        return f"certificate for {shown}"
    return f"the certificate is for {shown}, not for {name}: {REFUSED_BY_CLIENTS}"


def certificate_names(certificate: str) -> tuple[str, ...]:
    """DNS names of a certificate; its common name when it has none. Empty when it cannot be read."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        parsed = x509.load_der_x509_certificate(base64.b64decode(certificate, validate=True))
    except (ValueError, binascii.Error):
        return ()
    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = tuple(names.get_values_for_type(x509.DNSName))
    except (x509.ExtensionNotFound, ValueError):
        found = ()
    if found:
        return found
    return tuple(str(a.value) for a in parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME))


def covers(pattern: str, name: str) -> bool:
    """Whether a certificate's name covers a host: ``*`` stands for exactly one label, the first."""
    pattern, name = pattern.lower().rstrip("."), name.lower().rstrip(".")
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:]
    return pattern == name
