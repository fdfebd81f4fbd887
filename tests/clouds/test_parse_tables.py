"""What is read from answers whose forms are many: each form once, and what it says."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import Any

import pytest

from cloudlink.clouds.aws import parse_groups, parse_logs, parse_objects, parse_zones
from cloudlink.clouds.azure import parse_aks, parse_monitor, parse_policy
from cloudlink.clouds.kube import parse_mesh, parse_pods, parse_probe
from cloudlink.errors import MalformedError

# --- security groups ------------------------------------------------------------------------------------------

Rule = parse_groups.Rule
WEB = Rule("tcp", 443, 443, "10.20.0.0/16", "from Azure")
OF_RULES: dict[str, tuple[Rule, dict[str, Any]]] = {
    "a range": (
        WEB,
        {
            "IpProtocol": "tcp",
            "FromPort": 443,
            "ToPort": 443,
            "IpRanges": [{"CidrIp": "10.20.0.0/16", "Description": "from Azure"}],
        },
    ),
    "a range of IPv6": (
        Rule("udp", 53, 54, "fd00::/8", ""),
        {"IpProtocol": "udp", "FromPort": 53, "ToPort": 54, "Ipv6Ranges": [{"CidrIpv6": "fd00::/8"}]},
    ),
    "another group": (
        Rule("-1", -1, -1, "sg-1", ""),
        {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "sg-1"}]},
    ),
    "a prefix list": (
        Rule("-1", -1, -1, "pl-1", "them"),
        {"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": "pl-1", "Description": "them"}]},
    ),
}


@pytest.mark.parametrize("name", OF_RULES)
def test_a_rule_and_its_form_in_a_call_are_each_others_inverse(name: str) -> None:
    rule, permission = OF_RULES[name]
    assert parse_groups.permission_of(rule) == permission
    assert parse_groups.rules_of(permission) == [rule]
    assert parse_groups.rules({"IpPermissions": [permission]}) == frozenset({rule})


def test_the_rules_that_a_call_has_made() -> None:
    made = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 444, "CidrIpv4": "10.20.0.0/16", "Description": "a"}
    every = {"IpProtocol": "-1", "CidrIpv4": "10.30.0.0/16", "IsEgress": False}
    left_out = [{**made, "IsEgress": True}, {"IpProtocol": "tcp", "PrefixListId": "pl-1"}, {**made, "CidrIpv4": ""}]
    assert parse_groups.rules_made({"SecurityGroupRules": [made, every, *left_out]}) == {
        Rule("tcp", 443, 444, "10.20.0.0/16", "a"),
        Rule("-1", -1, -1, "10.30.0.0/16", ""),
    }
    with pytest.raises(MalformedError):
        parse_groups.rules_made({"SecurityGroupRules": [{"CidrIpv4": "10.0.0.0/8"}]})


@pytest.mark.parametrize(
    ("rule", "protocol", "port", "told"),
    [
        (WEB, "tcp", 443, True),
        (WEB, "tcp", 442, False),
        (WEB, "tcp", 444, False),
        (WEB, "udp", 443, False),
        (replace(WEB, first_port=400, last_port=500), "tcp", 400, True),
        (replace(WEB, first_port=400, last_port=500), "tcp", 500, True),
        (Rule("-1", -1, -1, "10.0.0.0/8", ""), "udp", 53, True),
        (Rule("-1", 1, 1, "10.0.0.0/8", ""), "udp", 53, True),
        (Rule("tcp", -1, -1, "10.0.0.0/8", ""), "tcp", 9, True),
        (Rule("icmp", -1, -1, "10.0.0.0/8", ""), "tcp", 9, False),
    ],
)
def test_whether_a_rule_is_about_a_port(rule: Rule, protocol: str, port: int, told: bool) -> None:
    assert parse_groups.lets_port(rule, protocol, port) is told


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        (["10.20.0.0/16"], True),
        (["10.20.0.0/17"], False),
        (["10.20.0.0/17", "10.20.128.0/17"], True),
        (["10.20.5.5/15"], True),
        (["pl-1"], True),
        (["sg-1", "fd00::/8"], False),
        ([], False),
    ],
)
def test_whether_all_of_a_range_is_let_in(sources: list[str], told: bool) -> None:
    rules = [replace(WEB, source=s) for s in sources]
    assert parse_groups.lets_in(rules, "tcp", 443, IPv4Network("10.20.0.0/16")) is told
    assert not parse_groups.lets_in(rules, "tcp", 80, IPv4Network("10.20.0.0/16"))


@pytest.mark.parametrize(
    ("permissions", "told"),
    [
        ([("-1", "0.0.0.0/0")], True),
        ([("tcp", "0.0.0.0/0"), ("udp", "0.0.0.0/0")], True),
        ([("tcp", "0.0.0.0/0")], False),
        ([("-1", "10.0.0.0/8"), ("-1", "172.16.0.0/12"), ("-1", "192.168.0.0/16")], True),
        ([("-1", "10.0.0.0/8"), ("-1", "172.16.0.0/12")], False),
        ([("-1", "10.0.0.0/8"), ("-1", "192.168.0.0/16")], False),
        ([("-1", "172.16.0.0/12"), ("-1", "192.168.0.0/16")], False),
    ],
)
def test_whether_questions_leave_to_any_private_address(permissions: list[tuple[str, str]], told: bool) -> None:
    held = [
        {"IpProtocol": p, "IpRanges": [{"CidrIp": r}], **({"FromPort": 53, "ToPort": 53} if p != "-1" else {})}
        for p, r in permissions
    ]
    assert parse_groups.lets_dns_out({"IpPermissionsEgress": held}) is told


# --- objects of S3 --------------------------------------------------------------------------------------------


def stored(date: str | None) -> parse_objects.StoredObject:
    headers = {"date": date} if date else {}
    answer = {
        "ResponseMetadata": {"HTTPHeaders": headers},
        "LastModified": datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC),
        "Body": io.BytesIO("{ü}".encode()),
        "ETag": '"abc"',
    }
    return parse_objects.stored_object(answer)


def test_an_object_is_as_old_as_s3s_own_clock_says() -> None:
    found = stored("Sun, 01 Nov 2026 12:01:30 GMT")
    assert (found.text, found.etag, found.age) == ("{ü}", '"abc"', 90.0)
    assert stored(None).age is None
    with pytest.raises(MalformedError):
        parse_objects.stored_object({"ETag": "a"})


@pytest.mark.parametrize(("version", "versioned"), [("v1", True), ("null", False), (None, False)])
def test_whether_a_bucket_keeps_what_was_written_over(version: str | None, versioned: bool) -> None:
    answer = {"ETag": '"abc"', **({"VersionId": version} if version else {})}
    assert parse_objects.written(answer) == parse_objects.Written('"abc"', versioned)


@pytest.mark.parametrize(
    ("response", "region"),
    [
        (
            {"ResponseMetadata": {"HTTPHeaders": {"x-amz-bucket-region": "eu-west-1"}}, "Error": {"Region": "x"}},
            "eu-west-1",
        ),
        ({"Error": {"Region": "eu-west-2"}}, "eu-west-2"),
        ({"ResponseMetadata": {}, "Error": {}}, ""),
        (None, ""),
    ],
)
def test_where_s3_says_that_a_bucket_is(response: Any, region: str) -> None:
    error = Exception()
    error.response = response  # type: ignore[attr-defined]
    assert parse_objects.region_of(error) == region
    assert parse_objects.region_of(Exception()) == ""


# --- records of Route 53 --------------------------------------------------------------------------------------


def test_a_record_and_its_form_in_a_change_batch_are_each_others_inverse() -> None:
    records = {
        parse_zones.ZoneRecord("a.b", "A", ("10.0.0.9", "10.0.0.10"), ttl=60): {
            "Name": "a.b.",
            "Type": "A",
            "TTL": 60,
            "ResourceRecords": [{"Value": "10.0.0.9"}, {"Value": "10.0.0.10"}],
        },
        parse_zones.ZoneRecord("a.b", "A", ("lb.elb.amazonaws.com",), alias="Z1"): {
            "Name": "a.b.",
            "Type": "A",
            "AliasTarget": {"HostedZoneId": "Z1", "DNSName": "lb.elb.amazonaws.com.", "EvaluateTargetHealth": False},
        },
        parse_zones.ZoneRecord("t.b", "TXT", ('"*.a"', '"b"'), ttl=300): {
            "Name": "t.b.",
            "Type": "TXT",
            "TTL": 300,
            "ResourceRecords": [{"Value": '"*.a"'}, {"Value": '"b"'}],
        },
    }
    for record, answer in records.items():
        assert parse_zones.record_set(record) == answer
        (found,) = parse_zones.records([answer])
        assert parse_zones.record_of(found) == record


def test_the_order_and_the_spelling_of_route_53_do_not_matter() -> None:
    values = [{"Value": v} for v in ("10.0.0.10", "9.0.0.1", "10.0.0.9")]
    (found,) = parse_zones.records([{"Name": "a.b.", "Type": "A", "TTL": 60, "ResourceRecords": values}])
    assert parse_zones.record_of(found).values == ("9.0.0.1", "10.0.0.9", "10.0.0.10")
    target = {"HostedZoneId": "Z1", "DNSName": "dualstack.lb.elb.amazonaws.com."}
    (alias,) = parse_zones.records([{"Name": "a.b.", "Type": "A", "AliasTarget": target}])
    assert parse_zones.record_of(alias).values == ("lb.elb.amazonaws.com",)
    assert parse_zones.plain_value('"\\052.a.b"') == '"*.a.b"'


# --- logs of tunnels ------------------------------------------------------------------------------------------

STREAM = "vpn-0a1b-203.0.113.1"


def logged(message: Any, stream: str = STREAM, at: int = 1_500) -> tuple[parse_logs.TunnelLogEntry, ...]:
    text = message if isinstance(message, str) else json.dumps(message)
    return parse_logs.tunnel_entries([{"logStreamName": stream, "message": text, "timestamp": at}])


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ({"type": "BGPStatus", "status": "UP", "message": {"details": "up"}}, ("bgp", True, "up")),
        ({"type": "BGPStatus", "status": "DOWN", "message": "gone"}, ("bgp", False, "gone")),
        ({"type": "BGPStatus"}, ("bgp", False, "")),
        ({"details": "AWS tunnel is up", "ike_phase1_state": "established"}, ("ike", True, "AWS tunnel is up")),
        ({"VpnLogDetail": "x", "ike_phase1_state": "ESTABLISHED", "ike_phase2_state": "rekeying"}, ("ike", True, "x")),
        ({"details": "x", "ike_phase1_state": "established", "ike_phase2_state": "down"}, ("ike", False, "x")),
        ({"details": "x"}, ("ike", None, "x")),
    ],
)
def test_what_awss_end_of_a_tunnel_writes(message: Any, told: tuple[str, bool | None, str]) -> None:
    (entry,) = logged(message)
    assert (entry.kind, entry.good, entry.text) == told
    assert (entry.connection, entry.outside, entry.at) == ("vpn-0a1b", "203.0.113.1", 1.5)


@pytest.mark.parametrize("message", ["no JSON", "[1]", "7", {"type": "other"}, {"details": ""}])
def test_what_others_write_to_the_group_is_left_out(message: Any) -> None:
    assert logged(message) == ()
    assert logged({"details": "x"}, stream="another") == ()


def test_entries_are_told_oldest_first() -> None:
    events = [
        {"logStreamName": STREAM, "message": json.dumps({"details": d}), "timestamp": at}
        for d, at in (("b", 2000), ("a", 1000))
    ]
    assert [e.text for e in parse_logs.tunnel_entries(events)] == ["a", "b"]


def test_log_groups_by_either_spelling_of_their_arn() -> None:
    found = [
        {"logGroupName": "a", "arn": "arn:a:*", "retentionInDays": 30},
        {"logGroupName": "b", "logGroupArn": "arn:b", "arn": "arn:x:*"},
    ]
    assert parse_logs.log_groups(found) == (
        parse_logs.LogGroup("a", "arn:a", 30),
        parse_logs.LogGroup("b", "arn:b", None),
    )


def table(*rows: tuple[str, str, str, str, str, str]) -> dict[str, Any]:
    columns = ("TimeGenerated", "Category", "remote", "status", "reason", "said")
    return {"tables": [{"columns": [{"name": c} for c in columns], "rows": [list(r) for r in rows]}]}


def test_what_azures_gateway_writes_of_tunnels() -> None:
    at = "2026-11-01T00:00:0{}.1234567Z"
    tunnel, ike = "TunnelDiagnosticLog", "IKEDiagnosticLog"
    local = "SESSION_ID :{1} Remote 203.0.113.1:500: Local 20.0.0.1:500: "
    found = parse_monitor.gateway_entries(
        table(
            (at.format(5), tunnel, "203.0.113.1", "Disconnected", "", ""),
            (at.format(4), tunnel, "203.0.113.2", "Connected", "GlobalStandby", ""),
            (at.format(3), tunnel, "203.0.113.2", "Connecting", "", ""),
            (at.format(3), tunnel, "203.0.113.2", "", "", ""),
            (at.format(2), ike, "", "", "", f"{local}error 13801"),
            (at.format(1), ike, "", "", "", f"{local}sent"),
            (at.format(1), ike, "", "", "", "no tunnel is named"),
        )
    )
    assert [(e.remote, e.kind, e.good, e.text) for e in found] == [
        ("203.0.113.1", "ike", None, "Remote 203.0.113.1:500: Local 20.0.0.1:500: sent"),
        ("203.0.113.1", "ike", False, "Remote 203.0.113.1:500: Local 20.0.0.1:500: error 13801"),
        ("203.0.113.2", "tunnel", None, "Connecting"),
        ("203.0.113.2", "tunnel", True, "Connected: GlobalStandby"),
        ("203.0.113.1", "tunnel", False, "Disconnected"),
    ]
    assert found[0].at == pytest.approx(datetime(2026, 11, 1, 0, 0, 1, tzinfo=UTC).timestamp() + 0.123456)


@pytest.mark.parametrize(
    "word", ["13801", "13868", "13843", "AUTHENTICATION_FAILED", "NO_PROPOSAL_CHOSEN", "TS_UNACCEPTABLE"]
)
def test_windows_words_for_a_refusal(word: str) -> None:
    at, said = "2026-11-01T00:00:00Z", f"Remote 203.0.113.1:500: {word} "
    (entry,) = parse_monitor.gateway_entries(table((at, "IKEDiagnosticLog", "", "", "", said)))
    assert entry.good is False
    (other,) = parse_monitor.gateway_entries(
        table((at, "IKEDiagnosticLog", "", "", "", f"Remote 203.0.113.1:500: 1{word}0"))
    )
    assert (other.good is None) is word.isdigit()


@pytest.mark.parametrize(
    ("logs", "told"),
    [
        ([{"category": "TunnelDiagnosticLog", "enabled": True}], True),
        ([{"category": "IKEDiagnosticLog", "enabled": True}], True),
        ([{"categoryGroup": "allLogs", "enabled": True}], True),
        ([{"category": "IKEDiagnosticLog", "enabled": False}], False),
        ([{"category": "RouteDiagnosticLog", "enabled": True}], False),
        (None, False),
    ],
)
def test_workspaces_that_are_told_of_tunnels(logs: Any, told: bool) -> None:
    setting = {"properties": {"workspaceId": "/w", "logs": logs}}
    elsewhere = {"properties": {"storageAccountId": "/s", "logs": logs}}
    assert parse_monitor.workspaces_of_tunnels([setting, elsewhere]) == (("/w",) if told else ())
    assert (parse_monitor.workspace_of(None), parse_monitor.workspace_of(setting)) == ("", "/w")
    body = parse_monitor.diagnostic_setting("/w")
    assert parse_monitor.workspaces_of_tunnels([body]) == ("/w",) and len(body["properties"]["logs"]) == 4


# --- policies of Azure ----------------------------------------------------------------------------------------

KIND = "Microsoft.Network/publicIPAddresses"
WHO = {"policyDefinitionId": "/d", "policyAssignmentId": "/a"}


def restricted(field: str, **rule: Any) -> list[parse_policy.Restriction]:
    entry = {"field": field, "restrictions": [{"policy": WHO, **rule}]}
    return list(parse_policy.restrictions({"fieldRestrictions": [entry]}, KIND))


def test_what_a_policy_requires_and_refuses_of_a_field() -> None:
    one = parse_policy.Restriction(KIND, "/d", "/a")
    assert restricted("tags.Cost", result="Required", values=["a", 7]) == [
        replace(one, needs_tag="Cost", values=("a", "7"), field="tags.Cost")
    ]
    assert restricted("tags['Cost']", result="Deny") == [replace(one, field="tags['Cost']")]
    assert restricted("location", result="Deny", values=["x"]) == [replace(one, field="location", values=("x",))]
    assert restricted("tags.Cost", result="required", defaultValue="d") == [
        replace(one, needs_tag="Cost", fills_in="d", field="tags.Cost")
    ]
    assert restricted("location", result="Required") == restricted("tags.Cost", result="Removed") == []
    assert restricted("location", result="Required", defaultValue="x") == []


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("tags[Cost]", "Cost"),
        ("tags['Cost']", "Cost"),
        ('Tags["Cost"]', "Cost"),
        ("TAGS.Cost", "Cost"),
        ("tags[Cost", ""),
        ("tags", ""),
        ("location", ""),
    ],
)
def test_the_tag_that_a_field_names(name: str, tag: str) -> None:
    assert parse_policy.tag_in(name) == tag


MISSING = {"path": "tags[Cost]", "operator": "Exists", "targetValue": "false", "result": "True"}
WRONG = {
    "path": "location",
    "expressionValue": "westus",
    "operator": "NotIn",
    "targetValue": ["a", "b"],
    "result": "True",
}


def evaluated(*expressions: dict[str, Any], result: str = "NonCompliant", **more: Any) -> Any:
    one = {
        "policyInfo": WHO,
        "evaluationResult": result,
        "evaluationDetails": {"evaluatedExpressions": list(expressions)},
        **more,
    }
    return parse_policy.restrictions({"contentEvaluationResult": {"policyEvaluations": [one, one]}}, KIND)


def test_what_a_policy_would_refuse_of_the_whole_object() -> None:
    one = parse_policy.Restriction(KIND, "/d", "/a")
    assert evaluated(WRONG) == (replace(one, field="location"),), "each once"
    assert evaluated(MISSING, WRONG) == (replace(one, needs_tag="Cost", field="tags[Cost], location"),)
    assert evaluated() == (one,)
    assert evaluated(WRONG, result="Compliant") == ()
    assert evaluated(WRONG, effectDetails={"policyEffect": "Audit"}) == ()
    assert evaluated(WRONG, effectDetails={"policyEffect": "Deny"}) == evaluated(WRONG)
    assert evaluated({"expression": "type"}) == (replace(one, field="type"),)


def test_what_a_policys_refusal_says_of_itself() -> None:
    info = {
        "policyDefinitionName": "d-1",
        "policyAssignmentName": "a-1",
        "policyAssignmentId": "/a",
        "policyAssignmentScope": "/s",
        "evaluationDetails": {"evaluatedExpressions": [MISSING, MISSING, WRONG, {**WRONG, "result": "False"}]},
    }
    named = {**info, "policyDefinitionDisplayName": "Tags", "policyAssignmentDisplayName": "Ours"}
    entries = [{"type": "PolicyViolation", "info": i} for i in (info, named)] + [{"type": "Other", "info": info}]
    plain = parse_policy.PolicyRefusal("d-1", "a-1", "/a", "/s", ("Cost",), ("location westus NotIn a, b",))
    assert parse_policy.policy_refusals(entries) == (plain, replace(plain, policy="Tags", assignment="Ours"))
    assert parse_policy.policy_refusals(None) == ()


def test_policies_that_only_a_message_names() -> None:
    said = [{"policyAssignment": {"name": "Ours", "id": "/a"}, "policyDefinition": {"name": "Tags", "id": "/d"}}]
    for end in ("'.", "' ", "'"):
        message = f"Resource 'x' was disallowed by policy. Policy identifiers: '{json.dumps(said)}{end}"
        assert parse_policy.policies_named(message) == (parse_policy.PolicyRefusal("Tags", "Ours", "/a"),)
    assert (
        parse_policy.policies_named("Policy identifiers: '[no JSON]'.") == parse_policy.policies_named("denied") == ()
    )


# --- a cluster ------------------------------------------------------------------------------------------------


def test_a_cluster_with_the_nodes_of_others() -> None:
    pool, other = parse_aks.AgentPool("a", subnet_id="/s/a"), parse_aks.AgentPool("b", subnet_id="/s/b")
    one = parse_aks.AksCluster("id", "one", pools=(pool,))
    two = parse_aks.AksCluster("id2", "two", pools=(other,), hosted_subnet_id="/s/hosted")
    whole = parse_aks.with_nodes_of(one, iter([two, replace(two, pools=(), hosted_subnet_id="")]))
    assert (whole.id, whole.name) == ("id", "one")
    assert [p.subnet_id for p in whole.pools] == ["/s/a", "/s/b", "/s/hosted"]


def linkerd(values: str | None, name: str = "linkerd-config") -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": {"values": values}}


def test_what_linkerd_counts_as_the_cluster() -> None:
    usual = tuple(map(IPv4Network, ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")))
    for maps in (
        [],
        [linkerd(None)],
        [linkerd("a: [")],
        [linkerd("- a")],
        [linkerd("clusterNetworks: 10.0.0.0/8", "x")],
    ):
        assert parse_mesh.cluster_networks(maps) == usual
    chosen = linkerd('clusterNetworks: "10.244.0.0/16, fd00::/8,10.0.0.0/16"')
    assert [str(n) for n in parse_mesh.cluster_networks([linkerd("", "other"), chosen])] == [
        "10.244.0.0/16",
        "10.0.0.0/16",
    ]
    with pytest.raises(MalformedError):
        parse_mesh.cluster_networks([linkerd("clusterNetworks: ten")])


def pod(name: str = "p", **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": status}


def test_a_pod_with_all_that_it_may_say() -> None:
    raw = {
        "metadata": {
            "name": "p",
            "annotations": {"a": 1},
            "deletionTimestamp": "2026-11-01T00:00:10Z",
            "creationTimestamp": "2026-11-01T00:00:00Z",
        },
        "spec": {"nodeName": "node-1"},
        "status": {
            "phase": "Running",
            "reason": "r",
            "message": "m",
            "conditions": [
                {"type": "Ready", "status": "True"},
                {"type": "PodReadyToStartContainers", "status": "False"},
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no room"},
            ],
            "containerStatuses": [
                {
                    "name": "c",
                    "image": "i",
                    "ready": True,
                    "restartCount": 2,
                    "state": {"terminated": {"reason": "Error", "message": "x", "exitCode": 3}, "running": None},
                }
            ],
        },
    }
    state = parse_pods.ContainerState("terminated", "Error", "x", 3)
    found = parse_pods.pod(raw)
    assert found == parse_pods.Pod(
        "p",
        {"a": "1"},
        "Running",
        "r",
        "m",
        ready=True,
        going=True,
        created=datetime(2026, 11, 1, tzinfo=UTC).timestamp(),
        unplaced="no room",
        without_network=True,
        containers=(parse_pods.Container("c", "i", ready=True, restarts=2, states=(state,)),),
        node="node-1",
    )
    (container,) = found.containers
    assert container.state("terminated") == state and container.state("running") is None
    assert parse_pods.pods([raw, raw]) == (found, found)


def test_a_pod_that_says_nothing_yet() -> None:
    assert parse_pods.pod({"metadata": {"name": "p"}}) == parse_pods.Pod("p")
    bare = parse_pods.pod(pod(containerStatuses=[{}], conditions=[{"status": "False", "reason": "Unschedulable"}]))
    assert (bare.containers, bare.unplaced) == ((parse_pods.Container(""),), "no node takes it")
    waiting = parse_pods.pod(pod(containerStatuses=[{"state": {"waiting": {}}}]))
    assert waiting.containers[0].states == (parse_pods.ContainerState("waiting"),)
    assert parse_pods.pod({"metadata": {"name": "p", "creationTimestamp": "soon"}}).created is None
    for wrong in ({"metadata": {"name": ""}}, {"metadata": {}}, {}):
        with pytest.raises(MalformedError):
            parse_pods.pod(wrong)


@pytest.mark.parametrize(("phase", "told"), [("Succeeded", True), ("Failed", True), ("Running", False), ("", False)])
def test_whether_a_pod_has_ended(phase: str, told: bool) -> None:
    assert parse_pods.pod(pod(phase=phase)).ended is told


@pytest.mark.parametrize(
    "condition",
    [
        {"type": "Ready", "status": "False"},
        {"type": "ContainersReady", "status": "True"},
        {"type": "PodReadyToStartContainers", "status": "True"},
        {"type": "PodScheduled", "status": "True", "reason": "Unschedulable"},
        {"type": "PodScheduled", "status": "False", "reason": "SchedulerError"},
    ],
)
def test_conditions_that_say_none_of_it(condition: dict[str, str]) -> None:
    assert parse_pods.pod(pod(conditions=[condition])) == parse_pods.Pod("p")


def test_how_many_pods_are_ready_of_those_that_stay() -> None:
    one = parse_pods.Pod("p", ready=True)
    assert parse_pods.ready_pods([one, replace(one, going=True), replace(one, ready=False)]) == (1, 2)


# --- the probe ------------------------------------------------------------------------------------------------

ASKED = {"via": "cluster", "server": "10.0.0.10", "protocol": "udp", "outcome": "answer", "error": ""}
TOLD = {**ASKED, "rcode": 0, "addresses": ["10.1.1.1"], "aliases": ["a.b"], "truncated": 1, "ms": 2.5}
SHAKEN = {"outcome": "ok", "certificate": "QQ==", "error": "", "ms": 7.0}
CONNECTED = {"address": "10.1.1.1", "port": "443", "outcome": "ok", "error": "e", "ms": 1.0, "tls": SHAKEN}
WAY = {"server": "10.1.1.1", "ms": [1, 2.5], "packet": 1400, "told": 1400, "segment": 1360, "error": ""}


def probed(**more: Any) -> parse_probe.ProbeFacts | None:
    names = [{"name": "n", "queries": [TOLD, ASKED], "connects": [CONNECTED, {**CONNECTED, "tls": None}]}]
    whole = {"servers": ["10.0.0.10"], "search": ["svc"], "names": names, **more}
    return parse_probe.probe_facts(f"what an image prints\nMARK {json.dumps(whole)}\nMARK {{}}", "MARK ")


def test_all_that_the_probe_answers() -> None:
    told = parse_probe.Query("cluster", "10.0.0.10", "udp", "answer", 0, ("10.1.1.1",), ("a.b",), True, "", 2.5)
    bare = parse_probe.Query("cluster", "10.0.0.10", "udp", "answer", None, (), (), False, "", None)
    shaken = parse_probe.Handshake("ok", "QQ==", "", 7.0)
    connects = tuple(parse_probe.Connect("10.1.1.1", 443, "ok", "e", 1.0, tls) for tls in (shaken, None))
    names = (parse_probe.NameFacts("n", (told, bare), connects),)
    assert probed() == parse_probe.ProbeFacts(("10.0.0.10",), ("svc",), names)
    way = parse_probe.WayFacts("10.1.1.1", (1.0, 2.5), 1400, 1400, 1360, "")
    assert probed(control=TOLD, ways=[WAY]) == parse_probe.ProbeFacts(("10.0.0.10",), ("svc",), names, told, (way,))
    silent = {"server": "10.1.1.1", "ms": [], "error": "timeout"}
    found = probed(ways=[silent])
    assert found is not None and found.ways == (parse_probe.WayFacts("10.1.1.1", (), None, None, None, "timeout"),)


def test_a_log_without_an_answer() -> None:
    assert parse_probe.probe_facts("nothing\n MARK {}", "MARK ") is None
    with pytest.raises(MalformedError):
        parse_probe.probe_facts("MARK {}", "MARK ")
