"""Reading a link: its health, its drift from the configuration, and whether names work from a pod."""

from __future__ import annotations

from cloudlink.inspection.names import NamesOfLink
from cloudlink.inspection.status import StatusOfLink


class Inspection(StatusOfLink, NamesOfLink):
    """Reads only."""
