"""Sealing data beside one pass of bare AES-256-GCM over the same bytes, and what a part of a sealed file costs.

Ours seals a file of 256 MiB to one recipient and opens it again, on the disk, each step synced. The bare pass reads
blocks of 1 MiB, hashes them with SHA-256 as ours does, encrypts or decrypts them with AES-256-GCM of the same library
and writes them, synced. CPU seconds (user and system), rounds in turn. How it compares with a pass that does not hash
is told beside it: the hash costs several times what AES does. A range is 1 MiB from the middle, beside opening the
whole. Memory is the peak of a child process that seals 1 GiB beside one that seals 64 MiB. The control
seals and opens twice, reads the whole for a range, and holds what it seals in memory.
"""

from __future__ import annotations

import hashlib
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ancile.data.recipients import own_recipient
from ancile.data.sealed_form import Header, Stanza
from ancile.data.sealing import Role, seal, source_of_path
from ancile.data.taking import Wanted, take
from ancile.data.unsealing import open_sealed
from ancile.trust.key import AuthorKey, private_key
from bar import Bar

BLOCK, SIZE, ROUNDS, MOST = 1 << 20, 256 << 20, 5, 1.25
KEY = private_key("author", "bench")


def cpu(work: Callable[[], object], times: int = 1) -> float:
    """User and system seconds of this process."""
    before = time.process_time()
    for _ in range(times):
        work()
    return time.process_time() - before


def first(header: Header) -> tuple[Stanza, AuthorKey]:
    return header.to[0], KEY


def sealed(plain: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    seal(target, source_of_path(plain, "plain"), [Role("", own_recipient(KEY))], author=KEY)


def taken(source: Path, target: Path, wanted: Wanted) -> None:
    target.unlink(missing_ok=True)
    with open_sealed(source, first) as found:
        take(found, wanted, target)


def bare(source: Path, target: Path, *, decrypt: bool, hashed: bool) -> None:
    """One pass over a file."""
    cipher, digest, tag = AESGCM(bytes(32)), hashlib.sha256(), 16
    length = BLOCK + tag if decrypt else BLOCK
    block, other = bytearray(length), bytearray(BLOCK if decrypt else BLOCK + tag)
    with source.open("rb", buffering=0) as read, target.open("wb", buffering=0) as write:
        number = 0
        while count := read.readinto(block):
            given, nonce = memoryview(block)[:count], number.to_bytes(12, "big")
            made = memoryview(other)[: count - tag if decrypt else count + tag]
            if decrypt:
                cipher.decrypt_into(nonce, given, None, made)
            else:
                cipher.encrypt_into(nonce, given, None, made)
            if hashed:
                digest.update(made if decrypt else given)
            write.write(made)
            number += 1
        os.fsync(write.fileno())


def measure(control: bool = False) -> list[Bar]:
    """CPU of sealing and of opening, of a range, and memory."""
    runs: dict[str, list[float]] = {}
    with TemporaryDirectory() as folder:
        place = Path(folder)
        with (place / "plain").open("wb") as file:
            for _ in range(SIZE >> 20):
                file.write(os.urandom(1 << 20))
        for number in range(ROUNDS + 1):  # the first is not counted
            found = one_round(place, times=2 if control else 1)
            for name, seconds in found.items() if number else ():
                runs.setdefault(name, []).append(seconds)
    bars = [
        compared("sealing", runs, "seal", "encrypt"),
        compared("opening", runs, "open", "decrypt"),
    ]
    share = statistics.median(runs["range"]) / statistics.median(runs["open"])
    bars.append(
        Bar(
            claim="data seal: a range is read without the rest",
            measured=f"1 MiB of 256 takes {share:.4f} of opening the whole",
            wanted="at most 0.1",
            met=share <= 0.1,
            raw={"range": runs["range"], "open": runs["open"]},
        )
    )
    return [*bars, memory(control=control)]


def one_round(place: Path, *, times: int) -> dict[str, float]:
    plain, mine, theirs, out = (place / name for name in ("plain", "sealed", "bare", "out"))
    middle = Wanted(None, (SIZE // 2, SIZE // 2 + BLOCK)) if times == 1 else Wanted()
    found = {
        "seal": cpu(lambda: sealed(plain, mine), times),
        "encrypt": cpu(lambda: bare(plain, theirs, decrypt=False, hashed=True)),
        "open": cpu(lambda: taken(mine, out, Wanted()), times),
        "decrypt": cpu(lambda: bare(theirs, out, decrypt=True, hashed=True)),
        "range": cpu(lambda: taken(mine, out, middle)),
        "encrypt, no hash": cpu(lambda: bare(plain, place / "other", decrypt=False, hashed=False)),
    }
    return found | {"decrypt, no hash": cpu(lambda: bare(theirs, out, decrypt=True, hashed=False))}


def compared(word: str, runs: dict[str, list[float]], ours: str, theirs: str) -> Bar:
    ratios = [mine / other for mine, other in zip(runs[ours], runs[theirs], strict=True)]
    unhashed = statistics.median(runs[ours]) / statistics.median(runs[f"{theirs}, no hash"])
    pace = SIZE / statistics.median(runs[ours]) / 1e6
    middle = statistics.median(ratios)
    return Bar(
        claim=f"data seal: {word} costs what AES-256-GCM with SHA-256 costs",
        measured=f"ours / bare = {middle:.2f} ({min(ratios):.2f} to {max(ratios):.2f}), {pace:.0f} MB a CPU second; "
        f"{unhashed:.2f} of a pass that hashes nothing",
        wanted=f"at most {MOST}",
        met=middle <= MOST,
        raw={name: runs[name] for name in (ours, theirs, f"{theirs}, no hash")},
    )


def memory(*, control: bool) -> Bar:
    """Peak of a process that seals a file, with one sixteen times as long."""
    small, large = (peak(size << 20, whole=control) for size in (64, 1024))
    return Bar(
        claim="data seal: memory does not grow with the data",
        measured=f"{large / 2**20:.0f} MiB for 1 GiB, {small / 2**20:.0f} MiB for 64 MiB",
        wanted="at most 1.1 times",
        met=large <= 1.1 * small,
        raw={"64 MiB": [float(small)], "1 GiB": [float(large)]},
    )


def peak(size: int, *, whole: bool) -> int:
    command = [sys.executable, __file__, "peak", str(size), str(int(whole))]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peaked(size: int, *, whole: bool) -> None:
    """Print the peak of this process after sealing a file without data in it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "plain"
        with path.open("wb") as file:
            file.truncate(size)
        kept = path.read_bytes() if whole else b""
        sealed(path, Path(folder) / "sealed")
        print(max(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, len(kept)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["peak"]:
        peaked(int(sys.argv[2]), whole=sys.argv[3] == "1")
    else:
        for bar in measure(control="control" in sys.argv):
            print(bar)
