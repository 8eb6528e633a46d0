"""A segment is the lines that were written, under the root that the standard gives them."""

from __future__ import annotations

import os
from contextlib import chdir
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.cli.home import need_home
from ancile.cli.recorder import open_recorder
from ancile.core.errors import AncileError
from ancile.serve import supervise
from ancile.serve.child import worker_environment
from ancile.serve.inference import Infer
from ancile.serve.journal import OPEN, WHOLE
from ancile.serve.record import VerdictRecord, digest_of_input, line_of
from ancile.serve.routes import Route, route_of
from ancile.serve.segment import Segment, leave, segments, statement_of, waiting
from ancile.serve.supervise import Sealer
from ancile.serve.tensors import Tensor
from ancile.trust.canonical import canonical, parse_canonical
from ancile.trust.merkle import leaf_hash, node_hash, range_root
from ancile.trust.statement import parse_statement
from tests.cli.terminal import Place
from tests.serve.test_inference import tensors


def lines(count: int, why: str = "") -> list[bytes]:
    return [line_of(VerdictRecord(time=n, said="allow", status=200, why=why))[:-1] for n in range(count)]


@given(count=st.integers(1, 70))
def test_the_root_of_a_segment_is_that_of_the_merkle_tree_over_its_lines(count: int) -> None:
    data = lines(count)

    def node(height: int, place: int) -> bytes:
        if height == 0:
            return leaf_hash(data[place])
        return node_hash(node(height - 1, 2 * place), node(height - 1, 2 * place + 1))

    assert Segment("j/0", tuple(data), 0).root() == f"sha256:{range_root(node, 0, count).hex()}"


@given(why=st.text(max_size=30))
def test_a_statement_is_canonical_whatever_its_records_say(why: str) -> None:
    try:
        data = tuple(lines(3, why))
    except UnicodeEncodeError:
        return
    statement = statement_of(Segment("j/0", data, 0))
    read = parse_canonical(statement, name="statement")
    assert canonical(read) == statement
    assert isinstance(read, dict)
    predicate = read["predicate"]
    assert predicate["records"].encode().split(b"\n") == list(data)
    assert (predicate["count"], predicate["first"][:19]) == (3, "1970-01-01T00:00:00")
    found = parse_statement(statement)
    assert (found.kind, found.subjects) == ("segment", {"verdicts/j/0": predicate["root"]})


def test_a_journal_comes_in_parts_and_a_torn_line_is_told(tmp_path: Path) -> None:
    path = tmp_path / f"7{OPEN}"
    path.write_bytes(b"\n".join([*lines(5), b'{"time":9,']))
    parts = list(segments(path, most=2))
    assert [part.journal for part in parts] == ["7/0", "7/1", "7/2"]
    assert [len(part.lines) for part in parts] == [2, 2, 1]
    assert [part.torn for part in parts] == [0, 0, 10]
    path.write_bytes(b'{"time":9')
    assert list(segments(path, most=2)) == []
    path.write_bytes(b'{"time":"x"}\n')
    with pytest.raises(AncileError, match="was changed"):
        list(segments(path, most=2))


@pytest.mark.parametrize(
    "more",
    [
        b'"zz": "\xff"',
        b'"zz": ' + b"[" * 100_000,
        b'"who": "\\ud800"',
        b'"time": -1',
        b'"time": 99999999999999999999',
        b'"time": 999999999999999999',
        b'"n": -5',
    ],
)
def test_a_line_that_no_gateway_wrote_is_told_and_ends_nothing_else(tmp_path: Path, more: bytes) -> None:
    path = tmp_path / f"7{WHOLE}"
    path.write_bytes(b'{"time": 1, "said": "allow", "status": 200, ' + more + b"}\n")
    with pytest.raises(AncileError, match="was changed"):
        list(segments(path, most=2))


def test_what_is_no_plain_file_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / f"1{WHOLE}").mkdir()
    (tmp_path / f"2{WHOLE}").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / f"3{OPEN}")
    (tmp_path / f"4{OPEN}").touch()
    assert waiting(tmp_path, dead=True) == [tmp_path / f"4{OPEN}"]
    leave(tmp_path, 4)
    assert (tmp_path / f"4{OPEN}").exists()


def test_only_whole_journals_wait_while_their_writer_lives(tmp_path: Path) -> None:
    for name in (f"2{WHOLE}", f"1{WHOLE}", f"3{OPEN}", "other"):
        (tmp_path / name).touch()
    assert [path.name for path in waiting(tmp_path, dead=False)] == [f"1{WHOLE}", f"2{WHOLE}"]
    assert [path.name for path in waiting(tmp_path, dead=True)][-1] == f"3{OPEN}"
    assert waiting(tmp_path / "absent", dead=True) == []


@given(one=tensors(), other=tensors())
def test_equal_inputs_have_equal_digests_and_others_have_others(one: Tensor, other: Tensor) -> None:
    def digest(tensor: Tensor, key: bytes = b"k") -> bytes:
        return digest_of_input(Infer(None, (tensor,), (), binary=False), key)

    assert digest(one) == digest(Tensor(one.name, one.datatype, one.array.copy()))
    assert digest(one) != digest(one, b"another")
    same = one[:2] == other[:2] and one.shape == other.shape and one.array.tobytes() == other.array.tobytes()
    if one.datatype != "BYTES":
        assert (digest(one) == digest(other)) == same


@pytest.mark.parametrize(
    ("method", "target", "route"),
    [
        (b"GET", b"/v2", Route("server")),
        (b"GET", b"/v2/health/ready", Route("ready")),
        (b"GET", b"/v2/models/m", Route("", "m")),
        (b"GET", b"/v2/models/m/versions/1/ready", Route("/ready", "m", "1")),
        (b"POST", b"/v2/models/m.x-1/infer", Route("/infer", "m.x-1")),
        (b"GET", b"/v2/models/m/infer", None),
        (b"POST", b"/v2/models/m", None),
        (b"POST", b"/v2", None),
        (b"GET", b"/v2/", None),
        (b"GET", b"/V2", None),
        (b"GET", b"/v2?x", None),
        (b"GET", b"//v2", None),
        (b"GET", b"/v2/models/..", None),
        (b"GET", b"/v2/models/../health/live", None),
        (b"GET", b"/v2/models/%6d", None),
        (b"GET", b"/v2/models/m/versions/..", None),
        (b"POST", b"/v2/models/m/infer/", None),
        (b"POST", b"/v2/models/m/infer\n", None),
        (b"POST", b"/v2/models/m/generate", None),
        (b"POST", b"/v2/repository/models/m/load", None),
        (b"POST", b"/v2/systemsharedmemory/region/r/register", None),
        (b"GET", b"/v2/models/stats", Route("", "stats")),
        (b"GET", b"/v2/models/m/stats", None),
        (b"GET", b"/v2/logging", None),
        (b"HEAD", b"/v2", None),
        (b"OPTIONS", b"*", None),
    ],
)
def test_a_target_is_one_of_the_routes_exactly_or_none(
    method: bytes, target: bytes, route: Route | None
) -> None:
    assert route_of(method, target) == route


def test_a_segment_whose_checkpoint_failed_is_not_appended_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full between entry and checkpoint: the next try goes on where the last one stopped."""
    home = Place(tmp_path)
    assert home("init", "--unencrypted-key", "--origin", "test.example/log").code == 0
    journal = tmp_path / "journal"
    journal.mkdir(0o700)
    (journal / f"1{WHOLE}").write_bytes(b"".join(line + b"\n" for line in lines(5)))
    with chdir(tmp_path), open_recorder(need_home(tmp_path)) as recorder:
        before = recorder.ledger.size()
        sealer = Sealer(recorder.ledger, recorder.author, recorder.log, journal, 2, recorder.clock.now, set())

        def full(*_: object, **__: object) -> str:
            raise AncileError("the disk is full", value="", remedy="")

        with monkeypatch.context() as patched:
            patched.setattr(supervise, "sign_head", full)
            with pytest.raises(AncileError, match="full"):
                sealer.seal()
        assert recorder.ledger.size() == before + 3
        assert sealer.seal() == 0
        assert recorder.ledger.size() == before + 3
        assert waiting(journal, dead=True) == []
        assert sealer.done == set()


def test_the_worker_gets_no_secret_of_the_environment() -> None:
    given = {"PATH": "p", "ANCILE_PASSPHRASE": "s", "ANCILE_BACKUP_PASSPHRASE_FILE": "f", "HOME": "h"}
    given |= {
        "AWS_SECRET_ACCESS_KEY": "k",
        "ANCILE_ENDPOINT_TOKEN": "t",
        "PGPASSWORD": "w",
        "ANCILE_DATA": "d",
    }
    assert worker_environment(given) == {"PATH": "p", "HOME": "h", "ANCILE_DATA": "d"}


@pytest.mark.parametrize("host", ["\x1b]0;x\x07\u202e", "a..b", "256.0.0.1"])
def test_a_host_that_is_none_is_one_line(host: str) -> None:
    with pytest.raises(AncileError, match="cannot be listened at"):
        supervise.listening(host, 0)
