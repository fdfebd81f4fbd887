"""A recorded link whose tunnels were edited, word for word: why a tunnel is down, and the way on after a command that was interrupted.

After a deliberate change delete ``golden/tunnels.txt``, run the test once, and read the new one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cloudlink.checks import interrupted, status, tunnels
from cloudlink.checks.status_reads import tunnel_facts
from cloudlink.config import parse
from tests.support import golden
from tests.support.recorded_clients import Replayed
from tests.support.recorded_links import LINKS
from tests.support.told import lines

GOLDEN = Path(__file__).with_name("golden") / "tunnels.txt"
NOW = 1_800_003_600.0

Edit = tuple[
    str, Any
]  # a path such as ``aws.0.State`` (``azure.2``: of the connection of tunnel 3), and what stands there then


def at(before: float) -> str:
    return datetime.fromtimestamp(NOW - before, UTC).isoformat(timespec="seconds")


def tag(key: str, value: str, connection: int = 0) -> Edit:
    return f"aws.{connection}.Tags.+", {"Key": key, "Value": value}


def run(words: str = "", before: float = 600, stage: str = "began", key: str = "cloudlink-key-rotation") -> Edit:
    return tag(key, f"{stage} {at(before)} {words}".rstrip())


def key(tunnel: int, stage: str, before: float = 300) -> Edit:
    return tag(f"cloudlink-key-{tunnel}", f"{stage} {at(before)}", (tunnel - 1) // 2)


def logs(tunnel: int, stage: str = "changing", before: float = 300) -> Edit:
    return tag(f"cloudlink-logs-{tunnel}", f"{stage} {at(before)}", (tunnel - 1) // 2)


def failover(tunnel: int, stage: str = "began", before: float = 300) -> Edit:
    return tag(f"cloudlink-failover-{tunnel}", f"{stage} {at(before)}", (tunnel - 1) // 2)


def down(tunnel: int, message: str = "IPSEC IS DOWN") -> tuple[Edit, Edit]:
    where = f"aws.{(tunnel - 1) // 2}.VgwTelemetry.{(tunnel - 1) % 2}"
    return (f"{where}.Status", "DOWN"), (f"{where}.StatusMessage", message)


def other_key(tunnel: int) -> Edit:
    return f"aws.{(tunnel - 1) // 2}.Options.TunnelOptions.{(tunnel - 1) % 2}.PreSharedKey", {"$secret": "a new key"}


def log_on(tunnel: int) -> Edit:
    log = {"CloudWatchLogOptions": {"LogEnabled": True, "LogGroupArn": "arn:log", "BgpLogEnabled": True}}
    log["CloudWatchLogOptions"]["BgpLogGroupArn"] = "arn:log"
    return f"aws.{(tunnel - 1) // 2}.Options.TunnelOptions.{(tunnel - 1) % 2}.LogOptions", log


OPTION, OPTIONS = "aws.0.Options.TunnelOptions.0", "aws.0.Options"
LOGS = "cloudlink-logs-change"
SCENARIOS: dict[str, tuple[Edit, ...]] = {
    "as it is": (),
    # why a tunnel is down
    "one without IPsec": down(1),
    "one with IPsec and no BGP": down(1, "IPSEC IS UP"),
    "two of one instance": (*down(1), *down(2)),
    "one of each instance": (*down(1), *down(3)),
    "all four": (*down(1), *down(2), *down(3), *down(4)),
    "another key": (*down(1), other_key(1)),
    "another key, and up": (other_key(1),),
    "another cipher": (*down(1), (f"{OPTION}.Phase1EncryptionAlgorithms", [{"Value": "AES128"}])),
    "another hash": (*down(1), (f"{OPTION}.Phase1IntegrityAlgorithms", [{"Value": "SHA1"}])),
    "another group": (*down(1), (f"{OPTION}.Phase2DHGroupNumbers", [{"Value": 2}])),
    "another version of IKE": (*down(1), (f"{OPTION}.IkeVersions", [{"Value": "ikev1"}])),
    "waits for the other end": (*down(1), (f"{OPTION}.StartupAction", "add")),
    "another lifetime": (*down(1), (f"{OPTION}.Phase2LifetimeSeconds", 900)),
    "static routes": (*down(1), (f"{OPTIONS}.StaticRoutesOnly", True)),
    "another range": (*down(1), (f"{OPTIONS}.LocalIpv4NetworkCidr", "10.20.0.0/16")),
    "another inside range": (*down(1), (f"{OPTION}.TunnelInsideCidr", "169.254.99.0/30")),
    "another outside address": (*down(1), (f"{OPTION}.OutsideIpAddress", "203.0.113.9")),
    "AWS is at work": (*down(1), *down(2), ("aws.0.State", "modifying")),
    "AWS has deleted it": (("aws.0.State", "deleted"),),
    "another customer gateway": (*down(1), ("aws.0.CustomerGatewayId", "cgw-1")),
    "another gateway": (*down(1), ("aws.0.VpnGatewayId", "vgw-1")),
    "Azure is at work": (*down(1), ("azure.0.properties.provisioningState", "Updating")),
    "Azure failed": (*down(1), ("azure.0.properties.provisioningState", "Failed")),
    "Azure's other protocol": (*down(1), ("azure.0.properties.connectionProtocol", "IKEv1")),
    "Azure's other policy": (*down(1), ("azure.0.properties.ipsecPolicies.0.ikeEncryption", "AES128")),
    "Azure without BGP": (*down(1), ("azure.0.properties.enableBgp", False)),
    "Azure only answers": (*down(1), ("azure.0.properties.connectionMode", "ResponderOnly")),
    "Azure's other gateway": (*down(1), ("azure.0.properties.localNetworkGateway2.id", "/other")),
    "Azure's selectors": (*down(1), ("azure.0.properties.usePolicyBasedTrafficSelectors", True)),
    "not connected in Azure": (*down(1), ("azure.0.properties.connectionStatus", "NotConnected")),
    # keys
    "a rotation before AWS's answer": (key(1, "changing"),),
    "a rotation between the clouds": (key(1, "changing"), other_key(1), *down(1)),
    "a rotation between the clouds, and up": (key(1, "changing"), other_key(1)),
    "a rotation while AWS is at work": (key(1, "changing"), ("aws.0.State", "modifying")),
    "a rotation long ago": (key(1, "changing", 90_000),),
    "a rotation long ago, with other keys": (key(1, "changing", 90_000), other_key(1)),
    "a rotation of two": (key(1, "changing"), key(3, "changing"), other_key(3)),
    "a new key that comes up": (key(1, "changed"), *down(1)),
    "a new key that is up": (key(1, "changed"),),
    "a new key that does not come up": (key(1, "changed", 3600), *down(1)),
    "a new key, and another command since": (key(1, "changed"), logs(1, before=100), *down(1)),
    "a new key, and another command before": (key(1, "changed"), failover(1, before=400), *down(1)),
    "a run of all": (run(), key(1, "changed"), key(2, "changing"), other_key(2)),
    "a run of all, the second comes up": (run(), key(1, "changed"), key(2, "changed", 100), *down(2)),
    "a run of all, nothing done": (run(),),
    "a run of all, nothing known of one": (run(), key(2, "changing"), ("aws.0.State", "modifying")),
    "a run of two": (run("2 4"), key(2, "changed"), key(4, "changing")),
    "a run that is done": (run("2"), key(2, "changed")),
    "a run that did it before": (run("2"), key(2, "changed", 900)),
    "a run that ended": (run("", stage="ended"), key(1, "changed")),
    "a run long ago": (run("", 90_000),),
    "a run and another trouble": (run(), key(1, "changing"), *down(4)),
    # logs
    "logs on": (run("on 30d", key=LOGS),),
    "logs on, one done": (run("on 30d", key=LOGS), log_on(1), logs(2), *down(2)),
    "logs on, all done": (run("on", key=LOGS), *(log_on(n) for n in (1, 2, 3, 4))),
    "logs on, the last comes up": (run("on", key=LOGS), *(log_on(n) for n in (1, 2, 3, 4)), logs(4), *down(4)),
    "logs on of two": (run("on 2 3", key=LOGS), log_on(2)),
    "logs off": (run("off", key=LOGS), log_on(1), log_on(4)),
    "logs off, done": (run("off", key=LOGS),),
    "logs that ended": (run("on", stage="ended", key=LOGS),),
    "logs long ago": (run("on", 90_000, key=LOGS),),
    # failover
    "a failover": (failover(3), *down(3)),
    "a failover that is over": (failover(3, before=4_000_000),),
    "a failover, up since": (failover(3), ("aws.1.VgwTelemetry.0.LastStatusChange", {"$time": at(100)})),
    "a failover, up before": (failover(3), ("aws.1.VgwTelemetry.0.LastStatusChange", {"$time": at(400)})),
    "a failover that lasts": (failover(3, before=1300), *down(3)),
    "a failover that ended": (failover(3, "ended"), *down(3)),
    "a mark of somebody's": (tag("cloudlink-key-1", "soon"), tag("cloudlink-failover-1", "began sometime")),
}


def edited(calls: dict[str, Any], edits: tuple[Edit, ...]) -> dict[str, Any]:
    connections = next(v for k, v in calls.items() if k.startswith("Aws: vpn_connections"))
    of_azure = [v for k, v in sorted(calls.items()) if k.startswith("Azure: connection ")]
    whole = {"aws": connections, "azure": of_azure}
    for path, value in edits:
        holder: Any = whole
        *before, last = path.split(".")
        for part in before:
            holder = holder[int(part)] if isinstance(holder, list) else holder[part]
        if last == "+":
            holder.append(value)
        else:
            holder[int(last) if isinstance(holder, list) else last] = value
    return calls


def told(edits: tuple[Edit, ...]) -> Iterator[str]:
    link = parse((LINKS / "example.toml").read_text(encoding="utf-8"), "config.toml", sandbox=True)
    calls = json.loads((LINKS / "example.json").read_text(encoding="utf-8"))
    clients = Replayed(link, edited(calls, edits))
    made = status.quick(link, clients.aws, clients.azure, now=NOW)
    facts = tunnel_facts(link, clients.aws, clients.azure, fresh=False)
    left = interrupted.of_tunnels(link, tunnels.statuses(link, *facts), *facts, NOW)
    for number, one in enumerate(made.tunnels):
        if edits and (not one.up or one.concern):
            yield f"tunnel {number + 1}: {'up' if one.up else 'down'}, {one.kind}: {one.why} {one.concern}\n{one.fix}"
    yield from lines(left, "left")
    after = interrupted.told(made, left) if left else made
    yield from (line for line in lines(after.advice, "advice") if not line.endswith(("= ''", "= []")))
    yield f"health = {after.health.value}, next = {', '.join(after.next)}"
    yield f"verdict = {after.verdict}"


def test_what_is_told_of_edited_tunnels() -> None:
    parts = (
        f"{name}\n" + "".join(f"    {row}\n" for line in told(edits) for row in line.split("\n"))
        for name, edits in SCENARIOS.items()
    )
    golden.compare("\n".join(parts), GOLDEN)
