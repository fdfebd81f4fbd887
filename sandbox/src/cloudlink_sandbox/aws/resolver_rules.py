"""Resolver rules and their associations with VPCs: where the questions for a domain are sent instead.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-rules-managing.html
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address
from typing import Any, cast

from moto.route53resolver.models import route53resolver_backends
from moto.route53resolver.responses import Route53ResolverResponse

from cloudlink_sandbox.aws.account import AwsAccount
from cloudlink_sandbox.aws.backend import network_of
from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.handlers import Handlers
from cloudlink_sandbox.aws.resolver import endpoints_of, page
from cloudlink_sandbox.aws.timeline import Timeline, as_text
from cloudlink_sandbox.facts import ForwardingRule, VpcSender

MOST_RULES = 1_000
MOST_TARGETS = 6
"""Default quotas. https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html"""

_NAME = re.compile(r"(?!\d+$)[a-zA-Z0-9\-_' ]{1,64}")


@dataclass
class Rule:
    """domain: lower case, with a final dot. resolver_endpoint_id: the outbound endpoint of a FORWARD rule."""

    id: str
    arn: str
    creator_request_id: str
    name: str | None
    domain: str
    kind: str
    targets: list[dict[str, Any]]
    resolver_endpoint_id: str | None
    born: float
    owner: str
    life: Timeline = field(default_factory=Timeline)

    def json(self, now: float) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "Id": self.id,
            "CreatorRequestId": self.creator_request_id,
            "Arn": self.arn,
            "DomainName": self.domain,
            "Status": self.life.at(now),
            "StatusMessage": "",
            "RuleType": self.kind,
            "OwnerId": self.owner,
            "ShareStatus": "NOT_SHARED",
            "CreationTime": as_text(self.born),
            "ModificationTime": as_text(self.life.since(now)),
        }
        if self.name:
            shown["Name"] = self.name
        if self.kind == "FORWARD":
            shown |= {"TargetIps": self.targets, "ResolverEndpointId": self.resolver_endpoint_id}
        return shown


@dataclass
class Association:
    id: str
    resolver_rule_id: str
    vpc_id: str
    name: str | None
    life: Timeline = field(default_factory=Timeline)

    def json(self, now: float) -> dict[str, Any]:
        shown = {
            "Id": self.id,
            "ResolverRuleId": self.resolver_rule_id,
            "VPCId": self.vpc_id,
            "Status": self.life.at(now),
            "StatusMessage": "",
        }
        return shown | ({"Name": self.name} if self.name else {})


def _rules_of(account: str, region: str) -> dict[str, Rule]:
    return cast("dict[str, Rule]", route53resolver_backends[account][region].resolver_rules)


def _associations_of(account: str, region: str) -> dict[str, Association]:
    return cast("dict[str, Association]", route53resolver_backends[account][region].resolver_rule_associations)


def forwarding_of(cloud: AwsAccount, region: str, senders: Mapping[str, tuple[VpcSender, ...]]) -> list[ForwardingRule]:
    """The rules that are in force in some VPC, in the words of the world. senders: of outbound endpoints, by id."""
    account, now = cloud.account, cloud.now
    associations = [a for a in _associations_of(account, region).values() if a.life.at(now) == "COMPLETE"]
    return [
        ForwardingRule(
            rule.domain.rstrip("."),
            frozenset(vpcs),
            tuple((IPv4Address(t["Ip"]), int(t.get("Port", 53))) for t in rule.targets),
            senders.get(rule.resolver_endpoint_id or "", ()),
        )
        for rule in _rules_of(account, region).values()
        if (
            vpcs := [
                *(a.vpc_id for a in associations if a.resolver_rule_id == rule.id),
                *cloud.vpc_dns.profiled("resolver-rule", rule.id),
            ]
        )
    ]


def advance_rules(account: str, region: str, now: float) -> None:
    """Take away what has been deleted by now."""
    books: tuple[dict[str, Any], ...] = (_associations_of(account, region), _rules_of(account, region))
    for book in books:
        for key in [k for k, thing in book.items() if thing.life.at(now) == "gone"]:
            if isinstance(book[key], Rule):
                route53resolver_backends[account][region].tagger.delete_all_tags_for_resource(book[key].arn)
            del book[key]


class ResolverRuleHandlers(Handlers, Route53ResolverResponse):
    @property
    def rules(self) -> dict[str, Rule]:
        return _rules_of(self.cloud.account, self.region)

    @property
    def associations(self) -> dict[str, Association]:
        return _associations_of(self.cloud.account, self.region)

    def _rule(self) -> Rule:
        """Raises ApiError for a rule that is unknown or gone."""
        wanted = self.given("ResolverRuleId")
        rule = self.rules.get(wanted)
        if rule is None:
            raise ApiError(
                "ResourceNotFoundException", f"[RSLVR-00703] Resolver rule with ID '{wanted}' does not exist."
            )
        return rule

    def _checked_name(self, name: str | None) -> str | None:
        if name is not None and not _NAME.fullmatch(name):
            raise ApiError("InvalidParameterException", f"The name '{name}' is not valid.")
        return name

    def _checked_targets(self, targets: list[dict[str, Any]], kind: str, endpoint_id: str | None) -> None:
        """FORWARD needs name servers and an outbound endpoint; SYSTEM has neither."""
        if kind == "SYSTEM":
            if targets or endpoint_id:
                raise ApiError("InvalidRequestException", "A SYSTEM rule has neither target IPs nor an endpoint.")
            return
        if not 1 <= len(targets) <= MOST_TARGETS:
            code = "LimitExceededException" if targets else "InvalidRequestException"
            raise ApiError(code, f"Between 1 and {MOST_TARGETS} target IPs are needed.")
        for target in targets:
            try:
                IPv4Address(target.get("Ip", ""))
            except AddressValueError:
                raise ApiError("InvalidParameterException", f"Invalid IP address: '{target.get('Ip')}'") from None
        endpoint = endpoints_of(self.cloud.account, self.region).get(endpoint_id or "")
        if endpoint is None:
            raise ApiError(
                "ResourceNotFoundException", f"[RSLVR-00703] Resolver endpoint with ID '{endpoint_id}' does not exist."
            )
        if endpoint.direction != "OUTBOUND":
            raise ApiError("InvalidRequestException", f"Resolver endpoint '{endpoint_id}' is not an outbound endpoint.")

    def create_resolver_rule(self) -> str:
        creator, kind = self.given("CreatorRequestId"), self.given("RuleType")
        domain = str(self.given("DomainName") or "").lower().rstrip(".")
        if not creator or len(creator) > 255:
            raise ApiError("InvalidParameterException", "CreatorRequestId must have between 1 and 255 characters.")
        if kind not in ("FORWARD", "SYSTEM"):
            raise ApiError("InvalidParameterException", f"RuleType '{kind}' is invalid or not modelled by the sandbox.")
        labels = domain.split(".") if domain else []
        if len(domain) > 255 or any(not 0 < len(label) <= 63 for label in labels):
            raise ApiError("InvalidParameterException", f"The domain name '{domain}' is not valid.")
        name = self._checked_name(self.given("Name"))
        targets = [{"Port": 53, "Protocol": "Do53"} | t for t in self.given("TargetIps") or []]
        endpoint_id = self.given("ResolverEndpointId")
        self._checked_targets(targets, kind, endpoint_id)
        if any(r.creator_request_id == creator for r in self.rules.values()):
            raise ApiError(
                "ResourceExistsException",
                f"[RSLVR-00501] Resolver rule with creator request ID '{creator}' already exists",
            )
        if len(self.rules) >= MOST_RULES:
            raise ApiError("LimitExceededException", f"Account '{self.cloud.account}' has exceeded 'max-rules'.")
        number = f"rslvr-rr-{secrets.token_hex(9)[:17]}"
        arn = f"arn:aws:route53resolver:{self.region}:{self.cloud.account}:resolver-rule/{number}"
        rule = self.rules[number] = Rule(
            number, arn, creator, name, f"{domain}.", kind, targets, endpoint_id, self.now, self.cloud.account
        )
        rule.life = Timeline.of("COMPLETE", self.now)
        route53resolver_backends[self.cloud.account][self.region].tagger.tag_resource(arn, self.given("Tags") or [])
        return json.dumps({"ResolverRule": rule.json(self.now)})

    def get_resolver_rule(self) -> str:
        return json.dumps({"ResolverRule": self._rule().json(self.now)})

    def update_resolver_rule(self) -> str:
        rule = self._rule()
        config = self.given("Config") or {}
        if rule.life.at(self.now) != "COMPLETE":
            raise ApiError("InvalidRequestException", f"Resolver rule '{rule.id}' is {rule.life.at(self.now)}.")
        targets = [{"Port": 53, "Protocol": "Do53"} | t for t in config.get("TargetIps") or rule.targets]
        endpoint_id = config.get("ResolverEndpointId") or rule.resolver_endpoint_id
        self._checked_targets(targets, rule.kind, endpoint_id)
        rule.name = self._checked_name(config.get("Name")) or rule.name
        rule.targets, rule.resolver_endpoint_id = targets, endpoint_id
        self._pass(rule.life, "UPDATING", rule.creator_request_id, good="COMPLETE", bad="FAILED")
        return json.dumps({"ResolverRule": rule.json(self.now)})

    def delete_resolver_rule(self) -> str:
        rule = self._rule()
        if any(a.resolver_rule_id == rule.id for a in self.associations.values()):
            raise ApiError(
                "ResourceInUseException",
                "[RSLVR-00811] Please disassociate this resolver rule from VPC first before deleting",
            )
        if rule.life.at(self.now) != "DELETING":
            self._pass(rule.life, "DELETING", rule.creator_request_id, good="gone", bad="FAILED")
        return json.dumps({"ResolverRule": rule.json(self.now)})

    def _pass(self, life: Timeline, through: str, key: str, *, good: str, bad: str) -> None:
        life.transition(
            self.now, through, self.sample("aws.resolver.rule", key), ends=self.outcome(), good=good, bad=bad
        )

    def associate_resolver_rule(self) -> str:
        rule, vpc_id = self._rule(), self.given("VPCId")
        name = self._checked_name(self.given("Name"))
        if vpc_id not in network_of(self.cloud.account, self.region).vpcs:
            raise ApiError("InvalidParameterException", f"[RSLVR-00408] The VPC ID '{vpc_id}' does not exist")
        for other in self.associations.values():
            if other.vpc_id == vpc_id and self.rules[other.resolver_rule_id].domain == rule.domain:
                raise ApiError(
                    "ResourceExistsException" if other.resolver_rule_id == rule.id else "InvalidRequestException",
                    "[RSLVR-00802] Cannot associate rules with same domain name with same VPC. Conflict with resolver "
                    f"rule '{other.resolver_rule_id}'",
                )
        number = f"rslvr-rrassoc-{secrets.token_hex(9)[:17]}"
        made = self.associations[number] = Association(number, rule.id, vpc_id, name)
        self._pass(made.life, "CREATING", f"{rule.domain}/{vpc_id}", good="COMPLETE", bad="FAILED")
        return json.dumps({"ResolverRuleAssociation": made.json(self.now)})

    def disassociate_resolver_rule(self) -> str:
        rule, vpc_id = self._rule(), self.given("VPCId")
        for found in self.associations.values():
            if (found.resolver_rule_id, found.vpc_id) == (rule.id, vpc_id):
                if found.life.at(self.now) != "DELETING":
                    self._pass(found.life, "DELETING", f"{rule.domain}/{vpc_id}", good="gone", bad="COMPLETE")
                return json.dumps({"ResolverRuleAssociation": found.json(self.now)})
        raise ApiError(
            "ResourceNotFoundException",
            f"[RSLVR-00807] Resolver rule '{rule.id}' is not associated with VPC '{vpc_id}'.",
        )

    def get_resolver_rule_association(self) -> str:
        wanted = self.given("ResolverRuleAssociationId")
        found = self.associations.get(wanted)
        if found is None:
            raise ApiError(
                "ResourceNotFoundException",
                f"[RSLVR-00703] Resolver rule association with ID '{wanted}' does not exist.",
            )
        return json.dumps({"ResolverRuleAssociation": found.json(self.now)})

    def _filtered(self, things: Iterable[Any], read: dict[str, Callable[[Any], str]]) -> list[Any]:
        found = list(things)
        for item in self.given("Filters") or []:
            words = read.get(str(item.get("Name") or "").replace("_", "").upper())
            if words is None:
                raise ApiError("InvalidParameterException", f"The filter '{item.get('Name')}' is invalid")
            found = [t for t in found if words(t) in item.get("Values", [])]
        return found

    def list_resolver_rules(self) -> str:
        found = self._filtered(
            self.rules.values(),
            {
                "CREATORREQUESTID": lambda r: r.creator_request_id,
                "DOMAINNAME": lambda r: r.domain,
                "NAME": lambda r: r.name or "",
                "RESOLVERENDPOINTID": lambda r: r.resolver_endpoint_id or "",
                "STATUS": lambda r: r.life.at(self.now),
                "TYPE": lambda r: r.kind,
            },
        )
        return page(self, [r.json(self.now) for r in found], "ResolverRules")

    def list_resolver_rule_associations(self) -> str:
        found = self._filtered(
            self.associations.values(),
            {
                "NAME": lambda a: a.name or "",
                "RESOLVERRULEID": lambda a: a.resolver_rule_id,
                "STATUS": lambda a: a.life.at(self.now),
                "VPCID": lambda a: a.vpc_id,
            },
        )
        return page(self, [a.json(self.now) for a in found], "ResolverRuleAssociations")
