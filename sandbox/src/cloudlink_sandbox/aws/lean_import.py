"""Import moto's EC2 in half the time and memory: the sandbox starts no instances, so it needs no catalogue of them.

While moto.ec2 is being imported, its loader of instance types and offerings (92 files) gives back nothing, and the
three botocore sessions that it opens to list regions are one. Nothing of moto stays changed afterwards.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # nor images


@contextmanager
def _without_catalogues() -> Iterator[None]:
    import boto3
    import botocore.session
    from moto.utilities import utils

    shared = botocore.session.get_session()
    load, session = utils.load_resource, boto3.Session

    class SharedSession(session):  # type: ignore[valid-type, misc]
        def __init__(self) -> None:
            super().__init__(botocore_session=shared)

    def load_little(resource: str) -> Any:
        if "instance_type_offerings" in resource:
            return []
        if resource.endswith("instance_types.json"):
            return {}
        return load(resource)

    utils.load_resource, boto3.Session = load_little, SharedSession  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        utils.load_resource, boto3.Session = load, session  # type: ignore[misc]


if "moto.ec2.models" not in sys.modules:
    with _without_catalogues():
        importlib.import_module("moto.ec2.models")
