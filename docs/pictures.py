"""The README's pictures: screens of real runs in the sandbox, as SVG.

Without arguments each picture is made anew in docs/pictures/; with ``--check`` nothing is written, the pictures whose
words differ from today's screens are named and the exit code is 1. Ids, addresses and times differ from run to run and
do not count.

A run takes about half a minute: a link is built in a folder of its own, one tunnel is taken down, names are asked for.
"""

from __future__ import annotations

import codecs
import fcntl
import html
import io
import json
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "pictures"
WIDTH, HEIGHT = 100, 40
SPEED = 200
CALM = 50  # the speed of the second try: on a machine that stalls for seconds, minutes of the clouds go by unseen
BROKEN = 1  # the tunnel that is taken down, counted from 0
NAMES = ("sentry.prod.corp.example", "postgres.prod.corp.example")
# Azure's gateway is being made, and what needs it waits: by then all that can be made without it is there.
_WAITING = re.compile(r"VPN gateway +(?:creating|Updating).*waits? for VPN gateway", re.S)
_LIVE = "Sandbox: its clock runs"  # the first line of the live picture


def main() -> int:
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.stderr.write("Usage: docs/pictures.py [--check]\n")
        return 2
    stale = []
    for name, title, screen in screens(Path(sys.executable).parent / "cloudlink"):
        path = FOLDER / f"{name}.svg"
        if check:
            if not path.exists() or words_of(path.read_text(encoding="utf-8")) != words_of(svg(screen, title)):
                stale.append(f"stale  docs/pictures/{name}.svg")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(svg(screen, title), encoding="utf-8")
    if stale:
        sys.stdout.write("\n".join([*stale, "Renew them: .venv/bin/python docs/pictures.py"]) + "\n")
    return 1 if stale else 0


def screens(program: Path) -> Iterator[tuple[str, str, str]]:
    """Name, title and screen (text with colours) of each picture."""
    try:
        yield from _screens(program, SPEED)
    except _NotSeen as error:
        sys.stderr.write(f"{error}\nOnce more, with a slower clock.\n")
        yield from _screens(program, CALM)


class _NotSeen(Exception):
    """What a picture is to show did not come."""


def _screens(program: Path, speed: int) -> Iterator[tuple[str, str, str]]:
    with _folder(program, speed) as folder:
        frames = terminal_frames([str(program), "up", "--sandbox", "--yes", "--no-verify"], folder)
        picture = _gateway_alone(frames)
        yield "up", "cloudlink up --sandbox", picture
        tunnel = json.loads(_run(program, folder, "status", "--sandbox", "--json"))["tunnels"][BROKEN]
        _run(program, folder, "sandbox", "fault", "add", "tunnel-down", tunnel["aws"]["outside_ip"])
        _run(program, folder, "sandbox", "clock", "--advance", "10m")
        yield "status", "cloudlink status --sandbox", last(["status", "--sandbox"], program, folder)
        _run(program, folder, "sandbox", "fault", "remove")
        _run(program, folder, "sandbox", "clock", "--advance", "10m")
        asked = ["verify-dns", *NAMES, "--sandbox"]
        yield "verify-dns", f"cloudlink {' '.join(asked)}", last(asked, program, folder)


def last(arguments: list[str], program: Path, folder: Path) -> str:
    """What is on the terminal when the command has ended."""
    *_, screen = terminal_frames([str(program), *arguments], folder)
    return screen.rstrip()


def _gateway_alone(frames: list[str]) -> str:
    """The live picture of ``up`` in the middle of the time for which there is nothing but Azure's gateway to wait for."""
    pictures = [screen[screen.rfind(_LIVE) :] for screen in frames if _LIVE in screen]
    found = [picture for picture in pictures if _WAITING.search(plain(picture))]
    if not found:
        last_of_all = plain(frames[-1]).rstrip() if frames else "(nothing)"
        raise _NotSeen(f"No screen of `up` shows the gateway being made. The last one:\n{last_of_all}")
    fewest = min(picture.count("\n") for picture in found)
    found = [picture for picture in found if picture.count("\n") == fewest]
    return found[len(found) // 2].strip("\n")


@contextmanager
def _folder(program: Path, speed: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shutil.copy(ROOT / "config.example.toml", folder / "config.toml")
        _run(program, folder, "sandbox", "start", "--speed", str(speed))
        try:
            yield folder
        finally:
            _run(program, folder, "sandbox", "stop")


def _environment() -> dict[str, str]:
    """A person's terminal, wherever this runs: with ``CI`` set, cloudlink would print lines in place of its live picture."""
    others = ("AWS_", "AZURE_", "CLOUDLINK_", "NO_COLOR")
    kept = {k: v for k, v in os.environ.items() if k != "CI" and not k.startswith(others)}
    return {**kept, "TERM": "xterm-256color", "LANG": "C.UTF-8", "COLUMNS": str(WIDTH), "LINES": str(HEIGHT)}


def _run(program: Path, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [program, *arguments], cwd=folder, env=_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"cloudlink {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


# --- a terminal -----------------------------------------------------------------------------------------------------


def terminal_frames(command: list[str], folder: Path) -> list[str]:
    """The screens that a terminal shows while the command runs, each when it has been still for a moment; the last is
    what is there when the command has ended."""
    mine, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    process = subprocess.Popen(
        command, cwd=folder, env=_environment(), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    screen, seen = Screen(), []
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    while True:
        ready, _, _ = select.select([mine], [], [], 0.05)
        if not ready:
            if process.poll() is not None:
                break
            if screen.changed:
                seen.append(screen.text())
            continue
        try:
            written = os.read(mine, 65536)
        except OSError:  # Linux: the other end is closed
            break
        if not written:
            break
        screen.write(decode(written))
    os.close(mine)
    process.wait()
    return [*seen, screen.text()]


class Screen:
    """As much of a terminal as rich's live display and plain lines need: text, colours, up, start of line, erase line."""

    _PART = re.compile(
        r"\x1b\[(?P<numbers>[0-9;?]*)(?P<verb>[A-Za-z])|\x1b\](?:.*?)(?:\x07|\x1b\\)|(?P<sign>[\r\n])", re.S
    )

    def __init__(self) -> None:
        self._lines: list[str] = [""]
        self._row = 0
        self._look = ""  # the colours in force
        self.changed = False

    def text(self) -> str:
        self.changed = False
        return "\n".join(self._lines)

    def write(self, text: str) -> None:
        self.changed = True
        at = 0
        for part in self._PART.finditer(text):
            self._put(text[at : part.start()])
            at = part.end()
            if part["sign"] == "\n":
                self._row += 1
                if self._row == len(self._lines):
                    self._lines.append("")
            elif part["verb"] == "A":
                self._row = max(0, self._row - int(part["numbers"] or 1))
            elif part["verb"] == "K":
                self._lines[self._row] = ""
            elif part["verb"] == "m":
                self._lines[self._row] += part[0]
        self._put(text[at:])

    def _put(self, text: str) -> None:
        if text:
            self._lines[self._row] += text


def plain(screen: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", screen)


# --- a picture ------------------------------------------------------------------------------------------------------

# rich's own frame loads a font from the network; this one takes the reader's.
_FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def svg(screen: str, title: str) -> str:
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for row in screen.split("\n"):
        text = Text.from_ansi(row)
        text.no_wrap, text.overflow = True, "crop"
        console.print(text, highlight=False)
    written = console.export_svg(title=title, code_format=_FORMAT, unique_id=re.sub(r"\W+", "-", title))
    return "\n".join(row.rstrip() for row in written.splitlines()) + "\n"


_ROW = re.compile(
    r'<text class="[^"]*-matrix"? ?[^>]*y="([0-9.]+)"[^>]*>(.*?)</text>|<text [^>]*y="([0-9.]+)"[^>]*>(.*?)</text>'
)
# What no two runs share: ids, addresses, amounts and times; bars and the room between columns follow from them.
_OF_THE_RUN = re.compile(r"\S*\d\S*|\b(?:k?B|MB|ms|ago)\b|[━╸╺─▏▎▍▌▋▊▉█░▓]+|[,;]")


def words_of(picture: str) -> list[str]:
    """The words of a picture without those that differ from run to run: what has a digit in it, and bars. Where a line
    is broken does not count either, since the length of an id decides that."""
    rows: dict[float, str] = {}
    for found in _ROW.finditer(picture):
        rows[float(found[1] or found[3])] = rows.get(float(found[1] or found[3]), "") + (found[2] or found[4])
    text = "\n".join(html.unescape(rows[at]).replace("\xa0", " ") for at in sorted(rows))
    return _OF_THE_RUN.sub(" ", text).split()


if __name__ == "__main__":
    started = time.monotonic()
    code = main()
    sys.stderr.write(f"{time.monotonic() - started:.0f} s\n")
    sys.exit(code)
