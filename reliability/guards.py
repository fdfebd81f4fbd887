"""One life for each guard that random draws meet seldom: what keeps others' things others', and what is on the disk before a
cloud is called. Each of them fails when its guard is taken out (``bench/breakages.toml``)."""

from __future__ import annotations

import copy
import io
import json
import random
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from cloudlink.steps.resolver.records import owner_name, place_value
from reliability.call_interceptor import CallInterceptor, CrashPoint
from reliability.fork_server import Ended
from reliability.gate import App
from reliability.harness import Harness
from reliability.kill import TrialRunner
from reliability.manual_edits import ManualEdits
from reliability.ownership import by_id, same, touched
from reliability.results import Point, Results
from reliability.same_names import NONE, Stage

UP, TEARDOWN = ("up", "--no-verify"), ("teardown",)
_READS = ("Describe", "Get", "List", "Search", "Assume", "Simulate", "Lookup")
_ACTION = re.compile(rb"(?:^|&)Action=(\w+)")


@dataclass(frozen=True)
class Call:
    """A request as it arrives. what: method and path, or AWS's name of the operation."""

    cloud: str
    what: str
    writes: bool


def call_of(cloud: str, environ: dict[str, Any]) -> Call:
    """The request's body stays readable."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) if environ.get("CONTENT_LENGTH") else b""
    if body:
        environ["wsgi.input"] = io.BytesIO(body)
    method, path = environ["REQUEST_METHOD"], unquote_plus(environ["PATH_INFO"])
    dry = "dryRun" in parse_qs(environ.get("QUERY_STRING", "")) or b"DryRun=true" in body
    operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
    if found := _ACTION.search(body):
        operation = found[1].decode()
    if operation:
        return Call(cloud, operation, not operation.startswith(_READS) and not dry)
    writes = method in ("PUT", "PATCH", "DELETE") or (method == "POST" and cloud in ("aws", "aks"))
    asks = any(word in path for word in ("authorization.k8s.io", "authentication.k8s.io", "/pods", "/oauth2/"))
    return Call(cloud, f"{method} {path}", writes and not dry and not asks)


class Watching(CallInterceptor):
    """Sees each call as it arrives. The calls of the proof itself come by the same door: ``aside`` lets them through."""

    def __init__(self, harness: Harness) -> None:
        super().__init__(harness)
        self._lock = threading.RLock()
        self.aside = threading.local()

    def moment(self, place: CrashPoint) -> None:
        del place

    def call(self, number: int, app: App, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        call = call_of(self.harness.gate.calls[number - 1].partition(" ")[0], environ)
        self.arrives(call)
        try:
            return app(environ, start_response)
        finally:
            self.answered(call)

    def arrives(self, call: Call) -> None:
        """Before it has its effect."""

    def answered(self, call: Call) -> None:
        """After it has had it."""


class Counted(Watching):
    """How many reads there are before the first write of the kind."""

    def __init__(self, harness: Harness, read: str, write: str) -> None:
        super().__init__(harness)
        self.read, self.write = re.compile(read, re.IGNORECASE), re.compile(write, re.IGNORECASE)
        self.reads, self.written = 0, False

    def arrives(self, call: Call) -> None:
        with self._lock:
            if not call.writes and self.read.search(call.what):
                self.reads += not self.written
                self.at_read(self.reads)
            elif call.writes and self.write.search(call.what):
                self.written = True

    def at_read(self, number: int) -> None:
        """The read of that number has arrived and is not answered."""


class Appearing(Counted):
    """Something of others appears right before the last read of the kind."""

    def __init__(self, harness: Harness, read: str, write: str, at: int, act: Callable[[], None]) -> None:
        super().__init__(harness, read, write)
        self.at, self.act, self.done = at, act, False

    def at_read(self, number: int) -> None:
        if number == self.at and not self.done:
            self.done = True
            thread = threading.Thread(target=self.act)  # its calls come by the same door, on threads of their own
            self._lock.release()
            try:
                thread.start()
                thread.join()
            finally:
                self._lock.acquire()


class OnFirstWrite(Watching):
    """Something happens as the first write of a run arrives."""

    def __init__(self, harness: Harness, act: Callable[[], None]) -> None:
        super().__init__(harness)
        self.act, self.done = act, False

    def arrives(self, call: Call) -> None:
        with self._lock:
            if call.writes and not self.done:
                self.done = True
                self.act()


class OnDisk(Watching):
    """Each write in flight has its intent in the state file. wrong: those that had none."""

    def __init__(self, harness: Harness) -> None:
        super().__init__(harness)
        self.in_flight: list[str] = []
        self.wrong: list[str] = []
        self.seen = 0

    def arrives(self, call: Call) -> None:
        if not call.writes:
            return
        with self._lock:
            self.seen += 1
            self.in_flight.append(call.what)
            state = self.harness.state
            kept = json.loads(state.read_text())["resources"].values() if state.exists() else ()
            intents = [r["intent"] for r in kept if r["intent"]]
            if len(intents) < len(self.in_flight):
                self.wrong.append(f"{len(intents)} intents on the disk, and in flight: {', '.join(self.in_flight)}")

    def answered(self, call: Call) -> None:
        if call.writes:
            with self._lock:
                self.in_flight.remove(call.what)


class InOrder(Watching):
    """Which writes arrive before CoreDNS is written to the first time, and which after it."""

    def __init__(self, harness: Harness) -> None:
        super().__init__(harness)
        self.coredns: list[str] = []
        self.before: list[str] = []
        self.after: list[str] = []

    def arrives(self, call: Call) -> None:
        if not call.writes:
            return
        with self._lock:
            if "coredns" in call.what:
                self.coredns.append(call.what)
            else:
                (self.after if self.coredns else self.before).append(call.what)


class Guards:
    """The lives. Each returns what was wrong, or nothing."""

    def __init__(self, harness: Harness) -> None:
        self.harness, self.runner = harness, TrialRunner(harness)
        harness.back_to("built")
        with harness.sandbox.context.lock:
            like = copy.deepcopy(harness.sandbox.azure.store.resources)
        harness.back_to("empty")
        self.stage = Stage(self.runner, like)

    def world(self) -> dict[tuple[str, str], str]:
        self.harness.settle()
        return by_id(self.runner.snapshots.raw())

    def _run(self, *arguments: str, codes: tuple[int, ...] = (0,), watch: CallInterceptor | None = None) -> str:
        """What was wrong with the run."""
        ended = self._ended(arguments, watch)
        return "" if ended.code in codes and "Traceback" not in ended.err + ended.out else f"{arguments}: {ended}"

    def _ended(self, arguments: tuple[str, ...], watch: CallInterceptor | None = None) -> Ended:
        try:
            ended = self.harness.run(*arguments, watch=watch)
        finally:
            if watch is not None:
                watch.close()
        self.harness.settle()
        return ended

    # --- what others have -------------------------------------------------------------------------------

    def _adopted(self) -> str:
        """A gateway that serves a table already, and a zone with records; the owner wants the VPC without host names.
        Returns the table."""
        stage, ec2 = self.stage, self.stage.ec2
        link = self.harness.link
        gateway = ec2.create_vpn_gateway(Type="ipsec.1", AmazonSideAsn=link.aws.asn)["VpnGateway"]["VpnGatewayId"]
        ec2.attach_vpn_gateway(VpnGatewayId=gateway, VpcId=link.aws.vpc_id)
        self.harness.settle()
        tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [link.aws.vpc_id]}])["RouteTables"]
        assert len(tables) > 1, "a table of theirs, and one of ours"
        theirs = str(tables[0]["RouteTableId"])
        ec2.enable_vgw_route_propagation(RouteTableId=theirs, GatewayId=gateway)
        ec2.modify_vpc_attribute(VpcId=link.aws.vpc_id, EnableDnsHostnames={"Value": False})
        stage.configure('# gateway = "create"', f'gateway = "{gateway}"')
        zone = stage.adopt_zone()
        name = f"{owner_name(link.name, link.dns.zone).partition('.')[0]}-copy.{link.dns.zone}"
        owns = f'"owns A backup.{link.dns.zone}"'
        stage.record(zone, name, '"cloudlink demo"', place_value(stage.owner), owns, kind="TXT")
        return theirs

    def adopted_objects_are_as_before(self) -> str:
        """The tables that an adopted gateway served keep its routes, those that it did not serve lose them, and the
        records of an adopted zone stay, one among them whose name begins as our owner record's does."""
        self.harness.back_to("empty")
        theirs = self._adopted()
        before = self.world()
        wrong = self._run(*UP) or touched(before, self.world())
        for table in self.stage.ec2.describe_route_tables()["RouteTables"]:
            if table.get("PropagatingVgws") and table["RouteTableId"] != theirs:
                gateway = table["PropagatingVgws"][0]["GatewayId"]
                self.stage.ec2.disable_vgw_route_propagation(RouteTableId=table["RouteTableId"], GatewayId=gateway)
                break
        else:
            return wrong or "no table of ours learned a route"
        # The second run writes to the tables again: what they were like before the first is what counts.
        return wrong or self._run(*UP) or self._run(*TEARDOWN) or same(before, self.world())

    def a_second_write_keeps_the_first_note(self) -> str:
        """A table that joins later is no table that was served before."""
        self.harness.back_to("empty")
        theirs = self._adopted()
        before = self.world()
        tables = [t["RouteTableId"] for t in self.stage.ec2.describe_route_tables()["RouteTables"]
                  if t["VpcId"] == self.stage.vpc]  # fmt: skip
        ours = [t for t in tables if t != theirs]
        self.stage.configure('# route_tables = "auto"', f"route_tables = {json.dumps(ours[:1])} #")
        wrong = self._run(*UP)
        self.stage.configure(f"route_tables = {json.dumps(ours[:1])}", f"route_tables = {json.dumps(ours)}")
        return wrong or self._run(*UP) or self._run(*TEARDOWN) or same(before, self.world())

    def their_gateway_subnet_stays(self) -> str:
        self.harness.back_to("empty")
        self.stage.gateway_subnet(NONE)
        before = self.world()
        if wrong := self._run(*UP):
            return wrong
        ended = self._ended(TEARDOWN)
        if re.search(r"delete\s+azure_vpn\.gateway_subnet", ended.out) or ended.code:
            return f"it was planned to go, or {ended}"
        if wrong := same(before, self.world()):
            return wrong
        wrong = self._run(*UP)
        self.harness.state.unlink()
        return wrong or self._run(*TEARDOWN) or same(before, self.world(), lost=True)

    def an_object_that_lost_its_marks_meanwhile_stays(self) -> str:
        """Planned to be deleted; somebody takes its tags before it is its turn."""
        self.harness.back_to("built")
        store = self.harness.sandbox.azure.store
        key = next(k for k in sorted(store.resources) if "/publicipaddresses/cloudlink-demo" in k)

        def take() -> None:
            with self.harness.sandbox.context.lock:
                store.resources[key].tags = {"team": "network"}
                self.harness.sandbox.context.touch()

        wrong = self._run(*TEARDOWN, codes=(5, 8, 9), watch=OnFirstWrite(self.harness, take))
        return wrong or ("" if key in store.resources else f"{key} was deleted")

    def what_a_state_names_and_our_marks_do_not_stays(self) -> str:
        """A state that was copied, mixed up or planted names somebody else's gateway, group, endpoint and zone."""
        self.harness.back_to("built")
        state = json.loads(self.harness.state.read_text())
        self.harness.back_to("empty")
        ec2, vpc = self.stage.ec2, self.stage.vpc
        group = ec2.create_security_group(GroupName="theirs", Description="theirs", VpcId=vpc)["GroupId"]
        subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
        endpoint = self.stage.resolver.create_resolver_endpoint(
            CreatorRequestId="team", Name="theirs", Direction="INBOUND", SecurityGroupIds=[group],
            IpAddresses=[{"SubnetId": s["SubnetId"]} for s in (subnets * 2)[:2]],
        )["ResolverEndpoint"]["Id"]  # fmt: skip
        theirs = {
            "aws_vpn.gateway": ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"],
            "aws_vpn.customer_gateway[0]": self.stage.customer_gateway(NONE),
            "resolver.security_group": group,
            "resolver.endpoint": endpoint,
            "resolver.zone": self.stage.new_zone("their.example", "team", vpc),
        }
        before = self.world()
        for address, id_ in theirs.items():
            state["resources"][address]["id"] = id_
        self.harness.state.write_text(json.dumps(state))
        self.harness.state.chmod(0o600)
        wrong = self._run(*TEARDOWN, codes=(8,))
        return wrong or same(before, self.world())

    def what_carries_our_tag_is_named(self) -> str:
        """An object of AWS's that says that it is of this link, and that no step knows: the sweep names it."""
        self.harness.back_to("built")
        tags = [{"ResourceType": "customer-gateway", "Tags": [{"Key": "cloudlink-link", "Value": "demo"}]}]
        made = self.stage.ec2.create_customer_gateway(
            Type="ipsec.1", BgpAsn=65111, IpAddress="203.0.113.77", TagSpecifications=tags
        )["CustomerGateway"]["CustomerGatewayId"]
        ended = self._ended(TEARDOWN)
        if ended.code != 8 or made not in ended.out + ended.err:
            return f"{made} is not named: {ended}"
        there = self.stage.ec2.describe_customer_gateways(CustomerGatewayIds=[made])["CustomerGateways"]
        return "" if there[0]["State"] == "available" else f"{made} was deleted"

    # --- what appears between the plan and the write ------------------------------------------------------

    def _appears(self, begin: Callable[[], None], read: str, write: str, act: Callable[[], None]) -> str:
        self.harness.back_to("empty")
        begin()
        counted = Counted(self.harness, read, write)
        if wrong := self._run(*UP, watch=counted):
            return wrong
        assert counted.written and counted.reads, f"no {read} or no {write}"
        standing: dict[tuple[str, str], str] = {}

        def put() -> None:
            act()
            standing.update({k: v for k, v in by_id(self.runner.snapshots.raw()).items() if "theirs" in v})

        for _ in range(3):  # on a busy machine a run may read less often than the one before, while it waits
            self.harness.back_to("empty")
            begin()
            appearing = Appearing(self.harness, read, write, counted.reads, put)
            wrong = self._run(*UP, codes=(5, 9), watch=appearing)
            if appearing.done:
                break
            counted = appearing
        if not appearing.done:
            return f"it did not appear: {wrong}"
        wrong = wrong or touched(standing, self.world())
        return wrong or self._run(*TEARDOWN, codes=(0, 5, 8)) or touched(standing, self.world())

    def a_record_that_appears_meanwhile_stays(self) -> str:
        """Of a configured name, in an adopted zone."""
        zone: list[str] = []

        def begin() -> None:
            zone[:] = [self.stage.adopt_zone()]

        def act() -> None:
            self.stage.record(zone[0], f"postgres.{self.stage.zone}", "10.9.9.9")
            self.stage.record(zone[0], f"theirs.{self.stage.zone}", "10.9.9.9")

        return self._appears(begin, r"^GET .*/rrset", r"^POST .*/rrset", act)

    def a_key_that_appears_meanwhile_stays(self) -> str:
        """Of our name, in coredns-custom."""
        text = f"# theirs\n{self.stage.zone}:53 {{\n    forward . 192.0.2.9\n}}\n"
        return self._appears(
            lambda: None, "^GET .*/configmaps", "configmaps", lambda: self.stage.key("cloudlink-demo.server", text)
        )

    # --- names ------------------------------------------------------------------------------------------

    def names_are_switched_last_and_released_first(self) -> str:
        self.harness.back_to("empty")
        made = InOrder(self.harness)
        if wrong := self._run(*UP, watch=made):
            return wrong
        if not made.coredns or made.after:
            return f"written after CoreDNS: {made.after}"
        tunnels = self.harness.sandbox.context.world().tunnels
        if wrong := "; ".join(t.why for t in tunnels if t.why):
            return f"a tunnel is down: {wrong}"
        gone = InOrder(self.harness)
        if wrong := self._run(*TEARDOWN, watch=gone):
            return wrong
        return f"written before CoreDNS: {gone.before}" if gone.before or not gone.coredns else ""

    def a_key_that_coredns_cannot_run_with_is_taken_back(self) -> str:
        """Somebody breaks CoreDNS's configuration while the link is made: pods go on to be answered by those that serve."""
        self.harness.back_to("empty")
        text = "# theirs\ncorp.example:53 {\n    forwardd . 9.9.9.9\n}\n"

        def act() -> None:
            self.stage.key("team.server", text)

        wrong = self._run(*UP, codes=(3, 5), watch=OnFirstWrite(self.harness, act))
        keys = next(t for t in self.runner.snapshots.raw()["kube config map"] if t["name"] == "coredns-custom")["data"]
        if wrong or "cloudlink-demo.server" in keys or "theirs" not in keys.get("team.server", ""):
            return wrong or f"the keys are now {sorted(keys)}"
        serving = [p for p in self.runner.snapshots.raw()["kube pod"] if "coredns" in p["id"] and p["ready"]]
        return "" if len(serving) >= 2 else f"only {len(serving)} pods of CoreDNS serve"

    # --- what is on the disk ------------------------------------------------------------------------------

    def each_write_is_on_the_disk_before_it_is_sent(self, world: str, *command: str) -> str:
        self.harness.back_to(world)
        watch = OnDisk(self.harness)
        wrong = self._run(*command, watch=watch)
        return wrong or "\n".join(watch.wrong) or ("" if watch.seen else "no write was seen")

    def each_update_is_on_the_disk_before_it_is_sent(self) -> str:
        """One thing differs, so that no other intent stands for it."""
        self.harness.back_to("built")
        hands = ManualEdits(self.harness, self.runner.snapshots)
        hands.the_forward_key_changes(random.Random(1))
        watch = OnDisk(self.harness)
        wrong = self._run(*UP, watch=watch)
        return wrong or "\n".join(watch.wrong) or ("" if watch.seen else "no write was seen")

    def the_state_before_is_kept(self) -> str:
        """Beside each state file, the one of the save before."""
        for world, command in (("empty", UP), ("changed", UP)):
            self.harness.back_to(world)
            if wrong := self._run(*command):
                return wrong
            if not self.harness.previous.exists():
                return f"{' '.join(command)} on {world}: there is no {self.harness.previous.name}"
            serials = [json.loads(p.read_text())["serial"] for p in (self.harness.previous, self.harness.state)]
            if serials[0] != serials[1] - 1:
                return f"{' '.join(command)} on {world}: serials {serials}"
        return ""


LIVES: dict[str, Callable[[Guards], str]] = {
    "adopted objects are as before": Guards.adopted_objects_are_as_before,
    "a second write keeps the first note of what was there": Guards.a_second_write_keeps_the_first_note,
    "their gateway subnet stays": Guards.their_gateway_subnet_stays,
    "an object that lost its marks meanwhile stays": Guards.an_object_that_lost_its_marks_meanwhile_stays,
    "what a state names and our marks do not stays": Guards.what_a_state_names_and_our_marks_do_not_stays,
    "what carries our tag is named": Guards.what_carries_our_tag_is_named,
    "a record that appears meanwhile stays": Guards.a_record_that_appears_meanwhile_stays,
    "a key that appears meanwhile stays": Guards.a_key_that_appears_meanwhile_stays,
    "names are switched last and released first": Guards.names_are_switched_last_and_released_first,
    "a key that CoreDNS cannot run with is taken back": Guards.a_key_that_coredns_cannot_run_with_is_taken_back,
    "each write of a first up is on the disk before it is sent": lambda g: (
        g.each_write_is_on_the_disk_before_it_is_sent("empty", *UP)
    ),
    "each write of a changed configuration is on the disk before it is sent": lambda g: (
        g.each_write_is_on_the_disk_before_it_is_sent("changed", *UP)
    ),
    "each write of a teardown is on the disk before it is sent": lambda g: (
        g.each_write_is_on_the_disk_before_it_is_sent("built", *TEARDOWN)
    ),
    "each update is on the disk before it is sent": Guards.each_update_is_on_the_disk_before_it_is_sent,
    "the state before is kept": Guards.the_state_before_is_kept,
}


def run(results: Results, *, seed: int, part: int = 0, of: int = 1, most: int = 0) -> int:
    del seed
    with Harness() as harness:
        guards = Guards(harness)
        mine = list(LIVES)[part::of]
        for name in results.in_time(mine, most):
            if name not in results.done:
                results.add(Point("guards", "a life for each guard", name, LIVES[name](guards)))
    return len(LIVES)
