"""The secrets of an account: pre-shared keys of VPN connections.

https://docs.aws.amazon.com/vpn/latest/s2svpn/enhanced-security.html
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field

from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.objects import VpnConnection


@dataclass
class StoredSecret:
    arn: str
    name: str
    version: str
    made: float
    text: str = field(repr=False)


class SecretStore:
    """All secrets of the account, by ARN."""

    def __init__(self, account: str) -> None:
        self.account = account
        self.by_arn: dict[str, StoredSecret] = {}

    def keep_keys(self, region: str, connection: VpnConnection) -> str:
        """Store (or renew) the secret of a connection and return its ARN.

        Assumption: one secret per connection, a JSON object from tunnel outside address to key. AWS names the secret
        but does not document what is in it.
        """
        keys = {str(o.outside): o.psk for o in (t.next or t.options for t in connection.tunnels)}
        name = f"s2svpn!{connection.id}"
        arn = connection.secret_arn or (
            f"arn:aws:secretsmanager:{region}:{self.account}:secret:{name}-{secrets.token_hex(3)}"
        )
        self.by_arn[arn] = StoredSecret(
            arn, name, f"{secrets.token_hex(16)}", connection.born, json.dumps(keys, sort_keys=True)
        )
        return arn

    def find(self, wanted: str) -> StoredSecret:
        """By ARN or name. Raises ApiError ResourceNotFoundException."""
        for secret in self.by_arn.values():
            if wanted in (secret.arn, secret.name):
                return secret
        raise ApiError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
