"""A program that draws the live view on its terminal, and further by one event for each line that it reads."""

from __future__ import annotations

import itertools
import os
import sys

import view_samples as samples
from tests.support.clocks import FakeClock

from cloudlink.core.events import Note, Progress
from cloudlink.view.live import LiveView
from cloudlink.view.options import ViewOptions

DRAWN = "\x1b[77m"  # means nothing to a terminal


def main() -> None:
    wall = itertools.count()
    options = ViewOptions(
        out=sys.stdout,
        err=sys.stderr,
        color=False,
        clock=FakeClock(samples.START),
        command="up",
        link="prod-test",
        env=os.environ,
    )
    view = LiveView(options, wall=lambda: float(next(wall)))
    sys.stderr.write("what was there before\n")
    for event in samples.up_events():
        if event.at > samples.START + 61:
            break
        view.event(event)
    at = samples.START + 62
    for number in itertools.count():
        view.event(Progress(at, "azure_vpn.gateway", f"Updating, look {number}, {'which takes long and ' * 8}"))
        sys.stderr.write(DRAWN)
        sys.stderr.flush()
        asked = sys.stdin.readline().strip()
        if asked == "note":
            view.event(Note(at, "warning", "Azure asked to slow down."))
        elif asked == "end":
            break
    view.close()


if __name__ == "__main__":
    main()
