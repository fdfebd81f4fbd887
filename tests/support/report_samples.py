"""What is kept of a link, for reports: as a machine has it after some looks."""

from __future__ import annotations

from typing import Any

from cloudlink.checks.report import StatusReport
from cloudlink.view.json_lines import as_json, timestamp
from tests.view.view_samples import DNS, START


def kept(report: StatusReport, *, dns: bool = True) -> dict[str, Any]:
    rows = (("VPN gateway VpnGw1AZ", 1, 140.0), ("VPN connection", 2, 73.0), ("Resolver address", 2, 182.5))
    price = [{"what": what, "count": count, "monthly": monthly} for what, count, monthly in rows]
    looks = [
        {
            "at": timestamp(START + 600 * i),
            "health": "healthy" if i % 4 else "degraded",
            "up": 4 if i % 4 else 3,
            "of": 4,
            "failed": [] if i % 4 else ["Four tunnels are up"],
        }
        for i in range(60)
    ]
    return {
        "format": 1,
        "link": report.link,
        "status": {"at": timestamp(START), "report": as_json(report), "price": price},
        "dns": {"at": timestamp(START - 3600), "report": as_json(DNS)} if dns else None,
        "history": looks,
    }
