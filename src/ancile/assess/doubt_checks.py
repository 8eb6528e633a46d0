"""What speaks against a figure: gradients that lead nowhere, answers that change, attacks too weak."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ancile.assess.doubts import STEADY
from ancile.core.check import Check, Remark, check, ok, skip, undermined, warn

if TYPE_CHECKING:
    from ancile.assess.result import Result

EVASION = (
    "AML.T0015 (ATLAS 5.6.0)",
    "AML.T0043 (ATLAS 5.6.0)",
    "ML01:2023 (OWASP ML)",
    "NISTAML.022 (NIST AI 100-2e2025)",
)

# Points of accuracy that a black box may take from what a white box left. AutoAttack prints its warning at
# "noticeably"; 1 and 5 points are beyond sampling noise for the same thousand samples.
SUSPICIOUS, MASKED = 0.01, 0.05
FOUND = 0.75  # share of provable examples that an attack must find; on sound networks all are found
STANDING = 0.25  # share of samples that may withstand an attacker without limits; on sound networks none does
SATURATED = 0.5  # share of samples without a cross entropy gradient


@check("evasion-masked-gradient", severity="high", refs=EVASION)
def masked_gradients(result: Result) -> Iterator[Remark]:
    """An attack without gradients breaks what attacks with gradients left.

    Why   Then the gradients are hidden or useless, and a figure from them flatters (Carlini et al. 2019,
          arXiv:1902.06705, section 3.1; Athalye et al. 2018).
    Fix   Trust the black-box figure only; look for rounding, saturation, noise or detached operations in the
          model and attack around them.
    """
    if result.traits.access != "white-box":
        yield skip("the model was attacked without gradients from the start")
    elif cut := [note for note in result.traits.notes if note.startswith("no gradient path")]:
        yield undermined(cut[0])
    elif not any(effect.blind and effect.tried for effect in result.state.log):
        yield skip("no black-box attack ran after the white-box ones")
    else:
        share = (result.blind_count + result.doubt.stood_in) / result.n
        took = "the black box" if not result.doubt.stood_in else "attacks that go around its gradients"
        detail = f"{took} took {100 * share:.1f} points from what the white box left"
        if share > MASKED:
            yield undermined(detail)
        elif share > SUSPICIOUS:
            yield warn(detail)
        else:
            yield ok()


@check("evasion-lost-gradient", severity="high", refs=EVASION)
def lost_gradients(result: Result) -> Iterator[Remark]:
    """Gradients are zero, not finite, or lead nowhere.

    Why   An attack that follows them stays where it is or wanders, and the model looks robust. The figure
          then comes from attacks that work without them, and those are weaker (Pintor et al. 2022, indicator
          "unavailable gradients"; Athalye et al. 2018, shattered gradients).
    Fix   Look for rounding, clipping, saturation, detached parts or rapid waves between input and scores, and
          assess the model without them; what such a layer adds, an attacker who knows it goes around.
    """
    found = result.doubt.slopes
    if found is None:
        yield skip("no gradients were looked at")
    elif not result.doubt.lost:
        yield ok()
    else:
        said = (
            f"of {found.points} points {found.zero} have a gradient of zeros, {found.not_finite} one that is "
            f"not finite; a step along it gains more than steps at random from {found.helpful}"
        )
        said += f", and the gain is {100 * found.kept:.0f} % of what the gradient promises"
        if found.untrue:
            said += f"; even over a very short step it is another at {found.untrue}"
        if result.doubt.stepped:
            said += f"; scores jump at {result.doubt.jumps} of {result.doubt.crossed} changes of the answer"
        yield undermined(said)


@check("evasion-saturated-scores", severity="high", refs=EVASION)
def saturated_scores(result: Result) -> Iterator[Remark]:
    """Scores are so far apart that cross entropy has no gradient.

    Why   Attacks that raise the cross entropy, as most tools do, stand still on such a model: defensive
          distillation looked robust for this reason alone (Carlini and Wagner 2017, arXiv:1608.04644).
    Fix   Divide the logits by a temperature for the assessment; trust figures that rest on margins only.
    """
    found = result.doubt.slopes
    if found is None:
        yield skip("no gradients were looked at")
    elif (
        found.saturated > SATURATED and result.doubt.doubtful
    ):  # margins of a sound network still have slopes
        yield undermined(f"for {100 * found.saturated:.0f} % of the samples that were looked at")
    else:
        yield ok()


@check("evasion-unsteady-model", severity="medium", refs=EVASION)
def unsteady_model(result: Result) -> Iterator[Remark]:
    """Two passes over the same samples disagree.

    Why   A model that draws lots, or that was left in training mode, is judged on throws of the dice, and
          its gradients point another way each time. Whoever may ask again gets another answer, so a sample
          counts as robust only where nine of ten passes over its worst example are right.
    Fix   Switch it to eval mode; if randomness is the defence, let the model decide by many draws itself.
    """
    steady = result.doubt.steadiness
    if result.unsteady:
        yield undermined(f"{100 * result.unsteady:.1f} % of the labels changed between two passes")
    elif steady is not None and steady.passes > STEADY:
        yield undermined(f"scores differ by {100 * steady.passes:.2g} % of their spread between two passes")
    else:
        yield ok()


@check("evasion-company", severity="medium", refs=EVASION)
def company(result: Result) -> Iterator[Remark]:
    """What a sample is taken for depends on the other samples of its batch.

    Why   Batch statistics of training mode do this: the figure holds for these batches and no others, and
          whoever can send a batch can steer the answers of others in it.
    Fix   Switch the model to eval mode, so that normalisation uses what was learnt.
    """
    steady = result.doubt.steadiness
    if steady is None:
        yield skip("the run was cut short before")
    elif result.doubt.crowded:
        yield undermined(
            f"scores alone and in a batch differ by {100 * steady.company:.2g} % of their spread"
        )
    else:
        yield ok()


@check("evasion-weak-attack", severity="high", refs=EVASION)
def weak_attacks(result: Result) -> Iterator[Remark]:
    """Examples that provably exist are not found.

    Why   The network is altered so that one point of the ball is of another class (Zimmermann et al. 2022,
          arXiv:2206.13991); an attack that misses such points says nothing about robustness.
    Fix   Look for rounding, clipping or noise between input and scores, and assess the model without it.
    """
    active = result.doubt.active
    if active is None or not active.tried:
        yield skip("no network could be altered so that an example provably exists")
    elif active.found < FOUND * active.tried:
        yield undermined(f"{active.found} of {active.tried} were found")
    else:
        yield ok()


@check("evasion-unbounded-failure", severity="high", refs=EVASION)
def unbounded_failures(result: Result) -> Iterator[Remark]:
    """An attacker without limits fails.

    Why   As far as the bounds allow every sample can become any other, so that accuracy must fall to zero
          (Carlini et al. 2019, arXiv:1902.06705, section 3.2); where it does not, the attack is broken.
    Fix   Look for rounding, clipping or noise between input and scores, and assess the model without it; for
          a model without gradients, allow more queries.
    """
    doubt = result.doubt
    if not doubt.unbounded_tried:
        yield skip("no sample was attacked without limits: the run was cut short")
    elif doubt.unbounded > STANDING * doubt.unbounded_tried:
        tell = undermined if result.traits.access == "white-box" else warn
        yield tell(f"{doubt.unbounded} of {doubt.unbounded_tried} samples stand at the largest eps there is")
    else:
        yield ok()


@check("evasion-single-step", severity="medium", refs=EVASION)
def single_step(result: Result) -> Iterator[Remark]:
    """One step along the gradient breaks what many steps left.

    Why   Iterative attacks are at least as strong as their first step, unless they do not get anywhere
          (Carlini et al. 2019, arXiv:1902.06705, section 3.1).
    Fix   Assess with more effort; look for rounding, clipping or noise between input and scores, which sends
          later steps astray, and assess the model without it.
    """
    share = result.doubt.single / result.n
    if result.doubt.slopes is None:
        yield skip("the model has no gradients, or the run was cut short before")
    elif share > SUSPICIOUS:
        yield warn(f"{100 * share:.1f} % of all samples fell to one step after many left them standing")
    else:
        yield ok()


DOUBT_CHECKS: tuple[Check[Result], ...] = (
    masked_gradients,
    lost_gradients,
    saturated_scores,
    unsteady_model,
    company,
    weak_attacks,
    unbounded_failures,
    single_step,
)
