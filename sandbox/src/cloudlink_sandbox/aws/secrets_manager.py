"""Secrets Manager, as far as Site-to-Site VPN uses it: pre-shared keys stored as secrets, which can be read.

https://docs.aws.amazon.com/vpn/latest/s2svpn/enhanced-security.html
"""

from __future__ import annotations

from typing import Any

from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.handlers import Handlers
from cloudlink_sandbox.aws.plain import Plain
from cloudlink_sandbox.aws.secret_store import StoredSecret
from cloudlink_sandbox.aws.timeline import as_datetime


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
