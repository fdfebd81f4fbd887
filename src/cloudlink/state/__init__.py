"""The state: a receipt of what cloudlink made, altered and adopted; in a file, or in an object store for several machines."""

from __future__ import annotations

from cloudlink.state.document import FORMAT, MIGRATIONS
from cloudlink.state.file import Disk, StateFile, state_path
from cloudlink.state.history import History, history_path
from cloudlink.state.remote import RemoteState

__all__ = ["FORMAT", "MIGRATIONS", "Disk", "History", "RemoteState", "State", "StateFile", "history_path", "state_path"]

State = StateFile | RemoteState
