"""The composition root: finds the configuration, the sandbox, the clouds and the view, and joins them for a command.

A command opens a :class:`Session`, asks it for one thing, and returns its exit code.
"""

from cloudlink.session.locations import find_config, sandbox_place
from cloudlink.session.opening import open_session, open_survey, plain_view
from cloudlink.session.session import Session

__all__ = ["Session", "find_config", "open_session", "open_survey", "plain_view", "sandbox_place"]
