"""What an assessment looks for beside its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ancile.assess.doubt_checks import DOUBT_CHECKS, EVASION
from ancile.core.check import Check, Remark, check, error, fail, ok, skip, warn
from ancile.core.finding import Severity
from ancile.numeric import np

if TYPE_CHECKING:
    from ancile.assess.result import Result
    from ancile.attacks.constraint import Constraint

NOT_EVALUATED = "no attack came to its end, so robustness was not evaluated"
BLACK_BOX = (*EVASION, "NISTAML.025 (NIST AI 100-2e2025)")

SOME, SHOWN = 5, 5  # samples of a class that are no accident; classes that a line names
FEW = 100  # samples; below this a 95 % interval near 0.5 is wider than 20 points
FAINT = 1e-3  # share of a range; a quarter of one step of an 8-bit picture
UNEVEN = 10.0  # ratio of feature ranges beyond which one eps in data units says little


@check("evasion-adversarial-example", severity="high", refs=EVASION)
def adversarial_examples(result: Result) -> Iterator[Remark]:
    """A change within the budget makes the model err.

    Why   Whoever can send inputs can have them misread, at a cost that the threat model calls affordable.
    Fix   Train against these perturbations: PGD adversarial training for a network, robust splits or fewer
          features that an attacker can move for trees; then assess again and let a gate hold the bound.
    """
    if not result.right_count:
        yield skip("the model is wrong on every sample as it is: there is nothing to break")
    elif not result.evaluated:
        yield skip("no attack came to its end")
    elif result.broken_count:
        rate = result.broken_count / result.right_count
        severity: Severity = "critical" if rate > 0.5 else "high" if rate > 0.1 else "medium"
        detail = f"{result.broken_count} of {result.right_count} samples that it gets right are broken"
        yield warn(f"{detail} at {result.constraint.norm} eps {result.constraint.eps:g}", severity=severity)
    else:
        yield ok()


@check("evasion-black-box-figure", severity="medium", refs=BLACK_BOX)
def black_box_figure(result: Result) -> Iterator[Remark]:
    """The figure comes from scores or labels alone.

    Why   Without gradients an attack is weaker than what an owner of the weights can do: true robustness may
          lie far below the figure.
    Fix   Where a form with gradients exists (PyTorch, torch.export), assess that as well, and let the gate
          ask for white-box evidence; read the figure of trees and endpoints as what this many queries found.
    """
    if result.traits.access == "white-box":
        yield ok()
    else:
        yield warn(f"this {result.traits.kind} model is attacked through its {result.traits.access}")


@check("evasion-unconfirmed-claim", severity="medium", refs=EVASION)
def unconfirmed_claims(result: Result) -> Iterator[Remark]:
    """An adversarial example did not hold on a fresh pass, or lay outside ball or bounds.

    Why   A claim that cannot be repeated is none; it is not counted, and hints at a model that draws lots or
          at rounding at the edge of the ball.
    Fix   Make inference deterministic (eval mode, fixed seeds) and assess again.
    """
    outside = sum(effect.unconfirmed for effect in result.state.log)
    if result.dropped:
        yield error(
            f"{result.dropped} claims failed the fresh pass: asked again, the model answers otherwise"
        )
    elif outside:
        yield warn(f"{outside} claims lay outside ball or bounds")
    else:
        yield ok()


@check("evasion-scores-not-finite", severity="high", refs=EVASION)
def scores_not_finite(result: Result) -> Iterator[Remark]:
    """The model answers with NaN or infinite scores.

    Why   Such an answer decides nothing; an attack cannot climb on it and a service may crash on it.
    Fix   Find the overflow (softmax of large logits, division by a spread of zero) and mend the model.
    """
    clean, attacked = result.not_finite_counts
    if clean or attacked:
        yield error(f"{clean} answers to clean samples and {attacked} to attacked ones have such scores")
    else:
        yield ok()


@check("evasion-useless-model", severity="high", refs=())
def useless_model(result: Result) -> Iterator[Remark]:
    """The model is no better than always naming the most frequent class.

    Why   Then most likely the input is not what it was trained on (scaling, channel order, label order), and
          a robustness figure says nothing.
    Fix   Give the preprocessing once: --mean and --std; --bounds 0,255 for a model that takes 8-bit values,
          as 8-bit pictures are divided by 255 otherwise. Check the order of the labels, counted from 0.
    """
    frequent, accuracy = result.majority_share, result.right_count / result.n
    if result.sole_class is not None:
        yield skip("all samples are of one class, which is always the most frequent one")
    elif accuracy < frequent:
        yield warn(
            f"clean accuracy {100 * accuracy:.1f} %, the most frequent class alone has {100 * frequent:.1f} %"
        )
    else:
        yield ok()


@check("evasion-class-never-given", severity="medium", refs=())
def classes_never_given(result: Result) -> Iterator[Remark]:
    """The model never answers with a class that the labels name.

    Why   Every sample of that class counts as wrong, whatever an attacker does. Labels and classes may be
          numbered in another order; or the model has not learnt the class.
    Fix   Give labels in the order of the model's scores, from 0; else drop the class from model and data.
    """
    finite = np.isfinite(result.scores).all(axis=1)
    given = np.bincount(result.scores.argmax(axis=1)[finite], minlength=result.traits.classes)
    named = np.bincount(result.samples.y, minlength=result.traits.classes)
    absent = np.flatnonzero((named >= SOME) & (given == 0))
    if len(absent):
        shown = ", ".join(map(str, absent[:SHOWN])) + (", …" if len(absent) > SHOWN else "")
        yield warn(f"class {shown}: {named[absent].sum()} of {result.n} samples")
    else:
        yield ok()


@check("evasion-one-class", severity="medium", refs=())
def one_class(result: Result) -> Iterator[Remark]:
    """All samples are of one class.

    Why   They were attacked towards all others, but how far samples of the others stand is not known: on one
          network for ten digits the classes' own figures went from 2 to 71 %, that of all was 30 %. A model
          that always answers with this class cannot even be fooled. So accuracies are given for this class
          alone, as a gate asks for them by slice = { class = … }, and none for the model.
    Fix   Give samples of each class: a held-out set as it comes, not sorted, with --samples large enough.
          Where only one class has an attacker, as malware has, leave it so: let the gate ask for that class.
    """
    if result.sole_class is not None:
        yield warn(f"class {result.sole_class}, {result.n} samples: figures are of this class alone")
    else:
        yield ok()


@check("evasion-few-samples", severity="low", refs=())
def few_samples(result: Result) -> Iterator[Remark]:
    """Too few samples for a narrow interval.

    Why   With few samples the interval is wider than the differences that matter.
    Fix   Give more samples (--samples), 1,000 where the data allows: about 3 points either way.
    """
    if result.n < FEW:
        yield warn(f"{result.n} samples")
    else:
        yield ok()


@check("evasion-model-raised", severity="high", refs=())
def model_raised(result: Result) -> Iterator[Remark]:
    """The model raised an error, or did not answer, in the middle of the run.

    Why   What it raised on was not attacked to the end, so more may be broken than was found; and whoever can
          send such an input to a service can make it fail.
    Fix   Make the model answer every finite input within the bounds, in time, then assess it again: it will
          raise on the same input as long as nothing changes. Only where the cause lay elsewhere, with a
          service or a machine, does the same command do.
    """
    if result.faults:
        occasions = f"{len(result.faults)} occasion{'s' if len(result.faults) > 1 else ''}"
        yield error(f"on {occasions}, first: {result.faults[0]}")
    else:
        yield ok()


@check("evasion-unfinished", severity="medium", refs=())
def unfinished(result: Result) -> Iterator[Remark]:
    """The plan was not finished.

    Why   A budget, an interrupt or an error of the model ended the run: what was not tried could have broken
          more. Where no attack came to its end, robustness was not evaluated: there is no figure of it.
    Fix   After a budget or an interrupt, run the same command again: it goes on where this run stopped; or
          give a larger budget. After an error, mend that first.
    """
    if result.complete:
        yield ok()
    else:
        count = min(result.attacked_count, result.right_count)
        done = f"{result.state.done} of {result.state.total} steps of the plan were done; {count} of "
        done += f"{result.right_count} samples that it gets right were attacked"
        yield error(done if result.evaluated else NOT_EVALUATED)


@check("evasion-broken-claim", severity="critical", refs=EVASION)
def outside_ball(result: Result) -> Iterator[Remark]:
    """An example that the report counts lies outside the ball or the bounds.

    Why   Then the figure would be wrong, whoever computed it; this is looked at last, on what is reported.
    Fix   Report this as a fault of ancile, with the model and the command.
    """
    if result.outside_count:
        yield fail(f"{result.outside_count} examples")
    else:
        yield ok()


EVASION_CHECKS: tuple[Check[Result], ...] = (
    adversarial_examples,
    *DOUBT_CHECKS,
    unconfirmed_claims,
    scores_not_finite,
    useless_model,
    classes_never_given,
    one_class,
    black_box_figure,
    few_samples,
    model_raised,
    unfinished,
    outside_ball,
)


def uneven(constraint: Constraint) -> tuple[str, ...]:
    """What there is to say where one eps is most of one feature's range and nothing of another's."""
    if constraint.scale is not None:
        return ()
    ranges = np.unique(np.asarray(constraint.high, dtype=np.float64) - np.asarray(constraint.low))
    ranges = ranges[ranges > 0]
    if not len(ranges) or ranges[-1] <= UNEVEN * ranges[0]:
        return ()
    told = f"features range from {ranges[0]:.3g} to {ranges[-1]:.3g}"
    return (f"{told}, and eps is the same for all of them: --units range makes it a share of each range",)


def faint(constraint: Constraint) -> tuple[str, ...]:
    """What there is to say where eps is next to nothing of every feature's range."""
    spans = np.asarray(constraint.high, dtype=np.float64) - np.asarray(constraint.low)
    shares = constraint.eps * constraint.unit / np.where(spans > 0, spans, np.inf)
    if constraint.norm == "l0" or not 0 < shares.max() < FAINT:
        return ()
    low, high = float(np.min(constraint.low)), float(np.max(constraint.high))
    told = f"eps {constraint.eps:g} is {100 * shares.max():.2g} % of the range, {low:g} to {high:g}"
    return (f"{told}: give eps in the data's own units, for values of 0 to 255 for example 8, not 8/255",)


@check("evasion-assumed-input", severity="low", refs=())
def assumed_inputs(doubts: Sequence[str]) -> Iterator[Remark]:
    """Something about the inputs was assumed, not told.

    Why   Bounds or scales that are guessed from the data make the ball smaller or larger than the attacker's.
    Fix   Say it once in ancile.toml under [assess] (bounds, mean, std), or with the flags of those names.
    """
    yield from (warn(doubt) for doubt in doubts)
    if not doubts:
        yield ok()


INPUT_CHECKS: tuple[Check[Sequence[str]], ...] = (assumed_inputs,)
