"""All that can be read of a link."""

from __future__ import annotations

from cloudlink.inspection.names import NamesOfLink
from cloudlink.inspection.status import StatusOfLink


class Inspection(StatusOfLink, NamesOfLink):
    """Reads only."""
