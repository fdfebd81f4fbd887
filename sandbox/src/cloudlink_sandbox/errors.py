"""How the sandbox says that it cannot do what was asked.

Not an answer of a cloud: those are in ``aws/refusal.py``, ``azure/errors.py`` and ``kube/status.py``.
"""

from __future__ import annotations

from typing import ClassVar

COMMAND = "cloudlink-sandbox"


class SandboxError(Exception):
    """The sandbox did not start or does not answer.

    summary: fixed words. detail: what is wrong. hint: what to type next; ``{command}`` in it is the name of the command
    that somebody typed, which another program may offer under a name of its own.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, summary: str, detail: str = "", hint: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail
        self.hint = hint

    def hint_as(self, command: str = COMMAND) -> str:
        return self.hint.replace("{command}", command)

    def __str__(self) -> str:
        return f"{self.summary}: {self.detail}" if self.detail else self.summary


class InvalidRequest(SandboxError):
    """What was asked for cannot be: the world file, the command line, a call to the control interface."""

    exit_code = 2


class SilentSandbox(SandboxError):
    """Its process lives and takes connections, and does not answer: it is stopped, or the machine is too busy."""


class SavedWorldRefused(SandboxError):
    """The saved world is not taken up."""

    exit_code = 7

    def __init__(self, why: str) -> None:
        super().__init__(
            "The saved clouds of the sandbox are not read",
            why,
            "Start a new sandbox: {command} reset, then start it. Its clouds and the state of the link in it start empty.",
        )
