"""What is done to a link that exists: new keys, logs, tests of its tunnels and names."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from cloudlink.core import events as ev
from cloudlink.session.reading import Reading
from cloudlink.session.run_log import record

if TYPE_CHECKING:
    from cloudlink.checks.names.gap import GapMeter
    from cloudlink.day_two.endpoints import TunnelEndpoints
    from cloudlink.day_two.failover import Failover
    from cloudlink.day_two.logs import Logs
    from cloudlink.day_two.reports import Trial
    from cloudlink.day_two.rotation import Rotation


@dataclass
class DayTwo(Reading):
    """A link's upkeep."""

    def rotation(self) -> Rotation:
        """New keys for the tunnels. Its writes are told to the view and to the log."""
        from cloudlink.day_two.rotation import Rotation

        self.require_vpn("It has no keys to change")
        return Rotation(self._endpoints())

    def logs(self) -> Logs:
        """The logs of the tunnels. Its writes are told to the view and to the log."""
        from cloudlink.core.resource import Ownership, Receipt
        from cloudlink.day_two.logs import Logs

        self.require_vpn("It has no tunnels that write logs")

        def remember(address: str, id_: str) -> None:
            self.state.put(Receipt(address, id_, "ready", "", Ownership.OWNED, self.clock.now()))

        return Logs(self._endpoints(), remember)

    def failover(self, *, aws_end: bool, cluster: str = "") -> Failover:
        """A disturbance of one tunnel on purpose, told to the view and to the log. cluster: the AKS cluster whose pod measures for how
        long nothing passes; empty: the first."""
        from cloudlink.day_two.failover import Failover

        self.require_vpn("It has no tunnel to take down")
        return Failover(self._endpoints(), aws_end, self._gap_meter(self.checked_cluster(cluster)))

    def _gap_meter(self, cluster: str) -> GapMeter | None:
        """None: there is no name or no address of the endpoint to ask."""
        from cloudlink.checks.names.gap import GapMeter

        answering = tuple(IPv4Address(a) for a in self.inspection.endpoint_addresses())
        if not answering or not self.link.dns.hosts:
            return None
        name = self.link.dns.hosts[0].fqdn(self.link.dns.zone).removeprefix("*.")
        each = self.clouds.clusters
        at = next((c for c in each if c.label == cluster), each[0])
        label = at.label if len(each) > 1 else ""
        return GapMeter(at.link, at.aks, self.clock, answering, name, self.clock.speed, label)

    def test_from_pod(self, cluster: str = "") -> tuple[Trial, ...]:
        from cloudlink.day_two import capacity
        from cloudlink.day_two.trials import from_pod

        found = self._names((), measure=True, cluster=self.checked_cluster(cluster))
        return from_pod(found, capacity.of_tunnel(self.link))

    def _endpoints(self) -> TunnelEndpoints:
        from cloudlink.day_two.endpoints import TunnelEndpoints

        def tell(event: ev.Event) -> None:
            record(event)
            self.view.event(event)

        clouds = self.clouds
        return TunnelEndpoints(self.link, clouds.aws, clouds.azure, self.clock, self._error_policy(), tell)
