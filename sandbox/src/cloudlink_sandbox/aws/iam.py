"""IAM: the simulator of policies, for one user who may do everything that no fault denies."""

from __future__ import annotations

from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.handlers import Handlers
from cloudlink_sandbox.aws.plain import Plain


class IamHandlers(Handlers):
    def __init__(self) -> None:
        super().__init__(service_name="iam")
        self.automated_parameter_parsing = True

    def simulate_principal_policy(self) -> Plain:
        """https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html"""
        source = self.given("PolicySourceArn")
        if source != self.cloud.principal:
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
        return self.cloud.context.faults.would_match(f"aws.{action.partition(':')[2]}", "denied")

    def get_role(self) -> Plain:
        raise ApiError("NoSuchEntity", f"The role with name {self.given('RoleName')} cannot be found.", 404)
