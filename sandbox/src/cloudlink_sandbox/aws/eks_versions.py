"""The versions of Kubernetes that EKS offers, with their dates.

https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

DEFAULT = "1.35"


@dataclass(frozen=True)
class Version:
    """released and the ends of both kinds of support: days, as dates are written."""

    name: str
    patch: str
    released: str
    standard: str
    extended: str

    def status(self, now: float) -> str:
        """Which support it has at this moment."""
        day = datetime.fromtimestamp(now, UTC).date().isoformat()
        if day > self.extended:
            return "UNSUPPORTED"
        return "STANDARD_SUPPORT" if day <= self.standard else "EXTENDED_SUPPORT"


VERSIONS = (
    # Assumption: the days of 1.36, after AWS's usual 14 and 26 months; and all patches.
    Version("1.36", "1.36.1", "2026-06-02", "2027-08-02", "2028-08-02"),
    Version("1.35", "1.35.3", "2026-01-27", "2027-03-27", "2028-03-27"),
    Version("1.34", "1.34.5", "2025-10-02", "2026-12-02", "2027-12-02"),
    Version("1.33", "1.33.9", "2025-05-29", "2026-07-29", "2027-07-29"),
    Version("1.32", "1.32.13", "2025-01-23", "2026-03-23", "2027-03-23"),
)


def shown(now: float, *, everything: bool = False) -> Iterator[dict[str, Any]]:
    """Those that are supported at this moment, newest first, as EKS tells them. everything: the others as well."""
    for version in VERSIONS:
        status = version.status(now)
        if status != "UNSUPPORTED" or everything:
            yield {
                "clusterVersion": version.name,
                "clusterType": "eks",
                "defaultPlatformVersion": "eks.1",
                "defaultVersion": version.name == DEFAULT,
                "releaseDate": _moment(version.released),
                "endOfStandardSupportDate": _moment(version.standard),
                "endOfExtendedSupportDate": _moment(version.extended),
                "status": status.lower().replace("_", "-"),
                "versionStatus": status,
                "kubernetesPatchVersion": version.patch,
            }


def _moment(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)
