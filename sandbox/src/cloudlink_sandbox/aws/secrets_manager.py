"""Secrets Manager, as far as Site-to-Site VPN uses it: pre-shared keys stored as secrets, which can be read.

https://docs.aws.amazon.com/vpn/latest/s2svpn/enhanced-security.html
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.handlers import Handlers
from cloudlink_sandbox.aws.plain import Plain
from cloudlink_sandbox.aws.timeline import as_datetime

if TYPE_CHECKING:
    from cloudlink_sandbox.aws.vpn_connections import VpnConnection


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


class SecretsManagerHandlers(Handlers):
    def __init__(self) -> None:
        super().__init__(service_name="secretsmanager")
        self.automated_parameter_parsing = True

    def get_secret_value(self) -> Plain:
        secret = self.cloud.secrets.find(self.given("SecretId"))
        return Plain(
            {
                "ARN": secret.arn,
                "Name": secret.name,
                "VersionId": secret.version,
                "SecretString": secret.text,
                "VersionStages": ["AWSCURRENT"],
                "CreatedDate": as_datetime(secret.made),
            }
        )

    def _json(self, secret: StoredSecret) -> dict[str, Any]:
        return {
            "ARN": secret.arn,
            "Name": secret.name,
            "OwningService": "s2svpn",
            "CreatedDate": as_datetime(secret.made),
            "LastChangedDate": as_datetime(secret.made),
        }

    def describe_secret(self) -> Plain:
        return Plain(self._json(self.cloud.secrets.find(self.given("SecretId"))))

    def list_secrets(self) -> Plain:
        if self.given("Filters"):
            raise ApiError("InvalidParameterException", "Filters are not modelled by the sandbox.")
        return Plain({"SecretList": [self._json(s) for s in self.cloud.secrets.by_arn.values()]})
