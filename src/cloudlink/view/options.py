"""What every view is told when it is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from cloudlink.clouds.kube.contexts import KubectlContext, only_context
from cloudlink.core.polling import Clock
from cloudlink.view.printer import takes_colour


@dataclass(frozen=True, kw_only=True)
class ViewOptions:
    """command: ``up``, ``teardown``, ``plan``, ``status`` or ``verify-dns``. link: its name."""

    out: TextIO
    err: TextIO
    clock: Clock
    command: str
    link: str
    env: Mapping[str, str]
    color: bool | None = None
    """None decides by the streams and NO_COLOR; only the live view has colours at all."""
    sandbox_speed: float | None = None
    """Seconds of the clouds' time in one of ours; None against real clouds."""
    given: str = ""
    """Further options that commands to type next need, such as `` --config x.toml``."""
    contexts: Sequence[KubectlContext] = ()
    """Of kubectl, of the link's clusters."""

    def coloured(self, stream: TextIO) -> bool:
        return takes_colour(stream, self.env) if self.color is None else self.color

    @property
    def context(self) -> str:
        """What commands of kubectl to type next are about, where they do not say it; empty: several clusters may be meant."""
        return only_context(self.contexts)

    @property
    def typed_after(self) -> str:
        """What stands behind each command to type next."""
        return " --sandbox" * (self.sandbox_speed is not None) + self.given
