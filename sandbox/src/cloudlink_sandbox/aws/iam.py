"""IAM: the simulator of policies, for one user who may do everything that no fault denies."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.handlers import Handlers
from cloudlink_sandbox.aws.plain import Plain
from cloudlink_sandbox.aws.sessions import Role
from cloudlink_sandbox.aws.sts import role_id


class IamHandlers(Handlers):
    def __init__(self) -> None:
        super().__init__(service_name="iam")
        self.automated_parameter_parsing = True

    def simulate_principal_policy(self) -> Plain:
        """https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html"""
        source = self.given("PolicySourceArn")
        if source != self.cloud.user and self._role(source) is None:
            raise ApiError("NoSuchEntity", f"The entity {source} cannot be found.", 404)
        resources = self.given("ResourceArns") or ["*"]
        results = [
            {
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": "implicitDeny" if self._denied(action) else "allowed",
                "MatchedStatements": [],
                "MissingContextValues": [],
            }
            for action in self.given("ActionNames") or []
            for resource in resources
        ]
        return Plain({"EvaluationResults": results, "IsTruncated": False})

    def _denied(self, action: str) -> bool:
        context = self.cloud.context
        fault = context.faults.would_match(f"aws.{action.partition(':')[2]}", "denied")
        return fault or not context.grants.would_allow(action)

    def get_role(self) -> Plain:
        name = self.given("RoleName")
        role = self.cloud.sessions.roles.get(name)
        if role is None:
            raise ApiError("NoSuchEntity", f"The role with name {name} cannot be found.", 404)
        must: dict[str, Any] = {}
        if role.mfa:
            must["Bool"] = {"aws:MultiFactorAuthPresent": "true"}
        if role.external_id:
            must["StringEquals"] = {"sts:ExternalId": role.external_id}
        trust = {"Effect": "Allow", "Principal": {"AWS": self.cloud.user}, "Action": "sts:AssumeRole"}
        policy = {"Version": "2012-10-17", "Statement": [{**trust, **({"Condition": must} if must else {})}]}
        return Plain(
            {
                "Role": {
                    "Path": "/",
                    "RoleName": role.name,
                    "RoleId": role_id(role.name),
                    "Arn": f"arn:aws:iam::{self.cloud.account}:role/{role.name}",
                    "CreateDate": datetime.fromtimestamp(0, UTC),
                    "AssumeRolePolicyDocument": quote(json.dumps(policy)),
                    "MaxSessionDuration": role.longest,
                }
            }
        )

    def _role(self, arn: str) -> Role | None:
        """One of the account's, by its ARN."""
        prefix = f"arn:aws:iam::{self.cloud.account}:role/"
        return self.cloud.sessions.roles.get(arn.removeprefix(prefix)) if arn.startswith(prefix) else None
