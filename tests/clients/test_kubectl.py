"""kubectl, unmodified, on both clusters."""

from __future__ import annotations

import time

import pytest
import yaml

from tests.clients.shell import Clients

BOTH = pytest.mark.parametrize("context", ["aks", "eks"])
SLEEPER = ["run", "sleeper", "--image=python:3.12", "--restart=Never", "--command", "--", "sleep", "infinity"]
TALKER = "import time\nfor i in range(4):\n    print('tick', i, flush=True)\n    time.sleep(0.2)\n"


@pytest.mark.program("kubectl lists versions, objects and kinds")
@BOTH
def test_versions_and_lists(clients: Clients, context: str) -> None:
    version, everything, kinds = clients.together(
        lambda: clients.kubectl(context, "version --output yaml"),
        lambda: clients.kubectl(context, "get all --all-namespaces"),
        lambda: clients.kubectl(context, "api-resources --output name"),
    )
    assert yaml.safe_load(version.out)["serverVersion"]["gitVersion"].startswith("v1.")
    assert ("deployment.apps/coredns" if context == "aks" else "service/vault") in everything.out
    assert {"configmaps", "deployments.apps", "ingresses.networking.k8s.io"} <= set(kinds.rows)


@pytest.mark.program("kubectl asks what it may")
@BOTH
def test_may_i(clients: Clients, context: str) -> None:
    assert clients.kubectl(context, "auth can-i patch configmaps --namespace kube-system").out == "yes\n"


@pytest.mark.program(
    "kubectl applies, patches in three ways, edits, labels, annotates, replaces and deletes a config map"
)
@BOTH
def test_config_maps_by_every_road(clients: Clients, context: str) -> None:
    path = clients.folder / f"{context}-map.yaml"

    def written(value: str) -> None:
        text = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "mine"},
            "data": {"k": value, "kept": "1"},
        }
        path.write_text(yaml.safe_dump(text))

    def value() -> str:
        return clients.kubectl(context, "get configmap mine --output jsonpath={.data.k}").out

    written("one")
    assert "created" in clients.kubectl(context, f"apply --filename {path}").out
    written("two")
    assert "configured" in clients.kubectl(context, f"apply --filename {path}").out
    assert "unchanged" in clients.kubectl(context, f"apply --filename {path}").out
    assert value() == "two"
    patch = "patch configmap mine --type"
    clients.kubectl(context, f"{patch} merge --patch", '{"data": {"k": "three"}}')
    assert value() == "three"
    clients.kubectl(context, f"{patch} json --patch", '[{"op": "replace", "path": "/data/k", "value": "four"}]')
    assert value() == "four"
    clients.kubectl(context, f"{patch} strategic --patch", '{"data": {"k": "five"}}')
    clients.kubectl(context, "edit configmap mine", KUBE_EDITOR="sed -i s/five/six/")
    assert value() == "six"
    clients.kubectl(context, "label configmap mine team=one")
    found = clients.kubectl(context, "get configmap --selector team=one --output name")
    assert found.rows == ["configmap/mine"]
    stale = yaml.safe_load(clients.kubectl(context, "get configmap mine --output yaml").out)
    clients.kubectl(context, "annotate configmap mine a=b")
    path.write_text(yaml.safe_dump(stale))
    assert "Conflict" in clients.refused(f"kubectl --context {context} replace --filename {path}")
    clients.kubectl(context, "delete configmap mine")
    said = clients.refused(f"kubectl --context {context} get configmap mine")
    assert said == 'Error from server (NotFound): configmaps "mine" not found\n'


@pytest.mark.documentation("AKS puts coredns back and leaves coredns-custom")
def test_coredns_is_put_back_and_its_custom_file_is_not(clients: Clients) -> None:
    system = "--namespace kube-system"
    # no CoreDNS takes this one, so those that run keep what they have; with one that has no `reload` they never would
    # read another again, and the names of all later tests would be gone
    clients.kubectl("aks", f"{system} patch configmap coredns --type merge --patch", '{"data": {"Corefile": ". {"}}')
    clients.kubectl(
        "aks", f"{system} patch configmap coredns-custom --type merge --patch", '{"data": {"a.override": "log"}}'
    )
    clients.advance("1h")
    theirs, ours = clients.together(
        lambda: clients.kubectl("aks", f"{system} get configmap coredns --output jsonpath={{.data.Corefile}}").out,
        lambda: clients.kubectl("aks", f"{system} get configmap coredns-custom --output yaml").out,
    )
    assert "kubernetes cluster.local" in theirs
    assert yaml.safe_load(ours)["data"]["a.override"] == "log"
    clients.kubectl(
        "aks",
        f"{system} patch configmap coredns-custom --type json --patch",
        '[{"op": "remove", "path": "/data/a.override"}]',
    )


@pytest.mark.program("kubectl restarts CoreDNS and sees the rollout end")
def test_a_rollout(clients: Clients) -> None:
    system = "--namespace kube-system"
    began = time.monotonic()
    clients.kubectl("aks", f"{system} rollout restart deployment/coredns")
    said = clients.kubectl("aks", f"{system} rollout status deployment/coredns --timeout 60s")
    assert "successfully rolled out" in said.out
    assert time.monotonic() - began < 30  # it ends when the rollout does, not with the watch
    assert "Ready" in clients.kubectl("aks", f"{system} describe pods --selector k8s-app=kube-dns").out
    assert "CoreDNS-" in clients.kubectl("aks", f"{system} logs --selector k8s-app=kube-dns --tail 5").out


@pytest.mark.program("kubectl runs, waits for, follows and deletes a pod")
def test_a_pod_its_log_and_its_end(clients: Clients) -> None:
    clients.ok("kubectl", "--context", "aks", "run", "talker", "--image=python:3.12", "--restart=Never", "--command", "--", "python3", "-c", TALKER)  # fmt: skip
    clients.kubectl("aks", "wait --for=jsonpath={.status.phase}=Succeeded pod/talker --timeout 30s")
    followed = clients.kubectl("aks", "logs --follow talker").out
    assert followed == "".join(f"tick {i}\n" for i in range(4))
    assert clients.kubectl("aks", "logs --tail 1 talker").out == "tick 3\n"
    clients.kubectl("aks", "delete pod talker")
    clients.kubectl("aks", "wait --for=delete pod/talker --timeout 30s")


@pytest.mark.program("kubectl runs commands in a pod, with input, both outputs and exit codes")
def test_commands_in_a_running_pod(clients: Clients) -> None:
    clients.ok("kubectl", "--context", "aks", *SLEEPER)
    clients.kubectl("aks", "wait --for=condition=Ready pod/sleeper --timeout 30s")
    run = "exec sleeper --"
    assert clients.kubectl("aks", f"{run} echo hello").out == "hello\n"
    asked = "import socket; print(socket.gethostbyname('kubernetes.default.svc.cluster.local'))"
    with clients.slowly():  # a resolver waits five seconds for an answer
        assert clients.kubectl("aks", f"{run} python3 -c", asked).out == "10.0.0.1\n"
    fed = clients.kubectl("aks", "exec --stdin sleeper -- sh -c", "read a; echo got $a; echo oops >&2", stdin="word\n")
    assert (fed.out, fed.err) == ("got word\n", "oops\n")
    failed = clients.run("kubectl", "--context", "aks", "exec", "sleeper", "--", "sh", "-c", "exit 7")
    assert failed.code == 7
    unknown = clients.run("kubectl", "--context", "aks", "exec", "sleeper", "--", "nonsense")
    assert unknown.code != 0
    assert "executable file not found" in unknown.err
    clients.kubectl("aks", "delete pod sleeper --now")
    assert "NotFound" in clients.refused("kubectl --context aks exec sleeper -- echo")


@pytest.mark.program("kubectl with an unknown token is told so")
@BOTH
def test_nobody_without_a_token(clients: Clients, context: str) -> None:
    config = yaml.safe_load((clients.folder / ".cloudlink/sandbox/demo/kubeconfig").read_text())
    for user in config["users"]:
        user["user"] = {"token": "made-up"}
    path = clients.folder / "others.yaml"
    path.write_text(yaml.safe_dump(config))
    said = clients.run("kubectl", "--context", context, "get", "pods", KUBECONFIG=str(path))
    assert said.code != 0
    assert "Unauthorized" in said.err or "must be logged in" in said.err
