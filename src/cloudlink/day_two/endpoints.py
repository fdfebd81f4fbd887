"""Replaces the endpoints of AWS's tunnels, one by one: what a new key and other logs have in common.

AWS takes a tunnel down for minutes when one of its options changes; the others carry the traffic. So no tunnel is touched
before all are up and carry routes.
https://docs.aws.amazon.com/vpn/latest/s2svpn/endpoint-replacements.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from cloudlink.checks import tunnels
from cloudlink.checks.report import TunnelStatus
from cloudlink.checks.status_reads import tunnel_facts
from cloudlink.checks.tunnel_ends import Ends, ends_of
from cloudlink.clouds.aws import parse_connections, vpn
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure import body_connection
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_connection import Connection
from cloudlink.clouds.azure.parse_gateway import bgp_peers
from cloudlink.clouds.azure.parse_object import azure_object
from cloudlink.core.events import Event, Progress
from cloudlink.core.polling import Clock, Stopped, TimedOut, poll, retry
from cloudlink.core.ports import ErrorPolicy
from cloudlink.errors import CloudError, ConflictError, MissingError, UnhealthyError, UsageError, WaitError
from cloudlink.link import Link, Tunnel
from cloudlink.secret import Secret

AWS_READY, AZURE_READY = "available", "Succeeded"
# Seconds of the clouds' time. AWS says "several minutes"; 114 were measured, others advise to wait for 15 minutes.
TYPICAL = 180.0
DEADLINE = 2400.0
# Assumption: a session that has just come up is left a minute before the next tunnel goes down.
SETTLE = 60.0
BUSY = 1800.0  # how long another operation of the cloud's is waited for
DIFFER_AT_MOST = 120.0  # how long AWS may still tell the old key when it is done


@dataclass(frozen=True)
class TunnelNow:
    """One tunnel as both clouds tell it at one moment."""

    tunnel: Tunnel
    status: TunnelStatus
    vpn: parse_connections.Connection
    azure: Connection
    tags: Mapping[str, str]  # of AWS's connection
    outside: str  # AWS's address
    key: Secret | None  # AWS's; None: it has not said one yet
    since: float | None  # when AWS's status changed last
    # ARNs of the log groups that AWS's end writes to; empty: the log is off
    ike_log: str
    bgp_log: str
    initiates: bool  # whether AWS opens the tunnel itself

    @property
    def name(self) -> str:
        return self.status.name

    @property
    def up(self) -> bool:
        """On both sides. AWS may be at work on the other tunnel of its connection."""
        return self.status.up and self.azure.state == AZURE_READY

    @property
    def settled(self) -> bool:
        """Up, and neither cloud is at work on its connection."""
        return self.up and self.vpn.state == AWS_READY

    @property
    def keys_differ(self) -> bool:
        """Of what was seen: a key that may not be read differs from none."""
        return self.key is not None and self.azure.key is not None and self.key != self.azure.key


@dataclass
class TunnelEndpoints:
    """Of one link. For one thread."""

    link: Link
    aws: Aws
    azure: Azure
    clock: Clock
    policy: ErrorPolicy
    tell: Callable[[Event], None] = lambda _: None

    def read(self) -> tuple[TunnelNow, ...]:
        """All tunnels. Raises MissingError where a part of the link is not there, ConflictError where one is not ours."""
        marked = {o.id: o.tags for o in parse_connections.connections(self.aws.vpn_connections(fresh=True))}
        for tunnel in self.link.tunnels:
            raw = self.azure.connection(self._name(tunnel), fresh=True)
            if raw is not None and not self.azure.owner.holds(azure_object(raw).tags):
                raise _not_ours(self._name(tunnel))
        aws, azure = tunnel_facts(self.link, self.aws, self.azure, fresh=False)  # what was read just now
        keys = self._keys()
        statuses = tunnels.statuses(self.link, aws, azure)
        return tuple(
            self._now(tunnel, status, ends_of(self.link, tunnel, aws, azure), marked, keys)
            for tunnel, status in zip(self.link.tunnels, statuses, strict=True)
        )

    def _now(
        self,
        tunnel: Tunnel,
        status: TunnelStatus,
        ends: Ends,
        marked: Mapping[str, Mapping[str, str]],
        keys: Mapping[str, Secret],
    ) -> TunnelNow:
        """marked: the tags of each VPN connection."""
        if ends.vpn is None or ends.option is None or ends.option.outside is None or ends.connection is None:
            where = "Azure" if ends.option is not None else "AWS"
            raise MissingError(
                "The link is not complete",
                f"{status.name} has no end in {where}.",
                "cloudlink status",
                resource=status.address,
            )
        if not self.azure.owner.holds(marked[ends.vpn.id]):
            raise _not_ours(ends.vpn.id)
        return TunnelNow(
            tunnel=tunnel,
            status=status,
            vpn=ends.vpn,
            azure=ends.connection,
            tags=marked[ends.vpn.id],
            outside=str(ends.option.outside),
            key=ends.option.key or keys.get(str(ends.option.outside)),
            since=ends.option.since,
            ike_log=ends.option.ike_log,
            bgp_log=ends.option.bgp_log,
            initiates=ends.option.initiates,
        )

    def _keys(self) -> dict[str, Secret]:
        """Those that AWS keeps in Secrets Manager, by outside address."""
        if self.link.aws.psk_storage == "standard":
            return {}
        found: dict[str, Secret] = {}
        for each in parse_connections.existing_connections(self.aws.vpn_connections()):
            if each.link == self.link.name and each.stored_keys:  # others' secrets are not asked for
                found |= self.aws.stored_keys(each.stored_keys, fresh=True)
        return found

    def _name(self, tunnel: Tunnel) -> str:
        return self.azure.name(f"connection-{tunnel.index + 1}")

    def refuse_unknown(self, numbers: Iterable[int]) -> None:
        """Raises UsageError for a tunnel that the link does not have. numbers: from 1."""
        count = len(self.link.tunnels)
        unknown = sorted({n for n in numbers if n > count})
        if unknown:
            raise UsageError(
                f"There is no tunnel {unknown[0]}",
                f"The link {self.link.name} has {count} tunnels, as Azure's gateway has "
                f"{'one instance' if count == 2 else 'two instances'}.",
                f"--tunnel takes 1 to {count}.",
            )

    def refuse(self, found: Sequence[TunnelNow], half_done: Callable[[TunnelNow], bool], what: str) -> None:
        """Raises UnhealthyError unless every tunnel is up and would come up again, but for one that an earlier run of the
        same was interrupted at. what: how a sentence on it begins, such as ``A rotation``."""
        down = [n for n in found if not n.up and not half_done(n)]
        odd = [n for n in found if not n.up and half_done(n)]
        if down or len(odd) > 1:
            words = "; ".join(
                f"{n.name}: {n.status.why or f'AWS is {n.vpn.state}, Azure {n.azure.state}'}" for n in down or odd
            )
            raise UnhealthyError(
                f"{what} needs {self.link.all_tunnels} tunnels",
                "Each tunnel is down for minutes while AWS replaces its endpoint, and no more than one may be. "
                + words,
                "cloudlink status",
            )
        foreign = [n.name for n in found if n.keys_differ and not half_done(n)]
        if foreign:
            raise UnhealthyError(
                "Two ends have different keys",
                f"The keys of {', '.join(foreign)} differ, and nothing was interrupted there: the tunnel is lost when it is "
                "next opened, perhaps while another is being replaced.",
                "cloudlink up",
            )
        shut = [n.name for n in found if not n.initiates and n.azure.mode == "ResponderOnly"]
        if shut:
            raise UnhealthyError(
                "Nobody would open the tunnel again",
                f"Both ends of {', '.join(shut)} only wait for the other side, so that it would stay down.",
                "cloudlink up",
            )

    # --- writes -------------------------------------------------------------------------------------------

    def change_key(self, now: TunnelNow, key: Secret) -> None:
        """Ask AWS for it. From now on the tunnel is down until Azure has the key too. Raises the SDK's errors."""
        try:
            self.write(lambda: vpn.change_key(self.aws, now.vpn.id, now.outside, key))
        except Exception as error:
            if not self.policy.unknown_outcome(error) or not self._taken(now, key):
                raise

    def _taken(self, now: TunnelNow, key: Secret) -> bool:
        """Whether AWS has this key, where its answer was lost."""
        self.wait_for_aws(now.tunnel)
        return self.again(now.tunnel).key == key

    def share(self, tunnel: Tunnel, key: Secret) -> None:
        """Give Azure the key, by the call that changes nothing else. Repeating it is harmless."""
        body = body_connection.shared_key(key)
        self.write(lambda: self.azure.put_shared_key(self._name(tunnel), body), repeat=True)

    def change_logs(self, now: TunnelNow, group: str) -> None:
        """Ask AWS for both logs of a tunnel. group: ARN; empty: off. Raises the SDK's errors."""
        try:
            self.write(lambda: vpn.change_logs(self.aws, now.vpn.id, now.outside, group))
        except Exception as error:
            if not self.policy.unknown_outcome(error):
                raise
            self.wait_for_aws(now.tunnel)
            there = self.again(now.tunnel)
            if (there.ike_log, there.bgp_log) != (group, group):
                raise

    def write(self, call: Callable[[], object], *, repeat: bool = False) -> None:
        """While the cloud is at work on something else it is asked again. repeat: also when its answer was lost."""

        def pause(error: Exception, elapsed: float) -> float | None:
            if elapsed > BUSY or (not repeat and self.policy.unknown_outcome(error)):
                return None
            return self.policy.retry_after(error) or (10.0 if repeat and self.policy.unknown_outcome(error) else None)

        retry(call, pause, self.clock)

    def tag(self, connection_id: str, key: str, value: str) -> None:
        retry(
            lambda: vpn.tag_connection(self.aws, connection_id, {key: value}),
            lambda error, elapsed: 5.0 if elapsed < 60 and self.policy.may_pass(error) else None,
            self.clock,
        )

    # --- waiting ------------------------------------------------------------------------------------------

    def again(self, tunnel: Tunnel) -> TunnelNow:
        return next(n for n in self.read() if n.tunnel == tunnel)

    def wait_for_aws(self, tunnel: Tunnel) -> None:
        """Until AWS is at work on nothing of this tunnel's connection."""
        self._poll(lambda: (self.again(tunnel),), lambda found: found[0].vpn.state == AWS_READY, tunnel)

    def wait_until_up(
        self,
        tunnel: Tunnel,
        *,
        called: float | None = None,
        before: float | None = None,
        key: Secret | None = None,
        settle: float = SETTLE,
    ) -> None:
        """Until all are up and carry routes again, and a minute longer.

        called, before: when this run asked AWS, and AWS's moment of the last change before that: what was up then is not
        taken for what comes up now. key: what AWS is to have; raises CloudError when it ends with another. Where AWS has
        another key than Azure for minutes, Azure is given AWS's: it is the master.
        """
        differ_since: float | None = None

        def done(found: Sequence[TunnelNow]) -> bool:
            nonlocal differ_since
            now = next(n for n in found if n.tunnel == tunnel)
            refused = key is not None and now.key is not None and now.key != key
            if now.vpn.state == AWS_READY and now.key is not None and (refused or now.keys_differ):
                differ_since = differ_since or self.clock.now()
                if self.clock.now() - differ_since > DIFFER_AT_MOST:
                    self.share(tunnel, now.key)
                    differ_since = None
                    if refused:
                        raise _key_not_taken(now)
                return False
            if called is not None and before is not None and now.since == before:
                return False
            return all(n.settled for n in found) and self._speaks_bgp(now, called)

        self._poll(self.read, done, tunnel)
        if settle and self.clock.wait(settle):
            raise Stopped

    def _speaks_bgp(self, now: TunnelNow, called: float | None) -> bool:
        """Whether Azure's session of this tunnel is connected, and was not before AWS was asked."""
        inside = str(now.tunnel.azure_inside), str(now.tunnel.aws_inside)
        peer = next((p for p in bgp_peers(self.azure.bgp_peers()) if (p.local, p.neighbor) == inside), None)
        if peer is None or peer.state != "Connected" or peer.routes < 1:
            return False
        return called is None or peer.seconds is None or peer.seconds < self.clock.now() - called

    def _poll(
        self,
        read: Callable[[], Sequence[TunnelNow]],
        done: Callable[[Sequence[TunnelNow]], bool],
        tunnel: Tunnel,
    ) -> None:
        def show(found: Sequence[TunnelNow]) -> None:
            now = next(n for n in found if n.tunnel == tunnel)
            self.tell(Progress(self.clock.now(), event_address(tunnel), said(now)))

        try:
            poll(
                read,
                done,
                clock=self.clock,
                typical_seconds=TYPICAL,
                deadline=DEADLINE,
                on_read=show,
                passing=self.policy.may_pass,
            )
        except TimedOut as error:
            raise WaitError(
                "The tunnel did not come up in time",
                f"tunnel {tunnel.index + 1} is not up {error.waited / 60:.0f} minutes after its endpoint was replaced; the "
                "others were left as they are.",
                "cloudlink status",
                resource=event_address(tunnel),
            ) from None


def event_address(tunnel: Tunnel) -> str:
    return f"tunnel[{tunnel.index}]"


def said(now: TunnelNow) -> str:
    """The clouds' own words on one tunnel."""
    aws = now.vpn.state if now.vpn.state != AWS_READY else (now.status.aws.state if now.status.aws else "absent")
    azure = now.azure.state if now.azure.state != AZURE_READY else now.azure.status
    return f"AWS {aws}, Azure {azure}"


def _not_ours(id_: str) -> ConflictError:
    return ConflictError(
        "This is not the link's own",
        f"{id_} is where a part of this link should be, but has no tags of the link. It is left alone.",
        "cloudlink status",
    )


def _key_not_taken(now: TunnelNow) -> CloudError:
    return CloudError(
        "AWS did not take the new key",
        f"{now.vpn.id} is {AWS_READY} again with the key that it had. Azure has that key again too, so that {now.name} comes "
        "up with it.",
        "Wait until cloudlink status is healthy, then run cloudlink rotate-keys again.",
        resource=event_address(now.tunnel),
    )
