"""The sandbox's certificate authority."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from cloudlink_sandbox.azure.locations import api_server_names
from cloudlink_sandbox.tls import Authority


@pytest.mark.own("Private keys are readable by their owner alone")
def test_keys_are_private_and_the_authority_is_made_once(tmp_path: Path) -> None:
    first = Authority(tmp_path)
    first.server_context()
    assert {p.name: p.stat().st_mode & 0o777 for p in tmp_path.iterdir() if p.name != "ca.pem"} == {
        "ca-key.pem": 0o600,
        "server.pem": 0o600,
    }
    assert Authority(tmp_path).ca_pem == first.ca_pem


@pytest.mark.specification("The certificate is valid by the strict rules, for loopback and AKS names alone")
@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("aks-1a2b3c4d.hcp.westeurope.azmk8s.io", True),
        ("management.azure.com", False),
    ],
)
def test_the_certificate_is_good_for_these_names_alone(tmp_path: Path, name: str, good: bool) -> None:
    authority = Authority(tmp_path)
    context = authority.client_context()
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 does by itself
    ours, theirs = socket.socketpair()
    server = authority.server_context(*api_server_names()).wrap_socket(
        ours, server_side=True, do_handshake_on_connect=False
    )
    client = context.wrap_socket(theirs, server_hostname=name, do_handshake_on_connect=False)
    for each in (server, client):
        each.setblocking(False)
    done: set[ssl.SSLSocket] = set()

    def shake() -> None:
        while len(done) < 2:
            for each in (client, server):
                try:
                    each.do_handshake()
                    done.add(each)
                except ssl.SSLWantReadError:
                    pass

    with server, client:
        if good:
            shake()
        else:
            with pytest.raises(ssl.SSLCertVerificationError):
                shake()
