"""Lists of names: what one module's files say is what all files say of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis.strategies import from_regex, sampled_from

from ancile.scan.names import feared, lists, package_of

WHOLE = lists()
MODULES = sorted({module for module, _ in (*WHOLE.names, *WHOLE.left_out, *WHOLE.hooks)} | WHOLE.compiled)


@given(sampled_from(MODULES))
def test_the_lists_of_a_module_hold_all_that_is_said_of_it(module: str) -> None:
    known = lists(module)
    for some, every in ((known.names, WHOLE.names), (known.left_out, WHOLE.left_out)):
        assert {k: v for k, v in some.items() if k[0] == module} == {
            k: v for k, v in every.items() if k[0] == module
        }
    assert {one for one in known.hooks if one[0] == module} == {
        one for one in WHOLE.hooks if one[0] == module
    }
    assert (module in known.compiled) == (module in WHOLE.compiled)
    assert (known.feared, known.verbs, known.tools) == (WHOLE.feared, WHOLE.verbs, WHOLE.tools)


@given(sampled_from([one.partition(".")[0] for one in MODULES]) | from_regex(r"[a-z]{1,8}", fullmatch=True))
def test_a_package_to_pin_is_the_same_by_both(top: str) -> None:
    assert package_of(top) == WHOLE.packages.get(top, "")


def test_what_is_feared_is_known_without_any_list() -> None:
    assert {"os", "subprocess", "pip"} <= feared() == WHOLE.feared
