"""One sandbox: the clouds, their listeners, and what ties them together. Runs in a process of its own
(``python -m cloudlink_sandbox``) that outlives the command which started it; tests run it in theirs."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import ssl
import threading
import time
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cloudlink_sandbox import replay, saved_world
from cloudlink_sandbox.aws.cloud import AwsCloud
from cloudlink_sandbox.azure import AzureCloud
from cloudlink_sandbox.azure.blob_service import BlobService
from cloudlink_sandbox.azure.locations import api_server_names
from cloudlink_sandbox.azure.managed_clusters import AAD_SERVER_APP
from cloudlink_sandbox.clock import SandboxClock
from cloudlink_sandbox.context import SandboxContext
from cloudlink_sandbox.control import Control
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.errors import SavedWorldRefused
from cloudlink_sandbox.facts import AksCluster
from cloudlink_sandbox.faults import Fault, FaultKind, FaultRegistry, warning
from cloudlink_sandbox.journal import Journal
from cloudlink_sandbox.kube import isolation
from cloudlink_sandbox.kube.kinds import PODS
from cloudlink_sandbox.kube.server import KubeCloud, eks_identity
from cloudlink_sandbox.listener import end_loops, listener_at
from cloudlink_sandbox.own_files import own_folder, read_own, write_own
from cloudlink_sandbox.tls import Authority
from cloudlink_sandbox.wire.service import Wire
from cloudlink_sandbox.world_file import WorldFile

ACCESS_KEY = "SANDBOXACCESSKEY0001"
TENANT = "5a4db0c5-0000-4000-8000-000000000001"
CLIENT_ID = "5a4db0c5-0000-4000-8000-000000000002"
WORLD_FILE = "clouds.saved"
PORTS_FILE = "ports.json"  # of the last start: what was written down of them stays true where they are free
OLD_WORLD_FILE = "world.pickle"  # which could hold a program


def _versions() -> str:
    """Of a saved world: another moto, or another sandbox (also one between two releases), begins with new clouds."""
    source = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        source.update(path.read_bytes())
    return f"cloudlink-sandbox {version('cloudlink-sandbox')} moto {version('moto')} {source.hexdigest()}"


def _ports(home: Path) -> dict[str, int]:
    """Of an earlier start; none where there was none, or nothing that could be read. Raises ForeignFile."""
    try:
        kept = json.loads(read_own(home / PORTS_FILE))
    except (OSError, ValueError):
        return {}
    if not isinstance(kept, dict):
        return {}
    return {n: p for n, p in kept.items() if isinstance(p, int) and not isinstance(p, bool) and 1024 <= p <= 65_535}


class Sandbox:
    """Builds the clouds, listens, and seeds them from a world file. All addresses are on loopback.

    home: a 0700 folder for certificates, the address file, the log and the saved world.
    """

    def __init__(
        self, home: Path, *, speed: float = 60.0, durations: Durations | None = None, start: float | None = None
    ) -> None:
        self._versions = _versions()  # of the code that runs, should its files change meanwhile
        self.home = home
        own_folder(home)
        authority = Authority(home)
        self.replay = replay.read(home, authority.ca_pem)
        if self.replay is not None:  # at the moment at which it was recorded
            speed, start = 1.0, self.replay.read_at
        self.context = SandboxContext(
            SandboxClock(speed, start), FaultRegistry(), Journal(), durations or Durations(), home
        )
        self.token = secrets.token_urlsafe(24)
        self._aws_secret = secrets.token_urlsafe(30)
        self._azure_secret = secrets.token_urlsafe(30)
        self._aks_token = secrets.token_urlsafe(30)
        self._seeded: WorldFile | None = None
        self._started = time.time()
        self._used = time.monotonic()
        self.stopping = threading.Event()

        self.ca_file = authority.ca_file
        self._ca_pem = authority.ca_pem
        self.aws = AwsCloud(self.context, access_key=ACCESS_KEY, secret_key=self._aws_secret)
        self.azure = AzureCloud(self.context, tenant=TENANT, client_id=CLIENT_ID, client_secret=self._azure_secret)
        self.blobs = BlobService(self.context, self.azure.parts.entra)
        self.aks = KubeCloud(self.context, name="aks", authenticate=self._aks_user)
        self.eks = KubeCloud(self.context, name="eks", authenticate=self._eks_user)
        self.aks.world = lambda: self._seeded
        self.azure.world = lambda: self._seeded
        self.eks.world = lambda: self._seeded
        self.context.aws_facts = self.aws.facts
        self.context.azure_facts = self.azure.facts
        self.wire = Wire(self.context, self.aks, self.eks)

        tls = authority.server_context(*api_server_names())
        ports = _ports(home)
        apps: dict[str, tuple[Any, ssl.SSLContext | None]] = {
            "aws": (self.aws.app, None),
            "azure": (self.azure.app, tls),
            "blob": (self.blobs.app, tls),
            "aks": (self.aks.app, tls),
            "eks": (self.eks.app, tls),
            "control": (Control(self, self.token), None),
        }
        if self.replay is not None:
            clouds: tuple[replay.Cloud, ...] = ("aws", "azure", "aks", "eks")
            apps |= {name: (self.replay.app(name, apps[name][0]), apps[name][1]) for name in clouds}
        self._listeners = {name: listener_at(ports.get(name, 0), *app) for name, app in apps.items()}
        kept = {name: listener.server_port for name, listener in self._listeners.items()}
        if kept != ports:
            write_own(home / PORTS_FILE, json.dumps(kept).encode())
        if self.replay is not None:
            self.replay.urls = {name: listener.url for name, listener in self._listeners.items()}
        self.azure.base_url = self._listeners["azure"].url
        self.aks.base_url = self._listeners["aks"].url
        self.eks.base_url = self._listeners["eks"].url
        self.azure.aks_endpoint = self._aks_endpoint
        self.aws.eks_endpoint = lambda region, name: self.eks.url_of(eks_identity(region, name))
        self.aws.eks_certificate = lambda: base64.b64encode(self._ca_pem.encode()).decode()

    # --- who may in -------------------------------------------------------------------------------------

    def _aks_user(self, token: str | None) -> str | None:
        if token is None:
            return None
        if secrets.compare_digest(token, self._aks_token):
            return "clusterUser"
        return self.azure.token_valid(token, AAD_SERVER_APP)

    def _eks_user(self, token: str | None) -> str | None:
        return self.aws.identity_of_token(token) if token else None

    def _aks_endpoint(self, cluster: AksCluster) -> tuple[str, str, str]:
        return self.aks.url_of(cluster.id), self._ca_pem, self._aks_token

    # --- life -------------------------------------------------------------------------------------------

    def start(self) -> None:
        self.wire.start()
        for listener in self._listeners.values():
            listener.start()

    def stop(self) -> None:
        end_loops([one for one in self._listeners.values() if one.serving])
        for listener in self._listeners.values():
            listener.stop()
        self.wire.stop()

    def stop_soon(self) -> None:
        self.stopping.set()

    def used(self) -> None:
        self._used = time.monotonic()

    def idle_seconds(self) -> float:
        """Wall seconds since anybody asked anything of it."""
        newest = self.context.journal.last_wall()
        return time.monotonic() - max(self._used, newest)

    def address(self) -> dict[str, Any]:
        """The content of the address file: how commands find the sandbox. The keys in it open nothing else."""
        return {
            "pid": os.getpid(),
            "control": self._listeners["control"].url,
            "token": self.token,
            "aws_url": self._listeners["aws"].url,
            "aws_access_key": ACCESS_KEY,
            "aws_secret_key": self._aws_secret,
            "azure_url": self._listeners["azure"].url,
            "azure_tenant": TENANT,
            "azure_client_id": CLIENT_ID,
            "azure_client_secret": self._azure_secret,
            "blob_url": self._listeners["blob"].url,
            "ca_file": str(self.ca_file),
        }

    def status(self) -> dict[str, Any]:
        journal = self.context.journal.json()
        return {
            "pid": os.getpid(),
            "started": self._started,
            "now": self.context.clock.now(),
            "speed": self.context.clock.speed,
            "idle": self.idle_seconds(),
            "calls": journal["total"],
            "writes": journal["writes"],
            "by_cloud": journal["by_cloud"],
            "faults": len(self.context.faults.in_force()),
            "urls": {name: listener.url for name, listener in self._listeners.items() if name != "control"},
            "ca_file": str(self.ca_file),
            "pods": isolation.said(),
            "mfa": self.aws.sessions.shown(),
        }

    def _aks_clusters(self) -> list[AksCluster]:
        """The first one, and those that the world file names beside it."""
        more = {aks.name.lower() for aks in self.world_file().azure.more_aks}
        found = self.context.azure_facts().clusters
        beside = [c for c in found if c.name.lower() in more]
        return [*[c for c in found if c not in beside][:1], *beside]

    def clusters(self) -> list[dict[str, Any]]:
        """What a kubeconfig needs for every cluster of the world file. ca: base64 of PEM."""
        ca, aws = base64.b64encode(self._ca_pem.encode()).decode(), self.world_file().aws
        with self.context.lock:
            found: list[dict[str, Any]] = [
                {
                    "cloud": "aks",
                    "context": f"aks-{c.name}" if index else "aks",
                    "name": c.name,
                    "server": self.aks.url_of(c.id),
                    "ca": ca,
                    "token": self._aks_token,
                }
                for index, c in enumerate(self._aks_clusters())
            ]
            found += [
                {
                    "cloud": "eks",
                    "name": name,
                    "region": region,
                    "server": self.eks.url_of(eks_identity(region, name)),
                    "ca": ca,
                }
                for region, name in self.aws.clusters
                if (region, name) == (aws.region, aws.eks_cluster)
            ]
        return found

    def name_servers(self) -> dict[str, dict[str, str]]:
        """Address -> what it is, and the loopback address (UDP and TCP) that answers as it does to a node of AKS, of the
        first of several clusters.

        Its listeners are opened when somebody asks for them first.
        """
        with self.context.lock:
            clusters = self._aks_clusters()
            others = [c for c in self.context.azure_facts().clusters if c not in clusters]
            if not clusters or others:  # whose node asks would have to be said
                return {}
            asker = self.aks.by_name(clusters[0].id)
            what = {str(clusters[0].dns_service): "AKS cluster DNS"}
            what |= {
                str(i.address): "Resolver endpoint" for i in self.context.aws_facts().interfaces if i.kind == "resolver"
            }
        found = {}
        for ip, name in what.items():
            host, port = self.wire.dns_address_of(ip, asker)
            found[ip] = {"what": name, "address": f"{host}:{port}"}
        return found

    def fault_warning(self, fault: Fault) -> str:
        """Why this fault cannot hit anything as things are; empty when it can."""
        with self.context.lock:
            return warning(fault, calls=self._calls(), names=self._names(FaultKind(fault.kind)))

    def fault_targets(self, kind: FaultKind) -> list[str]:
        """What exists now of the addresses or names that this kind is about; none of a kind that hits calls."""
        with self.context.lock:
            return sorted(set(self._names(kind)))

    def _calls(self) -> Iterator[str]:
        yield from self.aws.calls()
        yield from self.azure.app.calls()
        yield from self.blobs.calls()
        yield from self.aks.calls()

    def _names(self, kind: FaultKind) -> Iterator[str]:
        """What there is now of the addresses or names that this kind is about."""
        match kind:
            case FaultKind.TUNNEL_DOWN:
                yield from (str(t.outside_ip) for t in self.context.aws_facts().tunnels)
            case FaultKind.INSTANCE_DOWN:
                gateways = self.context.azure_facts().gateways.values()
                yield from (str(i.public_ip) for g in gateways for i in g.instances)
            case FaultKind.ENDPOINT_IP_DOWN:
                yield from (str(i.address) for i in self.context.aws_facts().interfaces)
            case FaultKind.POD_FAILS:
                for aks in self.context.azure_facts().clusters:
                    self.aks.by_name(aks.id)  # has its content from the first look on
                for cloud in (self.aks, self.eks):
                    for cluster in cloud.clusters.values():
                        pods = (pod["metadata"] for pod in cluster.store.all(PODS))
                        yield from (f"{pod['namespace']}/{pod['name']}" for pod in pods)

    # --- fixtures ---------------------------------------------------------------------------------------

    def seed(self, world: WorldFile) -> bool:
        """Put there what the world file says exists, unless that was done already. True if something was."""
        with self.context.lock:
            if world == self._seeded:
                return False
            self.aws.seed(world)
            self.azure.seed(world)
            for container in world.azure.blob_containers:
                self.blobs.add_container(container.account, container.name)
            self.eks.seed(world.aws, load_balancer_of=partial(self._load_balancer_of, world.aws.region))
            self.aks.apply(world.azure)
            self._seeded = world
            self.context.touch()
        return True

    def world_file(self) -> WorldFile:
        """What was put there last. Raises RuntimeError before anything was."""
        if self._seeded is None:
            raise RuntimeError("the sandbox has not been told what its clouds hold")
        return self._seeded

    def _load_balancer_of(self, region: str, kind: str, namespace: str, name: str) -> str:
        found = self.aws.load_balancer_of(region, "ingress" if kind == "ingress" else "service", namespace, name)
        assert found is not None, "the AWS half seeds a load balancer for every Service and Ingress"
        return found

    # --- keeping it -------------------------------------------------------------------------------------

    def save(self) -> Path:
        """Everything in one file, readable by the same versions only. Written beside and renamed.

        Raises OSError, also where this user's key cannot be kept.
        """
        key = saved_world.user_key()
        with self.context.lock:
            data = saved_world.sealed(self._snapshot(), self._versions, key)
        path = self.home / WORLD_FILE
        temporary = path.with_suffix(".new")
        temporary.unlink(missing_ok=True)  # whatever was left there, a link among others, is not written through
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(data)
        temporary.replace(path)
        return path

    def _snapshot(self) -> dict[str, Any]:
        return {
            "seeded": self._seeded,
            "clock": self.context.clock.__getstate__(),
            "faults": self.context.faults.__getstate__(),
            "aws": self.aws.snapshot(),
            "azure": self.azure.snapshot(),
            "blobs": self.blobs.accounts,
            "aks": self.aks.snapshot(),
            "eks": self.eks.snapshot(),
            "aks_token": self._aks_token,
        }

    def load(self) -> bool:
        """Take up what was saved. False when there is nothing, or other versions wrote it.

        Raises SavedWorldRefused for what this user's sandbox did not write so.
        """
        if (self.home / OLD_WORLD_FILE).is_symlink() or (self.home / OLD_WORLD_FILE).exists():
            raise SavedWorldRefused(
                f"{self.home / OLD_WORLD_FILE} is of an older sandbox, in a form that could hold a program."
            )
        if self.replay is not None:
            return False
        path = self.home / WORLD_FILE
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise SavedWorldRefused(f"{path}: {error.strerror}.") from error
        with os.fdopen(descriptor, "rb") as file:
            content = file.read()
        try:
            key = saved_world.user_key()
        except OSError as error:
            raise SavedWorldRefused(f"The key that it is sealed with cannot be read: {error}.") from error
        saved = saved_world.opened(content, self._versions, key)
        if saved is None:
            return False
        with self.context.lock:
            speed = self.context.clock.speed
            self.context.clock.__setstate__(saved["clock"])
            self.context.clock.set_speed(speed)
            self.context.faults.__setstate__(saved["faults"])
            self._aks_token = saved["aks_token"]
            self.aws.restore(saved["aws"])
            self.azure.restore(saved["azure"])
            self.blobs.accounts = saved["blobs"]
            self.aks.restore(saved["aks"])
            self.eks.restore(saved["eks"])
            self._seeded = saved["seeded"]
            self.context.touch()
        return True
