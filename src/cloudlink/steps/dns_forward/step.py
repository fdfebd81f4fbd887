"""dns_forward: CoreDNS on AKS forwards the zone to the inbound endpoint's addresses.

One key of the ConfigMap ``kube-system/coredns-custom`` is ours, and one annotation on CoreDNS's pod template, which
says with which text of that key CoreDNS was last restarted. The restart is deliberate: a running CoreDNS silently
keeps its old configuration when the new one is wrong, and dies of it at some later node upgrade. So what was written
is proved at once, while the old pods still serve.
https://learn.microsoft.com/azure/aks/coredns-custom
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Any, ClassVar

from cloudlink.clouds.kube.client import Kube, KubeObject
from cloudlink.clouds.kube.errors import KubeApiError, NoCluster, missing
from cloudlink.clouds.kube.parse import KeyMap, key_map, pod_template, ready_pods
from cloudlink.clouds.malformed import parsing
from cloudlink.clouds.ownership import owner_of, same_name_elsewhere
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
from cloudlink.errors import ConflictError, CredentialsError, MissingError
from cloudlink.link import Link
from cloudlink.steps.dns_forward import corefile
from cloudlink.steps.dns_forward.corefile_rules import Version, version_of
from cloudlink.steps.outputs import Endpoint, Nothing

NAMESPACE = "kube-system"
CONFIG_MAP = "coredns-custom"
DEPLOYMENT = "coredns"
_PODS = "k8s-app=kube-dns"
BASE_CONFIG_MAP = "coredns"  # the cluster's own Corefile
_ANNOTATIONS = "cloudlink.dev"
_RESTARTED = "kubectl.kubernetes.io/restartedAt"
_NAMED_KEY = re.compile(r"custom/([-\w.]+?):\d+")  # CoreDNS says where it stumbled

_DEPLOYMENT = "kube.coredns"
KEYS_READ = "kube.coredns-custom"  # what is read of the ConfigMap, in the cache
_COREFILE = "kube.coredns-corefile"
_ACCESS = "kube.access"


@dataclass(frozen=True)
class ForwardSpec:
    zone: str
    upstreams: tuple[IPv4Address, ...]  # sorted
    options: tuple[str, ...]  # the block's other lines
    restarted: bool  # CoreDNS runs with exactly this


@dataclass(frozen=True)
class _State:
    """What the cluster says. text None: our key is not there."""

    keys: KeyMap
    text: str | None
    applied: str  # the annotation's hash
    deployment: KubeObject


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

    link: Link
    kube: Kube = field(repr=False)
    endpoint: Node[Endpoint]
    after: tuple[Node[Any], ...] = ()

    @property
    def key(self) -> str:
        return corefile.key_of(self.link.name)

    @property
    def annotation(self) -> str:
        return annotation_of(self.link.name)

    # --- the resource ------------------------------------------------------------------------------------

    def spec(self, outputs: Outputs) -> ForwardSpec:
        wanted = corefile.block(self.link.dns.zone, tuple(outputs[self.endpoint].addresses.values()))
        return ForwardSpec(wanted.zone, wanted.upstreams, wanted.options, restarted=True)

    @parsing("the cluster's ConfigMap, Deployment and pods")
    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[ForwardSpec, Nothing] | None:
        try:
            if not fresh and (settled := self._settled(receipts)) is not None:
                return settled
            state = self._state(fresh=fresh)
        except NoCluster:
            return None  # not made yet, or gone and the key with it
        rolling = _rolling(state.deployment)
        if state.text is None:
            if not state.applied and not (rolling and receipts.of(self)):
                return None
            if not state.applied:
                return self._found(Phase.DELETING, _ABSENT, rolling)
            # The key is gone but CoreDNS was not restarted without it: somebody removed it, or a teardown died.
            return self._found(Phase.READY, _ABSENT, "the key is gone, CoreDNS was not restarted")
        if not (corefile.is_marked(state.text, self.link.name) or state.applied or receipts.of(self)):
            raise ConflictError(
                "A CoreDNS key with our name is not ours",
                f"The ConfigMap {NAMESPACE}/{CONFIG_MAP} of cluster {self.kube.name} has a key {self.key} that "
                "cloudlink did not write.",
                f"Rename or remove it: kubectl edit configmap {CONFIG_MAP} --namespace {NAMESPACE}",
                resource=self.address,
            )
        self._check_place(state.text)
        block = corefile.read(state.text)
        restarted = state.applied == _hash(state.text)
        spec = ForwardSpec(block.zone, block.upstreams, block.options, restarted)
        if not restarted:
            return self._found(Phase.READY, spec, "CoreDNS was not restarted with this")
        if crash := self._crash(state) if rolling else "":
            return self._found(Phase.FAILED, spec, crash)
        if rolling:
            return self._found(Phase.CREATING, spec, rolling)
        return self._found(Phase.READY, spec, "", unmarked=not corefile.place_of(state.text))

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
            data = self._config_map(fresh=False).get("data") or {}
        except NoCluster:
            raise
        except Exception as error:
            if not missing(error):
                raise
            return None
        text = str(data.get(self.key) or "")
        if not corefile.is_marked(text, self.link.name) or not corefile.place_of(text):
            return None
        self._check_place(text)
        block = corefile.read(text)
        spec = ForwardSpec(block.zone, block.upstreams, block.options, restarted=True)
        return self._found(Phase.READY, spec, "") if spec_hash(spec) == receipt.spec_hash else None

    def create(self, spec: ForwardSpec) -> Started:
        return self._write(spec)

    def update(self, found: Observed[ForwardSpec, Nothing], spec: ForwardSpec) -> Started:
        return self._write(spec)

    def complete_marks(self, found: Observed[ForwardSpec, Nothing]) -> Started:
        """The mark is a line of the key, so CoreDNS is restarted as for any other change of it."""
        assert found.spec is not None
        return self._write(found.spec)

    def delete(self, found: Observed[ForwardSpec, Nothing], prior_state: Any) -> Started | None:
        """Only the key goes: the ConfigMap is AKS's, and other keys are others'."""
        state = self._state(fresh=True)
        if state.text is None and not state.applied:
            return None
        self._permission()
        if state.text is not None:
            self._patch_key(None, state.keys.version)
        self._restart(None)
        return Started(self._id)

    def rollback_state(self) -> Before:
        """What our key holds, and the pod template's annotations that we write."""
        state = self._state(fresh=False)
        restarted = pod_template(state.deployment).annotations.get(_RESTARTED, "")
        return Before(state.text, state.applied, restarted)

    def rollback(self, found: Observed[ForwardSpec, Nothing] | None, before: Any) -> str:
        """Restore the key to what it held, and the pod template to what it was: the pods of the old one, which still
        serve, stay, where another restart would take them down one after the other. The cluster's own names come first."""
        before = before or Before(None)
        state = self._state(fresh=True)
        if (state.text, state.applied) == (before.text, before.applied):
            return ""
        culprit = self._culprit(state)
        self._patch_key(before.text, state.keys.version)
        self._patch_template({self.annotation: before.applied or None, _RESTARTED: before.restarted or None})
        ready, there = ready_pods(self.kube.pods(NAMESPACE, _PODS))
        what = "restored to what it was" if before.text is not None else "removed again"
        said = f"The key {self.key} was {what} and CoreDNS's pod template is as it was; {ready} of {there} CoreDNS pods serve."
        if culprit:
            said += (
                f" The mistake is in the key {culprit}, which was there before: CoreDNS still cannot start with it, and the "
                "pods that serve do so with what they read before. Correct that key before a node is replaced: "
                f"kubectl edit configmap {CONFIG_MAP} --namespace {NAMESPACE}"
            )
        return said

    def _culprit(self, state: _State) -> str:
        """Another key that CoreDNS stumbles over; empty: it is ours, or none is named."""
        named = _NAMED_KEY.search(self._crash(state))
        return named[1] if named and named[1] != self.key else ""

    # --- for others --------------------------------------------------------------------------------------

    def warnings(self) -> tuple[str, ...]:
        """What other keys do to names of our zone. One read, shared with find."""
        return self._examination(self._state(fresh=False)).warnings

    def conflicts(self) -> tuple[str, ...]:
        """Why nothing could be written now; empty when it could."""
        return self._examination(self._state(fresh=False)).conflicts

    def status(self, wanted: tuple[IPv4Address, ...] | None = None) -> corefile.ForwardStatus:
        """The state of CoreDNS, for status and verify-dns. wanted: the endpoint's addresses now, if they are known.

        Raises NoCluster, KubeApiError and urllib3's errors.
        """
        state = self._state(fresh=False)
        seen = self._examination(state)
        line, problem = self._account(state, wanted)
        return corefile.ForwardStatus(line, problem or " ".join(seen.conflicts), seen.warnings, seen.shadowed)

    @parsing("the cluster's ConfigMap and Deployment")
    def _account(self, state: _State, wanted: tuple[IPv4Address, ...] | None) -> tuple[str, str]:
        if state.text is None:
            absent = f"the ConfigMap {NAMESPACE}/{CONFIG_MAP} has no key {self.key}"
            return absent, absent
        block = corefile.read(state.text)
        line = f"{block.zone} to {', '.join(str(u) for u in block.upstreams)}"
        problem = ""
        if block.zone != self.link.dns.zone:
            problem = f"the key {self.key} serves {block.zone or 'no zone'} instead of {self.link.dns.zone}"
        elif wanted is not None and block.upstreams != tuple(sorted(wanted)):
            problem = (
                f"CoreDNS forwards to {', '.join(str(u) for u in block.upstreams)}, "
                f"the endpoint has {', '.join(str(u) for u in sorted(wanted))}"
            )
        elif block.options != corefile.block(block.zone, block.upstreams).options:
            problem = f"the key {self.key} is not as cloudlink wrote it"
        elif state.applied != _hash(state.text):
            problem = "CoreDNS was not restarted with its key"
        elif rolling := _rolling(state.deployment):
            problem = self._crash(state) or rolling
        return line, problem

    def check_access(self) -> None:
        """Raises CredentialsError when the signed-in user may not patch the ConfigMap and the Deployment."""
        wanted = (("", "configmaps", CONFIG_MAP), ("apps", "deployments", DEPLOYMENT))
        refused = [
            f"{resource}/{name}"
            for group, resource, name in wanted
            if not self.kube.allowed("patch", group, resource, NAMESPACE, name)
        ]
        if refused:
            raise CredentialsError(
                "A permission is missing in the AKS cluster",
                f"The signed-in user may not patch {' and '.join(refused)} in namespace {NAMESPACE} of cluster "
                f"{self.kube.name}. cloudlink adds one key for CoreDNS there and restarts CoreDNS. On AKS Automatic "
                "the namespace may be locked for everybody.",
                "With Azure RBAC: the role Azure Kubernetes Service RBAC Admin on the cluster; with Kubernetes RBAC: a Role "
                f"in {NAMESPACE} that allows get and patch on these two.",
                resource=self.address,
            )

    # --- parts -------------------------------------------------------------------------------------------

    @parsing("the cluster's ConfigMap and Deployment")
    def _state(self, *, fresh: bool) -> _State:
        try:
            config_map = self._config_map(fresh=fresh)
            deployment = self.kube.cache.get(
                _DEPLOYMENT, lambda: self.kube.deployment(NAMESPACE, DEPLOYMENT), fresh=fresh
            )
        except Exception as error:
            if not missing(error):
                raise
            raise MissingError(
                "The AKS cluster's CoreDNS is not as AKS makes it",
                f"Cluster {self.kube.name} has no ConfigMap {CONFIG_MAP} or no Deployment {DEPLOYMENT} in namespace "
                f"{NAMESPACE}. AKS creates both, and again when they are removed.",
                f"kubectl get configmap,deployment --namespace {NAMESPACE}",
                resource=self.address,
            ) from error
        keys = key_map(config_map)
        return _State(
            keys=keys,
            text=keys.text.get(self.key),
            applied=pod_template(deployment).annotations.get(self.annotation, ""),
            deployment=deployment,
        )

    @parsing("the cluster's ConfigMap and Deployment")
    def _examination(self, state: _State) -> corefile.Examination:
        return corefile.examine(
            state.keys.text,
            self.key,
            self.link.dns.zone,
            _coredns_version(state.deployment),
            base=self.own_corefile() or corefile.USUAL_COREFILE,
            not_text=state.keys.not_text,
        )

    def own_corefile(self) -> str:
        """The cluster's own, into which AKS imports the keys; empty: it is not there, or may not be read."""
        try:
            found = self.kube.cache.get(_COREFILE, lambda: self.kube.config_map(NAMESPACE, BASE_CONFIG_MAP))
        except KubeApiError as error:
            if error.status not in (403, 404):
                raise
            return ""
        return key_map(found).text.get("Corefile", "")

    def _config_map(self, *, fresh: bool) -> KubeObject:
        return self.kube.cache.get(KEYS_READ, lambda: self.kube.config_map(NAMESPACE, CONFIG_MAP), fresh=fresh)

    def _write(self, spec: ForwardSpec) -> Started:
        state = self._state(fresh=True)
        self._check(state)
        text = corefile.written(owner_of(self.link), corefile.Block(spec.zone, spec.upstreams, spec.options))
        if state.text != text:
            self._patch_key(text, state.keys.version)
        # Also when the annotation says that CoreDNS was restarted with this text: the key was changed outside cloudlink since.
        self._restart(_hash(text))
        return Started(self._id, reason=self._reason)

    def _check(self, state: _State) -> None:
        self._permission()
        found = self._examination(state)
        if found.conflicts:
            raise ConflictError(
                "CoreDNS would not start with the zone added",
                f"{' '.join(found.conflicts)} Nothing was written.",
                f"kubectl edit configmap {CONFIG_MAP} --namespace {NAMESPACE}",
                resource=self.address,
            )

    def _permission(self) -> None:
        """Asked once: what was allowed at the first write still is at the second."""
        self.kube.cache.get(_ACCESS, self.check_access)

    def _patch_key(self, text: str | None, version: str) -> None:
        patch = key_patch(self.key, text)
        if version:
            patch["metadata"] = {"resourceVersion": version}
        try:
            self.kube.patch_config_map(NAMESPACE, CONFIG_MAP, patch)
        finally:
            self.kube.cache.invalidate(_DEPLOYMENT, KEYS_READ)

    def _restart(self, applied: str | None) -> None:
        """As ``kubectl rollout restart`` does it, with our annotation (None: taken away)."""
        self._patch_template(
            {_RESTARTED: datetime.now(UTC).isoformat(timespec="milliseconds"), self.annotation: applied}
        )

    def _patch_template(self, annotations: Mapping[str, str | None]) -> None:
        patch = template_patch(annotations)
        try:
            self.kube.patch_deployment(NAMESPACE, DEPLOYMENT, patch)
        finally:
            self.kube.cache.invalidate(_DEPLOYMENT, KEYS_READ)

    def _found(
        self, phase: Phase, spec: ForwardSpec, detail: str, *, unmarked: bool = False
    ) -> Observed[ForwardSpec, Nothing]:
        return Observed(self._id, phase, spec, Nothing(), Ownership.OWNED, detail, unmarked)

    @property
    def _id(self) -> str:
        return f"{NAMESPACE}/{CONFIG_MAP}/{self.key}"

    def _reason(self) -> str:
        return self._crash(self._state(fresh=True))

    @parsing("the cluster's pods")
    def _crash(self, state: _State) -> str:
        """Why CoreDNS does not come up with our text; empty while it may still do so."""
        for pod in self.kube.pods(NAMESPACE, _PODS):
            metadata = pod.get("metadata") or {}
            if (metadata.get("annotations") or {}).get(self.annotation) != state.applied:
                continue  # one of the old ones
            for status in (pod.get("status") or {}).get("containerStatuses") or ():
                restarts = int(status.get("restartCount") or 0)
                waiting = (status.get("state") or {}).get("waiting") or {}
                if waiting.get("reason") == "CrashLoopBackOff" or (restarts >= 2 and not status.get("ready")):
                    return f"CoreDNS does not start with it: {self._last_words(str(metadata.get('name')), restarts)}"
        for condition in (state.deployment.get("status") or {}).get("conditions") or ():
            if condition.get("type") == "Progressing" and condition.get("status") == "False":
                return f"CoreDNS's rollout does not get on: {condition.get('message') or condition.get('reason')}"
        return ""

    def _last_words(self, pod: str, restarts: int) -> str:
        for previous in (True, False) if restarts else (False,):
            try:
                log = self.kube.pod_log(NAMESPACE, pod, tail=5, previous=previous)
            except Exception as error:
                if missing(error) or getattr(error, "status", 0) == 400:
                    continue  # that container has left no log
                raise
            lines = [line.strip() for line in log.splitlines() if line.strip()]
            if lines:
                return lines[-1]
        return f"pod {pod} restarts again and again and has left no log"


_ABSENT = ForwardSpec("", (), (), restarted=False)


def annotation_of(link: str) -> str:
    """On CoreDNS's pod template: with which text of our key CoreDNS was restarted."""
    return f"{_ANNOTATIONS}/{link}"


def key_patch(key: str, text: str | None) -> dict[str, Any]:
    return {"data": {key: text}}


def template_patch(annotations: Mapping[str, str | None]) -> dict[str, Any]:
    return {"spec": {"template": {"metadata": {"annotations": dict(annotations)}}}}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _coredns_version(deployment: KubeObject) -> Version:
    return version_of(pod_template(deployment).images.get("coredns", ""))


def _rolling(deployment: KubeObject) -> str:
    """What a rollout still waits for; empty when it is complete (the conditions of ``kubectl rollout status``)."""
    status = deployment.get("status") or {}
    replicas = (deployment.get("spec") or {}).get("replicas")
    wanted = 1 if replicas is None else int(replicas)
    total, updated, available = (int(status.get(k) or 0) for k in ("replicas", "updatedReplicas", "availableReplicas"))
    if int(status.get("observedGeneration") or 0) < int((deployment.get("metadata") or {}).get("generation") or 0):
        return "CoreDNS's restart has not started"
    if updated < wanted:
        return f"{updated} of {wanted} CoreDNS pods are new"
    if total > updated:
        return f"{total - updated} old CoreDNS pods are still there"
    if available < updated:
        return f"{available} of {updated} CoreDNS pods are ready"
    return ""


class DnsForward:
    """The fourth step: AKS's CoreDNS asks AWS for the zone.

    after: what must be there before CoreDNS is told to use it, and stays until CoreDNS has let go of the zone.
    """

    def __init__(self, link: Link, kube: Kube, endpoint: Node[Endpoint], after: tuple[Node[Any], ...] = ()) -> None:
        self.forward = Forward(
            address="dns_forward.forward",
            title=f"CoreDNS forwards {link.dns.zone}",
            link=link,
            kube=kube,
            endpoint=endpoint,
            after=after,
        )

    def nodes(self) -> tuple[Node[Any], ...]:
        return (self.forward,)
