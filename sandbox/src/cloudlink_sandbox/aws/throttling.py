"""How often an account may ask: buckets of tokens that fill by the sandbox's clock, as AWS describes them.

A clock that runs fast fills them fast, so that they are felt at the clouds' own speed only. While the clock does not move
nobody is refused.
https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from cloudlink_sandbox.clock import SandboxClock

Size = tuple[float, float]  # tokens when full, tokens per second

_READS = ("Describe", "Get", "List", "Search")
_ACCOUNT: dict[str, Size] = {"route53": (50, 10), "route53resolver": (5, 5), "cloudtrail": (2, 2)}
_EC2_READS: Size = (100, 20)
_EC2_WRITES: Size = (50, 5)
_OPERATIONS: dict[str, Size] = {
    "CreateHostedZone": (40, 2),
    "DeleteHostedZone": (40, 5),
    "AssociateVPCWithHostedZone": (20, 5),
    "DisassociateVPCFromHostedZone": (10, 5),
}


def _buckets(service: str, operation: str) -> dict[str, Size]:
    """The buckets that a call takes a token from, by name."""
    if service == "ec2":
        reads = operation.startswith(_READS)
        return {f"ec2 {operation}": _EC2_READS if reads else _EC2_WRITES}
    found = {service: _ACCOUNT[service]} if service in _ACCOUNT else {}
    return found | ({operation: _OPERATIONS[operation]} if operation in _OPERATIONS else {})


@dataclass
class Throttle:
    """levels: (bucket, region) -> tokens left, and when that was."""

    clock: SandboxClock
    levels: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def admits(self, service: str, region: str, operation: str) -> bool:
        """Whether a call may pass now; it takes its tokens if so."""
        if self.clock.speed == 0:
            return True
        now = self.clock.now()
        with self._lock:
            left: dict[tuple[str, str], float] = {}
            for name, (size, rate) in _buckets(service, operation).items():
                tokens, since = self.levels.get((name, region), (size, now))
                left[name, region] = min(size, tokens + max(0.0, now - since) * rate)
            if any(tokens < 1 for tokens in left.values()):
                return False
            self.levels |= {key: (tokens - 1, now) for key, tokens in left.items()}
            return True


@dataclass
class InFlight:
    """Changes of hosted zones that are being carried out: a second one of the same zone is refused."""

    zones: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def enter(self, zone: str) -> bool:
        with self._lock:
            if zone in self.zones:
                return False
            self.zones.add(zone)
            return True

    def leave(self, zone: str) -> None:
        with self._lock:
            self.zones.discard(zone)
