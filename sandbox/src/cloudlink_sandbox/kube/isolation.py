"""What a pod's process may reach of this machine: Python, some tools, its own folder and the wire's port.

Linux's Landlock, asked for without root and without any program: the restriction is laid on the process that becomes the
pod's program, and on whatever that starts. Where the kernel has none, a pod is an ordinary process of the user's, which
``cloudlink-sandbox status`` says. https://docs.kernel.org/userspace-api/landlock.html

This file is also the program that restricts itself and becomes another one (``python -I -S isolation.py SETTINGS COMMAND``).
It uses the standard library alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import platform
import struct
import sys
from functools import cache

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446  # the same numbers on every architecture
_VERSION = 1  # flag of the first: which rights there are
_PATH_RULE, _PORT_RULE = 1, 2
_NO_NEW_PRIVS = 38
_EXECUTE, _WRITE, _READ, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_OF_FILES = _EXECUTE | _WRITE | _READ | 1 << 14 | 1 << 15  # what may be allowed on a file that is no folder
_ALL_OF_FIRST = (1 << 13) - 1
_BIND, _CONNECT = 1 << 0, 1 << 1
_SCOPES = 0b11  # abstract Unix sockets, signals
_O_PATH = 0o10000000

READ_ONLY = _EXECUTE | _READ | _READ_DIR


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.syscall(ctypes.c_long(number), *arguments))


@cache
def abi() -> int:
    """Which version of Landlock the kernel has; 0: none."""
    if not sys.platform.startswith("linux"):
        return 0
    with contextlib.suppress(OSError, AttributeError):
        return max(0, _call(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION)))
    return 0


def said() -> str:
    """For people."""
    if abi() >= 4:
        return f"pods see their own folder and the sandbox's network alone (Landlock {abi()})"
    if abi() > 0:
        return f"pods see their own folder alone; the kernel cannot bound their connections (Landlock {abi()})"
    return f"pods are ordinary processes of yours: this system ({platform.system()}) has no Landlock to bound them"


def restrict(writable: list[str], readable: list[str], ports: list[int]) -> None:
    """From now on, and for whatever this process starts. Raises OSError."""
    version = abi()
    files = _ALL_OF_FIRST
    for least, bit in ((2, 13), (3, 14), (5, 15)):
        if version >= least:
            files |= 1 << bit
    network = (_BIND | _CONNECT) if version >= 4 else 0
    scoped = _SCOPES if version >= 6 else 0
    handled = struct.pack("QQQ", files, network, scoped)
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = _call(_CREATE, handled, ctypes.c_size_t(size), ctypes.c_uint32(0))
    if rules < 0:
        raise OSError(ctypes.get_errno(), "landlock_create_ruleset")
    try:
        for path in readable:
            _allow(rules, path, READ_ONLY & files)
        for path in writable:
            _allow(rules, path, files)
        if network:
            for port in ports:
                _add(rules, _PORT_RULE, struct.pack("QQ", _CONNECT, port))
            _add(rules, _PORT_RULE, struct.pack("QQ", _BIND, 0))  # a port that the kernel chooses, as sockets ask for
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or _call(_RESTRICT, rules, ctypes.c_uint32(0)) != 0:
            raise OSError(ctypes.get_errno(), "landlock_restrict_self")
    finally:
        os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, _O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there need not be allowed
    try:
        if not os.path.isdir(path):  # noqa: PTH112 - this program starts for each pod: pathlib costs more than all of it
            rights &= _OF_FILES
        _add(rules, _PATH_RULE, struct.pack("=Qi", rights, descriptor))
    finally:
        os.close(descriptor)


def _add(rules: int, kind: int, rule: bytes) -> None:
    if _call(_ADD_RULE, rules, ctypes.c_int(kind), rule, ctypes.c_uint32(0)) != 0:
        raise OSError(ctypes.get_errno(), "landlock_add_rule")


def main() -> None:
    settings = json.loads(sys.argv[1])
    restrict(settings["writable"], settings["readable"], settings["ports"])
    command = sys.argv[2:]
    os.execv(command[0], command)  # noqa: S606 - it becomes the pod's program


if __name__ == "__main__":
    main()
