"""Each guard says what its formula says, and holds no more than its bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.serve.budgets import Counts
from ancile.serve.caller import MOST_CALLERS, MOST_KEPT, Caller, Callers
from ancile.serve.config import Role, ServeConfig, policy_of, shipped_profiles, shipped_roles
from ancile.serve.guards.quota import DAY_SECONDS, quota
from ancile.serve.guards.rate import rate
from ancile.serve.guards.rounding import rounding
from ancile.serve.guards.schema import schema
from ancile.serve.inference import Infer
from ancile.serve.keys import Identity
from ancile.serve.reaction import LADDER
from ancile.serve.signature import Range, Signature, Spec
from ancile.serve.tensors import Tensor
from ancile.serve.verdict import STEP, Verdict, capped

ANALYST = Role(may=("infer",), digits=3, rate=5.0, burst=20, daily=100)


def caller(**changes: object) -> Caller:
    role = {"may": ("infer",), "rate": 5.0, "burst": 20, "daily": 100} | changes
    return Caller(Identity("alice", "r"), Role(**role))  # type: ignore[arg-type]  # values as named above


@given(per_second=st.floats(0.01, 1e4), burst=st.integers(1, 200))
def test_from_rest_exactly_the_burst_passes_at_once_and_then_one_each_interval(
    per_second: float, burst: int
) -> None:
    """GCRA in closed form; what was refused takes nothing from those that follow."""
    one = caller(rate=per_second, burst=burst)
    assert [rate(one, 100.0).reaction for _ in range(burst)] == ["allow"] * burst
    refused = rate(one, 100.0)
    assert refused.reaction == "throttle"
    assert refused.retry_after == pytest.approx(1 / per_second)
    assert rate(one, 100.0 + 0.999 / per_second).reaction == "throttle"
    assert rate(one, 100.0 + 1.001 / per_second).reaction == "allow"
    assert rate(one, 100.0 + 1.001 / per_second).reaction == "throttle"


@given(gaps=st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_no_run_of_requests_gets_more_than_burst_and_rate(gaps: list[float]) -> None:
    one, now, passed = caller(), 0.0, []
    for gap in gaps:
        now += gap
        if rate(one, now).reaction == "allow":
            passed.append(now)
    for first in range(len(passed)):
        seconds = passed[-1] - passed[first]
        assert len(passed) - first <= 20 + seconds * 5.0 + 1e-6


def test_a_day_has_its_quota_and_a_clock_set_back_gives_no_second_one() -> None:
    one, counts = caller(daily=3), Counts()
    noon = 100 * DAY_SECONDS + DAY_SECONDS / 2
    assert [quota(one, noon, counts).reaction for _ in range(4)] == ["allow"] * 3 + ["throttle"]
    assert quota(one, noon, counts).retry_after == DAY_SECONDS / 2
    assert quota(one, noon - DAY_SECONDS, counts).reaction == "throttle"
    assert quota(one, noon + DAY_SECONDS, counts).reaction == "allow"


def test_whom_there_is_evidence_against_is_not_forgotten_for_others_who_ask() -> None:
    """It takes as many more with evidence against each of them, and even then the number is bounded."""
    callers = Callers()
    walker = callers.of(Identity("walker", "r"), ANALYST)
    walker.evidence.sums["sequence"] = 1.0
    for number in range(2 * MOST_CALLERS):
        callers.of(Identity(str(number), "r"), ANALYST)
    assert len(callers) == MOST_CALLERS + 1
    assert callers.of(Identity("walker", "r"), ANALYST) is walker
    for number in range(MOST_CALLERS + 2 * MOST_KEPT):
        callers.of(Identity(f"other {number}", "r"), ANALYST).running = 1
    assert len(callers) == MOST_CALLERS + MOST_KEPT
    assert callers.of(Identity("walker", "r"), ANALYST) is not walker


def test_callers_are_bounded_and_the_one_that_asked_longest_ago_is_forgotten() -> None:
    callers = Callers()
    first = callers.of(Identity("0", "r"), ANALYST)
    for number in range(1, MOST_CALLERS):
        callers.of(Identity(str(number), "r"), ANALYST)
    assert callers.of(Identity("0", "r"), ANALYST) is first
    callers.of(Identity("new", "r"), ANALYST)
    assert len(callers) == MOST_CALLERS
    assert callers.of(Identity("0", "r"), ANALYST) is first


MODEL = Signature(
    "m", "onnx", (Spec("x", "FP32", (-1, 3), Range(np.zeros(3), np.ones(3))),), (Spec("y", "FP32", (-1, 2)),)
)
FREE = MODEL._replace(inputs=(MODEL.inputs[0]._replace(bounds=None),))


def asked(array: object, *, name: str = "x", datatype: str = "FP32", times: int = 1) -> Infer:
    tensor = Tensor(name, datatype, np.asarray(array, "f4"))
    return Infer(None, (tensor,) * times, (), binary=False)


def test_what_the_signature_allows_passes() -> None:
    assert schema(asked([[0, 0.5, 1]] * 5), MODEL, rows=5).reaction == "allow"
    assert schema(asked([[-9, 0.5, 9]]), FREE, rows=5).reaction == "allow"


@pytest.mark.parametrize("model", [MODEL, FREE])
@pytest.mark.parametrize(
    "infer",
    [
        asked([[0, 0.5, 1]], name="z"),
        asked([[0, 0.5, 1]], datatype="FP64"),
        asked([[0, 0.5]]),
        asked([0, 0.5, 1]),
        asked([[0, 0.5, 1]] * 6),
        asked([[0, math.nan, 1]]),
        asked([[0, math.inf, 1]]),
        Infer(None, (), (), binary=False),
    ],
)
def test_what_the_signature_does_not_allow_is_denied(model: Signature, infer: Infer) -> None:
    assert schema(infer, model, rows=5).reaction == "deny"


def test_a_value_outside_the_range_of_the_reference_is_denied() -> None:
    assert schema(asked([[0, 0.5, 1.01]]), MODEL, rows=5).reaction == "deny"


@given(values=st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=9), digits=st.integers(0, 4))
def test_rounded_answers_are_within_half_a_unit_of_their_last_digit(values: list[float], digits: int) -> None:
    tensor = Tensor("y", "FP32", np.array([values], "f4"))
    (rounded,) = rounding([tensor], digits=digits)
    off = np.abs(rounded.array.astype("f8") - tensor.array.astype("f8"))
    assert off.max() <= 0.5 * 10.0**-digits * 1.001 + 1e-5
    assert np.array_equal(rounding([rounded], digits=digits)[0].array, rounded.array)
    labels = Tensor("label", "INT64", np.array([123]))
    assert rounding([labels], digits=0) == [labels]


def test_a_profile_holds_a_guard_down_and_never_lifts_it() -> None:
    for profile in shipped_profiles().values():
        for reaction in LADDER:
            for guard, most in profile.items():
                held = capped(Verdict(reaction, guard), profile)
                assert STEP[held.reaction] == min(STEP[reaction], STEP[most])
    assert all(most in ("allow", "flag") for most in shipped_profiles()["watch"].values())
    assert capped(Verdict("deny", "identity"), shipped_profiles()["watch"]).reaction == "deny"


def test_the_configuration_goes_over_profiles_and_roles() -> None:
    config = ServeConfig(profile="watch", reactions={"rate": "deny"}, roles={"night": ANALYST})
    policy = policy_of(config)
    assert policy.reactions == shipped_profiles()["watch"] | {"rate": "deny"}
    assert policy.roles == shipped_roles() | {"night": ANALYST}
    assert policy_of(config, profile="full").profile == "full"
    with pytest.raises(AncileError, match="no such profile"):
        policy_of(config, profile="none")


@pytest.mark.parametrize(
    "changes",
    [
        {"profile": "open"},
        {"reactions": {"identity": "allow"}},
        {"durable_seconds": -1.0},
        {"segment_records": 0},
        {"journal_bytes": 1},
        {"body_bytes": 1},
        {"answer_seconds": 0.0},
    ],
)
def test_a_configuration_out_of_range_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\w+"):
        ServeConfig(**changes)  # type: ignore[arg-type]  # values as named above


@pytest.mark.parametrize("changes", [{"digits": -1}, {"rate": 0.0}, {"burst": 0}, {"daily": 0}])
def test_a_role_out_of_range_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\w+"):
        Role(**changes)  # type: ignore[arg-type]  # values as named above
