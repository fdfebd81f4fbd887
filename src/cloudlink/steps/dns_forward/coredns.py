"""CoreDNS on AKS as it is read and written: one key of its ConfigMap, two annotations on its pod template."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cloudlink.clouds.kube.body import key_patch, template_patch
from cloudlink.clouds.kube.client import Kube
from cloudlink.clouds.kube.errors import KubeApiError, missing
from cloudlink.clouds.kube.parse import Deployment, KeyMap, deployment, key_map
from cloudlink.clouds.kube.parse_pods import Pod, pods
from cloudlink.digests import digest
from cloudlink.errors import ConflictError, CredentialsError, MissingError
from cloudlink.steps.dns_forward import corefile
from cloudlink.steps.dns_forward.corefile_rules import version_of

NAMESPACE = "kube-system"
CONFIG_MAP = "coredns-custom"
DEPLOYMENT = "coredns"
_PODS = "k8s-app=kube-dns"
BASE_CONFIG_MAP = "coredns"  # the cluster's own Corefile
_ANNOTATIONS = "cloudlink.dev"
_RESTARTED = "kubectl.kubernetes.io/restartedAt"
# At the end of AKS's own Corefile. https://learn.microsoft.com/azure/aks/coredns-custom
_IMPORTS = re.compile(r"^\s*import\s+(?:\S*/)?custom/(?:\*|\*\.server)\s*(?:#.*)?$", re.MULTILINE)
_NAMED_KEY = re.compile(r"custom/([-\w.]+?):\d+")  # CoreDNS says where it stumbled
_NAMED_PLUGIN = re.compile(r"plugin/([a-z0-9_]+):")  # or at least over what

DEPLOYMENT_READ = "kube.coredns"  # what is read of the Deployment, in the cache
KEYS_READ = "kube.coredns-custom"  # and of the ConfigMap
COREFILE_READ = "kube.coredns-corefile"  # and of the cluster's own Corefile
ACCESS_READ = "kube.access"  # that both may be patched


@dataclass(frozen=True)
class State:
    """CoreDNS as it was read. text None: our key is not there."""

    keys: KeyMap
    text: str | None
    applied: str  # the annotation's hash
    deployment: Deployment

    @property
    def restarted(self) -> str:
        """When the pods were restarted last, as kubectl notes it."""
        return self.deployment.annotations.get(_RESTARTED, "")


@dataclass(frozen=True)
class CoreDns:
    """The CoreDNS of one cluster, as one link uses it. key, annotation: the link's. address: of its resource."""

    kube: Kube = field(repr=False)
    key: str
    annotation: str
    zones: tuple[str, ...]
    address: str

    # --- reading -----------------------------------------------------------------------------------------

    def keys(self, *, fresh: bool = False) -> KeyMap:
        """The ConfigMap alone."""
        return key_map(self.kube.cache.get(KEYS_READ, lambda: self.kube.config_map(NAMESPACE, CONFIG_MAP), fresh=fresh))

    def state(self, *, fresh: bool) -> State:
        """Raises MissingError where a cluster has no CoreDNS as AKS makes it, and NoCluster."""
        try:
            keys = self.keys(fresh=fresh)
            found = deployment(
                self.kube.cache.get(DEPLOYMENT_READ, lambda: self.kube.deployment(NAMESPACE, DEPLOYMENT), fresh=fresh)
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
        return State(keys, keys.text.get(self.key), found.annotations.get(self.annotation, ""), found)

    def pods(self) -> tuple[Pod, ...]:
        return pods(self.kube.pods(NAMESPACE, _PODS))

    def examination(self, state: State, *, leaving: bool = False) -> corefile.Examination:
        """leaving: as it will be without our key."""
        return corefile.examine(
            state.keys.text,
            self.key,
            () if leaving else self.zones,
            version_of(state.deployment.images.get("coredns", "")),
            base=self.own_corefile() or corefile.USUAL_COREFILE,
            not_text=state.keys.not_text,
        )

    def own_corefile(self) -> str:
        """The cluster's own, into which AKS imports the keys; empty: it is not there, or may not be read."""
        try:
            found = self.kube.cache.get(COREFILE_READ, lambda: self.kube.config_map(NAMESPACE, BASE_CONFIG_MAP))
        except KubeApiError as error:
            if error.status not in (403, 404):
                raise
            return ""
        return key_map(found).text.get("Corefile", "")

    def crash(self, state: State, there: tuple[Pod, ...] | None = None) -> str:
        """Why CoreDNS does not come up with our text; empty while it may still do so. there: its pods, where they are known."""
        there = self.pods() if there is None else there
        for pod in there:
            if pod.annotations.get(self.annotation) != state.applied:
                continue  # one of the old ones
            for container in pod.containers:
                waiting = container.state("waiting")
                looping = waiting is not None and waiting.reason == "CrashLoopBackOff"
                if looping or (container.restarts >= 2 and not container.ready):
                    return f"CoreDNS does not start: {self._last_words(pod.name, container.restarts)}"
        if state.deployment.stalled:
            held = held_up(there, self.annotation, state.applied)
            return f"CoreDNS's rollout does not get on: {state.deployment.stalled}" + (f" ({held})" if held else "")
        return ""

    def culprit(self, state: State) -> str:
        """The key of others that stops CoreDNS; empty: it is our key, or the log names none.

        Of files that it does not find CoreDNS says no more than the plugin: that tells the key where no other has it.
        """
        said = self.crash(state)
        if named := _NAMED_KEY.search(said):
            return named[1] if named[1] != self.key else ""
        plugin = _NAMED_PLUGIN.search(said)
        if plugin is None:
            return ""
        uses = re.compile(rf"^\s*{plugin[1]}(?:\s|$)", re.MULTILINE)
        if uses.search(self.own_corefile() or corefile.USUAL_COREFILE):
            return ""
        found = [key for key, text in state.keys.text.items() if uses.search(text)]
        return found[0] if len(found) == 1 and found[0] != self.key else ""

    def blamed(self, problem: str) -> bool:
        """Whether CoreDNS's own words are about a key of others."""
        named = _NAMED_KEY.search(problem)
        return named is not None and named[1] != self.key

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

    # --- writing -----------------------------------------------------------------------------------------

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

    def permission(self) -> None:
        """Check the access once a run: it does not change between two writes. Patches that were tried without effect have
        proved it."""
        self.kube.cache.get(ACCESS_READ, self.check_access)

    def refuse_conflicts(self, state: State) -> None:
        """Raises ConflictError where CoreDNS would not start with our key."""
        found = self.examination(state)
        if found.conflicts:
            raise ConflictError(
                "CoreDNS would not start with the zone added",
                f"{' '.join(found.conflicts)} Nothing was written.",
                f"kubectl edit configmap {CONFIG_MAP} --namespace {NAMESPACE}",
                resource=self.address,
            )

    def refuse_to_leave(self, state: State) -> None:
        """Raises ConflictError where CoreDNS would not start without our key either: it goes on with what it read before, the
        zone included, so that what the zone leads to has to stay."""
        found = self.examination(state, leaving=True)
        if found.conflicts:
            raise ConflictError(
                "CoreDNS cannot let go of the zone",
                f"{' '.join(found.conflicts)} A running CoreDNS keeps what it read before, the zone included. Nothing was written, and "
                "nothing that the zone leads to is deleted.",
                f"{MEND_KEY}\nThen run the command again, or leave the zone in CoreDNS: cloudlink teardown --leave-coredns",
                resource=self.address,
            )

    def patch_key(self, text: str | None, version: str) -> None:
        """version: of the ConfigMap that was read, see ``key_patch``."""
        try:
            self.kube.patch_config_map(NAMESPACE, CONFIG_MAP, key_patch(self.key, text, version))
        finally:
            self.kube.cache.invalidate(DEPLOYMENT_READ, KEYS_READ)

    def restart(self, applied: str | None) -> None:
        """As ``kubectl rollout restart`` does it, with our annotation (None: taken away)."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.patch_template({_RESTARTED: now, self.annotation: applied})

    def restore_template(self, applied: str, restarted: str) -> None:
        """Our two annotations as they were; empty: they were not there."""
        self.patch_template({self.annotation: applied or None, _RESTARTED: restarted or None})

    def patch_template(self, annotations: Mapping[str, str | None]) -> None:
        try:
            self.kube.patch_deployment(NAMESPACE, DEPLOYMENT, template_patch(annotations))
        finally:
            self.kube.cache.invalidate(DEPLOYMENT_READ, KEYS_READ)


_NOT_BEGUN = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError"})


def held_up(there: Iterable[Pod], annotation: str, applied: str) -> str:
    """Why a new pod of CoreDNS does not begin or serve, which is no matter of our key: no node has room, the image does not come,
    or its node is lost; empty: nothing of it is known. The old pods serve meanwhile.

    Of a node that is silent Kubernetes takes the pods for not ready and leaves their containers as they were last seen.
    https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller
    """
    for pod in there:
        if pod.annotations.get(annotation) != applied or pod.ready or pod.going:
            continue
        if pod.unplaced:
            return f"no node takes the new pod {pod.name}: {pod.unplaced}"
        for container in pod.containers:
            waiting = container.state("waiting")
            if waiting is not None and waiting.reason in _NOT_BEGUN:
                return f"the new pod {pod.name} does not begin: {waiting.reason}: {waiting.message[:200]}"
        if pod.node and pod.containers and all(c.ready for c in pod.containers):
            return f"the node {pod.node} of {pod.name} is not ready: kubectl describe node {pod.node}"
    return ""


def unread(corefile: str, mounted: Collection[str] | None) -> tuple[str, ...]:
    """What keeps CoreDNS from reading any key of coredns-custom although it would start with it; none: nothing is known of.

    corefile: the cluster's own; empty: it could not be read. mounted: ConfigMaps that CoreDNS's pods mount; None: not known.
    """
    found: list[str] = []
    if corefile and not _IMPORTS.search(corefile):
        found.append(f"the Corefile in {NAMESPACE}/{BASE_CONFIG_MAP} does not import custom/*.server")
    if mounted is not None and CONFIG_MAP not in mounted:
        found.append(f"its pods do not mount the ConfigMap {CONFIG_MAP}")
    return tuple(found)


MEND_KEY = (
    f"Mend that key, or take it out; who has changed {CONFIG_MAP} last knows more. kubectl edit configmap {CONFIG_MAP} "
    f"--namespace {NAMESPACE}"
)
LET_IT_READ = (
    f"Add the line import custom/*.server at the end of the Corefile and mount {CONFIG_MAP} at /etc/coredns/custom, or "
    f"let AKS's own come back: kubectl get configmap {BASE_CONFIG_MAP} --namespace {NAMESPACE} -o yaml"
)


def annotation_of(link: str) -> str:
    """On CoreDNS's pod template: with which text of our key CoreDNS was restarted."""
    return f"{_ANNOTATIONS}/{link}"


def hash_of(text: str) -> str:
    return digest(text, 32)


def waiting_for(found: Deployment) -> str:
    """What a rollout still waits for; empty when it is complete (the conditions of ``kubectl rollout status``)."""
    if not found.noticed:
        return "CoreDNS's restart has not started"
    if found.new < found.wanted:
        return f"{found.new} of {found.wanted} CoreDNS pods are new"
    if found.there > found.new:
        return f"{found.there - found.new} old CoreDNS pods are still there"
    if found.available < found.new:
        return f"{found.available} of {found.new} CoreDNS pods are ready"
    return ""
