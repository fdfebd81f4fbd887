"""Bodies of writes to a cluster. Patches are JSON merge patches: what they do not name stays as others have set it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Body = dict[str, Any]


def key_patch(key: str, text: str | None, version: str = "") -> Body:
    """Of one key of a ConfigMap; text None: it is removed. version: the API answers 409 where somebody has written since."""
    patch: Body = {"data": {key: text}}
    return {**patch, "metadata": {"resourceVersion": version}} if version else patch


def template_patch(annotations: Mapping[str, str | None]) -> Body:
    """Of annotations on a Deployment's pod template; None: it is removed."""
    return {"spec": {"template": {"metadata": {"annotations": dict(annotations)}}}}
