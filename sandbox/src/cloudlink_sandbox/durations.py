"""How long the clouds take, in sandbox seconds: medians and spreads from recorded figures, seeded and repeatable."""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass, field

# (median, lowest, highest); sources: recorded sessions with Azure 2016-2025, the Terraform AWS provider's acceptance
# tests and recorded AWS answers. A belief is marked as one.
MEDIANS: dict[str, tuple[float, float, float]] = {
    "azure.vnet": (4, 2, 10),
    "azure.subnet": (3, 2, 8),
    "azure.publicip": (3, 2, 8),
    "azure.vng.create": (1030, 786, 2060),
    "azure.vng.update": (142, 62, 300),
    "azure.vng.delete": (414, 120, 884),
    "azure.vng.reset": (752, 475, 869),
    "azure.lng": (11, 9, 22),
    "azure.connection.create": (11, 10, 15),
    "azure.connection.update": (12, 11, 42),
    "azure.connection.delete": (60, 41, 142),
    "azure.sharedkey": (42, 40, 43),
    "azure.dnsresolver": (20, 5, 35),
    "azure.dnsresolver.inbound": (167, 120, 180),
    "azure.dnsresolver.outbound": (109, 56, 117),
    "azure.dnsruleset": (6, 5, 8),
    "azure.dnsruleset.link": (7, 5, 9),
    "azure.delete": (10, 5, 12),
    "azure.action": (10, 10, 11),
    "azure.aks.create": (305, 271, 452),
    "azure.aks.delete": (240, 180, 300),  # belief
    "azure.rg.delete": (30, 15, 60),  # belief
    "aws.cgw": (5, 3, 10),
    "aws.vgw.attach": (15, 10, 25),
    "aws.vgw.detach": (30, 20, 45),
    "aws.vpn.create": (180, 127, 220),
    "aws.vpn.modify": (120, 90, 150),
    "aws.vpn.delete": (60, 30, 90),
    "aws.retention": (3600, 3600, 3600),
    "aws.tgw": (60, 40, 90),
    "aws.tgw.association": (10, 5, 20),  # belief
    "aws.resolver.create": (90, 60, 120),
    "aws.resolver.update": (60, 40, 80),
    "aws.resolver.delete": (60, 40, 80),
    "aws.resolver.rule": (60, 30, 90),  # belief
    "aws.lag.tags": (3, 3, 3),  # how late reads that filter by tag show what was made
    "aws.lag.lists": (0, 0, 0),  # other reads without ids; nothing in the recordings lags
    "aws.route53.change": (30, 15, 45),
    "world.ike": (8, 5, 12),  # belief
    "world.bgp": (20, 12, 28),  # belief
    "kube.project": (20, 5, 55),  # kubelet projects a changed ConfigMap
    "kube.pod.start": (6, 4, 9),
    "kube.reload": (30, 15, 45),  # CoreDNS's reload plugin
}


@dataclass
class Durations:
    """``sample("azure.lng", key)`` gives the same figure for the same seed and key, whatever the order of calls.

    exact: always the median. overrides: kind -> seconds. samples: all that were asked for so far, to compare a run with.
    """

    seed: int = 1
    exact: bool = False
    overrides: dict[str, float] = field(default_factory=dict)
    samples: dict[tuple[str, str], float] = field(default_factory=dict, init=False, repr=False, compare=False)

    def sample(self, kind: str, key: str = "") -> float:
        seconds = self._sample(kind, key)
        self.samples[kind, key] = seconds
        return seconds

    def _sample(self, kind: str, key: str) -> float:
        if kind in self.overrides:
            return self.overrides[kind]
        median, low, high = MEDIANS[kind]
        if self.exact:
            return median
        rng = random.Random(zlib.crc32(f"{self.seed}/{kind}/{key}".encode()))
        return median - (median - low) * rng.random() if rng.random() < 0.5 else median + (high - median) * rng.random()
