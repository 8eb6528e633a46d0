"""Confinement, as far as it can be shown without binding the process that runs the tests."""

from __future__ import annotations

import errno
import struct
import sys
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
def test_the_filter_lets_each_call_pass_but_those_that_make_sockets(machine: str) -> None:
    """The program is run by a small interpreter of classic BPF on the calls that matter."""
    architecture, socket_call = seccomp.CALLS[machine]
    assert answer(machine, architecture, socket_call) == seccomp.REFUSE
    assert answer(machine, architecture, seccomp.IO_URING_SETUP) == seccomp.REFUSE
    assert answer(machine, architecture, seccomp.X32_BIT | socket_call) == seccomp.REFUSE
    assert answer(machine, 0x40000003, 0) == seccomp.REFUSE  # 32-bit calls have other numbers
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
