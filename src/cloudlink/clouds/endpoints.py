"""Where the clouds are: nowhere in particular (the real ones), or on loopback (the sandbox)."""

from __future__ import annotations

from dataclasses import dataclass

from cloudlink.secret import Secret


@dataclass(frozen=True)
class Endpoints:
    """Addresses and made-up credentials of a running sandbox. All SDKs are used unchanged against them."""

    aws_url: str
    aws_access_key: str
    aws_secret_key: Secret
    azure_url: str
    azure_tenant: str
    azure_client_id: str
    azure_client_secret: Secret
    ca_file: str  # PEM file with the sandbox's certificate authority
    blob_url: str = ""  # of all storage accounts, whose names come first in the path
