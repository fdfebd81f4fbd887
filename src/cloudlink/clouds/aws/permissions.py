"""Whether AWS would allow a call, asked without making it: DryRun of EC2, and IAM's simulator for the rest.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cloudlink.clouds.aws.client import Aws, value_in
from cloudlink.clouds.aws.errors import code_of

_DENIED = ("UnauthorizedOperation", "AccessDenied", "AccessDeniedException")
_WHO = re.compile(r"User: (?P<principal>\S+) is not authorized to perform: (?P<action>[\w-]+:\w+)")
_WHERE = re.compile(r" on resource: (?P<resource>\S+)")
_NO_ALLOW = re.compile(r"because no (?P<type>[\w ,-]+?) policy allows")
_TYPES = "identity-based|resource-based|service control|resource control|VPC endpoint|session|permissions boundary|role trust"
_DENY = re.compile(rf"with an explicit deny in an? (?P<type>{_TYPES})")
_BLOB = re.compile(r"Encoded authorization failure message: (\S+)")
_ASSUMED = re.compile(r"arn:(?P<partition>[\w-]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/")


class Verdict(enum.Enum):
    ALLOWED = "allowed"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Proof:
    """What AWS said of one action. why: of MISSING and UNKNOWN, in a few words."""

    action: str
    verdict: Verdict
    why: str = ""
    principal: str = ""
    resource: str = ""
    encoded: str = ""  # a message that only an administrator can decode


def dry_run(aws: Aws, action: str, method: str, parameters: Mapping[str, Any]) -> Proof:
    """One call of EC2's with DryRun, which changes nothing."""
    try:
        getattr(aws.ec2, method)(**parameters, DryRun=True)
    except Exception as error:  # noqa: BLE001 - every outcome is an answer
        return read_dry_run(action, error)
    return Proof(action, Verdict.UNKNOWN, "EC2 gave no verdict")


def read_dry_run(action: str, error: Exception) -> Proof:
    """What the error of a dry run says: it always ends with one."""
    code = code_of(error)
    if code == "DryRunOperation":
        return Proof(action, Verdict.ALLOWED)
    if code in _DENIED:
        return read_denial(
            action, str(((getattr(error, "response", None) or {}).get("Error") or {}).get("Message", ""))
        )
    return Proof(action, Verdict.UNKNOWN, f"EC2 answered {code or type(error).__name__} to the dry run")


def read_denial(action: str, message: str) -> Proof:
    """Who may not do what, and which kind of policy says so. The message may be about another action than the call's,
    such as the tags that it carries."""
    who, where, blob = _WHO.search(message), _WHERE.search(message), _BLOB.search(message)
    no_allow, deny = _NO_ALLOW.search(message), _DENY.search(message)
    if deny is not None:
        why = f"an explicit deny in {_a(deny['type'])} policy"
        if deny["type"] == "service control":
            why += " (of the organisation; it reads so even where that policy only lacks an allow)"
    elif no_allow is not None:
        why = f"no {no_allow['type']} policy allows it"
    else:
        why = "no policy allows it, or one denies it"
    return Proof(
        who["action"] if who else action,
        Verdict.MISSING,
        why,
        who["principal"] if who else "",
        where["resource"].rstrip(".,") if where else "",
        blob[1] if blob else "",
    )


def simulate(aws: Aws, actions: Iterable[str], resources: Mapping[str, tuple[str, ...]]) -> list[Proof]:
    """What IAM's simulator says of each action. resources: by action, what the link really touches, for policies that
    allow an action only there."""
    wanted = sorted(set(actions))
    if not wanted:
        return []
    source, why = _source(aws)
    if not source:
        verdict = Verdict.ALLOWED if not why else Verdict.UNKNOWN
        return [Proof(action, verdict, why) for action in wanted]
    try:
        first = {p.action: p for p in _ask(aws, source, wanted, ())}
        for action in wanted:
            proof = first.get(action)
            if proof is not None and proof.verdict is Verdict.MISSING and resources.get(action):
                first[action] = _all_of(action, _ask(aws, source, [action], resources[action]))
    except Exception as error:
        if aws.translate(error) is None:
            raise
        why = f"iam:SimulatePrincipalPolicy answered {code_of(error) or type(error).__name__}"
        return [Proof(action, Verdict.UNKNOWN, why) for action in wanted]
    return [first.get(action, Proof(action, Verdict.UNKNOWN, "the simulator left it out")) for action in wanted]


def role_of(aws: Aws) -> str:
    """The ARN of the user or role that is signed in, and not that of its session; empty where there is none."""
    return _source(aws)[0]


def _source(aws: Aws) -> tuple[str, str]:
    """The ARN whose policies are simulated, or why there is none; both empty for the account's root, who may all."""
    principal = aws.principal()
    assumed = _ASSUMED.match(principal)
    if assumed is None:
        if principal.endswith(":root"):
            return "", ""
        return (principal, "") if ":user/" in principal else ("", f"{principal} cannot be simulated")
    try:
        # Roles of single sign-on lie in a path that the ARN of the session does not show.
        return str(value_in(aws.client("iam").get_role(RoleName=assumed["role"]), "Role", "Arn")), ""
    except Exception as error:
        if aws.translate(error) is None:
            raise
        return f"arn:{assumed['partition']}:iam::{assumed['account']}:role/{assumed['role']}", ""


def _ask(aws: Aws, source: str, actions: list[str], resources: tuple[str, ...]) -> list[Proof]:
    more = {"ResourceArns": list(resources)} if resources else {}
    pages = aws.client("iam").get_paginator("simulate_principal_policy")
    results = [
        result
        for page in pages.paginate(PolicySourceArn=source, ActionNames=actions, **more)
        for result in page["EvaluationResults"]
    ]
    return [read_result(result, source) for result in results]


def read_result(result: Mapping[str, Any], source: str = "") -> Proof:
    """One of the simulator's results. What depends on conditions that it was not told is not proved either way."""
    action, decision = str(result.get("EvalActionName")), str(result.get("EvalDecision"))
    if decision == "allowed":
        return Proof(action, Verdict.ALLOWED)
    organisation = (result.get("OrganizationsDecisionDetail") or {}).get("AllowedByOrganizations")
    boundary = (result.get("PermissionsBoundaryDecisionDetail") or {}).get("AllowedByPermissionsBoundary")
    if result.get("MissingContextValues"):
        return Proof(action, Verdict.UNKNOWN, "it depends on conditions that the simulator does not know")
    if organisation is False:  # https://github.com/aws/aws-sdk/issues/102
        return Proof(
            action, Verdict.UNKNOWN, "a service control policy may deny it, whose conditions are not simulated"
        )
    why = "an explicit deny in a policy" if decision == "explicitDeny" else "no policy allows it"
    if boundary is False:
        why += " (the permissions boundary does not)"
    return Proof(action, Verdict.MISSING, why, source)


def _all_of(action: str, proofs: list[Proof]) -> Proof:
    """Of one action on several resources: it is allowed when it is so on each."""
    worst = next((p for p in proofs if p.verdict is Verdict.MISSING), None)
    worst = worst or next((p for p in proofs if p.verdict is Verdict.UNKNOWN), None)
    return worst or Proof(action, Verdict.ALLOWED)


def _a(word: str) -> str:
    return f"{'an' if word[:1] in 'aeiou' else 'a'} {word}"
