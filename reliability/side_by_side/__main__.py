"""``python -m reliability.side_by_side``: every change, or those whose name has one of the words; prints the table. With
--write it is put into docs/rehearsal.md. Exit code 1 when the three disagree without a reason."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from reliability.side_by_side.changes import CHANGES
from reliability.side_by_side.parts import carry_out, read
from reliability.side_by_side.table import markdown, put_into

KEPT = Path(__file__).parents[2] / ".reliability" / "side-by-side.rows"
PAGE = Path(__file__).parents[2] / "docs" / "rehearsal.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="just side-by-side", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="only changes with one of these words in their name")
    parser.add_argument("--workers", type=int, default=2, help="sandboxes side by side (default: 2)")
    parser.add_argument("--kept", type=Path, default=KEPT, help="file of the rows, also of earlier runs")
    parser.add_argument("--table", action="store_true", help="only the table of the rows that are kept")
    parser.add_argument("--write", action="store_true", help="put the table into docs/rehearsal.md")
    options = parser.parse_args()
    chosen = [n for n, c in enumerate(CHANGES) if not options.words or any(w in str(c) for w in options.words)]
    began = time.monotonic()
    options.kept.parent.mkdir(exist_ok=True)
    if not options.table:
        carry_out(chosen, max(1, options.workers), options.kept)
    found = read(options.kept)
    made = [found[str(c)] for c in CHANGES if str(c) in found]
    text = markdown(made)
    print(text)
    bad = [row for row in made if not row.accounted]
    for row in bad:
        for who, side in (("world", row.world), ("status", row.status), ("daemons", row.daemons)):
            print(f"{row.change}: {who}: {side} ({side.said})")
    print(f"{len(made)} changes in {time.monotonic() - began:.0f} s; {len(bad)} disagree without a reason.")
    if missing := [str(c) for c in CHANGES if str(c) not in found]:
        print(f"Not carried out yet: {'; '.join(missing)}")
    elif options.write:
        PAGE.write_text(put_into(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
    return 1 if bad or missing else 0


if __name__ == "__main__":
    sys.exit(main())
