"""The least permissions in the forms that administrators take: IAM policy, Azure role, Kubernetes roles, Terraform, text."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from itertools import groupby
from typing import Any

from cloudlink.clouds.aws.iam_policy import iam_policy
from cloudlink.clouds.azure.custom_role import custom_role
from cloudlink.clouds.kube.rbac import Rule, manifests
from cloudlink.link import Link
from cloudlink.steps.least_permissions import Allowance, Where
from cloudlink.steps.permissions import AKS, CONTAINER, GATEWAY_GROUP, GROUP, SUBSCRIPTION, VNET

Least = Mapping[Allowance, tuple[str, ...]]


def json_rows(least: Least) -> list[dict[str, Any]]:
    return [
        {
            "where": a.where.value,
            "action": a.action,
            "place": a.place,
            "resource": a.resource,
            "name": a.name,
            "commands": list(commands),
        }
        for a, commands in least.items()
    ]


def text(least: Least) -> str:
    """A table for people, one line each."""
    titles = {Where.AWS: "AWS", Where.AZURE: "Azure", Where.AKS: "AKS cluster", Where.EKS: "EKS cluster"}
    lines: list[str] = []
    for where, group in groupby(least.items(), key=lambda item: item[0].where):
        rows = [(_said(a), ", ".join(commands)) for a, commands in group]
        width = max(len(said) for said, _ in rows)
        lines += ([""] if lines else []) + [titles[where]]
        lines += [f"  {said:<{width}}  {commands}" for said, commands in rows]
    return "\n".join(lines) + "\n"


def _said(a: Allowance) -> str:
    return f"{a} on the {a.place}" if a.where is Where.AZURE else str(a)


def iam(least: Least, link: Link) -> dict[str, Any]:
    """One policy for the identity that cloudlink signs in with."""
    actions = [a.action for a in least if a.where is Where.AWS]
    state = (link.state.bucket, link.state.key) if link.state is not None and link.state.store == "s3" else None
    return iam_policy(
        actions, link=link.name, region=link.aws.region, zone_ids=[z.adopt for z in link.dns.zones], state=state
    )


def azure_role(least: Least, link: Link) -> dict[str, Any]:
    """One custom role, to be assigned at each of its scopes; and at the container of a state in blobs."""
    return custom_role(link.name, _azure_actions(least), _scopes_of(least, link), _azure_data_actions(least))


def _azure_actions(least: Least) -> list[str]:
    return sorted({a.action for a in least if a.where is Where.AZURE and a.place != CONTAINER})


def _azure_data_actions(least: Least) -> list[str]:
    return sorted({a.action for a in least if a.where is Where.AZURE and a.place == CONTAINER})


def _scopes_of(least: Least, link: Link) -> list[str]:
    return azure_scopes(link, {a.place for a in least if a.where is Where.AZURE})


def azure_scopes(link: Link, places: Collection[str]) -> list[str]:
    """Resource groups; a subscription where something is asked of it as a whole, which holds its groups as well."""
    side = link.azure
    groups = {
        SUBSCRIPTION: (side.subscription, ""),
        GROUP: (side.subscription, side.resource_group),
        GATEWAY_GROUP: (side.subscription, link.azure_gateway[1]),
        VNET: (side.vnet_subscription, side.vnet_resource_group),
        AKS: (side.aks_subscription, side.aks_resource_group),
    }
    wanted_groups = {groups[place] for place in places if place != CONTAINER}  # it may be in any subscription
    if AKS in places:
        wanted_groups |= {(c.within or side.subscription, c.resource_group) for c in side.more_clusters}
    wanted = sorted(wanted_groups)
    whole = {subscription for subscription, group in wanted if not group}
    return [
        f"/subscriptions/{subscription}" + (f"/resourceGroups/{group}" if group else "")
        for subscription, group in wanted
        if not group or subscription not in whole
    ]


def kubernetes_rules(least: Least, where: Where) -> dict[str, list[Rule]]:
    """Namespace -> the rules of its role; empty: of a role for the whole cluster."""
    verbs: dict[tuple[str, str, str, str], list[str]] = {}
    for a in least:
        if a.where is where:
            verbs.setdefault((a.place, a.group, a.kind, a.name), []).append(a.action)
    found: dict[str, list[Rule]] = {}
    for (namespace, group, resource, name), named in verbs.items():
        found.setdefault(namespace, []).append(Rule(group, resource, tuple(named), name))
    return found


def k8s_role(least: Least, link: Link) -> str:
    """YAML for kubectl apply, a part for each cluster; the subject of the bindings is to be filled in."""
    clusters = (
        (Where.AKS, f"AKS cluster{'s' * bool(link.azure.more_clusters)} {_each(link)}"),
        (Where.EKS, f"EKS cluster {link.aws.eks_cluster}"),
    )
    return "---\n".join(
        f"# On the {title}:\n{manifest}"
        for where, title in clusters
        for namespace, rules in kubernetes_rules(least, where).items()
        for manifest in manifests(f"cloudlink-{link.name}", namespace, rules, "USER-OF-CLOUDLINK")
    )


def _each(link: Link) -> str:
    return ", ".join(map(link.azure.label_of, link.azure.clusters))


def terraform(least: Least, link: Link) -> str:
    """Resources of the providers aws, azurerm and kubernetes; aliases of the last tell the clusters apart: ``aks``, ``eks``, and of
    AKS clusters beside the first ``aks_2`` and so on."""
    name, scopes = link.name.replace("-", "_"), _scopes_of(least, link)
    policy = f"  name   = {_quoted(f'cloudlink-{link.name}')}\n  policy = jsonencode({_hcl(iam(least, link), 1)})\n"
    definition = (
        f"  name              = {_quoted(f'cloudlink {link.name}')}\n  scope             = {_quoted(scopes[0])}\n"
        f"  assignable_scopes = {_hcl(scopes, 1)}\n\n"
        f"  permissions {{\n    actions = {_hcl(_azure_actions(least), 2)}\n{_data(least)}  }}\n"
    )
    blocks = [
        _block("aws_iam_policy", f"cloudlink_{name}", policy),
        _block("azurerm_role_definition", f"cloudlink_{name}", definition),
    ]
    more = [(Where.AKS, f"aks_{number}") for number, _ in enumerate(link.azure.more_clusters, 2)]
    for where, alias in ((Where.AKS, "aks"), *more, (Where.EKS, "eks")):
        for namespace, rules in kubernetes_rules(least, where).items():
            label = f"cloudlink_{name}_{alias}_{namespace.replace('-', '_') or 'whole'}"
            place = f"    name      = {_quoted(f'cloudlink-{link.name}')}\n    namespace = {_quoted(namespace)}\n"
            if not namespace:
                place = f"    name = {_quoted(f'cloudlink-{link.name}')}\n"
            head = f"  provider = kubernetes.{alias}\n\n  metadata {{\n{place}  }}\n"
            kind = "kubernetes_role_v1" if namespace else "kubernetes_cluster_role_v1"
            blocks.append(_block(kind, label, head + "".join(map(_rule, rules))))
    return "\n".join(blocks)


def _data(least: Least) -> str:
    actions = _azure_data_actions(least)
    return f"    data_actions = {_hcl(actions, 2)}\n" if actions else ""


def _block(kind: str, label: str, body: str) -> str:
    return f'resource "{kind}" "{label}" {{\n{body}}}\n'


def _rule(rule: Rule) -> str:
    names = f"    resource_names = {_hcl([rule.name], 2)}\n" if rule.name else ""
    return (
        f"\n  rule {{\n    api_groups     = {_hcl([rule.group], 2)}\n    resources      = {_hcl([rule.resource], 2)}\n"
        f"{names}    verbs          = {_hcl(list(rule.verbs), 2)}\n  }}\n"
    )


def _hcl(value: Any, depth: int) -> str:
    pad, end = "  " * (depth + 1), "  " * depth
    if isinstance(value, dict):
        rows = [f"{pad}{_quoted(k)} = {_hcl(v, depth + 1)}\n" for k, v in value.items()]
        return "{\n" + "".join(rows) + end + "}"
    if isinstance(value, list) and len(value) > 1:
        return "[\n" + "".join(f"{pad}{_hcl(item, depth + 1)},\n" for item in value) + end + "]"
    if isinstance(value, list):
        return f"[{', '.join(_hcl(item, depth) for item in value)}]"
    return _quoted(value)


def _quoted(value: str) -> str:
    """HCL takes JSON's strings, but for its own two kinds of template."""
    return json.dumps(value).replace("${", "$${").replace("%{", "%%{")
