"""Rights that a process gives up for good, by the kernel's Landlock and seccomp; no privilege is needed.

Called straight from libc: the bindings in the registry are unreleased, or need a library that small images lack.
Sources: landlock(7), seccomp(2), and the kernel's tables of system calls.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
import sysconfig
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pipeline

FILE_ACCESS, NETWORK_ACCESS = "files", "network"

_SET_DUMPABLE, _SET_SECCOMP, _SET_NO_NEW_PRIVILEGES = 4, 22, 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # on every architecture
_EXECUTE, _READ_FILE, _READ_FOLDER = 1 << 0, 1 << 2, 1 << 3
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}  # by the version that knows them
_CONNECT_AND_BIND, _SIGNALS_AND_SOCKETS = 3, 3
_NET_SINCE, _SCOPE_SINCE = 4, 6

# The system calls that lead out of a process, and those that change what files are, which Landlock does not know.
# Each on x86_64 and on aarch64.
_CALLS = {
    "shmget": (29, 194),
    "shmat": (30, 196),
    "socket": (41, 198),
    "connect": (42, 203),
    "accept": (43, 202),
    "socketpair": (53, 199),
    "bind": (49, 200),
    "listen": (50, 201),
    "vfork": (58, None),
    "fork": (57, None),
    "execve": (59, 221),
    "kill": (62, 129),
    "truncate": (76, 45),
    "ftruncate": (77, 46),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "ptrace": (101, 117),
    "rt_sigqueueinfo": (129, 138),
    "utime": (132, None),
    "setpriority": (141, 140),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "tkill": (200, 130),
    "sched_setaffinity": (203, 122),
    "utimes": (235, None),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "ioprio_set": (251, 30),
    "fchownat": (260, 54),
    "futimesat": (261, None),
    "fchmodat": (268, 53),
    "unshare": (272, 97),
    "utimensat": (280, 88),
    "accept4": (288, 242),
    "rt_tgsigqueueinfo": (297, 240),
    "perf_event_open": (298, 241),
    "open_by_handle_at": (304, 265),
    "setns": (308, 268),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "sched_setattr": (314, 274),
    "bpf": (321, 280),
    "execveat": (322, 281),
    "userfaultfd": (323, 282),
    "pidfd_send_signal": (424, 424),
    "io_uring_setup": (425, 425),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "fchmodat2": (452, 452),
    "setxattrat": (463, 463),
    "removexattrat": (466, 466),
}
_CLONE, _CLONE3, _PRLIMIT, _TGKILL = (56, 220), 435, (302, 261), (234, 131)
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_THREAD = 0x10000
_X32 = 0x40000000
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_EPERM, _ENOSYS = 1, 38
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _JUMP_IF_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16

_libc = ctypes.CDLL(None, use_errno=True)


def confine() -> list[str]:
    """Give up writing files, reading other than this Python's own, and the network; returns what the kernel refuses now.

    `FILE_ACCESS` and `NETWORK_ACCESS` are in the list where the kernel can do so. Call it before the process has threads.
    """
    held = []
    with suppress(OSError):
        _prctl(_SET_NO_NEW_PRIVILEGES, 1)
        with suppress(OSError):
            _restrict_files(own_folders())
            held.append(FILE_ACCESS)
        with suppress(OSError, KeyError):
            _refuse_calls()
            held.append(NETWORK_ACCESS)
    return held


def hide() -> None:
    """Keep the memory and environment of this process from others of its user, but for root; no core is dumped either."""
    with suppress(OSError):
        _prctl(_SET_DUMPABLE, 0)


def own_folders() -> list[Path]:
    """Folders that this Python may still import from: its own, its packages', the system's libraries and `pipeline`."""
    packages = (Path(entry) for entry in sys.path if entry.endswith(("site-packages", "dist-packages")))
    python = (Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    system = map(Path, ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache"))
    folders = (Path(pipeline.__file__).parent, *python, *packages, *system)
    return [folder for folder in dict.fromkeys(folders) if folder.exists()]


def _restrict_files(readable: Iterable[Path]) -> None:
    version = _call(_CREATE_RULESET, None, 0, 1)
    rights = sum(right for since, right in _FILE_RIGHTS.items() if version >= since)
    parts = (rights, _CONNECT_AND_BIND, _SIGNALS_AND_SOCKETS)[: 1 + (version >= _NET_SINCE) + (version >= _SCOPE_SINCE)]
    attributes = struct.pack(f"={len(parts)}Q", *parts)
    rules = _call(_CREATE_RULESET, attributes, len(attributes), 0)
    try:
        for path in readable:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
            allowed = _READ_FILE | (_READ_FOLDER | _EXECUTE if path.is_dir() else 0)
            try:
                _call(_ADD_RULE, rules, 1, struct.pack("=Qi", allowed, descriptor), 0)
            finally:
                os.close(descriptor)
        _call(_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)


def _refuse_calls() -> None:
    """Refuse `_CALLS` and new processes; raises KeyError on an architecture whose numbers are not known."""
    column, architecture = _ARCHITECTURES[platform.machine()]
    code = bytearray()

    def add(operation: int, value: int, if_so: int = 0, if_not: int = 0) -> None:
        code.extend(struct.pack("=HBBI", operation, if_so, if_not, value))

    add(_LOAD, _ARCHITECTURE_AT)
    add(_JUMP_IF_EQUAL, architecture, 1)
    add(_RETURN, _KILL)
    add(_LOAD, _NUMBER_AT)
    add(_JUMP_IF_AT_LEAST, _X32, 0, 1)  # x86_64 has a second table of the same calls
    add(_RETURN, _REFUSE | _EPERM)
    for number in (numbers[column] for numbers in _CALLS.values()):
        if number is not None:
            add(_JUMP_IF_EQUAL, number, 0, 1)
            add(_RETURN, _REFUSE | _EPERM)
    add(_JUMP_IF_EQUAL, _CLONE3, 0, 1)  # its arguments cannot be seen; libc then uses the older call
    add(_RETURN, _REFUSE | _ENOSYS)
    conditions = (
        (_CLONE[column], _JUMP_IF_SET, _THREAD),
        (_PRLIMIT[column], _JUMP_IF_EQUAL, 0),  # this process
        (_TGKILL[column], _JUMP_IF_EQUAL, os.getpid()),  # as abort() does
    )
    for number, condition, first_argument in conditions:
        add(_JUMP_IF_EQUAL, number, 0, 4)
        add(_LOAD, _FIRST_ARGUMENT_AT)
        add(condition, first_argument, 1)
        add(_RETURN, _REFUSE | _EPERM)
        add(_RETURN, _ALLOW)
    add(_RETURN, _ALLOW)

    instructions = ctypes.create_string_buffer(bytes(code), len(code))
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))
    _prctl(_SET_SECCOMP, 2, ctypes.create_string_buffer(program, len(program)))


def _prctl(option: int, value: int, pointer: ctypes.Array[ctypes.c_char] | None = None) -> None:
    _checked(
        _libc.prctl(option, ctypes.c_ulong(value), pointer or ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
    )


def _call(number: int, *arguments: int | bytes | None) -> int:
    converted = (ctypes.c_long(each) if isinstance(each, int) else each for each in arguments)
    return _checked(_libc.syscall(ctypes.c_long(number), *converted))


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
