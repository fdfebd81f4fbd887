"""How a ConfigMap reaches CoreDNS: projection, reload, restart, and what a broken one does."""

from __future__ import annotations

from dataclasses import replace

import dns.message
import dns.query
import dns.rcode
import pytest

from tests.sandbox.kube.conftest import Aks
from tests.sandbox.kube.test_corefile import GOOD

DNS = "10.0.0.10"
BROKEN = GOOD.replace("prefer_udp", "prefer_tcp")


def put(aks: Aks, text: str | None) -> None:
    aks.core.patch_namespaced_config_map(
        "coredns-custom",
        "kube-system",
        [{"op": "add", "path": "/data", "value": {} if text is None else {"cloudlink-a.server": text}}],
    )


def ask(aks: Aks, name: str = "app.corp.example.") -> str:
    """The first address, or the rcode."""
    host, port = aks.wire.dns_address_of(DNS)
    response = dns.query.udp(dns.message.make_query(name, "A"), host, port=port, timeout=10)
    return str(response.answer[-1][0]) if response.answer else dns.rcode.to_text(response.rcode())


def restart(aks: Aks) -> None:
    stamp = {"kubectl.kubernetes.io/restartedAt": str(aks.world.context.clock.now())}
    patch = {"spec": {"template": {"metadata": {"annotations": stamp}}}}
    aks.apps.patch_namespaced_deployment("coredns", "kube-system", patch)


def rollout(aks: Aks) -> tuple[bool, str]:
    """(complete, reason of Progressing), as kubectl decides it."""
    d = aks.apps.read_namespaced_deployment("coredns", "kube-system")
    s = d.status
    reason = next(c.reason for c in s.conditions if c.type == "Progressing")
    done = s.observed_generation == d.metadata.generation and (
        s.updated_replicas or 0
    ) == d.spec.replicas == s.replicas == (s.available_replicas or 0)
    return done, reason


def states(aks: Aks) -> list[str]:
    pods = aks.core.list_namespaced_pod("kube-system", label_selector="k8s-app=kube-dns").items
    return sorted("ready" if s.ready else s.state.waiting.reason for p in pods for s in p.status.container_statuses)


@pytest.mark.documentation("A config map reaches pods within a minute, and CoreDNS reloads every 30 s")
def test_reload_takes_its_time(aks: Aks) -> None:
    assert ask(aks) == "NXDOMAIN"
    put(aks, GOOD)
    aks.advance(31)  # a cached denial has ended, projection (20 s) and reload (30 s) have not
    assert ask(aks) == "NXDOMAIN"
    aks.advance(31)
    assert ask(aks) == "10.1.1.50"
    put(aks, None)
    aks.advance(120)
    assert ask(aks) == "NXDOMAIN"


@pytest.mark.documentation(
    "A restarted pod reads the config map as it is; the rollout ends with NewReplicaSetAvailable"
)
def test_a_restart_reads_the_new_content_at_once(aks: Aks) -> None:
    put(aks, GOOD)
    restart(aks)
    done, reason = rollout(aks)
    assert not done
    assert reason in ("NewReplicaSetAvailable", "ReplicaSetUpdated")
    for _ in range(6):
        aks.advance(7)
        aks.core.list_namespace()
    assert rollout(aks) == (True, "NewReplicaSetAvailable")
    assert ask(aks) == "10.1.1.50"
    sets = aks.apps.list_namespaced_replica_set("kube-system").items
    assert sorted(s.spec.replicas for s in sets) == [0, 2]


@pytest.mark.program("A running CoreDNS keeps its configuration when the new one is broken, and says so in its log")
def test_a_broken_configuration_is_kept_out_by_reload(aks: Aks) -> None:
    put(aks, GOOD)
    aks.advance(100)
    assert ask(aks) == "10.1.1.50"
    put(aks, BROKEN)
    aks.advance(200)
    assert ask(aks) == "10.1.1.50"
    assert rollout(aks)[0]
    pod = aks.core.list_namespaced_pod("kube-system").items[0].metadata.name
    assert "unknown property 'prefer_tcp'" in aks.core.read_namespaced_pod_log(pod, "kube-system")


@pytest.mark.documentation(
    "A broken configuration crashes new pods while old ones serve, until ProgressDeadlineExceeded"
)
@pytest.mark.belief("AKS's Deployment surges and lets one pod be missing")
def test_a_broken_configuration_crashes_new_pods_while_old_ones_serve(aks: Aks) -> None:
    put(aks, GOOD)
    aks.advance(100)
    put(aks, BROKEN)
    restart(aks)
    for _ in range(10):
        aks.advance(10)
        aks.core.list_namespace()
    assert not rollout(aks)[0]
    assert states(aks) == ["CrashLoopBackOff", "CrashLoopBackOff", "ready"]
    assert ask(aks) == "10.1.1.50"
    aks.advance(600)
    assert rollout(aks) == (False, "ProgressDeadlineExceeded")
    put(aks, GOOD)
    restart(aks)
    for _ in range(10):
        aks.advance(10)
        aks.core.list_namespace()
    assert rollout(aks) == (True, "NewReplicaSetAvailable")
    assert states(aks) == ["ready", "ready"]


@pytest.mark.own("The clock may jump over all of it")
def test_all_of_it_in_one_jump_of_the_clock(aks: Aks) -> None:
    put(aks, BROKEN)
    restart(aks)
    aks.advance(1000)
    assert rollout(aks) == (False, "ProgressDeadlineExceeded")


@pytest.mark.documentation("AKS puts its own config map back and leaves coredns-custom as it is, but there")
@pytest.mark.belief("It does so within about a minute")
def test_aks_puts_its_own_configmap_back_but_not_the_users(aks: Aks) -> None:
    put(aks, GOOD)
    aks.core.patch_namespaced_config_map("coredns", "kube-system", {"data": {"Corefile": ".:53 {\n whoami\n}\n"}})
    assert "whoami" in aks.core.read_namespaced_config_map("coredns", "kube-system").data["Corefile"]
    aks.advance(120)
    assert "whoami" not in aks.core.read_namespaced_config_map("coredns", "kube-system").data["Corefile"]
    assert aks.core.read_namespaced_config_map("coredns-custom", "kube-system").data == {"cloudlink-a.server": GOOD}
    aks.core.delete_namespaced_config_map("coredns-custom", "kube-system")
    aks.advance(120)
    assert aks.core.read_namespaced_config_map("coredns-custom", "kube-system").data is None


@pytest.mark.documentation("CoreDNS has as many pods as its Deployment says")
@pytest.mark.parametrize("replicas", [0, 4])
def test_scaling(aks: Aks, replicas: int) -> None:
    aks.apps.patch_namespaced_deployment("coredns", "kube-system", {"spec": {"replicas": replicas}})
    for _ in range(5):
        aks.advance(10)
        aks.core.list_namespace()
    assert len(states(aks)) == replicas
    assert rollout(aks)[1] == "NewReplicaSetAvailable"


@pytest.mark.documentation("An upgrade days later brings a broken configuration to light")
def test_an_upgrade_days_later_brings_a_broken_configuration_to_light(aks: Aks) -> None:
    put(aks, BROKEN)
    aks.advance(200_000)
    assert rollout(aks)[0]
    (cluster,) = aks.world.azure.clusters
    aks.world.azure = replace(aks.world.azure, clusters=(replace(cluster, version="1.34"),))
    for _ in range(5):
        aks.advance(10)
        aks.core.list_namespace()
    assert "CrashLoopBackOff" in states(aks)
    assert not rollout(aks)[0]
    image = aks.apps.read_namespaced_deployment("coredns", "kube-system").spec.template.spec.containers[0].image
    assert image.endswith(":v1.13.1")
