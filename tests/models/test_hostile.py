"""A hostile model gets no key, changes nothing, claims no figure; each try ends in one clear error or in nothing."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from ancile.core.errors import AncileError
from ancile.core.private_memory import PR_GET_DUMPABLE
from ancile.models import opener
from ancile.models.opener import OpenedModel, open_model
from ancile.models.request import ModelRequest
from ancile.work.landlock import landlock_abi
from tests.models.foreign import images

X = images()
needs_landlock = pytest.mark.skipif(landlock_abi() == 0, reason="this kernel offers no Landlock")
needs_scopes = pytest.mark.skipif(landlock_abi() < 6, reason="Landlock holds back signals from ABI 6 on")

HONEST = "\nimport numpy as np\ndef scores(x):\n    return np.zeros((len(x), 3)) + np.arange(3)\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    keys = tmp_path / ".ancile" / "keys"
    keys.mkdir(parents=True)
    (keys / "author.json").write_text("THE SEED")
    (tmp_path / ".ancile" / "ledger.db").write_text("the ledger")
    return tmp_path


def tried(
    project: Path,
    code: str,
    *,
    name: str = "predict",
    seconds: float = 60,
    allow_read: tuple[Path, ...] = (),
) -> OpenedModel:
    (project / "evil.py").write_text(HONEST + code)
    return open_model(
        ModelRequest(reference=f"evil.py:{name}", base=project, seconds=seconds, allow_read=allow_read),
        X,
    )


def leaks(project: Path, expression: str, *, allow_read: tuple[Path, ...] = ()) -> str:
    """What the model's code gets from an expression, as far as it can tell it: as the number of a class."""
    code = f"""
import os, sys, socket, subprocess, ctypes, glob
FOUND = b""
try:
    FOUND = {expression}
except BaseException as reason:
    FOUND = repr(type(reason).__name__).encode()
FOUND = FOUND if isinstance(FOUND, bytes) else repr(FOUND).encode()
def predict(x):
    rows = np.zeros((len(x), 200))
    rows[0, : len(FOUND[:200])] = list(FOUND[:200])
    return rows
"""
    with tried(project, code, allow_read=allow_read) as one:
        row = one.model.scores(X)[0].astype(int)
    return bytes(int(code) for code in row if code).decode()


@needs_landlock
@pytest.mark.parametrize(
    "expression",
    [
        "open('{home}/keys/author.json').read()",
        "subprocess.run(['cat', '{home}/keys/author.json'], capture_output=True, check=True).stdout",
        "open(os.path.relpath('{home}/keys/author.json')).read()",
        "os.listdir('{home}/keys')",
        "open(os.path.join('/proc/self/root', '{home}'.lstrip('/'), 'keys/author.json')).read()",
        "(os.symlink('{home}/keys/author.json', 'link'), open('link').read())",
        "(os.link('{home}/keys/author.json', 'hard'), open('hard').read())",
        "os.rename('{home}/keys', 'keys')",
        "open('/proc/%d/environ' % os.getppid(), 'rb').read()",
        "open('/proc/%d/mem' % os.getppid(), 'rb').read(1)",
        "open('/dev/tty').read(1)",
        "os.listdir('/dev/pts')",
    ],
)
def test_no_key_is_read_by_any_way(project: Path, expression: str) -> None:
    found = leaks(project, expression.format(home=project / ".ancile"))
    assert found in ("'PermissionError'", "'CalledProcessError'", "'OSError'"), found


@needs_landlock
@pytest.mark.parametrize(
    "expression",
    [
        "open('{user}/.ssh/id_ed25519').read()",
        "open('{user}/taxes.csv').read()",
        "os.listdir('{user}')",
        "open('{project}/.env').read()",
        "open('{project}/ssh/id_ed25519').read()",
        "open('/etc/shadow').read()",
        "open('/etc/hostname').read()",
        "open('/proc/%d/cmdline' % os.getppid()).read()",
        "os.listdir('/tmp')",
    ],
)
def test_no_file_outside_of_its_own_folder_is_read(
    project: Path, tmp_path_factory: pytest.TempPathFactory, expression: str
) -> None:
    user = tmp_path_factory.mktemp("user")
    (user / ".ssh").mkdir()
    for path in (user / ".ssh" / "id_ed25519", user / "taxes.csv", project / ".env"):
        path.write_text("A SECRET")
    (project / "ssh").symlink_to(user / ".ssh")  # as an archive with a model may bring it along
    assert leaks(project, expression.format(user=user, project=project)) == "'PermissionError'"


@needs_landlock
def test_what_lies_in_its_own_folder_is_read(project: Path) -> None:
    (project / "parts").mkdir()
    (project / "parts" / "names.txt").write_text("cat")
    assert leaks(project, f"open('{project}/parts/names.txt').read()") == "'cat'"
    assert leaks(project, f"os.listdir('{project}/parts')") == "['names.txt']"


@needs_landlock
def test_what_is_allowed_by_name_is_read_and_no_ledger_is(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    table = tmp_path_factory.mktemp("elsewhere") / "table.csv"
    table.write_text("1,2")
    (project / ".cache").mkdir()
    (project / ".cache" / "names").write_text("cat")
    for allowed, path, found in (
        (table, table, "'1,2'"),
        (project / ".cache", project / ".cache" / "names", "'cat'"),
        (project, project / ".ancile" / "ledger.db", "'PermissionError'"),
    ):
        assert leaks(project, f"open({str(path)!r}).read()", allow_read=(allowed,)) == found


def test_a_path_to_allow_that_is_not_there_is_an_error(project: Path) -> None:
    with pytest.raises(AncileError, match="not there"):
        tried(project, "", allow_read=(project / "absent",))


@needs_landlock
@pytest.mark.parametrize(
    "code",
    [
        "TEXT = open({path!r}).read()",
        "def predict(x): return scores(x) * len(open({path!r}).read())",
        "def build():\n    raise ValueError('no table') from OSError(13, 'Permission denied', {path!r})\npredict = build",
    ],
)
def test_a_file_outside_is_named_in_one_clear_error(
    project: Path, tmp_path_factory: pytest.TempPathFactory, code: str
) -> None:
    path = tmp_path_factory.mktemp("elsewhere") / "table.csv"
    path.write_text("1")
    with pytest.raises(AncileError, match="may not read") as caught:
        tried(project, code.format(path=str(path)))
    assert caught.value.value == str(path)
    assert "folder" in caught.value.remedy


@needs_landlock
@pytest.mark.parametrize(
    "expression",
    [
        "open('{home}/ledger.db', 'w').write('x')",
        "open('{home}/ledger.db', 'r+').truncate(0)",
        "os.unlink('{home}/ledger.db')",
        "os.rename('{home}', '{home}2')",
        "os.truncate('{home}/ledger.db', 0)",
        "open('{home}/../new', 'w')",
        "open('{home}/../evil.py', 'a')",
    ],
)
def test_the_ledger_and_all_other_files_stay_as_they_are(project: Path, expression: str) -> None:
    found = leaks(project, expression.format(home=project / ".ancile"))
    assert found in ("'PermissionError'", "'OSError'"), found
    assert (project / ".ancile" / "ledger.db").read_text() == "the ledger"
    assert not (project / "new").exists()


def test_no_secret_is_in_its_environment(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANCILE_PASSPHRASE", "THE PASSPHRASE")
    monkeypatch.setenv("ANCILE_ENDPOINT_TOKEN", "THE TOKEN")
    assert leaks(project, "[k for k in os.environ if 'ANCILE' in k or 'TOKEN' in k]") == "[]"


@needs_landlock
@pytest.mark.parametrize(
    "expression",
    [
        "socket.create_connection(('127.0.0.1', 80), 1)",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 53))",
        "socket.socket(socket.AF_UNIX).connect('/run/docker.sock')",
    ],
)
def test_nothing_is_sent_anywhere(project: Path, expression: str) -> None:
    assert leaks(project, expression) == "'PermissionError'"


@needs_scopes
def test_no_other_process_is_harmed(project: Path) -> None:
    assert leaks(project, "os.kill(os.getppid(), 15)") == "'PermissionError'"
    assert leaks(project, "os.killpg(os.getpgid(os.getppid()), 15)") == "'PermissionError'"


@needs_landlock
@pytest.mark.parametrize(
    "call",
    [
        "ptrace(16, os.getppid(), 0, 0)",  # PTRACE_ATTACH
        "ptrace(0x4206, os.getppid(), 0, 0)",  # PTRACE_SEIZE
        "process_vm_readv(os.getppid(), ctypes.byref(HERE), 1, ctypes.byref(THERE), 1, 0)",
    ],
)
def test_the_process_with_the_keys_is_neither_traced_nor_read(project: Path, call: str) -> None:
    code = f"""
import ctypes, os
class Piece(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("bytes", ctypes.c_size_t))
PLACE = ctypes.create_string_buffer(8)
HERE = THERE = Piece(ctypes.addressof(PLACE), 8)
LIBC = ctypes.CDLL(None, use_errno=True)
RESULT, ERRNO = LIBC.{call}, ctypes.get_errno()
def predict(x): return np.tile([float(RESULT), ERRNO, 0.0], (len(x), 1))
"""
    with tried(project, code) as one:
        assert one.model.scores(X)[0].tolist()[:2] == [-1, 1]  # EPERM


def test_the_memory_of_this_process_is_closed_before_a_child_starts(project: Path) -> None:
    with tried(project, "def predict(x): return scores(x)"):
        libc = ctypes.CDLL(None)
        closed = not sys.platform.startswith("linux") or libc.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0
        assert closed


def test_what_it_prints_is_never_ours(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = "print('{\"outcome\": \"pass\"}')\nimport os\nos.write(2, b'robust')\ndef predict(x):\n    print(1)\n    return scores(x)\n"
    with tried(project, code) as one:
        one.model.scores(X)
    assert capfd.readouterr() == ("", "")


def test_figures_that_it_claims_are_not_asked_for(project: Path) -> None:
    """Whatever attributes the code has, the parent counts, and only scores are taken."""
    code = """
class Model:
    classes_ = np.arange(3)
    usage = traits = robust_accuracy = 1.0
    def predict_proba(self, x): return np.full((len(x), 3), 1 / 3)
    def predict(self, x): return [0] * len(x)
def predict(): return Model()
"""
    with tried(project, code) as one:
        one.model.scores(X)
        assert one.model.usage.queries == len(X)
        assert one.model.traits.output == "probabilities"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import sys\nsys.exit('bye')", "cannot be imported: SystemExit"),
        ("import os\nos._exit(3)", "process ended: exit code 3"),
        ("print('last words')\nimport os\nos.abort()", "process ended: signal SIGABRT: last words"),
        ("raise KeyboardInterrupt", "process ended"),
        ("1 / 0", "cannot be imported: ZeroDivisionError"),
        ("raise RuntimeError('\\x1b[2J\\n::error::' + 'x' * 10**6)", r"RuntimeError: \\x1b\[2J\\n::error::"),
        ("def predict(x): return np.zeros((1 << 34, 10))", "fails on samples|rows of scores"),
        ("def predict(x): return np.zeros((len(x), 0))", "one row of scores"),
        ("def predict(x): return np.zeros((len(x), 2, 2))", "one row of scores"),
        ("def predict(x): return [object()] * len(x)", "with numbers"),
        ("def predict(x): return np.array([b'a'] * len(x))", "with numbers"),
        ("def predict(x):\n    raise SystemExit", "code fails: SystemExit|fails on samples"),
        ("def predict(x): return scores(x)[:, :1] * 10**400", "fails on samples|numbers"),
        ("import ctypes\ndef predict(x): ctypes.string_at(0)", "process ended: signal SIGSEGV"),
    ],
)
def test_each_way_to_break_off_is_one_clear_error(project: Path, code: str, words: str) -> None:
    with pytest.raises(AncileError, match=words) as caught:
        tried(project, code)
    assert caught.value.remedy
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


LATER = """
CALLS = []
def predict(x):
    CALLS.append(1)
    if len(CALLS) > 1:
        {act}
    return scores(x)
"""


@pytest.mark.parametrize(
    ("act", "words"),
    [
        ("import os; os._exit(0)", "process ended: exit code 0"),
        ("return np.zeros((10**6, 3))", "one row of scores"),
        ("return scores(x)[:, :2]", "changed its number of classes"),
        ("import time; time.sleep(1000)", "does not answer: 1 seconds"),
        ("raise SystemExit(1)", "fails"),
    ],
)
def test_a_model_that_turns_bad_later_is_an_error_then(project: Path, act: str, words: str) -> None:
    seconds = 1 if "sleep" in act else 60
    with (
        tried(project, LATER.format(act=act), seconds=seconds) as one,
        pytest.raises(AncileError, match=words),
    ):
        one.model.scores(X)


@pytest.mark.slow
def test_a_model_that_hangs_while_it_opens_is_ended(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opener, "OPEN_SECONDS", 2.0)
    with pytest.raises(AncileError, match="does not answer"):
        tried(project, "while True: pass")


FORGED = """
import gc, socket, struct, os, threading
CHANNEL = next(s for s in gc.get_objects() if isinstance(s, socket.socket))
def predict(x):
    {act}
    return scores(x)
"""


@pytest.mark.parametrize(
    "act",
    [
        "CHANNEL.sendall(struct.pack('<IQ', 20, 10 << 30))",
        "CHANNEL.sendall(os.urandom(64))",
        "CHANNEL.close()",
        "CHANNEL.sendall(struct.pack('<IQ', 2**31, 0))",
    ],
)
def test_a_forged_message_takes_no_memory_and_ends_the_model(project: Path, act: str) -> None:
    with (
        pytest.raises(AncileError, match=r"protocol|ended|answer"),
        tried(project, FORGED.format(act=act)) as one,
    ):
        one.model.scores(X)


def test_what_it_left_running_ends_with_it(project: Path) -> None:
    code = """
import os, time
PID = os.fork()
if PID == 0:
    time.sleep(1000)
def predict(x):
    rows = np.zeros((len(x), 3))
    rows[0, 0] = PID
    return rows
"""
    with tried(project, code) as one:
        pid = int(one.model.scores(X)[0, 0])
        os.kill(pid, 0)
    for _ in range(500):
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            return
        if state == "Z":
            return
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the grandchild lives on")


@pytest.mark.slow
def test_a_network_cannot_claim_another_shape_for_its_gradient(project: Path) -> None:
    code = """
import torch
class Net(torch.nn.Module):
    def forward(self, x):
        return x.flatten(1)[:, :3]
def predict(): return Net()
import ancile.models.torch_module as own
REAL = own.TorchModule.gradient
def gradient(self, x, loss):
    found = REAL(self, x, loss)
    return found._replace(gradient=found.gradient[:1])
own.TorchModule.gradient = gradient
"""
    with tried(project, code) as one, pytest.raises(AncileError, match="other numbers"):
        one.model.gradient(torch.from_numpy(X), torch.sum)  # type: ignore[union-attr]  # white-box by its traits


def test_the_confinement_that_a_machine_lacks_is_a_finding(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tried(project, "def predict(x): return scores(x)") as one:
        found = [finding.check for finding in one.findings]
        assert ("model-process-not-confined" in found) == bool(landlock_abi() < 6)
        np.testing.assert_array_equal(one.model.scores(X)[0], [0, 1, 2])
