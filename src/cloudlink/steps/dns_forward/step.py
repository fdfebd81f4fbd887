"""dns_forward: CoreDNS on AKS forwards the zones to the inbound endpoint's addresses.

One key of the ConfigMap ``kube-system/coredns-custom`` is ours, and one annotation on CoreDNS's pod template, which
says with which text of that key CoreDNS was last restarted. The restart is deliberate: a running CoreDNS silently
keeps its old configuration when the new one is wrong, and dies of it at some later node upgrade. So what was written
is proved at once, while the old pods still serve.
https://learn.microsoft.com/azure/aks/coredns-custom
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any, ClassVar

from cloudlink.clouds.kube.client import Kube
from cloudlink.clouds.kube.errors import NoCluster, missing
from cloudlink.clouds.kube.parse_pods import ready_pods
from cloudlink.clouds.ownership import owner_of, same_name_elsewhere
from cloudlink.core.permissions import Permissions
from cloudlink.core.plan import spec_hash
from cloudlink.core.resource import (
    Node,
    Observed,
    Outputs,
    Ownership,
    Phase,
    Receipts,
    Resource,
    Started,
    Timing,
)
from cloudlink.errors import ConflictError
from cloudlink.link import Link
from cloudlink.steps.dns_forward import corefile, pauses
from cloudlink.steps.dns_forward.coredns import (
    CONFIG_MAP,
    DEPLOYMENT,
    LET_IT_READ,
    MEND_KEY,
    NAMESPACE,
    CoreDns,
    State,
    annotation_of,
    hash_of,
    held_up,
    unread,
    waiting_for,
)
from cloudlink.steps.dns_forward.pauses import Pause
from cloudlink.steps.outputs import Endpoint, Nothing
from cloudlink.steps.permissions import WAY_IN

FORWARD = "dns_forward.forward"
"""The address of the key on the first AKS cluster."""

Reach = Callable[[tuple[IPv4Address, ...]], None]
"""Proves from a pod that these addresses answer on port 53. Raises UnhealthyError with what was seen."""


@dataclass(frozen=True)
class ForwardSpec:
    zone: str  # several with a blank between
    upstreams: tuple[IPv4Address, ...]  # sorted
    options: tuple[str, ...]  # the block's other lines
    restarted: bool  # CoreDNS runs with exactly this


@dataclass(frozen=True)
class Before:
    """For rollback."""

    text: str | None  # what our key held; None: it was not there
    applied: str = ""  # our annotation on the pod template
    restarted: str = ""  # when the pods were restarted, as kubectl notes it there


@dataclass(frozen=True, kw_only=True, eq=False)
class Forward(Resource[ForwardSpec, Nothing]):
    """Our key (the ConfigMap around it belongs to AKS), and CoreDNS restarted with it: two calls, for there is nothing to wait for between them. A run that dies
    there leaves an annotation whose hash is not the key's, and the next run restarts.
    """

    timing: ClassVar[Timing] = Timing(create=15, update=15, delete=15, deadline=180)
    # its writes go to the cluster's own API
    permissions: ClassVar[Permissions] = Permissions(create=(WAY_IN,), update=(WAY_IN,), delete=(WAY_IN,))

    link: Link
    kube: Kube = field(repr=False)
    endpoint: Node[Endpoint]
    after: tuple[Node[Any], ...] = ()
    pause: Pause | None = None  # wanted: that CoreDNS lets go of the link and answers this meanwhile
    # asked before the zone goes to addresses that it did not go to before; None: the tunnels are the link's own
    reach: Reach | None = field(default=None, repr=False)

    @property
    def key(self) -> str:
        return corefile.key_of(self.link.name)

    @property
    def coredns(self) -> CoreDns:
        return CoreDns(self.kube, self.key, annotation_of(self.link.name), self.link.dns.zone_names, self.address)

    # --- the resource ------------------------------------------------------------------------------------

    def spec(self, outputs: Outputs) -> ForwardSpec:
        if self.pause is not None:
            return ForwardSpec(
                corefile.joined(self.link.dns.zone_names), (), pauses.options_of(self.pause.answer), restarted=True
            )
        wanted = corefile.block(self.link.dns.zone_names, tuple(outputs[self.endpoint].addresses.values()))
        return ForwardSpec(wanted.zone, wanted.upstreams, wanted.options, restarted=True)

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[ForwardSpec, Nothing] | None:
        try:
            if not fresh and (settled := self._settled(receipts)) is not None:
                return settled
            state = self.coredns.state(fresh=fresh)
        except NoCluster:
            return None  # not made yet, or gone and the key with it
        rolling = waiting_for(state.deployment)
        if state.text is None:
            if not state.applied and not (rolling and receipts.of(self)):
                return None
            if not state.applied:
                return self._found(Phase.DELETING, _ABSENT, rolling)
            # The key is gone but CoreDNS was not restarted without it: somebody removed it, or a teardown died.
            return self._found(Phase.READY, _ABSENT, "the key is gone, CoreDNS was not restarted")
        if not (corefile.is_marked(state.text, self.link.name) or state.applied or receipts.of(self)):
            raise self._foreign()
        self._check_place(state.text)
        block = corefile.read(state.text)
        restarted = state.applied == hash_of(state.text)
        spec = ForwardSpec(block.zone, block.upstreams, block.options, restarted)
        if not restarted:
            return self._found(Phase.READY, spec, "CoreDNS was not restarted with this")
        if rolling:
            there = self.coredns.pods()
            if crash := self.coredns.crash(state, there):
                return self._found(Phase.FAILED, spec, crash)
            held = held_up(there, self.coredns.annotation, state.applied)
            return self._found(Phase.CREATING, spec, f"{rolling}; {held}" if held else rolling)
        return self._found(Phase.READY, spec, "", unmarked=not corefile.place_of(state.text))

    def _foreign(self) -> ConflictError:
        return ConflictError(
            "A CoreDNS key with our name is not ours",
            f"The ConfigMap {NAMESPACE}/{CONFIG_MAP} of cluster {self.kube.name} has a key {self.key} that "
            "cloudlink did not write.",
            f"Rename or remove it: kubectl edit configmap {CONFIG_MAP} --namespace {NAMESPACE}",
            resource=self.address,
        )

    def _check_place(self, text: str) -> None:
        """Raises ConflictError for the key of a link of our name that is elsewhere."""
        owner = owner_of(self.link)
        if not corefile.is_of_place(text, owner):
            key = f"The key {self.key} in {NAMESPACE}/{CONFIG_MAP} of cluster {self.kube.name}"
            raise same_name_elsewhere(key, corefile.place_of(text), owner, self.address)

    def _settled(self, receipts: Receipts) -> Observed[ForwardSpec, Nothing] | None:
        """From the key alone, where the receipt says that CoreDNS was restarted with it: saves looking at the
        Deployment in a run that has nothing to do. Whether CoreDNS is well is for ``view``."""
        receipt = receipts.of(self)
        if receipt is None or receipt.intent or receipt.phase != Phase.READY.value:
            return None
        try:
            text = self.coredns.keys().text.get(self.key, "")
        except NoCluster:
            raise
        except Exception as error:
            if not missing(error):
                raise
            return None
        if not corefile.is_marked(text, self.link.name) or not corefile.place_of(text):
            return None
        self._check_place(text)
        block = corefile.read(text)
        spec = ForwardSpec(block.zone, block.upstreams, block.options, restarted=True)
        return self._found(Phase.READY, spec, "") if spec_hash(spec) == receipt.spec_hash else None

    def create(self, spec: ForwardSpec) -> Started:
        """Raises ConflictError for a key of our name that somebody has written since it was looked for."""
        return self._write(spec, new=True)

    def update(self, found: Observed[ForwardSpec, Nothing], spec: ForwardSpec) -> Started:
        return self._write(spec)

    def complete_marks(self, found: Observed[ForwardSpec, Nothing]) -> Started:
        """The mark is a line of the key, so CoreDNS is restarted as for any other change of it."""
        assert found.spec is not None
        return self._write(found.spec)

    def delete(self, found: Observed[ForwardSpec, Nothing], prior_state: Any) -> Started | None:
        """Deletes the key only: the ConfigMap belongs to AKS, and its other keys to others."""
        state = self.coredns.state(fresh=True)
        if state.text is None and not state.applied:
            return None
        self.coredns.permission()
        self.coredns.refuse_to_leave(state)
        if state.text is not None:
            self.coredns.patch_key(None, state.keys.version)
        self.coredns.restart(None)
        return Started(self._id)

    def rollback_state(self) -> Before:
        """What our key holds, and the pod template's annotations that we write."""
        state = self.coredns.state(fresh=False)
        return Before(state.text, state.applied, state.restarted)

    def rollback(self, found: Observed[ForwardSpec, Nothing] | None, before: Any) -> str:
        """Restore the key to what it held, and the pod template to what it was: the pods of the old one, which still
        serve, stay, where another restart would take them down one after the other. The cluster's own names come first."""
        before = before or Before(None)
        state = self.coredns.state(fresh=True)
        if (state.text, state.applied) == (before.text, before.applied):
            return ""
        culprit = self.coredns.culprit(state)
        self.coredns.patch_key(before.text, state.keys.version)
        self.coredns.restore_template(before.applied, before.restarted)
        ready, there = ready_pods(self.coredns.pods())
        what = "restored to what it was" if before.text is not None else "removed again"
        said = f"The key {self.key} was {what} and CoreDNS's pod template is as it was; {ready} of {there} CoreDNS pods serve."
        if culprit:
            said += (
                f" The mistake is in the key {culprit}, which was there before: CoreDNS still cannot start with it, and the "
                "pods that serve do so with what they read before. Correct that key before a node is replaced: "
                f"kubectl edit configmap {CONFIG_MAP} --namespace {NAMESPACE}"
            )
        return said

    # --- for others --------------------------------------------------------------------------------------

    def warnings(self) -> tuple[str, ...]:
        """What other keys do to names of our zone. One read, shared with find."""
        return self.coredns.examination(self.coredns.state(fresh=False)).warnings

    def conflicts(self) -> tuple[str, ...]:
        """Why the key cannot be written now; empty: it can."""
        return self.coredns.examination(self.coredns.state(fresh=False)).conflicts

    def found_pause(self) -> Pause | None:
        """None: the link is not paused, or its key is not there. One read, shared with find. Raises
        KubeApiError and urllib3's errors."""
        try:
            text = self.coredns.keys().text.get(self.key, "")
        except NoCluster:
            return None
        except Exception as error:
            if not missing(error):
                raise
            return None
        return pauses.pause_of(text) if corefile.is_marked(text, self.link.name) else None

    def status(self, wanted: tuple[IPv4Address, ...] | None = None) -> corefile.ForwardStatus:
        """The state of CoreDNS, for status and verify-dns. wanted: the endpoint's addresses now, if they are known.

        Raises NoCluster, KubeApiError and urllib3's errors.
        """
        state = self.coredns.state(fresh=False)
        seen = self.coredns.examination(state)
        line, problem = self._account(state, wanted)
        pause = pauses.pause_of(state.text or "")
        if state.text is not None and (kept := unread(self.coredns.own_corefile(), state.deployment.config_maps)):
            problem = f"CoreDNS does not read the key {self.key}: {' and '.join(kept)}"
            return corefile.ForwardStatus(line, problem, seen.warnings, seen.shadowed, pause, LET_IT_READ)
        task = ""
        if state.text is not None and state.deployment.wanted == 0:
            problem = (
                f"CoreDNS is scaled to 0 pods (Deployment {DEPLOYMENT}), so that nobody answers a name in the cluster"
            )
            task = f"kubectl scale deployment {DEPLOYMENT} --namespace {NAMESPACE} --replicas 2"
        elif (seen.conflicts and not problem) or self.coredns.blamed(problem):
            task = MEND_KEY
        problem = problem or " ".join(seen.conflicts)
        return corefile.ForwardStatus(line, problem, seen.warnings, seen.shadowed, pause, task)

    def _account(self, state: State, wanted: tuple[IPv4Address, ...] | None) -> tuple[str, str]:
        if state.text is None:
            absent = f"the ConfigMap {NAMESPACE}/{CONFIG_MAP} has no key {self.key}"
            if state.keys.kept_by:
                return absent, f"{absent}; {state.keys.kept_by} keeps that ConfigMap, and may have taken it away"
            return absent, absent
        block = corefile.read(state.text)
        if (pause := pauses.pause_of(state.text)) is not None:
            return f"{_said(block.zone)} {'are' if ' ' in block.zone else 'is'} paused: {pause.said}", ""
        line = f"{_said(block.zone)} to {', '.join(str(u) for u in block.upstreams)}"
        problem = ""
        wants = corefile.joined(self.link.dns.zone_names)
        # one that it serves beyond these harms no name of theirs: the next ``up`` takes it out
        if not set(wants.split()) <= set(block.zone.split()):
            problem = f"the key {self.key} serves {_said(block.zone) or 'no zone'} instead of {_said(wants)}"
        elif wanted is not None and block.upstreams != tuple(sorted(wanted)):
            gone = [str(u) for u in block.upstreams if u not in wanted]
            lost = f"{', '.join(gone)}, which the inbound endpoint has no more" if gone else "too few addresses"
            problem = f"CoreDNS forwards to {lost}; it has {', '.join(str(u) for u in sorted(wanted))}"
        elif block.options != corefile.block(tuple(block.zone.split()), block.upstreams).options:
            problem = f"the key {self.key} is not as cloudlink wrote it"
        elif state.applied != hash_of(state.text):
            problem = "CoreDNS was not restarted with its key"
        elif rolling := waiting_for(state.deployment):
            there = self.coredns.pods()
            held = held_up(there, self.coredns.annotation, state.applied)
            problem = self.coredns.crash(state, there) or (f"{rolling}; {held}" if held else rolling)
        return line, problem

    # --- parts -------------------------------------------------------------------------------------------

    def _write(self, spec: ForwardSpec, *, new: bool = False) -> Started:
        """new: there was no key of this link."""
        state = self.coredns.state(fresh=True)
        if new and state.text is not None:
            if not corefile.is_marked(state.text, self.link.name):
                raise self._foreign()
            self._check_place(state.text)
        self.coredns.permission()
        self.coredns.refuse_conflicts(state)
        if self.pause is not None:
            text = corefile.paused(owner_of(self.link), tuple(spec.zone.split()), self.pause)
        else:
            text = corefile.written(owner_of(self.link), corefile.Block(spec.zone, spec.upstreams, spec.options))
            goes_elsewhere = state.text is None or corefile.read(state.text).upstreams != spec.upstreams
            if self.reach is not None and goes_elsewhere:
                self.reach(spec.upstreams)
        if state.text != text:
            self.coredns.patch_key(text, state.keys.version)
        # Also when the annotation says that CoreDNS was restarted with this text: the key was changed outside cloudlink since.
        self.coredns.restart(hash_of(text))
        return Started(self._id, reason=self._reason)

    def _found(
        self, phase: Phase, spec: ForwardSpec, detail: str, *, unmarked: bool = False
    ) -> Observed[ForwardSpec, Nothing]:
        return Observed(self._id, phase, spec, Nothing(), Ownership.OWNED, detail, unmarked)

    @property
    def _id(self) -> str:
        return f"{NAMESPACE}/{CONFIG_MAP}/{self.key}"

    def _reason(self) -> str:
        return self.coredns.crash(self.coredns.state(fresh=True))


def address_on(label: str) -> str:
    """The address of the key on a cluster beside the first."""
    return f"{FORWARD}[{label}]"


def is_forward(address: str) -> bool:
    """Whether it is of a key, on any of the clusters."""
    return address == FORWARD or address.startswith(f"{FORWARD}[")


def _said(zone: str) -> str:
    return zone.replace(" ", ", ")


_ABSENT = ForwardSpec("", (), (), restarted=False)


@dataclass(frozen=True)
class Beside:
    """An AKS cluster beside the first. label: see ``AzureSide.label_of``. link: as if the cluster was its only one. place: its ARM
    id. left: the configuration names it no more, so that our key is taken away. reach: see Forward."""

    label: str
    link: Link
    kube: Kube = field(repr=False)
    place: str
    reach: Reach | None = field(default=None, repr=False)
    left: bool = False


class DnsForward:
    """The fourth step: AKS's CoreDNS asks AWS for the zone, on each cluster.

    after: what must be there before CoreDNS is told to use it, and stays until CoreDNS has let go of the zone.
    reach: see Forward. place: the first cluster's ARM id.
    """

    def __init__(
        self,
        link: Link,
        kube: Kube,
        endpoint: Node[Endpoint],
        after: tuple[Node[Any], ...] = (),
        reach: Reach | None = None,
        *,
        place: str = "",
        beside: tuple[Beside, ...] = (),
    ) -> None:
        several = bool(link.azure.more_clusters)

        def forward(address: str, link: Link, kube: Kube, place: str, reach: Reach | None, **more: Any) -> Forward:
            where = f" of {kube.name}" if several or beside else ""
            return Forward(
                address=address,
                title=f"CoreDNS{where} forwards {link.dns.zones_said}",
                link=link,
                kube=kube,
                endpoint=endpoint,
                after=after,
                reach=reach,
                place=place,
                **more,
            )

        self.forward = forward(FORWARD, link, kube, place, reach)
        self.others = tuple(
            forward(address_on(b.label), b.link, b.kube, b.place, b.reach) for b in beside if not b.left
        )
        self.left = tuple(
            forward(address_on(b.label), b.link, b.kube, b.place, b.reach, unwanted=True) for b in beside if b.left
        )

    @property
    def forwards(self) -> tuple[Forward, ...]:
        """Of each configured cluster, the first one first."""
        return (self.forward, *self.others)

    def nodes(self) -> tuple[Node[Any], ...]:
        return (*self.forwards, *self.left)
