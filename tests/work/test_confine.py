"""Confinement, as far as it can be shown without binding the process that runs the tests."""

from __future__ import annotations

import ctypes
import errno
import resource
import socket
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ancile.work import confine as confine_module
from ancile.work import landlock, seccomp
from ancile.work.confine import Confined, Confinement, confine
from ancile.work.landlock import allowed_paths, handled_rights


def tree(root: Path) -> Path:
    for name in ("project/.ancile/keys/author.json", "project/model.py", "project/src/net.py", "other/x"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    (root / "link").symlink_to(root / "project" / ".ancile")
    (root / "project" / "up").symlink_to(root)
    return root.resolve()


def test_everything_but_the_denied_folder_is_allowed(tmp_path: Path) -> None:
    root = tree(tmp_path)
    found = set(allowed_paths([root / "project" / ".ancile"], root=root))
    assert found == {root / "other", root / "project" / "model.py", root / "project" / "src"}


def test_no_link_opens_a_way_into_what_is_denied(tmp_path: Path) -> None:
    root = tree(tmp_path)
    found = set(allowed_paths([root / "link"], root=root))
    assert not [path for path in found if path.is_symlink() or path.name == ".ancile"]


def test_nothing_denied_is_one_rule_and_all_denied_is_none(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    assert list(allowed_paths([], root=root)) == [root]
    assert list(allowed_paths([root], root=root)) == []
    assert list(allowed_paths([root / "a" / "b"], root=root / "a")) == []


def test_a_denied_folder_that_is_not_there_costs_nothing_else(tmp_path: Path) -> None:
    root = tree(tmp_path)
    assert root / "other" in set(allowed_paths([root / "project" / "none"], root=root))


def test_later_versions_hold_back_more() -> None:
    assert handled_rights(1) == 0x1FFF
    assert handled_rights(2) == 0x3FFF
    assert handled_rights(3) == handled_rights(7) == 0x7FFF


@pytest.mark.parametrize("machine", sorted(seccomp.CALLS))
def test_the_filter_lets_each_call_pass_but_those_that_make_sockets_or_leave_the_group(machine: str) -> None:
    """The program is run by a small interpreter of classic BPF on the calls that matter."""
    architecture, socket_call = seccomp.CALLS[machine]
    assert answer(machine, architecture, socket_call) == seccomp.REFUSE
    assert answer(machine, architecture, seccomp.IO_URING_SETUP) == seccomp.REFUSE
    assert answer(machine, architecture, seccomp.X32_BIT | socket_call) == seccomp.REFUSE
    assert answer(machine, 0x40000003, 0) == seccomp.REFUSE  # 32-bit calls have other numbers
    for call in seccomp.GROUP_CALLS[machine]:
        assert answer(machine, architecture, call) == seccomp.REFUSE
        assert answer(machine, architecture, call + 1) == seccomp.ALLOW
    for call in (0, 1, socket_call - 1, socket_call + 1, 424, 426):
        assert answer(machine, architecture, call) == seccomp.ALLOW


def answer(machine: str, architecture: int, call: int) -> int:
    steps: list[tuple[int, int, int, int]] = list(struct.iter_unpack("=HBBI", seccomp.program(machine)))
    data, place, held = (call, architecture), 0, 0
    while True:
        code, if_true, if_false, operand = steps[place]
        place += 1
        if code == seccomp.LOAD:
            held = data[operand // 4]
        elif code == seccomp.ANSWER:
            return operand
        else:
            holds = held == operand if code == seccomp.JUMP_EQUAL else held >= operand
            place += if_true if holds else if_false


@pytest.fixture
def harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that would bind the test's own process for good do nothing."""
    monkeypatch.setattr(confine_module, "_limits", lambda _: None)
    monkeypatch.setattr(confine_module, "drop_privileges", lambda: None)
    monkeypatch.setattr(landlock, "restrict", lambda **_: None)
    monkeypatch.setattr(seccomp, "refuse_sockets", lambda: None)
    monkeypatch.setattr(sys, "platform", "linux")


@pytest.mark.usefixtures("harmless")
def test_what_a_machine_lacks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: object) -> None:
        raise OSError(errno.EPERM, "not permitted")

    monkeypatch.setattr(landlock, "landlock_abi", lambda: 0)
    monkeypatch.setattr(seccomp, "available", lambda: False)
    none = confine(Confinement())
    assert (none.abi, none.sockets, len(none.lacking)) == (0, False, 2)
    monkeypatch.setattr(landlock, "landlock_abi", lambda: 3)
    monkeypatch.setattr(seccomp, "available", lambda: True)
    old = confine(Confinement())
    assert (old.abi, old.sockets, len(old.lacking)) == (3, True, 1)
    monkeypatch.setattr(landlock, "landlock_abi", lambda: 7)
    assert confine(Confinement()) == Confined(abi=7, sockets=True)
    assert confine(Confinement(network=True)) == Confined(abi=7)
    monkeypatch.setattr(landlock, "restrict", refused)
    assert confine(Confinement()).lacking == ("Landlock was refused by the kernel: not permitted",)


@pytest.mark.usefixtures("harmless")
def test_another_system_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert confine(Confinement()).lacking == ("darwin has neither Landlock nor seccomp",)
    assert landlock.landlock_abi() == 0


def in_a_thread(step: Callable[[], object]) -> list[object]:
    """What the step gives in a thread of its own: the kernel binds a thread, so the tests stay free."""
    found: list[object] = []

    def run() -> None:
        try:
            found.append(step())
        except Exception as reason:  # noqa: BLE001 - the test reads what happened
            found.append(reason)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found


@pytest.mark.skipif(landlock.landlock_abi() == 0, reason="this kernel offers no Landlock")
def test_a_confined_thread_reads_what_it_may_and_writes_in_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confine_module, "_limits", lambda _: None)
    root = tree(tmp_path)
    mine = root / "mine"
    mine.mkdir()

    def trespass() -> tuple[Confined, str, list[type[BaseException] | None]]:
        asked = Confinement(
            readable=(str(root / "project"), sys.prefix, sys.base_prefix, "/usr"),
            denied=(str(root / "project" / ".ancile"),),
            writable=(str(mine),),
        )
        given = confine(asked)
        (mine / "new").write_text("x")
        Path("/dev/null").write_text("x")
        tries: list[Callable[[], object]] = [
            (root / "project" / ".ancile" / "keys" / "author.json").read_text,
            (root / "link" / "keys" / "author.json").read_text,
            (root / "other" / "x").read_text,
            (root / "project" / "new").touch,
            (root / "other" / "x").unlink,
            lambda: socket.socket(socket.AF_INET),
        ]
        return given, (root / "project" / "src" / "net.py").read_text(), [fault_of(one) for one in tries]

    (found,) = in_a_thread(trespass)
    assert isinstance(found, tuple), found
    given, text, faults = found
    assert (given.abi, text) == (landlock.landlock_abi(), "")
    assert faults[:5] == [PermissionError] * 5
    assert (faults[5] is PermissionError) == given.sockets
    (root / "project" / "free").touch()


def fault_of(step: Callable[[], object]) -> type[BaseException] | None:
    try:
        step()
    except OSError as reason:
        return type(reason)
    return None


def test_a_call_that_the_kernel_refuses_is_an_error_and_not_a_silence() -> None:
    with pytest.raises(OSError, match=r"Bad file descriptor|not implemented|permitted"):
        landlock._call(landlock.RESTRICT_SELF, ctypes.c_int(-1), ctypes.c_uint32(0))


def test_a_path_that_is_gone_or_a_link_gets_no_rule(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    landlock._allow(-1, tmp_path / "absent", landlock.READ)
    landlock._allow(-1, tmp_path / "link", landlock.READ)


def test_limits_are_lowered_and_never_raised() -> None:
    confine_module._lower(resource.RLIMIT_CORE, 0)
    confine_module._lower(resource.RLIMIT_CORE, 1 << 40)
    assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)


def test_files_and_memory_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[int, int] = {}
    monkeypatch.setattr(confine_module, "_lower", asked.__setitem__)
    confine_module._limits(None)
    assert asked == {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: confine_module.FILE_BYTES}
    confine_module._limits(5 << 30)
    assert asked[resource.RLIMIT_DATA] == 5 << 30
