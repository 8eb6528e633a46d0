"""Sealed files: only for their recipients, whole or not at all, any range alone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis.strategies import integers

from ancile.core.errors import AncileError
from ancile.core.subject import Subject
from ancile.data.access import readers_of
from ancile.data.recipients import TYPE, own_recipient, parse_recipient, recipient_file, wrap
from ancile.data.sealed_form import (
    CHUNK,
    LENGTH_BYTES,
    MAGIC,
    TAG_BYTES,
    Header,
    Index,
    Stanza,
    bound,
    encode_header,
    keys_of,
    nonce,
    parse_header,
)
from ancile.data.sealing import Role, Source, put, seal, source_of_path
from ancile.data.taking import Wanted, parse_groups, parse_range, require_there, take
from ancile.data.unsealing import Sealed, SealedFile, is_sealed, open_sealed
from ancile.trust.dsse import sign
from ancile.trust.key import AuthorKey, private_key

ME, OTHER = private_key("author", "me"), private_key("author", "other")
SLOW_FIXTURE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def first(key: AuthorKey) -> object:
    """An opener for the stanza of this key."""

    def opener(header: Header) -> tuple[Stanza, AuthorKey]:
        return next((one for one in header.to if one.author == key.public.id), header.to[0]), key

    return opener


@contextmanager
def opened(path: Path, key: AuthorKey = ME) -> Iterator[Sealed]:
    with open_sealed(path, first(key)) as found:  # type: ignore[arg-type]  # a test's opener
        yield found


def sealed(folder: Path, data: bytes, *keys: AuthorKey) -> Path:
    """One file of these bytes, sealed to the keys."""
    (folder / "plain").write_bytes(data)
    target = folder / "sealed"
    roles = [Role("", own_recipient(key)) for key in keys or (ME,)]
    seal(target, source_of_path(folder / "plain", "plain"), roles, author=ME)
    return target


def whole(path: Path, key: AuthorKey = ME) -> bytes:
    """The bytes of the only file."""
    found = bytearray()
    with opened(path, key) as one:
        one.whole(one.member(None), found.extend)
    return bytes(found)


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A sealed file of three chunks and a bit."""
    data = os.urandom(3 * CHUNK + 1234)
    return sealed(tmp_path_factory.mktemp("big"), data), data


@pytest.mark.parametrize("size", [0, 1, CHUNK - 400, CHUNK, 2 * CHUNK])
def test_what_is_sealed_comes_back(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    path = sealed(tmp_path, data)
    assert whole(path) == data
    assert is_sealed(path)
    assert not is_sealed(tmp_path / "plain")
    assert size < 64 or data[:64] not in path.read_bytes()


def test_a_chunk_that_is_filled_to_the_last_byte_is_the_last(tmp_path: Path) -> None:
    """The whole of index, file and tail fits a chunk exactly."""
    rest = (sealed(tmp_path, b"x" * 1000).stat().st_size) - 1000
    (tmp_path / "sealed").rename(tmp_path / "before")
    header = int.from_bytes((tmp_path / "before").read_bytes()[len(MAGIC) : len(MAGIC) + LENGTH_BYTES], "big")
    around = rest - (len(MAGIC) + LENGTH_BYTES + header + 32) - TAG_BYTES
    data = bytes(CHUNK - around - 2)  # msgpack takes two bytes more for a longer size
    assert whole(sealed(tmp_path, data)) == data


def test_each_recipient_can_open_it_and_nobody_else(tmp_path: Path) -> None:
    path = sealed(tmp_path, b"rows", ME, OTHER)
    assert whole(path, ME) == whole(path, OTHER) == b"rows"
    with pytest.raises(AncileError, match="damaged, or was sealed to another key"):
        whole(path, private_key("author", "third"))


def test_the_same_data_are_never_the_same_bytes(tmp_path: Path) -> None:
    path = sealed(tmp_path, b"rows")
    before = path.read_bytes()
    path.unlink()
    assert sealed(tmp_path, b"rows").read_bytes() != before


@SLOW_FIXTURE
@given(start=integers(0, 3 * CHUNK + 1234), size=integers(0, 2 * CHUNK))
@example(start=CHUNK - 1, size=2)
def test_any_range_is_that_of_the_plain_file(big: tuple[Path, bytes], start: int, size: int) -> None:
    path, data = big
    size = min(size, len(data) - start)
    with opened(path) as one:
        member = one.member(None)
        assert one.read(member.start + start, size) == data[start : start + size]
        file = SealedFile(one, member)
        file.seek(-7, os.SEEK_END)
        assert file.read() == data[-7:]
        file.seek(start)
        assert file.tell() == start
        assert file.read(100) == data[start : start + 100]


def test_a_range_is_read_without_the_rest(big: tuple[Path, bytes], tmp_path: Path) -> None:
    """A chunk that is damaged harms the ranges in it, and no other."""
    path, data = big
    changed = bytearray(path.read_bytes())
    end = len(changed)
    changed[end - 2 * (CHUNK + TAG_BYTES)] ^= 1  # in the middle
    (tmp_path / "sealed").write_bytes(changed)
    with opened(tmp_path / "sealed") as one:
        start = one.member(None).start
        assert one.read(start, 1000) == data[:1000]
        with pytest.raises(AncileError, match="damaged or was changed"):
            one.whole(one.member(None), len)


@SLOW_FIXTURE
@given(place=integers(0, 10**6), bit=integers(0, 7))
def test_no_flipped_bit_of_header_or_chunks_goes_unseen(tmp_path: Path, place: int, bit: int) -> None:
    path = tmp_path / "sealed"
    if not path.exists():
        sealed(tmp_path, b"some rows of a table", ME, OTHER)
    changed = bytearray(path.read_bytes())
    changed[place % len(changed)] ^= 1 << bit
    other = tmp_path / "changed"
    other.write_bytes(changed)
    with pytest.raises(AncileError):
        whole(other)


@pytest.mark.slow
def test_no_byte_of_a_header_can_be_another(tmp_path: Path) -> None:
    whole_file = sealed(tmp_path, b"rows", ME).read_bytes()
    length = int.from_bytes(whole_file[len(MAGIC) : len(MAGIC) + LENGTH_BYTES], "big")
    other = tmp_path / "changed"
    for place in range(len(MAGIC) + LENGTH_BYTES + length + 32):
        changed = bytearray(whole_file)
        changed[place] ^= 1 + place % 255
        other.write_bytes(changed)
        with pytest.raises(AncileError):
            whole(other)


@SLOW_FIXTURE
@given(length=integers(0, 10**7))
@example(length=0)
@example(length=len(MAGIC))
def test_no_file_that_was_cut_off_opens(big: tuple[Path, bytes], tmp_path: Path, length: int) -> None:
    data = big[0].read_bytes()
    (tmp_path / "cut").write_bytes(data[: length % len(data)])
    with pytest.raises(AncileError), opened(tmp_path / "cut"):
        pass


@pytest.mark.parametrize(
    "order", [(1, 0, 2, 3), (0, 2, 1, 3), (0, 1, 3), (0, 1, 2, 2, 3), (3,), (0, 1, 2), (0, 1, 2, 3, 3)]
)
def test_no_chunk_can_be_moved_left_out_or_doubled(
    big: tuple[Path, bytes], tmp_path: Path, order: tuple[int, ...]
) -> None:
    data = big[0].read_bytes()
    length = int.from_bytes(data[len(MAGIC) : len(MAGIC) + LENGTH_BYTES], "big")
    start = len(MAGIC) + LENGTH_BYTES + length + 32
    step = CHUNK + TAG_BYTES
    chunks = [data[at : at + step] for at in range(start, len(data), step)]
    (tmp_path / "moved").write_bytes(data[:start] + b"".join(chunks[one] for one in order))
    with pytest.raises(AncileError):
        whole(tmp_path / "moved")


def test_chunks_of_another_sealed_file_do_not_fit(tmp_path: Path) -> None:
    one = sealed(tmp_path, b"a" * 100).read_bytes()
    (tmp_path / "sealed").unlink()
    two = sealed(tmp_path, b"b" * 100).read_bytes()
    (tmp_path / "mixed").write_bytes(one[:-50] + two[-50:])
    with pytest.raises(AncileError, match="not what was sealed"):
        whole(tmp_path / "mixed")


def test_a_folder_comes_back_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "set" / "cat").mkdir(parents=True)
    (tmp_path / "set" / "cat" / "ä 1.png").write_bytes(b"picture")
    (tmp_path / "set" / "empty").write_bytes(b"")
    source = source_of_path(tmp_path / "set", "set")
    subject = seal(tmp_path / "sealed", source, [Role("", own_recipient(ME))], author=ME)
    with opened(tmp_path / "sealed") as one:
        assert one.subject == subject
        assert one.sealer == ME.public
        assert take(one, Wanted(), tmp_path / "again") == 7
        assert take(one, Wanted("cat/%C3%A4%201.png"), tmp_path / "one.png") == 7
        with pytest.raises(AncileError, match="no such file"):
            require_there(one, Wanted("dog"))
        with pytest.raises(AncileError, match="say which"):
            require_there(one, Wanted(None, (0, 1)))
        with pytest.raises(AncileError, match="ends before"):
            require_there(one, Wanted("empty", (0, 1)))
    assert (tmp_path / "again" / "cat" / "ä 1.png").read_bytes() == b"picture"
    assert (tmp_path / "again" / "empty").read_bytes() == b""
    assert (tmp_path / "one.png").stat().st_mode & 0o777 == 0o600


def test_row_groups_come_out_of_a_sealed_table(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = arrow.table({"x": list(range(1000))})
    parquet.write_table(table, tmp_path / "t.parquet", row_group_size=100)
    source = source_of_path(tmp_path / "t.parquet", "t")
    seal(tmp_path / "sealed", source, [Role("", own_recipient(ME))], author=ME)
    with opened(tmp_path / "sealed") as one:
        take(one, Wanted(groups=(7, 2)), tmp_path / "part.parquet")
        with pytest.raises(AncileError, match="no such row group"):
            take(one, Wanted(groups=(10,)), tmp_path / "none.parquet")
    read = parquet.read_table(tmp_path / "part.parquet")["x"].to_pylist()
    assert read == [*range(700, 800), *range(200, 300)]
    with (
        opened(sealed(tmp_path / "..", b"no table")) as one,
        pytest.raises(AncileError, match="no Parquet file"),
    ):
        take(one, Wanted(groups=(0,)), tmp_path / "none.parquet")


def test_what_a_recipient_changed_is_not_taken_for_the_sealers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has the data key can write chunks, but not the sealer's signature over the digests."""
    source = source_of_path(Path(__file__), "x")

    def lies(room: object) -> bytes:
        put(room, bytes(source.contents.size))  # type: ignore[arg-type]  # the room of a feed
        return bytes(32)

    other = Source(source.contents, [lies], source.after)
    seal(tmp_path / "sealed", other, [Role("", own_recipient(ME))], author=ME)
    with pytest.raises(AncileError, match="not what its sealer signed"):
        whole(tmp_path / "sealed")
    monkeypatch.setattr("ancile.data.sealing.seal_of", lambda _subject, _header: b"{}")
    seal(tmp_path / "second", source, [Role("", own_recipient(ME))], author=ME)
    with pytest.raises(AncileError, match="signed is of other data"):
        whole(tmp_path / "second")


@pytest.mark.parametrize("path", ["../up", "/etc/passwd", "a/../../b", "", "a//b", "./a", "%41", "a%00b"])
def test_no_path_leads_out_of_the_folder(path: str) -> None:
    with pytest.raises(ValueError, match="path below"):
        Index(name="x", alone=False, files=(("fine", 1), (path, 1)))


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{}",
        b'{"to":[]}',
        b'{"to":[{"author":"me","role":"","wrapped":""}]}',
        b"[" * 100_000,
        b'{"to": [{"author":"sha256:' + b"0" * 64 + b'","role":"","wrapped":""}]}',
        b'{"to":[{"author":"sha256:' + b"0" * 64 + b'","role":"\\n","wrapped":""}]}',
    ],
)
def test_headers_that_are_none_are_refused(header: bytes) -> None:
    with pytest.raises(AncileError, match="damaged or was changed"):
        parse_header(header)


def test_a_recipient_is_who_signed_the_keys() -> None:
    data = recipient_file(OTHER)
    assert parse_recipient(data).author == OTHER.public
    file = msgspec.json.decode(data)
    mine = msgspec.json.decode(recipient_file(ME))
    for wrong in (
        b"",
        b"[]",
        b"[" * 100_000,
        msgspec.json.encode(file | {"author": ME.public.text}),
        msgspec.json.encode(file | {"signed": mine["signed"]}),
        msgspec.json.encode(file | {"author": private_key("log", "l.example").public.text}),
    ):
        with pytest.raises(AncileError):
            parse_recipient(wrong)


def test_recipients_are_named_once_and_roles_are_words(tmp_path: Path) -> None:
    source = source_of_path(Path(__file__), "x")
    me = own_recipient(ME)
    for roles in ([], [Role("a", me), Role("b", me)], [Role("x\n", me)], [Role("x" * 101, me)]):
        with pytest.raises(AncileError):
            seal(tmp_path / "sealed", source, roles, author=ME)
    assert not (tmp_path / "sealed").exists()


def test_files_that_change_meanwhile_are_not_sealed(tmp_path: Path) -> None:
    path = tmp_path / "set"
    path.mkdir()
    (path / "a").write_bytes(b"a")
    source = source_of_path(path, "set")
    (path / "b").write_bytes(b"b")
    with pytest.raises(AncileError, match="changed while it was read"):
        seal(tmp_path / "sealed", source, [Role("", own_recipient(ME))], author=ME)


@pytest.mark.parametrize("text", ["", "5", "5:5", "7:3", "-1:3", "a:b", "1:2:3"])
def test_ranges_that_are_none(text: str) -> None:
    with pytest.raises(AncileError, match="no range"):
        parse_range(text)


@pytest.mark.parametrize("text", ["", "a", "1,", "-1"])
def test_row_groups_that_are_none(text: str) -> None:
    with pytest.raises(AncileError, match="no row groups"):
        parse_groups(text)


def test_a_plain_file_and_a_folder_are_no_sealed_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"rows")
    with pytest.raises(AncileError, match="no sealed file"), opened(tmp_path / "plain"):
        pass
    with pytest.raises(AncileError, match="a folder is no sealed file"), opened(tmp_path):
        pass


def forged(path: Path, payload: bytes) -> Path:
    """A file sealed to ME by somebody who puts anything into it."""
    data_key = bytes(range(32))
    stanza = Stanza(
        author=ME.public.id, wrapped=wrap(data_key, own_recipient(ME), info=bound(ME.public.id, ""))
    )
    header = encode_header(Header(to=(stanza,)))
    keys = keys_of(data_key, header)
    chunks = [payload[at : at + CHUNK] for at in range(0, len(payload), CHUNK)]
    last = len(chunks) - 1
    whole_ = [keys.chunks.encrypt(nonce(at, last=at == last), one, None) for at, one in enumerate(chunks)]
    path.write_bytes(b"".join((MAGIC, len(header).to_bytes(4, "big"), header, keys.mac, *whole_)))
    return path


def packed(index: Index, *, tail: object) -> bytes:
    """A payload of one file of zeros."""
    first_ = msgspec.msgpack.encode(index)
    return len(first_).to_bytes(8, "big") + first_ + bytes(min(index.size, 5)) + msgspec.msgpack.encode(tail)


ONE = Index(name="x", alone=True, files=(("x", 5),))
SIGNED_BY_ME = ([bytes(32)], ME.public.text, b"{}")


@pytest.mark.parametrize(
    "payload",
    [
        b"x",
        bytes(8),
        (1 << 62).to_bytes(8, "big"),
        (5).to_bytes(8, "big") + b"hello and more",
        packed(Index(name="x", alone=True, files=(("x", 1 << 40),)), tail=SIGNED_BY_ME),
        packed(ONE, tail=5),
        packed(ONE, tail=([], ME.public.text, b"{}")),
        packed(ONE, tail=([bytes(31)], ME.public.text, b"{}")),
        packed(ONE, tail=([bytes(32)], "nobody", b"{}")),
        packed(ONE, tail=SIGNED_BY_ME),
        packed(ONE, tail=([bytes(32)], ME.public.text, b"[" * 99_999)),
        packed(ONE, tail=SIGNED_BY_ME)[:-20],
        msgspec.msgpack.encode(ONE) * 100_000,
    ],
)
def test_what_a_hostile_sealer_puts_in_is_refused(tmp_path: Path, payload: bytes) -> None:
    with pytest.raises(AncileError), opened(forged(tmp_path / "forged", payload)):
        pass


def test_a_file_that_ends_where_a_chunk_begins_is_refused(tmp_path: Path) -> None:
    path = forged(tmp_path / "forged", b"")
    with pytest.raises(AncileError, match="ends where a chunk begins"), opened(path):
        pass


def test_a_key_of_small_order_is_no_recipient(tmp_path: Path) -> None:
    public = bytes(1184) + bytes(32)
    file = {"format": "ancile/recipient/v1", "author": OTHER.public.text}
    signed = msgspec.Raw(sign(public, [OTHER], payload_type=TYPE))
    to = parse_recipient(msgspec.json.encode(file | {"signed": signed}))
    with pytest.raises(AncileError, match="no file of a recipient"):
        seal(tmp_path / "sealed", source_of_path(Path(__file__), "x"), [Role("", to)], author=ME)
    short = msgspec.Raw(sign(b"short", [OTHER], payload_type=TYPE))
    with pytest.raises(AncileError, match="no file of a recipient"):
        parse_recipient(msgspec.json.encode(file | {"signed": short}))


@pytest.mark.parametrize(
    ("mode", "words"), [(0o600, "its owner"), (0o640, "its owner and group"), (0o644, "everyone")]
)
def test_a_plain_file_can_be_read_by_whom_its_mode_says(tmp_path: Path, mode: int, words: str) -> None:
    (tmp_path / "plain").write_bytes(b"")
    (tmp_path / "plain").chmod(mode)
    assert readers_of(tmp_path / "plain").startswith(words)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder").chmod(mode | mode >> 2 & 0o111)
    assert readers_of(tmp_path / "folder").startswith(words)


def test_a_file_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    source = source_of_path(Path(__file__), "x")
    (tmp_path / "there").write_bytes(b"mine")
    with pytest.raises(AncileError, match="does not take it"):
        seal(tmp_path / "there", source, [Role("", own_recipient(ME))], author=ME)
    assert (tmp_path / "there").read_bytes() == b"mine"


def test_subjects_are_those_of_the_plain_data(tmp_path: Path) -> None:
    path = sealed(tmp_path, b"rows")
    with opened(path) as one:
        digest = f"sha256:{hashlib.sha256(b'rows').hexdigest()}"
        assert one.subject == Subject(kind="dataset", name="plain", digest=digest)
