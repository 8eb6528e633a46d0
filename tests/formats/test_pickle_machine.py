"""The pickle machine reaches all that CPython's unpicklers reach, and says the same of it."""

from __future__ import annotations

import collections
import datetime as dt
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.formats.pickle_machine import Call, Change, Event, Lookup, Machine, Oddity
from ancile.formats.pickle_values import Box, Made, Name
from ancile.formats.pickle_walk import End, walk
from tests.formats.pickle_oracle import Log, programs, unpickled


def walked(data: bytes, start: int = 0) -> tuple[list[Event], End, Machine]:
    events: list[Event] = []
    end, machine = walk(data, start, events.append)
    return events, end, machine


def log_of(events: list[Event]) -> Log:
    """Lookups and calls, as the oracle writes them."""
    found: Log = []
    for one in events:
        if isinstance(one, Lookup):
            found.append(("lookup", *one.asked))
        elif isinstance(one, Call):
            found.append(("call",))
    return found


def names(events: list[Event]) -> list[tuple[str, str]]:
    return [(one.name.module, one.name.path) for one in events if isinstance(one, Lookup)]


def oddities(events: list[Event]) -> list[str]:
    return [one.what for one in events if isinstance(one, Oddity)]


def agrees(data: bytes, *, in_c: bool) -> bool:
    """Whether all that the unpickler did was told, in order, and no more where it ended with STOP.

    Frames that the two unpicklers read differently are told as oddities instead.
    """
    events, end, _ = walked(data)
    seen = unpickled(data, in_c=in_c)
    theirs = [one for one in seen.log if one[0] != "change"]
    ours = log_of(events)
    if seen.error:
        return theirs == ours[: len(theirs)]
    return theirs == ours and not end.why


@pytest.mark.filterwarnings("ignore")  # of CPython, about escapes
@pytest.mark.parametrize("in_c", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_random_pickles_do_in_cpython_what_was_told(seed: int, *, in_c: bool) -> None:
    odd = [data for data in programs(seed, 400) if not agrees(data, in_c=in_c)]
    assert all("frame" in " ".join(oddities(walked(data)[0])) for data in odd), odd[:3]


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(), inner)
        | st.tuples(inner, inner)
        | st.frozensets(st.integers())
    ),
    max_leaves=20,
)


@pytest.mark.slow
@given(held=plain, protocol=st.integers(3, 5))
def test_plain_values_ask_for_nothing_and_end_at_their_stop(held: object, protocol: int) -> None:
    data = pickle.dumps(held, protocol)
    events, end, _ = walked(data)
    asked = {("_codecs", "encode")} if protocol < 3 else {("builtins", "frozenset")}
    assert set(names(events)) <= asked
    assert (end.stop, end.why) == (len(data), "")


@pytest.mark.parametrize("protocol", range(6))
def test_objects_ask_for_what_their_pickler_wrote(protocol: int) -> None:
    held = [collections.OrderedDict(a=1), dt.date(2020, 2, 2), {"x": 3}]
    events, end, _ = walked(pickle.dumps(held, protocol))
    assert {("collections", "OrderedDict"), ("datetime", "date")} <= set(names(events))
    assert end.why == ""


def test_numbers_in_a_row_are_one_step_and_are_counted_where_it_matters() -> None:
    events, end, machine = walked(b"\x80\x04]" + b"(" + b"K\x01" * 5000 + b"e}(" + b"K\x01" * 5001 + b"u.")
    assert events == []
    assert end.why == "a dict has a key without a value"
    box = machine.stack[0]
    assert isinstance(box, Box)
    assert box.kind == "list"


def test_a_run_is_spread_where_one_of_it_is_popped() -> None:
    _, end, machine = walked(b"\x80\x04" + b"K\x07" * 100 + b"K\x09\x860.")
    assert end.why == ""
    assert len(machine.stack) == 98


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"cos\nsystem\n.", ("os", "system")),
        (b"c__builtin__\neval\n.", ("builtins", "eval")),
        (b"c__builtin__\nreduce\n.", ("functools", "reduce")),
        (b"\x80\x02ccommands\ngetoutput\n.", ("subprocess", "getoutput")),
        (b"\x80\x04c__builtin__\neval\n.", ("__builtin__", "eval")),
        (b"\x80\x02\x80\x03c__builtin__\neval\n.", ("__builtin__", "eval")),
        (b"cos\r\nsystem \n.", ("os\r", "system ")),
        (b"S'\\x6fs'\nVsy\\u0073tem\n\x93.", ("os", "system")),
        (b"\x8c\x06system\x94\x8c\x02osh\x000h\x00\x93.", ("os", "system")),
        (b"(ios\nsystem\n.", ("os", "system")),
        (b"\x8c\x02os\x8c\x06system20\x930.", ("os", "system")),
    ],
)
def test_a_name_is_read_as_the_unpickler_reads_it(data: bytes, found: tuple[str, str]) -> None:
    assert names(walked(data)[0]) == [found]


def test_a_computed_name_is_told_as_one() -> None:
    events, end, _ = walked(b"\x8c\x02os\x94cstr\njoin\n)R\x93.")
    assert oddities(events) == ["a name is computed while loading"]
    assert end.why == ""


def test_what_is_called_and_with_what_is_told() -> None:
    events, _, machine = walked(b"cm\nf\n(K\x05X\x01\x00\x00\x00atR.")
    made = next(one.made for one in events if isinstance(one, Call))
    assert isinstance(made.callee, Name)
    assert isinstance(made.args, Box)
    assert [machine.constant(one) for one in made.args.items] == [5, "a"]


@pytest.mark.parametrize(
    ("data", "opcode"),
    [
        (b"csys\nmodules\nVx\nNs.", "SETITEM"),
        (b"csys\npath\n(Vx\ne.", "APPENDS"),
        (b"csys\npath\nVx\na.", "APPEND"),
        (b"cm\nC\n}b.", "BUILD"),
        (b"cm\ns\n(N\x90.", "ADDITEMS"),
    ],
)
def test_a_change_of_what_is_not_the_pickles_own_is_told(data: bytes, opcode: str) -> None:
    (change,) = [one for one in walked(data)[0] if isinstance(one, Change)]
    assert change.opcode == opcode
    assert isinstance(change.target, Name)


def test_the_second_build_on_an_object_is_counted() -> None:
    events, _, _ = walked(b"cm\nC\n)\x81}b}b.")
    targets = [one.target for one in events if isinstance(one, Change)]
    assert [type(one) for one in targets] == [Made, Made]
    assert isinstance(targets[0], Made)
    assert targets[0].builds == 2


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "the data ends without STOP"),
        (b"N", "the data ends without STOP"),
        (b".", "the stack is empty"),
        (b"(.", "the stack is empty"),
        (b"\x80\x06N.", "protocol 6 is unknown"),
        (b"\xffN.", "there is no opcode 0xff"),
        (b"h\x00.", "nothing is in that memo slot"),
        (b"Np-1\n.", "a memo slot is negative"),
        (b"Npx\n.", "a memo slot is no number"),
        (b"\x8b\xff\xff\xff\xff", "a length is negative"),
        (b"\x8e" + b"\xff" * 8, "the data ends within an opcode"),
        (b"K", "the data ends within an opcode"),
        (b"\x8c\x02\xff\xff.", "a text is not UTF-8"),
        (b"Sx\n.", "a text means nothing"),
        (b"S'\\x1'\n.", "a text means nothing"),
        (b"I" + b"1" * 5000 + b"\n.", "a text means nothing"),
        (b"I1", "a line of text has no end"),
        (b"t.", "there is no mark"),
        (b"(NNNd.", "a dict has a key without a value"),
        (b"NN\x93.", "a name is no text"),
        (b"N)R.", "what is called is no function"),
        (b"NNa.", "items are put into what takes none"),
        (b"\x82\x00.", "an extension code is not positive"),
        (b"\x95" + b"\xff" * 8 + b".", "a frame has a negative length"),
        (b"(o.", "there is nothing to call"),
        (b"cm\xff\nx\n.", "a name is not UTF-8"),
        (b"c\nx\n.", "a name is empty"),
    ],
)
def test_where_every_unpickler_ends_the_walk_ends(data: bytes, why: str) -> None:
    assert walked(data)[1].why == why


@pytest.mark.parametrize(
    ("data", "odd"),
    [
        (b"\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00\x8c\x01a0N.", "an opcode stands across the end of its frame"),
        (b"\x80\x04\x95\x20\x00\x00\x00\x00\x00\x00\x00\x95\x01\x00\x00\x00\x00\x00\x00\x00N.", "a frame begins within a frame"),
        (b"\x80\x04\x95\x20\x00\x00\x00\x00\x00\x00\x00N.", "a frame is longer than the data"),
        (b"\x82\x01.", "a name is an extension code"),
        (b"\x97.", "data is expected from outside the file"),
        (b"Nr\xff\xff\xff\x7f.", "a memo slot far beyond those in use"),
    ],
)  # fmt: skip
def test_what_no_pickler_writes_is_told(data: bytes, odd: str) -> None:
    assert odd in oddities(walked(data)[0])


def test_doubling_is_weighed_and_not_done() -> None:
    _, end, machine = walked(b")" + b"2\x86" * 80 + b".")
    assert end.why == ""
    assert machine.heaviest == 1 << 62
    assert machine.deepest == 81


@pytest.mark.slow
def test_nesting_is_followed_without_recursion() -> None:
    deep = 200_000
    _, end, machine = walked(b"]" * deep + b"a" * (deep - 1) + b".")
    assert end.why == ""
    assert machine.deepest == deep


def test_raw_bytes_between_opcodes_are_left_to_who_knows_them() -> None:
    events: list[Event] = []
    data = b"cm\nC\n)\x81}b" + b"c\xffnoise" + b"."
    end, _ = walk(data, 0, events.append, raw=lambda made, pos: pos + 7 * (made.builds == 1))
    assert (end.stop, end.why) == (len(data), "")


def test_a_buffer_from_outside_is_not_known() -> None:
    _, end, machine = walked(b"\x97\x980N.")
    assert end.why == ""
    assert machine.stack == []


@pytest.mark.filterwarnings("ignore")  # of CPython, about the unknown escape
@pytest.mark.parametrize("text", [r"a\n\t\x41\101\q\\", r"\'", r"\"", r"\a\b\f\r\v\7\377"])
def test_an_escape_means_what_it_means_in_a_bytes_literal(text: str) -> None:
    data = b"S'" + text.encode() + b"'\n"
    _, _, machine = walked(data + b"2.")
    expected = pickle.loads(data + b".", encoding="latin-1")  # noqa: S301 - a text alone
    assert machine.text(machine.stack[0]) == expected
