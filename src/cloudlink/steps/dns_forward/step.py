"""dns_forward: CoreDNS on AKS forwards the zone to the inbound endpoint's addresses.

One key of the ConfigMap ``kube-system/coredns-custom`` is ours, and one annotation on CoreDNS's pod template, which
says with which text of that key CoreDNS was last restarted. The restart is deliberate: a running CoreDNS silently
keeps its old configuration when the new one is wrong, and dies of it at some later node upgrade. So what was written
is proved at once, while the old pods still serve.
https://learn.microsoft.com/azure/aks/coredns-custom
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Any, ClassVar

from cloudlink.clouds.kube.client import Kube, KubeObject
from cloudlink.clouds.kube.errors import NoCluster, missing
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
_ANNOTATIONS = "cloudlink.dev"

_DEPLOYMENT = "kube.coredns"
_KEYS = "kube.coredns-custom"
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

    data: Mapping[str, str]
    version: str
    text: str | None
    applied: str  # the annotation's hash
    deployment: KubeObject


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
        return f"{_ANNOTATIONS}/{self.link.name}"

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
            self._patch_key(None, state.version)
        self._restart(None)
        return Started(self._id)

    def rollback_state(self) -> str | None:
        """What our key holds; None: there is none."""
        return self._state(fresh=False).text

    def rollback(self, found: Observed[ForwardSpec, Nothing] | None, before: Any) -> str:
        """Restore the key to what it held, and restart again: the cluster's own names come first."""
        state = self._state(fresh=True)
        if state.text == before and state.applied == (_hash(before) if before is not None else ""):
            return ""
        self._patch_key(before, state.version)
        self._restart(_hash(before) if before is not None else None)
        what = "restored to what it was" if before is not None else "removed again"
        return f"The key {self.key} was {what} and CoreDNS restarted, so that the cluster's DNS goes on working."

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
        data = {str(k): str(v) for k, v in (config_map.get("data") or {}).items()}
        template = ((deployment.get("spec") or {}).get("template") or {}).get("metadata") or {}
        return _State(
            data=data,
            version=str((config_map.get("metadata") or {}).get("resourceVersion") or ""),
            text=data.get(self.key),
            applied=str((template.get("annotations") or {}).get(self.annotation) or ""),
            deployment=deployment,
        )

    @parsing("the cluster's ConfigMap and Deployment")
    def _examination(self, state: _State) -> corefile.Examination:
        return corefile.examine(state.data, self.key, self.link.dns.zone, _coredns_version(state.deployment))

    def _config_map(self, *, fresh: bool) -> KubeObject:
        return self.kube.cache.get(_KEYS, lambda: self.kube.config_map(NAMESPACE, CONFIG_MAP), fresh=fresh)

    def _write(self, spec: ForwardSpec) -> Started:
        state = self._state(fresh=True)
        self._check(state)
        text = corefile.written(owner_of(self.link), corefile.Block(spec.zone, spec.upstreams, spec.options))
        if state.text != text:
            self._patch_key(text, state.version)
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
        patch: dict[str, Any] = {"data": {self.key: text}}
        if version:
            patch["metadata"] = {"resourceVersion": version}
        try:
            self.kube.patch_config_map(NAMESPACE, CONFIG_MAP, patch)
        finally:
            self.kube.cache.invalidate(_DEPLOYMENT, _KEYS)

    def _restart(self, applied: str | None) -> None:
        """As ``kubectl rollout restart`` does it, with our annotation (None: taken away)."""
        annotations = {
            "kubectl.kubernetes.io/restartedAt": datetime.now(UTC).isoformat(timespec="milliseconds"),
            self.annotation: applied,
        }
        patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
        try:
            self.kube.patch_deployment(NAMESPACE, DEPLOYMENT, patch)
        finally:
            self.kube.cache.invalidate(_DEPLOYMENT, _KEYS)

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


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _coredns_version(deployment: KubeObject) -> Version:
    spec = ((deployment.get("spec") or {}).get("template") or {}).get("spec") or {}
    images = [str(c.get("image")) for c in spec.get("containers") or () if c.get("name") == "coredns"]
    return version_of(images[0] if images else "")


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
