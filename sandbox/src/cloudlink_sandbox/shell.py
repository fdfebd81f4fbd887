"""What other clients need in order to talk to the sandbox: a shell's variables and a kubeconfig.

az, aws and kubectl are turned to it; so are most programs that read the same variables, and Terraform's providers.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from cloudlink_sandbox.own_files import write_own

KUBECONFIG = "kubeconfig"
AZURE_FOLDER = "azure"
AZURE_CLOUD = "cloudlink"  # the name under which az is told of it
# Variables of the user's own that would win over the exports, or send calls elsewhere.
_FORGOTTEN = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE", "ARM_CLOUD_METADATA_URL")


def exports(home: Path, address: dict[str, Any], *, region: str, subscription: str) -> str:
    """Lines for ``eval`` in a POSIX shell.

    They hold the sandbox's own made-up keys, which open nothing else. address: the content of the address file.
    """
    variables = {
        "AWS_ENDPOINT_URL": address["aws_url"],
        "AWS_ACCESS_KEY_ID": address["aws_access_key"],
        "AWS_SECRET_ACCESS_KEY": address["aws_secret_key"],
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_PAGER": "",
        "AZURE_CONFIG_DIR": str(home / AZURE_FOLDER),
        # az would ask login.microsoftonline.com whether it knows the sandbox
        "AZURE_CORE_INSTANCE_DISCOVERY": "false",
        "AZURE_CORE_COLLECT_TELEMETRY": "false",
        "REQUESTS_CA_BUNDLE": address["ca_file"],
        "NODE_EXTRA_CA_CERTS": address["ca_file"],
        # https://registry.terraform.io/providers/hashicorp/azurerm/latest/docs
        "ARM_METADATA_HOSTNAME": address["azure_url"].removeprefix("https://"),
        "ARM_TENANT_ID": address["azure_tenant"],
        "ARM_CLIENT_ID": address["azure_client_id"],
        "ARM_CLIENT_SECRET": address["azure_client_secret"],
        "ARM_SUBSCRIPTION_ID": subscription,
        "KUBECONFIG": str(home / KUBECONFIG),
    }
    quote = shlex.quote
    login = (
        f"az login --service-principal --username {quote(address['azure_client_id'])} "
        f"--password={quote(address['azure_client_secret'])} --tenant {quote(address['azure_tenant'])}"
    )
    lines = [f"unset {' '.join(_FORGOTTEN)}"]
    lines += [f"export {name}={quote(str(value))}" for name, value in variables.items()]
    lines += [f'export {name}="127.0.0.1,localhost${{{name}:+,${name}}}"' for name in ("NO_PROXY", "no_proxy")]
    lines += [
        "# Sign in with az once (what it keeps stays under AZURE_CONFIG_DIR):",
        f"#   az cloud register --name {AZURE_CLOUD} --endpoint-resource-manager {quote(address['azure_url'])}",
        f"#   az cloud set --name {AZURE_CLOUD}",
        f"#   {login}",
        f"#   az account set --subscription {quote(subscription)}",
        "# kubectl has the contexts aks and eks (eks asks `aws eks get-token` for a token, as on AWS):",
        "#   kubectl --context aks get pods --all-namespaces",
    ]
    return "\n".join(lines) + "\n"


def write_kubeconfig(home: Path, address: dict[str, Any], clusters: list[dict[str, Any]]) -> Path:
    """Puts the contexts ``aks`` and ``eks`` into the sandbox's kubeconfig, beside what clients have put there.

    clusters: the control interface's answer to ``GET /clusters``. The file has mode 0600.
    """
    import yaml

    path = home / KUBECONFIG
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        config = None
    if not isinstance(config, dict):
        config = {"apiVersion": "v1", "kind": "Config", "preferences": {}}
    for section, word in (("clusters", "cluster"), ("users", "user"), ("contexts", "context")):
        ours = ("aks", "eks", *map(_context, clusters))
        theirs = [e for e in config.get(section) or () if e.get("name") not in ours]
        config[section] = theirs + [{"name": _context(c), word: _entry(word, c, address)} for c in clusters]
    names = [c["name"] for c in config["contexts"]]
    if config.get("current-context") not in names:
        config["current-context"] = names[0] if names else ""
    write_own(path, yaml.safe_dump(config, sort_keys=False).encode())
    return path


def _context(cluster: dict[str, Any]) -> str:
    """Its name: ``aks``, ``eks``, or ``aks-NAME`` of an AKS cluster beside the first."""
    return str(cluster.get("context") or cluster["cloud"])


def _entry(word: str, cluster: dict[str, Any], address: dict[str, Any]) -> dict[str, Any]:
    if word == "cluster":
        return {"server": cluster["server"], "certificate-authority-data": cluster["ca"]}
    if word == "context":
        return {"cluster": _context(cluster), "user": _context(cluster)}
    if cluster["cloud"] == "aks":
        return {"token": cluster["token"]}
    region = cluster["region"]
    variables = {
        "AWS_ENDPOINT_URL": address["aws_url"],
        "AWS_ACCESS_KEY_ID": address["aws_access_key"],
        "AWS_SECRET_ACCESS_KEY": address["aws_secret_key"],
    }
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "aws",
            "args": ["--region", region, "eks", "get-token", "--cluster-name", cluster["name"], "--output", "json"],
            "env": [{"name": name, "value": value} for name, value in variables.items()],
            "interactiveMode": "Never",
            "provideClusterInfo": False,
        }
    }
