"""An AKS cluster of the sandbox over HTTPS, cloudlink's client for it, and a clock whose waiting moves the sandbox's."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudlink.clouds.cache import ReadCache
from cloudlink.clouds.kube.access import Access
from cloudlink.clouds.kube.client import Kube
from cloudlink.core.plan import diff
from cloudlink.core.resource import Lookup, Observed, Outputs, Ownership, Phase, Receipt, Receipts
from cloudlink.link import AddressTarget, Host, Link, ProbeSettings
from cloudlink.secret import Secret
from cloudlink.steps.dns_forward.step import DnsForward, Forward
from cloudlink.steps.outputs import Endpoint
from cloudlink_sandbox.faults import Fault
from cloudlink_sandbox.kube.cluster import Cluster
from cloudlink_sandbox.kube.server import KubeCloud
from cloudlink_sandbox.listener import Listener
from cloudlink_sandbox.tls import Authority
from cloudlink_sandbox.wire.service import Wire
from tests.sandbox.kube.small_world import BALANCER, CLUSTER_ID, RESOLVERS, ZONE, SmallWorld
from tests.support.clocks import SandboxTime
from tests.support.links import make_link

TOKEN = "a-good-token"
HOSTS = (
    Host("app", AddressTarget((BALANCER,)), ports=(80, 443), tls_ports=(443,)),
    Host("*.wild", AddressTarget((BALANCER,)), ports=(443,), tls_ports=(443,)),
)


def kube_link(*hosts: Host, zone: str = ZONE) -> Link:
    probe = ProbeSettings("python:3.12-slim", "default")
    return make_link(dns={"zone": zone, "hosts": hosts or HOSTS}, probe=probe)


@dataclass(frozen=True, kw_only=True, eq=False)
class Stand(Lookup[Any]):
    """In place of the inbound endpoint."""

    def read(self, outputs: Outputs) -> Any:
        raise AssertionError(self.address)


class KubeSandbox:
    """world: both clouds' facts, to be changed by tests."""

    def __init__(self, home: Path, link: Link | None = None) -> None:
        self.link = link or kube_link()
        self.world = SmallWorld(home)
        self.cloud = KubeCloud(self.world.context, name="aks", authenticate=lambda t: "admin" if t == TOKEN else None)
        self.wire = Wire(self.world.context, self.cloud)
        self.authority = Authority(home)
        self.listener = Listener(self.cloud.app, self.authority.server_context())
        self.cloud.base_url = self.listener.url
        self.listener.start()
        self.time = SandboxTime(self.world.context.clock, pause=0.01)
        self.kube = self.client()
        self.endpoint = Stand(address="resolver.endpoint", title="")
        self.addresses = RESOLVERS
        self.receipts = Receipts()
        self.forward = self.another_run()

    def client(self, token: str = TOKEN) -> Kube:
        access = Access("aks-one", self.cloud.url_of(CLUSTER_ID), self.authority.ca_pem, lambda: Secret(token))
        return Kube("aks-one", lambda: access, ReadCache(self.time))

    def another_run(self) -> Forward:
        """What a new process would build."""
        self.kube = self.client()
        self.forward = DnsForward(self.link, self.kube, self.endpoint).forward
        return self.forward

    def stop(self) -> None:
        self.cloud.stop()
        self.wire.stop()
        threading.Thread(target=self.listener.stop, daemon=True).start()  # it takes half a second

    @property
    def cluster(self) -> Cluster:
        with self.world.context.lock:
            found = self.cloud.by_name(CLUSTER_ID)
        assert found is not None
        return found

    @property
    def outputs(self) -> Outputs:
        named = {f"subnet-{i}": a for i, a in enumerate(self.addresses)}
        return Outputs({self.endpoint.address: Endpoint("rslvr-in-1", named)})

    # --- like the engine ---------------------------------------------------------------------------------

    def find(self) -> Observed[Any, Any] | None:
        self.time.wait(3)
        return self.forward.find(self.receipts, fresh=True)

    def settle(self) -> Observed[Any, Any] | None:
        """Look until it neither grows nor goes."""
        for _ in range(100):
            found = self.find()
            if found is None or found.phase in (Phase.READY, Phase.FAILED):
                return found
        raise AssertionError("it does not settle")

    def up(self, rounds: int = 4) -> Observed[Any, Any]:
        """Rounds of one write each until nothing differs; stops at FAILED."""
        wanted = self.forward.spec(self.outputs)
        assert wanted is not None
        found = self.settle()
        if found is None:
            self.note("create")
            self.forward.create(wanted)
            found = self.settle()
        for _ in range(rounds):
            assert found is not None
            if found.phase is Phase.FAILED or not diff(found.spec, wanted):
                self.note()
                return found
            self.forward.update(found, wanted)
            found = self.settle()
        raise AssertionError(f"it never gets there: {found}")

    def note(self, intent: str = "") -> None:
        receipt = Receipt(self.forward.address, "", "ready", "", Ownership.OWNED, self.time.now(), intent=intent)
        self.receipts = Receipts({self.forward.address: receipt})

    # --- by hand -----------------------------------------------------------------------------------------

    def custom(self) -> dict[str, str]:
        return dict(self.kube.config_map("kube-system", "coredns-custom").get("data") or {})

    def set_key(self, key: str, text: str | None) -> None:
        self.kube.patch_config_map("kube-system", "coredns-custom", {"data": {key: text}})
        self.kube.cache.clear()

    def writes(self) -> list[str]:
        return [f"{c.operation}" for c in self.world.context.journal.calls() if c.writes]

    def fault(self, kind: str, place: str, times: int | None = 1) -> None:
        self.world.context.faults.add(Fault(kind, place, times))
