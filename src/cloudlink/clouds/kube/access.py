"""How to get into a cluster: from the user kubeconfig that AKS gives, or from what EKS says about itself.

Nothing is read from or left in ``~/.kube``, and no program that a kubeconfig names is ever run.
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloudlink.clouds import answers
from cloudlink.errors import CloudError, CredentialsError
from cloudlink.secret import Secret

# The Entra application of every AKS cluster; kubelogin's kubeconfigs name it too.
# https://azure.github.io/kubelogin/concepts/aks.html
AKS_SERVER_ID = "6dae42f8-4368-4678-94ff-3960e28e3630"

# Where the clusters' APIs are, private ones and those of Azure's and AWS's other clouds included.
# https://learn.microsoft.com/azure/aks/outbound-rules-control-egress
AKS_HOSTS = ("azmk8s.io", "cx.aks.containerservice.azure.us", "cx.prod.service.azk8s.cn")
# https://docs.aws.amazon.com/eks/latest/userguide/cluster-endpoint.html
EKS_HOSTS = ("eks.amazonaws.com", "eks.amazonaws.com.cn", "api.aws", "api.amazonwebservices.com.cn", "amazonaws.eu")
_MOST_KUBECONFIG = 1024 * 1024  # bytes: YAML takes seconds for each megabyte


def _no_token() -> Secret | None:
    return None


@dataclass(frozen=True)
class Access:
    name: str
    server: str  # ``https://host:port`` without a path
    ca: str  # PEM
    # asked before every call, for it may expire
    token: Callable[[], Secret | None] = field(default=_no_token, repr=False)
    # certificate and key: PEM of a client certificate, or empty
    certificate: str = field(default="", repr=False)
    key: Secret = field(default=Secret(""), repr=False)
    # what to type when the cluster answers 401; asked then only
    unauthorized: Callable[[], str] = field(default=str, repr=False)


def aks_access(kubeconfig: bytes, azure_token: Callable[[str], str | Secret], *, sandbox: bool = False) -> Access:
    """From the answer to listClusterUserCredential. sandbox: the cluster is on loopback.

    A cluster that signs users in with Entra names kubelogin in an ``exec`` section. That program is not run: what it
    would fetch is a token for the cluster's server application, and ``azure_token(scope)`` gives the same. What the
    kubeconfig names is not believed: a token for another audience could be used elsewhere, so none is asked for.

    Raises ForeignAddress when the server is no AKS cluster's, and CloudError when the kubeconfig is not of either kind.
    """
    import yaml

    if len(kubeconfig) > _MOST_KUBECONFIG:
        raise _unusable("it is larger than 1 MB")
    try:
        config = yaml.safe_load(kubeconfig)
    except (yaml.YAMLError, RecursionError) as error:
        raise _unusable("it is not YAML") from error
    if not isinstance(config, Mapping):
        raise _unusable("it is not a mapping")
    context = _named(config, "contexts", str(config.get("current-context") or ""), "context")
    cluster = _named(config, "clusters", str(context.get("cluster") or ""), "cluster")
    user = _named(config, "users", str(context.get("user") or ""), "user")
    name, server = str(context.get("cluster")), str(cluster.get("server") or "").rstrip("/")
    if not server.startswith("https://"):
        raise _unusable("its server is not https")
    _require_cluster(server, AKS_HOSTS, f"The API of AKS cluster {name}", "az aks show --query fqdn", sandbox=sandbox)
    ca = _decoded(cluster, "certificate-authority-data")

    if isinstance(user.get("exec"), Mapping):
        audience = _server_id(user["exec"].get("args") or ())
        if audience.lower() != AKS_SERVER_ID:
            raise CloudError(
                "The AKS cluster asks for a token of another application",
                f"The kubeconfig of cluster {name} names the server application {audience[:100]!r}, and not "
                f"{AKS_SERVER_ID}, which is that of every AKS cluster. No token was asked for.",
                "Move the cluster to AKS-managed Entra sign-in: az aks update --enable-aad",
            )
        scope = f"{AKS_SERVER_ID}/.default"
        return Access(name, server, ca, token=lambda: _secret(azure_token(scope)), unauthorized=lambda: _ENTRA_401)
    token = Secret(str(user.get("token") or ""))
    certificate, key = _decoded(user, "client-certificate-data"), _decoded(user, "client-key-data")
    if bool(certificate) != bool(key):
        raise _unusable("it has a client certificate without its key, or the other way round")
    if not certificate and not token:
        raise _unusable("its user has neither a certificate nor a token nor an exec section")
    return Access(
        name,
        server,
        ca,
        token=lambda: token or None,
        certificate=certificate,
        key=Secret(key),
        unauthorized=lambda: _CERTIFICATE_401,
    )


_ENTRA_401 = (
    "See that the sign-in is of the cluster's tenant: az aks show --query aadProfile.tenantID and az account show --query tenantId "
    "(with the cluster's name and group); then sign in to that one: az login --tenant TENANT"
)
_CERTIFICATE_401 = (
    "The cluster's certificates were renewed a moment ago, or its local accounts were switched off: run the command again, which "
    "gets the user's kubeconfig anew"
)


def eks_access(
    name: str,
    endpoint: str,
    ca: str,
    token: Callable[[], str | Secret],
    *,
    sandbox: bool = False,
    principal: Callable[[], str] = str,
    by_config_map: bool = False,
) -> Access:
    """endpoint and ca (base64 PEM): as DescribeCluster gives them. sandbox: the cluster is on loopback. principal: the ARN
    that an access entry would have to name, of the role and not of its session. by_config_map: the cluster takes none.

    Raises ForeignAddress when the endpoint is no EKS cluster's: the token is a signed proof of who we are.
    """
    _require_cluster(
        endpoint,
        EKS_HOSTS,
        f"The API of EKS cluster {name}",
        f"aws eks describe-cluster --name {name} --query cluster.endpoint",
        sandbox=sandbox,
    )
    try:
        pem = base64.b64decode(ca, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise CloudError(
            "EKS gives an unreadable certificate authority", f"That of cluster {name} is not a PEM."
        ) from error

    def entry() -> str:
        arn = principal() or "ROLE_ARN"
        if by_config_map:
            # https://docs.aws.amazon.com/eks/latest/userguide/auth-configmap.html
            head, _, name_in_path = arn.rpartition("/")
            plain = f"{head.partition('/')[0]}/{name_in_path}" if head else arn
            return (
                f"{name} takes no access entries and knows identities by its ConfigMap aws-auth: have somebody who is in it add "
                f"mapRoles with rolearn {plain} (kubectl edit configmap aws-auth --namespace kube-system), or: aws eks "
                f"update-cluster-config --name {name} --access-config authenticationMode=API_AND_CONFIG_MAP"
            )
        return (
            f"aws eks create-access-entry --cluster-name {name} --principal-arn {arn}; then aws eks associate-access-policy "
            f"--cluster-name {name} --principal-arn {arn} --policy-arn "
            f"arn:{arn.split(':')[1] if arn.startswith('arn:') else 'aws'}:eks::aws:cluster-access-policy/AmazonEKSViewPolicy "
            "--access-scope type=cluster"
        )

    return Access(name, endpoint.rstrip("/"), pem, token=lambda: _secret(token()), unauthorized=entry)


def _require_cluster(server: str, hosts: tuple[str, ...], what: str, hint: str, *, sandbox: bool) -> None:
    if not (sandbox and answers.is_loopback(server) and server.startswith("https://")):
        answers.require_host(server, hosts, what, hint)


def _secret(token: str | Secret) -> Secret:
    return token if isinstance(token, Secret) else Secret(token)


def tls_context(access: Access) -> ssl.SSLContext:
    """Trusts the cluster's own authority alone."""
    context = ssl.create_default_context(cadata=access.ca or None)
    # Clusters' authorities predate RFC 5280's stricter rules (no key identifiers), which newer Pythons ask for.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    if access.certificate:
        # OpenSSL's binding takes a client certificate from a file only: a private one, gone when this returns.
        with tempfile.TemporaryDirectory(prefix="cloudlink-") as folder:
            pem = Path(folder) / "client.pem"
            descriptor = os.open(pem, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(f"{access.certificate}\n{access.key.reveal()}\n")
            try:
                context.load_cert_chain(pem)
            except ssl.SSLError as error:
                raise CredentialsError(
                    "The cluster's client certificate cannot be used",
                    f"The user kubeconfig of cluster {access.name} holds a certificate or key that OpenSSL refuses.",
                ) from error
    return context


def _named(config: Mapping[str, Any], section: str, name: str, kind: str) -> Mapping[str, Any]:
    for entry in config.get(section) or ():
        if isinstance(entry, Mapping) and entry.get("name") == name and isinstance(entry.get(kind), Mapping):
            found: Mapping[str, Any] = entry[kind]
            return found
    raise _unusable(f"it has no {kind} named {name!r}")


def _decoded(section: Mapping[str, Any], key: str) -> str:
    try:
        return base64.b64decode(str(section.get(key) or ""), validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _unusable(f"its {key} is not base64 of a PEM") from error


def _server_id(args: Sequence[Any]) -> str:
    words = [str(a) for a in args]
    for i, word in enumerate(words):
        if word == "--server-id" and i + 1 < len(words):
            return words[i + 1]
        if word.startswith("--server-id="):
            return word.partition("=")[2]
    return AKS_SERVER_ID


def _unusable(why: str) -> CloudError:
    return CloudError(
        "Azure's kubeconfig for the AKS cluster cannot be used",
        f"The user kubeconfig that Azure gives for the cluster cannot be used: {why}.",
        "az aks get-credentials shows the same kubeconfig",
    )
