"""No sockets and no way out of the process group: a seccomp filter, seccomp(2), Linux 3.17 and later.

Landlock leaves UDP and named unix sockets open (ABI 7), and with them name look-ups that carry data out and
the sockets of daemons that run as this user. The filter is classic BPF over ``struct seccomp_data``: word 0
the call's number, word 1 the architecture. ``socketpair`` stays: it reaches nobody outside.

Whoever ends a child ends its process group. Code that left the group would run on after its model is closed.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

PR_SET_SECCOMP, FILTER_MODE = 22, 2
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, ANSWER = 0x20, 0x15, 0x35, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | 1  # SECCOMP_RET_ERRNO with EPERM

# machine: (AUDIT_ARCH_…, number of socket); io_uring_setup is 425 everywhere, and can open sockets by itself
CALLS = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
IO_URING_SETUP = 425
GROUP_CALLS = {"x86_64": (109, 112), "aarch64": (154, 157)}  # setpgid, setsid
X32_BIT = 0x40000000  # the second set of numbers on x86_64


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def program(machine: str) -> bytes:
    """The filter for a machine; an instruction is u16 code, u8 jump if true, u8 if false, u32 operand."""
    architecture, socket_call = CALLS[machine]
    calls = (socket_call, IO_URING_SETUP, *GROUP_CALLS[machine])
    refuse = len(calls) + 1  # steps from the first of them to the last answer
    steps = (
        (LOAD, 0, 0, 4),
        (JUMP_EQUAL, 0, refuse + 2, architecture),
        (LOAD, 0, 0, 0),
        (JUMP_AT_LEAST, refuse, 0, X32_BIT),
        *((JUMP_EQUAL, refuse - 1 - place, 0, call) for place, call in enumerate(calls)),
        (ANSWER, 0, 0, ALLOW),
        (ANSWER, 0, 0, REFUSE),
    )
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def available() -> bool:
    """Whether the filter is known for this machine."""
    return sys.platform.startswith("linux") and platform.machine() in CALLS


def refuse_sockets() -> None:
    """Bind this process and all that it starts, for good; ``no_new_privs`` has to be set. Raises OSError."""
    steps = program(platform.machine())
    buffer = ctypes.create_string_buffer(steps, len(steps))
    shape = _Program(len(steps) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    answer = libc.prctl(ctypes.c_int(PR_SET_SECCOMP), ctypes.c_ulong(FILTER_MODE), ctypes.byref(shape), 0, 0)
    if answer != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
