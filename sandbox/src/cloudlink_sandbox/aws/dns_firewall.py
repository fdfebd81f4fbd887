"""Route 53 Resolver DNS Firewall: domain lists, groups of rules, and their associations with VPCs. Changes are done at once.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-dns-firewall.html
"""

from __future__ import annotations

import json
import re
import secrets
from typing import Any

from moto.route53resolver.responses import Route53ResolverResponse

from cloudlink_sandbox.aws.backend import network_of
from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.handlers import Handlers
from cloudlink_sandbox.aws.timeline import as_text
from cloudlink_sandbox.aws.vpc_dns_store import DomainList, RuleGroup, VpcDns

_DOMAIN = re.compile(r"\*|(\*\.)?[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")
_ACTIONS, _RESPONSES = ("ALLOW", "ALERT", "BLOCK"), ("NODATA", "NXDOMAIN", "OVERRIDE")


class DnsFirewallHandlers(Handlers, Route53ResolverResponse):
    @property
    def _kept(self) -> VpcDns:
        return self.cloud.vpc_dns

    def _group(self) -> RuleGroup:
        found = self._kept.groups.get(self.given("FirewallRuleGroupId"))
        if found is None or found.region != self.region:
            raise _not_found("Firewall rule group", self.given("FirewallRuleGroupId"))
        return found

    def _list(self) -> DomainList:
        found = self._kept.lists.get(self.given("FirewallDomainListId"))
        if found is None or found.region != self.region:
            raise _not_found("Firewall domain list", self.given("FirewallDomainListId"))
        return found

    def create_firewall_domain_list(self) -> str:
        number = f"rslvr-fdl-{secrets.token_hex(8)}"
        made = DomainList(number, self.region, self.given("Name"), self.given("CreatorRequestId"))
        self._kept.lists[number] = made
        return json.dumps({"FirewallDomainList": self._list_json(made)})

    def _list_json(self, found: DomainList) -> dict[str, Any]:
        return {
            "Id": found.id,
            "Arn": self._arn("firewall-domain-list", found.id),
            "Name": found.name,
            "DomainCount": len(found.domains),
            "Status": "COMPLETE",
            "StatusMessage": "",
            "CreatorRequestId": found.creator,
        }

    def update_firewall_domains(self) -> str:
        found, operation = self._list(), self.given("Operation")
        domains = [str(d).lower() for d in self.given("Domains") or []]
        for domain in domains:
            if not _DOMAIN.fullmatch(domain):
                raise ApiError("ValidationException", f"The domain {domain} is not valid.")
        shown = [d if d.endswith((".", "*")) else f"{d}." for d in domains]
        if operation == "REPLACE":
            found.domains = shown
        elif operation == "ADD":
            found.domains = list(dict.fromkeys([*found.domains, *shown]))
        elif operation == "REMOVE":
            found.domains = [d for d in found.domains if d not in shown]
        else:
            raise ApiError("ValidationException", f"The operation {operation} is not one of ADD, REMOVE, REPLACE.")
        return json.dumps({"Id": found.id, "Name": found.name, "Status": "COMPLETE", "StatusMessage": ""})

    def list_firewall_domains(self) -> str:
        return self._page(self._list().domains, "Domains")

    def delete_firewall_domain_list(self) -> str:
        found = self._list()
        if any(r["FirewallDomainListId"] == found.id for g in self._kept.groups.values() for r in g.rules):
            raise ApiError("ConflictException", f"Firewall domain list '{found.id}' is used by a rule.")
        del self._kept.lists[found.id]
        return json.dumps({"FirewallDomainList": {**self._list_json(found), "Status": "DELETING"}})

    def create_firewall_rule_group(self) -> str:
        number = f"rslvr-frg-{secrets.token_hex(8)}"
        made = RuleGroup(number, self.region, self.given("Name"), self.given("CreatorRequestId"))
        self._kept.groups[number] = made
        return json.dumps({"FirewallRuleGroup": self._group_json(made)})

    def _group_json(self, found: RuleGroup) -> dict[str, Any]:
        return {
            "Id": found.id,
            "Arn": self._arn("firewall-rule-group", found.id),
            "Name": found.name,
            "RuleCount": len(found.rules),
            "Status": "COMPLETE",
            "StatusMessage": "",
            "OwnerId": self.cloud.account,
            "CreatorRequestId": found.creator,
            "ShareStatus": "NOT_SHARED",
        }

    def delete_firewall_rule_group(self) -> str:
        found = self._group()
        if found.rules or any(a["FirewallRuleGroupId"] == found.id for a in self._kept.associations.values()):
            raise ApiError("ConflictException", f"Firewall rule group '{found.id}' has rules or associations.")
        del self._kept.groups[found.id]
        return json.dumps({"FirewallRuleGroup": {**self._group_json(found), "Status": "DELETING"}})

    def create_firewall_rule(self) -> str:
        group, domains, action = self._group(), self._list(), self.given("Action")
        response, priority = self.given("BlockResponse"), int(self.given("Priority"))
        if action not in _ACTIONS:
            raise ApiError("ValidationException", f"The action {action} is not one of {', '.join(_ACTIONS)}.")
        if (action == "BLOCK") != (response is not None) or (response is not None and response not in _RESPONSES):
            raise ApiError(
                "ValidationException", f"BLOCK, and no other action, has a response of {', '.join(_RESPONSES)}."
            )
        if any(int(r["Priority"]) == priority for r in group.rules):
            raise ApiError("ConflictException", f"A rule of priority {priority} is in the group already.")
        rule = {
            "FirewallDomainListId": domains.id,
            "Name": self.given("Name"),
            "Priority": priority,
            "Action": action,
            "CreatorRequestId": self.given("CreatorRequestId"),
            "CreationTime": as_text(self.now),
            "ModificationTime": as_text(self.now),
            "FirewallDomainRedirectionAction": self.given("FirewallDomainRedirectionAction")
            or "INSPECT_REDIRECTION_DOMAIN",
        }
        if response == "OVERRIDE":
            named, ttl = self.given("BlockOverrideDomain"), self.given("BlockOverrideTtl")
            if not named or self.given("BlockOverrideDnsType") != "CNAME" or ttl is None:
                raise ApiError("ValidationException", "OVERRIDE needs a domain, the type CNAME and a time to live.")
            rule |= {"BlockOverrideDomain": named, "BlockOverrideDnsType": "CNAME", "BlockOverrideTtl": int(ttl)}
        rule |= {name: value for name in ("BlockResponse", "Qtype") if (value := self.given(name))}
        group.rules.append(rule)
        return json.dumps({"FirewallRule": {"FirewallRuleGroupId": group.id, **rule}})

    def list_firewall_rules(self) -> str:
        group, action, priority = self._group(), self.given("Action"), self.given("Priority")
        found = [
            {"FirewallRuleGroupId": group.id, **rule}
            for rule in sorted(group.rules, key=lambda r: int(r["Priority"]))
            if action in (None, rule["Action"]) and priority in (None, rule["Priority"])
        ]
        return self._page(found, "FirewallRules")

    def delete_firewall_rule(self) -> str:
        group, domains = self._group(), self._list()
        gone = [r for r in group.rules if r["FirewallDomainListId"] == domains.id]
        if not gone:
            raise _not_found("Firewall rule", domains.id)
        group.rules.remove(gone[0])
        return json.dumps({"FirewallRule": {"FirewallRuleGroupId": group.id, **gone[0]}})

    def associate_firewall_rule_group(self) -> str:
        group, vpc, priority = self._group(), self.given("VpcId"), int(self.given("Priority"))
        if vpc not in network_of(self.cloud.account, self.region).vpcs:
            raise _not_found("VPC", vpc)
        if not 100 < priority < 9000:
            raise ApiError("ValidationException", "The priority must be between 101 and 8999.")
        here = [a for a in self._kept.associations.values() if a["VpcId"] == vpc]
        if any(a["FirewallRuleGroupId"] == group.id or a["Priority"] == priority for a in here):
            raise ApiError("ConflictException", "The VPC has this group, or one of this priority, already.")
        number = f"rslvr-frgassoc-{secrets.token_hex(8)}"
        made = self._kept.associations[number] = {
            "Id": number,
            "Arn": self._arn("firewall-rule-group-association", number),
            "FirewallRuleGroupId": group.id,
            "VpcId": vpc,
            "Name": self.given("Name"),
            "Priority": priority,
            "MutationProtection": self.given("MutationProtection") or "DISABLED",
            "Status": "COMPLETE",
            "StatusMessage": "",
            "CreatorRequestId": self.given("CreatorRequestId"),
            "CreationTime": as_text(self.now),
            "ModificationTime": as_text(self.now),
        }
        return json.dumps({"FirewallRuleGroupAssociation": made})

    def disassociate_firewall_rule_group(self) -> str:
        wanted = self.given("FirewallRuleGroupAssociationId")
        found = self._kept.associations.pop(wanted, None)
        if found is None:
            raise _not_found("Firewall rule group association", wanted)
        return json.dumps({"FirewallRuleGroupAssociation": {**found, "Status": "DELETING"}})

    def list_firewall_rule_group_associations(self) -> str:
        wanted = {n: self.given(n) for n in ("FirewallRuleGroupId", "VpcId", "Priority", "Status")}
        here = network_of(self.cloud.account, self.region).vpcs
        found = [
            a
            for a in self._kept.associations.values()
            if a["VpcId"] in here and all(v in (None, a[n]) for n, v in wanted.items())
        ]
        return self._page(found, "FirewallRuleGroupAssociations")

    def _page(self, items: list[Any], name: str) -> str:
        """Unlike the lists of endpoints and rules, these do not repeat how many were asked for."""
        size, token = int(self.given("MaxResults", 100)), self.given("NextToken")
        if not 1 <= size <= 100 or (token is not None and not token.isdecimal()):
            raise ApiError(
                "ValidationException", "MaxResults must be between 1 and 100, and NextToken one that was given."
            )
        start = int(token or 0)
        answer: dict[str, Any] = {name: items[start : start + size]}
        if start + size < len(items):
            answer["NextToken"] = str(start + size)
        return json.dumps(answer)

    def _arn(self, kind: str, id_: str) -> str:
        return f"arn:aws:route53resolver:{self.region}:{self.cloud.account}:{kind}/{id_}"


def _not_found(what: str, id_: object) -> ApiError:
    return ApiError("ResourceNotFoundException", f"{what} with ID '{id_}' does not exist.")
