"""Fetches the daemons of a rehearsal: strongSwan and BIRD from Debian, CoreDNS by Go. No service is started.

python tests/conformance/install.py [VERSION OF COREDNS]
"""

from __future__ import annotations

import sys

from cloudlink.errors import CloudlinkError
from cloudlink.rehearse import programs


def main(arguments: list[str]) -> int:
    try:
        programs.install(arguments[0] if arguments else programs.USUAL_COREDNS, print)
    except CloudlinkError as error:
        print(f"{error}\n{error.hint}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
