"""What opening a model shows, beside the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ancile.core.check import Check, Remark, check, ok, warn
from ancile.core.text import plain
from ancile.work.confine import Confined

EXECUTES = ("CWE-502 (CWE 4.17)", "AML.T0011.000 (ATLAS 5.6.0)", "ML06:2023 (OWASP ML)")
SHOWN = 8  # names in one finding


@dataclass(frozen=True, kw_only=True)
class Opening:
    """How a model was opened.

    code       what of the user's runs: ``model.py:build``; empty for a file that holds none
    trusted    the format that was unpickled or loaded as a program on an explicit flag; empty for none
    uncovered  files that the code read while it was opened and the digest does not cover
    unfixed    the network's code was given no weights: its parameters come from wherever the code takes them
    confined   what its process gave up; None for an endpoint
    endpoint   whether it runs on a machine of somebody else
    """

    code: str = ""
    trusted: str = ""
    uncovered: tuple[str, ...] = ()
    unfixed: bool = False
    confined: Confined | None = None
    endpoint: str = ""


@check("model-runs-code", severity="info", refs=())
def runs_code(opening: Opening) -> Iterator[Remark]:
    """The model is code of the user's own.

    Why   Code decides by itself what it does: it runs in a process without keys, but as the same user, and it
          can answer an assessment otherwise than a deployment.
    Fix   Assess a form that holds no code: torch.export (.pt2), ONNX, or a skops file.
    """
    if opening.code:
        yield warn(f"{plain(opening.code)} runs in a process without keys")
    else:
        yield ok()


@check("model-trusted-pickle", severity="high", refs=EXECUTES)
def trusted_pickle(opening: Opening) -> Iterator[Remark]:
    """The file can run any code when it is opened, and was opened because a flag said so.

    Why   A pickle, a joblib file and TorchScript are programs; nobody can tell from a look what they do.
    Fix   Convert it once where that can do no harm: torch.export, safetensors with a factory, ONNX or skops.
    """
    if opening.trusted:
        yield warn(f"a {opening.trusted} file was loaded as a program, in a process without keys")
    else:
        yield ok()


@check("model-code-not-covered", severity="medium", refs=("CWE-353 (CWE 4.17)",))
def code_not_covered(opening: Opening) -> Iterator[Remark]:
    """The model's code read files that its digest does not cover.

    Why   Evidence is found by digest: whoever changes such a file changes the model, and the evidence stays.
    Fix   Give the weights by --weights, and import modules beside the code by an import statement; or export
          the model to one file.
    """
    if opening.uncovered:
        names = ", ".join(plain(name, 60) for name in opening.uncovered[:SHOWN])
        more = len(opening.uncovered) - SHOWN
        yield warn(f"{names} and {more} more" if more > 0 else names)
    else:
        yield ok()


@check("model-weights-not-fixed", severity="high", refs=("CWE-353 (CWE 4.17)",))
def weights_not_fixed(opening: Opening) -> Iterator[Remark]:
    """A network was built by code without weights being given.

    Why   Its parameters are then whatever the code makes of them: drawn at random at each start, or read
          from a file that the digest does not cover. Nobody can name again what the figure speaks of.
    Fix   Give them: --weights FILE.safetensors; or export the model to one file.
    """
    if opening.unfixed:
        yield warn("no --weights were given: the digest does not cover the network's parameters")
    else:
        yield ok()


@check("model-process-not-confined", severity="medium", refs=("CWE-250 (CWE 4.17)",))
def process_not_confined(opening: Opening) -> Iterator[Remark]:
    """The model's process could not be confined on this machine.

    Why   Foreign code and parsers of foreign files then read what this user reads, signing keys among it, and
          reach the network.
    Fix   Run on Linux 6.12 or later, where Landlock holds back files and signals; or assess as another user.
    """
    if opening.confined and opening.confined.lacking:
        yield warn("; ".join(plain(one) for one in opening.confined.lacking))
    else:
        yield ok()


@check("model-endpoint-can-swap", severity="medium", refs=("AML.T0010 (ATLAS 5.6.0)",))
def endpoint_can_swap(opening: Opening) -> Iterator[Remark]:
    """The model answers from a service, which can put another one in its place unseen.

    Why   The digest covers the service's name and what it says of itself, not the model behind it.
    Fix   Assess the model's file and let the gate ask for that; keep evidence on an endpoint short-lived.
    """
    if opening.endpoint:
        yield warn(f"{plain(opening.endpoint)} may answer from another model tomorrow")
    else:
        yield ok()


MODEL_CHECKS: tuple[Check[Opening], ...] = (
    runs_code,
    trusted_pickle,
    code_not_covered,
    weights_not_fixed,
    process_not_confined,
    endpoint_can_swap,
)
