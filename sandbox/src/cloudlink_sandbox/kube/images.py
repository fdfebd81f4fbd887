"""Whether the nodes can pull an image: which registry it names, and whether that one is there for them.

https://kubernetes.io/docs/concepts/containers/images/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cloudlink_sandbox.kube.objects import Object

# Registries that anybody may pull from. What an image is called within one is taken to be there: images are not fetched.
PUBLIC = frozenset(
    (
        "docker.io",
        "mcr.microsoft.com",
        "ghcr.io",
        "quay.io",
        "gcr.io",
        "registry.k8s.io",
        "public.ecr.aws",
        "registry.gitlab.com",
        "registry.access.redhat.com",
        "cgr.dev",
        "nvcr.io",
    )
)


def registry_of(image: str) -> str:
    """docker.io for a name that begins with no host."""
    first, found, _ = image.partition("/")
    return first.lower() if found and (set(".:") & set(first) or first == "localhost") else "docker.io"


def image_problem(container: Object, others: Mapping[str, bool], secrets: Iterable[str]) -> str:
    """Why a node cannot pull the image, in containerd's words; empty when it can.

    others: registries beside the public ones, and whether each asks for credentials. secrets: those that the pod's pull
    secrets hold credentials for.
    """
    image = container["image"]
    if container.get("imagePullPolicy") == "Never":
        return f'Container image "{image}" is not present with pull policy of Never'
    host = registry_of(image)
    head = f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": '
    if host not in PUBLIC and host not in others:
        name, tag = _named(image, host)
        return (
            f'{head}failed to do request: Head "https://{host}/v2/{name}/manifests/{tag}": '
            f"dial tcp: lookup {host.partition(':')[0]} on 168.63.129.16:53: no such host"
        )
    if others.get(host) and not any(host in s for s in secrets):
        name, _ = _named(image, host)
        return (
            f"{head}failed to authorize: failed to fetch anonymous token: unexpected status from GET request to "
            f"https://{host}/oauth2/token?scope=repository%3A{name.replace('/', '%2F')}%3Apull&service={host}: "
            "401 Unauthorized"
        )
    return ""


def _named(image: str, host: str) -> tuple[str, str]:
    rest = image[len(host) + 1 :]
    name, found, tag = rest.partition("@")
    if found:
        return name, tag
    name, _, tag = rest.partition(":")
    return name, tag or "latest"
