"""CoreDNS before the first write: each thing that would keep it from starting, or our zone from it, gives one finding."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudlink.checks.preflight import coredns
from cloudlink.checks.preflight.coredns import CoreDnsFacts, Refusal, check, check_local_dns
from cloudlink.clouds.azure.parse_aks import pools_dns
from cloudlink.clouds.kube.errors import KubeApiError
from cloudlink.clouds.kube.parse import KeyMap, deployment, key_map
from cloudlink.core.plan import Action
from cloudlink.errors import Finding, Severity, UnreachableError
from cloudlink.steps.dns_forward.coredns import KEYS_READ, CoreDns
from tests.support.kube_sandbox import KubeSandbox
from tests.support.pinned import pinned

from .context import context, link, plan

LINK = link()
ZONE = LINK.dns.zone


def found(**facts: Any) -> list[Finding]:
    keys = facts.pop("keys", {})
    given = keys if isinstance(keys, KeyMap) else KeyMap(keys)
    return pinned(check(CoreDnsFacts(given, **facts), LINK, plan()))


def one(**facts: Any) -> Finding:
    (finding,) = found(**facts)
    assert finding.topic in ("coredns", "permissions")
    return finding


def test_where_nothing_is_in_the_way_nothing_is_said() -> None:
    assert found() == []
    assert found(keys={"team.server": "team.example:53 {\n forward . 10.9.9.9\n}\n", "log.override": "log\n"}) == []


@pytest.mark.parametrize(
    ("facts", "severity", "words"),
    [
        ({"keys": KeyMap({}, immutable=True)}, Severity.OBSTACLE, "immutable"),
        ({"keys": KeyMap({}, ("other.server",))}, Severity.OBSTACLE, "other.server is not text in UTF-8"),
        ({"keys": {"x.server": f"{ZONE}:53 {{\n forward . 10.9.9.9\n}}\n"}}, Severity.OBSTACLE, "already serves"),
        ({"keys": {"x.server": "a.example {\n"}}, Severity.OBSTACLE, "x.server cannot be read"),
        ({"keys": {"x.server": "a.example {\n alternate\n}\n"}}, Severity.OBSTACLE, "no plugin alternate"),
        ({"keys": {"x.server": ".:53 {\n forward . 8.8.8.8\n}\n"}}, Severity.OBSTACLE, "root zone"),
        ({"keys": {"x.override": "cache 10\n"}}, Severity.OBSTACLE, "cache may appear once"),
        ({"keys": {"rw.server": "s.example {\n kubernetes c.l {\n upstream\n }\n}\n"}}, Severity.OBSTACLE, "rw.server"),
        (
            {"keys": {"x.override": f"hosts {{\n 10.1.2.3 pay.{ZONE}\n fallthrough\n}}\n"}},
            Severity.WARNING,
            f"pay.{ZONE}",
        ),
        ({"keys": {"x.server": f"sub.{ZONE} {{\n forward . 10.9.9.9\n}}\n"}}, Severity.WARNING, f"sub.{ZONE}"),
        ({"keys": {"zone.conf": "x"}}, Severity.WARNING, "ignores it"),
        ({"unproved": ("whether it is so: 500",)}, Severity.NOT_PROVED, "whether it is so"),
        (
            {
                "node_local": "cluster.local:53 {\n forward . __PILLAR__CLUSTER__DNS__\n}\n.:53 {\n forward . /etc/resolv.conf\n}\n"
            },
            Severity.WARNING,
            "/etc/resolv.conf",
        ),
    ],
)
def test_one_thing_gives_one_finding(facts: dict[str, Any], severity: Severity, words: str) -> None:
    finding = one(**facts)
    assert (finding.severity, words in finding.detail) == (severity, True), finding
    assert finding.hint or severity is not Severity.OBSTACLE


OWN = ".:53 {\n forward . /etc/resolv.conf\n import custom/*.override\n}\n"


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"corefile": OWN}, "does not import custom/*.server"),
        ({"corefile": OWN + "# import custom/*.server\n"}, "does not import custom/*.server"),
        ({"corefile": OWN + "import custom/*.override\n"}, "does not import custom/*.server"),
        ({"mounted": ("coredns",)}, "do not mount the ConfigMap coredns-custom"),
        ({"corefile": OWN, "mounted": ()}, "custom/*.server and its pods do not mount"),
    ],
)
def test_a_coredns_that_never_reads_our_key(facts: dict[str, Any], words: str) -> None:
    finding = one(**facts)
    assert finding.severity is Severity.OBSTACLE and words in finding.detail
    assert "import custom/*.server" in finding.hint


@pytest.mark.parametrize(
    "line",
    [
        "import custom/*.server",
        "import /etc/coredns/custom/*.server",
        "  import custom/*.server # ours",
        "import custom/*",
    ],
)
def test_a_corefile_that_reads_our_key(line: str) -> None:
    assert found(corefile=f"{OWN}{line}\n", mounted=("coredns", "coredns-custom")) == []


def test_a_coredns_without_pods() -> None:
    finding = one(pods=0)
    assert finding.severity is Severity.OBSTACLE and "0 pods" in finding.detail and "scale" in finding.hint


def test_which_config_maps_a_deployment_mounts() -> None:
    def of(volumes: list[dict[str, Any]]) -> tuple[str, ...] | None:
        return deployment({"spec": {"template": {"spec": {"volumes": volumes}}}}).config_maps

    assert of([]) is None
    assert of([{"name": "t", "emptyDir": {}}]) == ()
    several = [{"configMap": {"name": "a"}}, {"projected": {"sources": [{"configMap": {"name": "b"}}, {"secret": {}}]}}]
    assert of(several) == ("a", "b")


@pytest.mark.parametrize("zone", [".", "corp.example", ZONE])
def test_a_node_local_cache_that_asks_coredns(zone: str) -> None:
    own = f".:53 {{\n forward . /etc/resolv.conf\n}}\n{zone}:53 {{\n forward . __PILLAR__CLUSTER__DNS__\n}}\n"
    if zone == ".":
        own = own.partition("}\n")[2]
    assert found(node_local=own) == []


def test_all_missing_permissions_are_one_finding_and_a_policy_is_none_of_them() -> None:
    missing = one(refusals=(Refusal("configmaps/coredns-custom", "no"), Refusal("deployments/coredns", "no")))
    assert missing.topic == "permissions"
    assert "configmaps/coredns-custom and deployments/coredns" in missing.detail
    said = "ValidatingAdmissionPolicy 'aks-managed-protect-system-namespaces' with binding 'b' denied request: no."
    policy = one(refusals=(Refusal("configmaps/coredns-custom", said, by_policy=True),))
    assert policy.topic == "coredns"
    assert "aks-managed-protect-system-namespaces" in policy.detail
    assert "another role would not help" in policy.detail


def test_several_mistakes_are_told_at_once() -> None:
    keys = {"a.server": f"{ZONE} {{\n}}\n", "b.override": "cache 10\n", "c.server": "x.example {\n loop now\n}\n"}
    assert len(found(keys=KeyMap(keys, ("d.server",), immutable=True))) == 5


def test_a_config_map_as_pods_get_it() -> None:
    def encoded(data: bytes) -> str:
        return base64.b64encode(data).decode()

    binary = {"b.server": encoded(b"text"), "c.server": encoded("ä".encode("utf-16")), "d.server": "no base64"}
    read = key_map(
        {"data": {"a.server": "x"}, "binaryData": binary, "immutable": True, "metadata": {"resourceVersion": "7"}}
    )
    assert read == KeyMap({"a.server": "x", "b.server": "text"}, ("c.server", "d.server"), True, "7")


# --- LocalDNS -----------------------------------------------------------------------------------------------


def local(mode: str = "Required", state: str = "Enabled", **overrides: dict[str, str]) -> list[Finding]:
    profile: dict[str, Any] = {"mode": mode, "state": state}
    for name, zones in overrides.items():
        profile[f"{name}DNSOverrides"] = {z: {"forwardDestination": to} for z, to in zones.items()}
    pools = [{"name": "a", "localDNSProfile": profile}, {"name": "b"}]
    return pinned(check_local_dns(pools_dns({"properties": {"agentPoolProfiles": pools}}), LINK))


@pytest.mark.parametrize(
    ("mode", "state", "on"),
    [
        ("Required", "Enabled", True),
        ("Preferred", "Enabled", True),
        ("Preferred", "Disabled", False),
        ("Preferred", "", False),  # installs nothing by itself
        ("Required", "", True),
        ("Disabled", "Disabled", False),
    ],
)
def test_what_is_installed_counts_and_not_what_is_preferred(mode: str, state: str, on: bool) -> None:
    assert [f.severity for f in local(mode, state)] == [Severity.WARNING] * on


def test_where_its_overrides_send_the_zone() -> None:
    parent = ZONE.partition(".")[2]
    usual = {".": "ClusterCoreDNS", "cluster.local": "ClusterCoreDNS"}
    assert [f.severity for f in local(kube=usual, vnet={".": "VnetDNS"})] == [Severity.WARNING]
    for taken in (ZONE, parent, f"{parent}."):
        (finding,) = local(kube={**usual, taken: "VnetDNS"})
        assert finding.severity is Severity.OBSTACLE
        assert f"send {taken}" in finding.detail
        assert "kubeDNSOverrides" in finding.hint
    # the longest decides
    assert [f.severity for f in local(kube={**usual, parent: "VnetDNS", ZONE: "ClusterCoreDNS"})] == [Severity.WARNING]
    (finding,) = local(kube=usual, vnet={".": "VnetDNS", ZONE: "VnetDNS"})
    assert (finding.severity, "dnsPolicy Default" in finding.detail) == (Severity.WARNING, True)


# --- against a cluster --------------------------------------------------------------------------------------


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[KubeSandbox]:
    made = KubeSandbox(tmp_path)
    try:
        yield made
    finally:
        made.stop()


def test_a_fresh_cluster_has_nothing_in_the_way_and_is_not_written_to(sandbox: KubeSandbox) -> None:
    before = sandbox.kube.deployment("kube-system", "coredns")
    facts = coredns.read(sandbox.link, sandbox.kube)
    assert list(check(facts, sandbox.link, plan())) == []
    assert "import custom/*.override" in facts.corefile
    assert sandbox.custom() == {}
    assert sandbox.writes() == []
    assert sandbox.kube.deployment("kube-system", "coredns") == before


def test_missing_permissions_are_found_by_asking_and_all_at_once(sandbox: KubeSandbox) -> None:
    sandbox.fault("denied", "kube.PATCH:*", None)
    facts = coredns.read(sandbox.link, sandbox.kube)
    assert [r.what for r in facts.refusals] == ["configmaps/coredns-custom", "deployments/coredns"]


def reviews(sandbox: KubeSandbox) -> int:
    calls = sandbox.world.context.journal.calls()
    return sum("selfsubjectaccessreviews" in call.operation for call in calls)


def test_a_patch_that_was_tried_proves_the_permission_and_nobody_asks_again(sandbox: KubeSandbox) -> None:
    coredns.read(sandbox.link, sandbox.kube)
    own = CoreDns(sandbox.kube, "k", "a", (ZONE,), "dns_forward.forward")
    own.permission()
    assert reviews(sandbox) == 0


def test_where_a_patch_cannot_be_tried_the_permission_is_asked_for(sandbox: KubeSandbox) -> None:
    """An immutable ConfigMap refuses any patch, and says nothing of who may."""
    real = sandbox.kube.config_map("kube-system", "coredns-custom")
    sandbox.kube.cache.put(KEYS_READ, {**real, "immutable": True})
    sandbox.fault("denied", "kube.PATCH:*", None)
    facts = coredns.read(sandbox.link, sandbox.kube)
    assert [r.what for r in facts.refusals] == ["configmaps/coredns-custom", "deployments/coredns"]
    assert reviews(sandbox) == 1
    assert not any(call.operation == "PATCH configmaps" for call in sandbox.world.context.journal.calls())


def refuse(sandbox: KubeSandbox, monkeypatch: pytest.MonkeyPatch, status: int, reason: str, message: str) -> None:
    """In place of an admission policy, which hears the dry run and not the review."""

    def denied(*_: Any, dry_run: bool = False) -> Any:
        assert dry_run, "before the first write nothing but a dry run may be sent"
        raise KubeApiError(status, reason, message, "PATCH configmaps")

    monkeypatch.setattr(sandbox.kube, "patch_config_map", denied)


@pytest.mark.parametrize(
    ("status", "message", "severity"),
    [
        (422, "is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no", Severity.OBSTACLE),
        (403, "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no", Severity.OBSTACLE),
        (403, 'admission webhook "validation.gatekeeper.sh" denied the request: no', Severity.OBSTACLE),
        (500, 'failed calling webhook "w": timeout', Severity.NOT_PROVED),
        (400, "admission webhook w does not support dry run", Severity.NOT_PROVED),
    ],
)
def test_admission_is_heard_before_anything_is_built(
    sandbox: KubeSandbox, monkeypatch: pytest.MonkeyPatch, status: int, message: str, severity: Severity
) -> None:
    refuse(sandbox, monkeypatch, status, "Forbidden", message)
    (finding,) = check(coredns.read(sandbox.link, sandbox.kube), sandbox.link, plan())
    assert (finding.topic, finding.severity) == ("coredns", severity)
    assert message in finding.detail


def test_nothing_is_asked_where_nothing_is_written_or_the_cluster_is_away() -> None:
    away = {"dns_forward.forward": UnreachableError("The cluster does not answer")}
    assert list(coredns.find(context(failed=away))) == []
    assert list(coredns.find(context(plan=plan(dns_forward__forward=Action.NO_OP)))) == []
    assert list(coredns.find_local_dns(context(plan=plan(dns_forward__forward=Action.NO_OP)))) == []
    assert replace(context(), failed=away).failed == away


@pytest.mark.parametrize(
    ("metadata", "kept_by"),
    [
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "dns:/ConfigMap:kube-system/coredns-custom"}},
            "Argo CD (application dns)",
        ),
        ({"labels": {"argocd.argoproj.io/instance": "dns"}}, "Argo CD (application dns)"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "infra"}}, "Flux (Kustomization infra)"),
        ({"annotations": {"meta.helm.sh/release-name": "dns"}}, "Helm (release dns)"),
        ({"managedFields": [{"manager": "azure"}, {"manager": "Terraform", "operation": "Apply"}]}, "Terraform"),
        ({"labels": {"app.kubernetes.io/managed-by": "azure"}, "annotations": None}, ""),
        ({"managedFields": [{"manager": "kubectl-edit"}]}, ""),
    ],
)
def test_a_config_map_that_another_tool_keeps(metadata: dict[str, Any], kept_by: str) -> None:
    keys = key_map({"metadata": metadata, "data": {}})
    assert keys.kept_by == kept_by
    if not kept_by:
        assert found(keys=keys) == []
        return
    finding = one(keys=keys)
    assert finding.severity is Severity.WARNING
    assert kept_by in finding.detail and f"cloudlink-{LINK.name}.server" in finding.hint
