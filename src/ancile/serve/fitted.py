"""The guards around the model, each fitted to one model: those before it, and those after it.

``BEFORE`` and ``AFTER`` are the only lists of them. A row makes, once for a model, the function that judges
its requests, or None where the guard has nothing to go by; one that the policy lets do nothing is not run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from ancile.serve.budgets import Counts
from ancile.serve.call import Call, Settings
from ancile.serve.guards.allowance import Allowance, allowed, bits_of, novelty
from ancile.serve.guards.collusion import LOOKED_AT, Crowd, collusion
from ancile.serve.guards.confidence import confidence
from ancile.serve.guards.disagreement import disagreement
from ancile.serve.guards.fingerprint import OFTEN, Shelf, fingerprint, joined
from ancile.serve.guards.outlier import outlier, stranger
from ancile.serve.guards.schema import schema
from ancile.serve.guards.search import search
from ancile.serve.guards.sequence import SLOTS, Window, new_rows, sequence
from ancile.serve.guards.timing import Times
from ancile.serve.inference import Infer
from ancile.serve.learned import UNLEARNED, Learned
from ancile.serve.memory import Memory
from ancile.serve.record import texts
from ancile.serve.scores import layout_of, scores_in
from ancile.serve.signature import Signature, is_float
from ancile.serve.strange import OF
from ancile.serve.tensors import Tensor
from ancile.serve.verdict import ALLOW, Verdict, worse

Before = Callable[[Call, Memory, Infer], Verdict]
After = Callable[[Call, Memory, Sequence[Tensor]], Verdict]
APART = 0.01  # rank of a distance: what is nearer to an earlier query is for the sequence to judge
UNKNOWN_CLASSES = 10  # of a model that does not say how many it has
Guard = TypeVar("Guard", Before, After)


def _schema(settings: Settings, signature: Signature, _: Learned) -> Before:
    return lambda _call, _memory, infer: schema(infer, signature, rows=settings.rows)


def _sequence(_settings: Settings, _signature: Signature, learned: Learned) -> Before | None:
    benign = learned.sequence
    if benign is None:
        return None

    def judge(call: Call, memory: Memory, infer: Infer) -> Verdict:
        window = memory.sequence
        if window is None:
            window = memory.sequence = Window(benign.width)
        call.first = window.count
        said = sequence(infer.inputs[0].array, window, benign)  # type: ignore[arg-type]  # of floats
        window.unanswered(call.first)
        call.near = window.last
        return said

    return judge


def _search(_settings: Settings, signature: Signature, learned: Learned) -> After | None:
    benign, ranks, layout = learned.sequence, learned.margins, layout_of(signature)
    if benign is None or ranks is None:
        return None

    def judge(call: Call, memory: Memory, outputs: Sequence[Tensor]) -> Verdict:
        scores = scores_in(outputs, layout, rows=call.rows)
        if scores is None or memory.sequence is None or call.near is None:
            return ALLOW
        return search(scores, call.near, memory.sequence, benign=benign, ranks=ranks)

    return judge


def _collusion(_settings: Settings, _signature: Signature, learned: Learned) -> Before | None:
    benign, pairs = learned.sequence, learned.collusion
    if benign is None or pairs is None:
        return None
    crowd = Crowd(benign.width)

    def judge(call: Call, memory: Memory, _: Infer) -> Verdict:
        window, near = memory.sequence, call.near
        if window is None or not near or call.repeat or call.number % LOOKED_AT:
            return ALLOW
        one = (call.number >> 8) % min(len(near), SLOTS)  # row of a batch, which only the key tells
        point = window.point(one)
        who = hash(call.caller.identity.name)
        said, memory.collusion = collusion(point, who, memory.collusion, crowd=crowd, known=pairs)
        return said

    return judge


def _fingerprint(_settings: Settings, _signature: Signature, learned: Learned) -> Before | None:
    known = learned.texts
    if known is None:
        return None

    def judge(call: Call, memory: Memory, infer: Infer) -> Verdict:
        if call.repeat:
            return ALLOW
        if memory.fingerprint is None:
            memory.fingerprint = Shelf()
        first = call.number % call.rows
        rows = [(first + at) % call.rows for at in range(min(call.rows, OFTEN))]
        arrays = [infer.inputs[at].array for at in known.inputs]
        found = [
            joined(one for array in arrays for one in texts(array[row % len(array)].ravel())) for row in rows
        ]
        return fingerprint(found, memory.fingerprint, known)

    return judge


def _outlier(_settings: Settings, _signature: Signature, learned: Learned) -> Before | None:
    found, table = learned.outlier, learned.strange
    if found is None:
        return None

    def judge(call: Call, memory: Memory, infer: Infer) -> Verdict:
        if call.repeat:
            return ALLOW
        rows = new_rows(infer.inputs[0].array, call.near, least=APART)  # type: ignore[arg-type]  # of floats
        if not len(rows):
            return ALLOW
        said, memory.outlier = outlier(rows, memory.outlier, found)
        some = rows[call.number % OF :: OF]
        if table is None or not len(some):
            return said
        other, memory.strange = stranger(some, memory.strange, table)
        return worse(said, other)

    return judge


def _confidence(_settings: Settings, signature: Signature, learned: Learned) -> After | None:
    ranks, layout = learned.margins, layout_of(signature)
    if ranks is None:
        return None

    def judge(call: Call, memory: Memory, outputs: Sequence[Tensor]) -> Verdict:
        scores = None if call.told else scores_in(outputs, layout, rows=call.rows)
        if scores is None:
            return ALLOW
        rows = new_rows(scores, call.near, least=APART)
        if not len(rows):
            return ALLOW
        said, memory.confidence = confidence(rows, memory.confidence, ranks)
        return said

    return judge


def _timing(_settings: Settings, _signature: Signature, _learned: Learned) -> After | None:
    times: dict[int, Times] = {}

    def judge(call: Call, memory: Memory, _: Sequence[Tensor]) -> Verdict:
        if call.told:
            return ALLOW
        size = (call.rows + call.extra).bit_length()
        table = times.get(size)
        if table is None:
            table = times[size] = Times()
        said, memory.timing = table.judge(call.model_seconds, memory.timing)
        return said

    return judge


def _disagreement(_settings: Settings, _signature: Signature, learned: Learned) -> After | None:
    ranks = learned.differing
    if ranks is None:
        return None

    def judge(call: Call, memory: Memory, _: Sequence[Tensor]) -> Verdict:
        if call.told or call.differing is None:
            return ALLOW
        said, memory.disagreement = disagreement(call.differing[: call.rows], memory.disagreement, ranks)
        return said

    return judge


def _information(settings: Settings, signature: Signature, _: Learned) -> Before | None:
    layout, budgets = layout_of(signature), settings.budgets or Counts()
    classes = layout.classes if layout.classes > 0 or not layout.scores else UNKNOWN_CLASSES
    other = sum(
        math.prod(max(axis, 1) for axis in one.shape[1:])
        for one in signature.outputs
        if is_float(one.datatype) and one.name != layout.scores
    )

    tenants: dict[str, Allowance] = {}

    def judge(call: Call, memory: Memory, _infer: Infer) -> Verdict:
        role = call.caller.role
        if not (role.bits_daily or role.tenant_bits_daily) or call.paid:
            return ALLOW
        if memory.information is None:
            memory.information = Allowance("bits", signature.model, call.caller.identity.name)
        tenant = tenants.get(role.tenant)
        if tenant is None:
            tenant = tenants[role.tenant] = Allowance("tenant's bits", signature.model, role.tenant)
        new = call.rows if call.near is None else novelty(call.near)
        bits = math.ceil(bits_of(role, classes=classes, other=other) * new)
        said, now = ALLOW, settings.wall()
        for allowance, limit in ((memory.information, role.bits_daily), (tenant, role.tenant_bits_daily)):
            if limit and said is ALLOW:
                said = allowed("information", allowance, bits, limit=limit, time=now, budgets=budgets)
        return said

    return judge


def _noise(settings: Settings, signature: Signature, _: Learned) -> Before | None:
    budgets = settings.budgets or Counts()

    def judge(call: Call, memory: Memory, _infer: Infer) -> Verdict:
        role = call.caller.role
        if not role.epsilon or call.paid:
            return ALLOW
        if memory.noise is None:
            memory.noise = Allowance("epsilon", signature.model, call.caller.identity.name)
        limit = int(role.epsilon_daily / role.epsilon)
        return allowed("noise", memory.noise, call.rows, limit=limit, time=settings.wall(), budgets=budgets)

    return judge


BEFORE: Mapping[str, Callable[[Settings, Signature, Learned], Before | None]] = {
    "schema": _schema,  # first: the others take what it lets through
    "sequence": _sequence,
    "collusion": _collusion,
    "fingerprint": _fingerprint,
    "outlier": _outlier,
    "information": _information,
    "noise": _noise,
}
AFTER: Mapping[str, Callable[[Settings, Signature, Learned], After | None]] = {
    "search": _search,
    "confidence": _confidence,
    "timing": _timing,
    "disagreement": _disagreement,
}


def fitted(
    table: Mapping[str, Callable[[Settings, Signature, Learned], Guard | None]],
    settings: Settings,
    signature: Signature,
) -> tuple[Guard, ...]:
    """The guards of one model that have something to go by, and that the policy runs."""
    learned = settings.learned.get(signature.model, UNLEARNED)
    reactions = settings.policy.reactions
    made = [
        make(settings, signature, learned)
        for name, make in table.items()
        if reactions.get(name, "deny") != "allow"
    ]
    return tuple(one for one in made if one is not None)
