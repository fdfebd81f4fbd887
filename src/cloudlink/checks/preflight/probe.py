"""The pod that asks for names at the end: whether the cluster would take it, by creating it without effect."""

from __future__ import annotations

from collections.abc import Iterator

from cloudlink.checks.names.answers import request
from cloudlink.checks.names.pod import manifest
from cloudlink.checks.preflight.context import Context
from cloudlink.clouds.kube.client import Kube
from cloudlink.clouds.kube.errors import KubeApiError, NoCluster, missing, no_permission, refused_by_policy, translate
from cloudlink.errors import Finding, Severity
from cloudlink.link import Link

TOPIC = "coredns"


def find(context: Context) -> Iterator[Finding]:
    if context.writes("dns_forward") and not context.cluster_away:
        yield from check(context.link, context.aks)


def check(link: Link, kube: Kube) -> Iterator[Finding]:
    """With ``dryRun`` authorisers, admission and quotas answer as in truth. Nothing is said where it cannot be tried: a webhook
    that takes no dry run says nothing of the pod.

    https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run
    """
    namespace = link.probe.namespace
    try:
        kube.create_pod(namespace, manifest(link, f"cloudlink-probe-{link.name}-try", request((), ())), dry_run=True)
    except NoCluster:
        return  # cloudlink makes it
    except KubeApiError as error:
        if not (no_permission(error) or refused_by_policy(error) or missing(error)):
            return
        told = translate(error)
        assert told is not None
        yield Finding(
            TOPIC,
            Severity.WARNING,
            "The cluster would not take the pod that asks for names",
            f"The link can be built, but verify-dns, and up at its end, could not prove its names. {told.summary}: {told.detail}.",
            f"{told.hint}\nOr leave that out: cloudlink up --no-verify".strip(),
            resource="verify.names",
        )
