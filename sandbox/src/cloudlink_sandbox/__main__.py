"""The sandbox's process: ``python -m cloudlink_sandbox --home DIR [--world FILE]``."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

ADDRESS_FILE = "address.json"


def main() -> int:
    parser = argparse.ArgumentParser(prog="cloudlink_sandbox", description="The process of a sandbox.")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--world", type=Path, help="what the clouds hold at the start, TOML or JSON")
    parser.add_argument("--speed", type=float, default=60.0)
    parser.add_argument("--idle", type=float, default=1800.0, help="wall seconds without use after which it stops")
    options = parser.parse_args()

    from cloudlink_sandbox.aws.cloud import read_models
    from cloudlink_sandbox.errors import SandboxError
    from cloudlink_sandbox.own_files import write_own
    from cloudlink_sandbox.process import Sandbox
    from cloudlink_sandbox.saved_world import NotData
    from cloudlink_sandbox.world_file import WorldFile, read

    try:
        world = read(options.world) if options.world else WorldFile()
    except SandboxError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    try:
        sandbox = Sandbox(options.home, speed=options.speed)
        sandbox.load()
    except SandboxError as error:
        sys.stderr.write(f"{error.detail}\n")
        return error.exit_code
    sandbox.seed(world)
    sandbox.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sandbox.stop_soon())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    address = options.home / ADDRESS_FILE
    write_own(address, json.dumps(sandbox.address()).encode())
    read_models()  # while whoever started it is still on the way to the first question
    try:
        # wakes only to see whether it is still needed: an idle sandbox costs nothing
        while not sandbox.stopping.wait(min(60.0, max(1.0, options.idle / 4))):
            if sandbox.idle_seconds() > options.idle:
                break
    finally:
        address.unlink(missing_ok=True)
        try:
            sandbox.save()
        except (OSError, NotData) as error:
            sys.stderr.write(f"The clouds are not kept: {error}\n")
        sandbox.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
