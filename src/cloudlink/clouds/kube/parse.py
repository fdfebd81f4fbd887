"""What a cluster's objects say, in frozen facts: nothing else knows the keys of Kubernetes' JSON for these."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True)
class KeyMap:
    """A ConfigMap, as files of a volume: pods get ``binaryData`` as they get ``data``."""

    text: Mapping[str, str]
    not_text: tuple[str, ...] = ()  # keys whose content is not UTF-8
    immutable: bool = False
    version: str = ""


def key_map(config_map: Json) -> KeyMap:
    text = {str(k): str(v) for k, v in (config_map.get("data") or {}).items()}
    not_text = []
    for key, value in sorted((config_map.get("binaryData") or {}).items()):
        try:
            text[str(key)] = base64.b64decode(str(value), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            not_text.append(str(key))
    version = str((config_map.get("metadata") or {}).get("resourceVersion") or "")
    return KeyMap(text, tuple(not_text), bool(config_map.get("immutable")), version)


@dataclass(frozen=True)
class PodTemplate:
    """Of a Deployment."""

    annotations: Mapping[str, str]
    images: Mapping[str, str]  # by container


def pod_template(deployment: Json) -> PodTemplate:
    template = (deployment.get("spec") or {}).get("template") or {}
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    containers = (template.get("spec") or {}).get("containers") or ()
    return PodTemplate(
        {str(k): str(v) for k, v in annotations.items()},
        {str(c.get("name")): str(c.get("image") or "") for c in containers},
    )


def ready_pods(pods: list[dict[str, Any]]) -> tuple[int, int]:
    """(ready, all) of those that are not going."""
    here = [p for p in pods if not (p.get("metadata") or {}).get("deletionTimestamp")]
    ready = [
        p
        for p in here
        if any(
            c.get("type") == "Ready" and c.get("status") == "True"
            for c in (p.get("status") or {}).get("conditions") or ()
        )
    ]
    return len(ready), len(here)
