"""The process in which code of a model runs: little time and memory, no files but Python's own, no network, no other process.

`feilun.evaluate.code_check` starts this file by itself (``python -I sandbox.py FOLDER``), so it imports the standard library
only. On Linux the program may read Python and the system's libraries, write to FOLDER alone, and open no socket, start no
process and touch none. Landlock in its third version (kernel 6.2, https://docs.kernel.org/userspace-api/landlock.html) holds the
files, a seccomp filter (https://docs.kernel.org/userspace-api/seccomp_filter.html) the rest; neither needs a privilege. Names and
attributes of files can be seen everywhere. Where this cannot be done, `confined` says so: there are the limits of time, memory
and output alone, and as much of the rest as there is.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import platform
import socket
import stat
import struct
import sys
import types
from collections.abc import Iterable
from typing import Any

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same number on all architectures
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_OF_FILES = 1 << 0 | 1 << 1 | _READ_FILE | 1 << 14 | 1 << 15  # rights that make sense of what is no folder
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}  # by version of Landlock: how many there are
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2

_LIBRARIES = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/share/zoneinfo",
    "/etc/localtime",
    "/etc/mime.types",
    "/dev/urandom",
    "/dev/null",
)

# System calls by (x86-64, AArch64); None where there is no such call.
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_FORBIDDEN: dict[str, tuple[int | None, int | None]] = {
    # the network, and other programs' sockets
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "io_uring_setup": (425, 425),
    # new processes; threads are made by `clone` too, see below
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    # other processes, and leaving one's own group, which is what is killed at the end
    "tkill": (200, 130), "pidfd_send_signal": (424, 424),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "setsid": (112, 157), "setpgid": (109, 154), "setpriority": (141, 140),
    "sched_setaffinity": (203, 122), "sched_setscheduler": (144, 119), "ioprio_set": (251, 30),
    # doors into the kernel that a small program has no use for
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "bpf": (321, 280), "perf_event_open": (298, 241),
    "sched_setattr": (314, 274), "sched_setparam": (142, 118), "mount_setattr": (442, 442), "fsopen": (430, 430),
    "open_tree": (428, 428), "mknod": (133, None), "mknodat": (259, 33), "syslog": (103, 116),
    # what would outlive the process, or is memory that its limit does not count
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195),
    "semget": (64, 190), "semctl": (66, 191), "semop": (65, 193), "semtimedop": (220, 192), "msgget": (68, 186),
    "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187), "mq_open": (240, 180), "mq_unlink": (241, 181),
    # watching files, and holding up those who open them
    "fanotify_init": (300, 262), "inotify_add_watch": (254, 27),
}  # fmt: skip
_PRETENDED: dict[str, tuple[int | None, int | None]] = {
    # What Landlock leaves open, whose a file is, who may read it, when it was changed: nothing happens, and nothing is said, since
    # `shutil.copy` and its like do it in passing.
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None),
    "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54), "setxattr": (188, 5), "lsetxattr": (189, 6),
    "fsetxattr": (190, 7), "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "setxattrat": (463, 463), "removexattrat": (466, 466), "file_setattr": (469, 469), "utime": (132, None),
    "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
}  # fmt: skip
_CLONE, _CLONE3, _PRLIMIT, _KILL, _TGKILL = (56, 220), (435, 435), (302, 261), (62, 129), (234, 131)
_SOCKETPAIR, _IOCTL, _FCNTL = (53, 199), (16, 29), (72, 25)
_CLONE_THREAD = 0x10000
_X32 = 0x40000000  # of the other numbering of calls on x86-64

_LOAD, _EQUAL, _AT_LEAST, _ANY_OF, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # of the filter's machine
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = (
    0,
    4,
    16,
    24,
)  # where they are in `struct seccomp_data`
_ALLOWED = (_RETURN, 0, 0, 0x7FFF0000)
_ZERO = ctypes.c_ulong(0)


def confine(folder: str, readable: Iterable[str]) -> bool:
    """Shut this process, which has one thread, in ``folder``; for good. Returns whether that could be done whole.

    ``readable``: files and folders that it may read; what is not there is passed over.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    if libc.prctl(_NO_NEW_PRIVILEGES, ctypes.c_ulong(1), _ZERO, _ZERO, _ZERO):
        return False
    files = _hold_files(libc, folder, readable)
    _drop_privileges(libc)
    return _forbid_calls(libc) and files


def _drop_privileges(libc: ctypes.CDLL) -> None:
    """What root may do and others may not, but for reading what is granted: capset(2), in its third form."""
    head, had = struct.pack("Ii", 0x20080522, 0), ctypes.create_string_buffer(24)
    libc.capget(head, had)
    kept = struct.unpack("6I", had.raw[:24])[1] & 1 << 2  # CAP_DAC_READ_SEARCH
    libc.capset(head, struct.pack("6I", kept, kept, 0, 0, 0, 0))


def _hold_files(libc: ctypes.CDLL, folder: str, readable: Iterable[str]) -> bool:
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    all_rights = (1 << max(count for since, count in _FILE_RIGHTS.items() if since <= version)) - 1
    # Files; TCP (from version 4); other processes' signals and abstract sockets (from version 6).
    handled = struct.pack("QQQ", all_rights, 0b11 if version >= 4 else 0, 0b11 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = libc.syscall(_CREATE_RULESET, handled[:size], ctypes.c_size_t(size), 0)
    if rules < 0:
        return False
    granted = [(path, _READ_FILE | _READ_DIR) for path in readable]
    granted.append((os.devnull, _READ_FILE | 1 << 1))
    for path, rights in [*granted, (folder, all_rights & ~1)]:  # nothing may be executed
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        rights &= all_rights if stat.S_ISDIR(os.fstat(place).st_mode) else _OF_FILES
        failed = libc.syscall(_ADD_RULE, rules, 1, struct.pack("=Qi", rights, place), 0)
        os.close(place)
        if failed:
            return False
    done = libc.syscall(_RESTRICT_SELF, rules, 0) == 0 and version >= 3  # before which files could be emptied
    os.close(rules)
    return done


def _forbid_calls(libc: ctypes.CDLL) -> bool:
    if platform.machine() not in _ARCHITECTURES:
        return False
    which, architecture = _ARCHITECTURES[platform.machine()]
    refused, first, second = (
        _fails(errno.EPERM),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_LOAD, 0, 0, _SECOND_ARGUMENT),
    )
    # A step: what it does, the steps to pass over if it is so and if not, a constant.
    steps = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, architecture), refused]
    steps += [(_LOAD, 0, 0, _NUMBER), (_AT_LEAST, 0, 1, _X32), refused]
    for calls, answer in ((_FORBIDDEN, refused), (_PRETENDED, _fails(0))):
        for call in calls.values():
            if (number := call[which]) is not None:
                steps += [(_EQUAL, 0, 1, number), answer]
    # The flags of `clone3` lie in memory, which a filter cannot see: without it the C library takes `clone`.
    steps += [(_EQUAL, 0, 1, _CLONE3[which]), _fails(errno.ENOSYS)]

    def only(
        call: tuple[int, int],
        *asked: tuple[int, int, int, int],
        otherwise: tuple[int, int, int, int] = refused,
    ) -> None:
        """``asked`` ends before ``otherwise``, or passes over it: then the call is allowed."""
        steps.extend([(_EQUAL, 0, len(asked) + 2, call[which]), *asked, otherwise, _ALLOWED])

    only(_CLONE, first, (_ANY_OF, 1, 0, _CLONE_THREAD))  # a thread may be made, a process not
    only(_PRLIMIT, first, (_EQUAL, 1, 0, 0))  # one's own limits may be changed, another's not
    for call in (_KILL, _TGKILL):  # a signal to oneself
        only(call, first, (_EQUAL, 1, 0, os.getpid()))
    # A pair of streams of one's own; a datagram socket of a pair can send to any path.
    only(_SOCKETPAIR, first, (_EQUAL, 0, 2, socket.AF_UNIX), second, (_ANY_OF, 0, 1, socket.SOCK_DGRAM))
    # Of terminals and descriptors (0x54..); others change what a file is.
    only(_IOCTL, second, (_AT_LEAST, 0, 1, 0x5400), (_AT_LEAST, 0, 1, 0x5500), otherwise=_fails(errno.ENOTTY))
    # F_SETOWN and F_SETOWN_EX would have signals sent to another.
    only(_FCNTL, second, (_EQUAL, 1, 0, 8), (_EQUAL, 0, 1, 15))
    steps += [_ALLOWED]

    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    program = struct.pack("HP", len(steps), ctypes.addressof(held := ctypes.create_string_buffer(code)))
    done = libc.prctl(_SET_SECCOMP, _FILTER, ctypes.c_char_p(program), _ZERO, _ZERO) == 0
    del held
    return done


def _fails(number: int) -> tuple[int, int, int, int]:
    return (_RETURN, 0, 0, 0x00050000 | number)


def main(folder: str) -> None:
    """Run the program that the standard input describes: its limits, its texts, and what to print if all goes well.

    The answer is compiled by itself: `from __future__` must be its first line, and that of this file does not hold for it. Its name
    is not `__main__`, so that an example at its end that asks for input does not run.
    """
    job: dict[str, Any] = json.load(sys.stdin)
    limits: dict[str, int] = job["limits"]
    with contextlib.suppress(ImportError):
        import resource

        for name, limit in limits.items():
            with contextlib.suppress(
                AttributeError, OSError, ValueError
            ):  # a system may not know one of them
                hard = resource.getrlimit(getattr(resource, name))[1]
                limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
                resource.setrlimit(getattr(resource, name), (limit, limit))
    confined = confine(folder, [*_LIBRARIES, sys.prefix, sys.base_prefix, *sys.path])
    sys.modules["answer"] = module = types.ModuleType("answer")  # where dataclasses and pickle look for it
    space = module.__dict__
    space["__confined__"] = confined
    for name in ("setup", "answer"):
        exec(compile(job[name], name, "exec", dont_inherit=True), space)
    for line in job["asserts"]:
        exec(compile(f"assert ({line}\n)", "assert", "exec", dont_inherit=True), space)
    exec(compile(job["tests"], "tests", "exec", dont_inherit=True), space)
    os.write(1, f"\n{job['proof']}".encode())  # whatever has become of `print`


if __name__ == "__main__":
    main(sys.argv[1])
