"""What a cluster's objects say, in frozen facts: nothing else knows the keys of Kubernetes' JSON for these."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloudlink.clouds.malformed import parsing

Json = Mapping[str, Any]


@dataclass(frozen=True)
class KeyMap:
    """A ConfigMap, as files of a volume: pods get ``binaryData`` as they get ``data``."""

    text: Mapping[str, str]
    not_text: tuple[str, ...] = ()  # keys whose content is not UTF-8
    immutable: bool = False
    version: str = ""
    kept_by: str = ""  # the tool that writes it from a definition elsewhere; empty: none that has left a mark


@parsing("the cluster's ConfigMap")
def key_map(config_map: Json) -> KeyMap:
    text = {str(k): str(v) for k, v in (config_map.get("data") or {}).items()}
    not_text = []
    for key, value in sorted((config_map.get("binaryData") or {}).items()):
        try:
            text[str(key)] = base64.b64decode(str(value), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            not_text.append(str(key))
    metadata = _part(config_map, "metadata")
    version = str(metadata.get("resourceVersion") or "")
    return KeyMap(text, tuple(not_text), bool(config_map.get("immutable")), version, _keeper(metadata))


# What such tools leave on each object that they write: (where, key, how it is called)
_MARKS = (
    ("annotations", "argocd.argoproj.io/tracking-id", "Argo CD (application {})"),
    ("labels", "argocd.argoproj.io/instance", "Argo CD (application {})"),
    ("labels", "kustomize.toolkit.fluxcd.io/name", "Flux (Kustomization {})"),
    ("labels", "helm.toolkit.fluxcd.io/name", "Flux (HelmRelease {})"),
    ("annotations", "meta.helm.sh/release-name", "Helm (release {})"),
)


def _keeper(metadata: Json) -> str:
    """https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/
    https://fluxcd.io/flux/components/kustomize/kustomizations/
    """
    for where, key, called in _MARKS:
        if value := str(_part(metadata, where).get(key) or ""):
            return called.format(value.partition(":")[0])
    managers = [str(m.get("manager") or "") for m in metadata.get("managedFields") or ()]
    return "Terraform" if any(m.startswith(("Terraform", "HashiCorp")) for m in managers) else ""


@dataclass(frozen=True)
class Deployment:
    """A Deployment and how far its rollout is."""

    annotations: Mapping[str, str]  # of its pod template
    images: Mapping[str, str]  # by container
    noticed: bool = True  # whether its controller has seen the last change
    wanted: int = 1  # pods
    there: int = 0  # pods of any age
    new: int = 0  # pods of the newest template
    available: int = 0
    stalled: str = ""  # why the rollout does not get on; empty: it does
    config_maps: tuple[str, ...] | None = None  # that its pods mount; None: the answer names no volumes


@parsing("the cluster's Deployment")
def deployment(raw: Json) -> Deployment:
    spec, status, metadata = (_part(raw, key) for key in ("spec", "status", "metadata"))
    template = _part(spec, "template")
    containers = _part(template, "spec").get("containers") or ()
    replicas = spec.get("replicas")
    there, new, available = (int(status.get(k) or 0) for k in ("replicas", "updatedReplicas", "availableReplicas"))
    return Deployment(
        annotations={str(k): str(v) for k, v in _part(_part(template, "metadata"), "annotations").items()},
        images={str(c.get("name")): str(c.get("image") or "") for c in containers},
        noticed=int(status.get("observedGeneration") or 0) >= int(metadata.get("generation") or 0),
        wanted=1 if replicas is None else int(replicas),
        there=there,
        new=new,
        available=available,
        stalled=next(
            (
                str(c.get("message") or c.get("reason"))
                for c in status.get("conditions") or ()
                if c.get("type") == "Progressing" and c.get("status") == "False"
            ),
            "",
        ),
        config_maps=_mounted(_part(template, "spec")),
    )


def _mounted(pod_spec: Json) -> tuple[str, ...] | None:
    volumes = pod_spec.get("volumes")
    if not volumes:
        return None
    plain = [_part(v, "configMap").get("name") for v in volumes]
    projected = [_part(s, "configMap").get("name") for v in volumes for s in _part(v, "projected").get("sources") or ()]
    return tuple(str(name) for name in (*plain, *projected) if name)


def _part(raw: Json, key: str) -> Json:
    value = raw.get(key)
    if value is not None and not isinstance(value, Mapping):
        raise TypeError(f"{key} is {type(value).__name__}")
    return value or {}
