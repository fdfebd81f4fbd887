"""The sandbox's own certificate authority: made once per sandbox folder, trusted by nobody but its clients.

Azure's SDKs and kubectl refuse to send a token over plain HTTP, so that the sandbox has to speak TLS.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cloudlink_sandbox.own_files import read_own, write_own

_YEARS = datetime.timedelta(days=365 * 5)
_CLOCK_SKEW = datetime.timedelta(days=1)
_SERVER_DAYS = datetime.timedelta(days=365)


class Authority:
    """Certificates under ``home``: ``ca.pem`` for clients to trust, and private keys with mode 0600.

    A second Authority in the same folder takes up the first one's certificate.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ca_path = home / "ca.pem"
        self._ca_key_path = home / "ca-key.pem"
        if not (self.ca_path.exists() and self._ca_key_path.exists()):
            self._make_authority()
        self._key = _load_key(self._ca_key_path)
        self._certificate = x509.load_pem_x509_certificate(read_own(self.ca_path))

    @property
    def ca_file(self) -> str:
        """For REQUESTS_CA_BUNDLE, ``connection_verify`` and the like."""
        return str(self.ca_path)

    @property
    def ca_pem(self) -> str:
        return read_own(self.ca_path).decode("ascii")

    def server_context(self, *names: str) -> ssl.SSLContext:
        """TLS for a listener on loopback that also answers to ``names``."""
        return self.context_of(self.server_certificate(("localhost", *names)))

    def context_of(self, certificate: Path) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(certificate)
        return context

    def client_context(self) -> ssl.SSLContext:
        """For clients in this process that are not configured by a file."""
        return ssl.create_default_context(cafile=self.ca_file)

    def server_certificate(self, names: tuple[str, ...]) -> Path:
        """A file with key and chain, valid for a year, for these DNS names and for 127.0.0.1 and ::1."""
        path = self.home / "server.pem"
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        addresses = [x509.IPAddress(ipaddress.ip_address(a)) for a in ("127.0.0.1", "::1")]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_name("localhost"))
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _CLOCK_SKEW)
            .not_valid_after(now + _SERVER_DAYS)
            .add_extension(x509.SubjectAlternativeName([*(x509.DNSName(n) for n in names), *addresses]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        chain = certificate.public_bytes(serialization.Encoding.PEM) + read_own(self.ca_path)
        write_own(path, _pem(key) + chain)
        return path

    def _make_authority(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("cloudlink sandbox authority")
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _CLOCK_SKEW)
            .not_valid_after(now + _YEARS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        write_own(self._ca_key_path, _pem(key))
        write_own(self.ca_path, certificate.public_bytes(serialization.Encoding.PEM))


def load_or_make_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The P-256 key in this file, which is made with mode 0600 when it is missing."""
    if not path.exists():
        write_own(path, _pem(ec.generate_private_key(ec.SECP256R1())))
    return _load_key(path)


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(read_own(path), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path} holds no elliptic curve key")
    return key


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
