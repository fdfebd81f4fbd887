"""kubectl, unchanged, against the API server."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudlink_sandbox.faults import Fault
from cloudlink_sandbox.kube import protobuf
from tests.sandbox.kube.conftest import TOKEN, Aks
from tests.sandbox.kube.small_world import CLUSTER_ID

needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")

Kubectl = Callable[..., str]


@pytest.fixture
def kubectl(aks: Aks, certificate: Path, tmp_path: Path) -> Kubectl:
    aks.world.context.clock.set_speed(600)
    config = tmp_path / "config"
    parts = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "a",
                "cluster": {"server": aks.cloud.url_of(CLUSTER_ID), "certificate-authority": str(certificate)},
            }
        ],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "u"}}],
        "current-context": "a",
    }
    config.write_text(json.dumps(parts))

    def call(*arguments: str, ok: bool = True, stdin: str = "") -> str:
        command = ["kubectl", f"--kubeconfig={config}", f"--cache-dir={tmp_path}/cache", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done.stdout + done.stderr

    return call


@pytest.mark.program("kubectl shows versions, tables, objects, logs and errors")
@needs_kubectl
def test_looking_around(kubectl: Kubectl) -> None:
    assert "Server Version: v1.33.0" in kubectl("version")
    table = kubectl("get", "deployments", "-A")
    row = table.splitlines()[1].split()
    assert row[:-1] == ["kube-system", "coredns", "2/2", "2", "2"]
    assert "import custom/*.server" in kubectl("-n", "kube-system", "get", "cm", "coredns", "-o", "yaml")
    assert "NotFound" in kubectl("get", "cm", "nothing", ok=False)
    assert "CoreDNS-1.12.1" in kubectl("-n", "kube-system", "logs", "deploy/coredns")


@pytest.mark.program("kubectl applies, creates, patches and deletes")
@needs_kubectl
def test_changing_things(kubectl: Kubectl, aks: Aks) -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"a": "1"}}
    kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    kubectl("apply", "-f", "-", stdin=json.dumps({**manifest, "data": {"b": "2"}}))
    assert aks.core.read_namespaced_config_map("m", "default").data == {"b": "2"}
    kubectl("create", "configmap", "n", "--from-literal=x=y")
    assert aks.core.read_namespaced_config_map("n", "default").data == {"x": "y"}
    kubectl("patch", "cm", "n", "--type=json", '-p=[{"op":"add","path":"/data/z","value":"1"}]')
    kubectl("delete", "cm", "m", "n")


@pytest.mark.program("kubectl restarts, follows a rollout, and asks what it may")
@needs_kubectl
def test_rollout_and_access(kubectl: Kubectl, aks: Aks) -> None:
    kubectl("-n", "kube-system", "rollout", "restart", "deployment", "coredns")
    assert "successfully rolled out" in kubectl(
        "-n", "kube-system", "rollout", "status", "deployment", "coredns", "--timeout=20s"
    )
    assert kubectl("auth", "can-i", "patch", "configmaps/coredns-custom", "-n", "kube-system").strip() == "yes"
    aks.world.context.faults.add(Fault("denied", "kube.PATCH:configmaps/*", times=None))
    assert kubectl("auth", "can-i", "patch", "configmaps/coredns-custom", "-n", "kube-system", ok=False).startswith(
        "no"
    )


@pytest.mark.program("kubectl runs a pod, waits for it, reads its log and deletes it")
@needs_kubectl
def test_a_pod(kubectl: Kubectl) -> None:
    kubectl("run", "t", "--image=busybox", "--restart=Never", "--", "sh", "-c", "echo hello")
    kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/t", "--timeout=20s")
    assert kubectl("logs", "t") == "hello\n"
    kubectl("delete", "pod", "t")


@pytest.mark.documentation("kubectl applies on the server's side, scales, asks who it is, and reads raw paths")
@needs_kubectl
def test_on_the_server_s_side(kubectl: Kubectl, tmp_path: Path) -> None:
    assert "Username" in kubectl("auth", "whoami")
    assert "*.*" in kubectl("auth", "can-i", "--list")
    assert kubectl("get", "--raw", "/readyz") == "ok"
    file = tmp_path / "map.yaml"
    file.write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: m, namespace: default}, data: {a: '1'}}")
    assert kubectl("apply", "--server-side", "-f", str(file)) == "configmap/m serverside-applied\n"
    assert kubectl("diff", "-f", str(file)) == ""
    assert "scaled" in kubectl("scale", "deployment/coredns", "--namespace", "kube-system", "--replicas", "3")


@pytest.mark.specification("A body that is no protobuf of Kubernetes' is refused")
def test_protobuf_that_is_none() -> None:
    for body in (b"", b"k8s\0\x0a\xff", b"{}", b"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Binder"):
        with pytest.raises(protobuf.Unreadable):
            protobuf.read(body)


@pytest.mark.specification("Bodies in protobuf are read")
def test_a_config_map_in_protobuf() -> None:
    def text(number: int, value: bytes) -> bytes:
        return bytes([number << 3 | 2, len(value)]) + value

    meta = text(1, b"n") + text(3, b"default")
    raw = text(1, meta) + text(2, text(1, b"k") + text(2, b"v"))
    body = b"k8s\0" + text(1, text(1, b"v1") + text(2, b"ConfigMap")) + text(2, raw)
    assert protobuf.read(body) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "n", "namespace": "default"},
        "data": {"k": "v"},
    }


@pytest.mark.specification("What a Go client says with a delete is read in protobuf, too")
def test_delete_options_in_protobuf() -> None:
    types = b"\x0a\x02v1\x12\x0dDeleteOptions"
    raw = b"\x08\x05" + b"\x12\x04\x0a\x02id" + b"\x22\x0aBackground" + b"\x2a\x03All"
    body = b"k8s\0" + bytes([0x0A, len(types)]) + types + bytes([0x12, len(raw)]) + raw
    assert protobuf.read(body) == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "gracePeriodSeconds": 5,
        "preconditions": {"uid": "id"},
        "propagationPolicy": "Background",
        "dryRun": ["All"],
    }
