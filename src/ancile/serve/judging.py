"""What the guards around the model say of a request and of its answer (``fitted``), and what comes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from ancile.serve.call import STATUS, Call, Settings
from ancile.serve.ensemble import without
from ancile.serve.fitted import AFTER, BEFORE, fitted
from ancile.serve.inference import Infer
from ancile.serve.ladder import evidence
from ancile.serve.learned import UNLEARNED
from ancile.serve.memory import Memory
from ancile.serve.probing import Probes, can_be_probed, parted, probed_row
from ancile.serve.record import digest_of_input
from ancile.serve.refusal import Refused
from ancile.serve.scores import layout_of
from ancile.serve.seen import COARSE, EXACT, SENT, TURNED
from ancile.serve.showing import shown
from ancile.serve.signature import Signature
from ancile.serve.tensors import Tensor
from ancile.serve.verdict import ALLOW, STEP, Verdict, capped, worse


class Judging:
    """What the guards say, as far as the policy lets them, and what becomes of the answer.

    signatures  of the models that are served
    digest_key  of the digests by which inputs are known
    answer_key  of draws that change answers: another, as digests are recorded
    clock       seconds that only go forward
    review      is asked where a guard after the model wants a person to look: it changes the call's verdict,
                or raises where nothing goes out now
    """

    def __init__(
        self,
        settings: Settings,
        signatures: Mapping[str, Signature],
        *,
        digest_key: bytes,
        answer_key: bytes,
        clock: Callable[[], float] = time.monotonic,
        review: Callable[[Call], None] = lambda _: None,
    ) -> None:
        self._policy, self._clock, self._review = settings.policy, clock, review
        self._keys, self._rows = (digest_key, answer_key), settings.rows
        self._probes = {name: _probes(settings, one) for name, one in signatures.items()}
        self._before = {name: fitted(BEFORE, settings, one) for name, one in signatures.items()}
        self._after = {name: fitted(AFTER, settings, one) for name, one in signatures.items()}
        self._layouts = {name: layout_of(one) for name, one in signatures.items()}

    def before(self, call: Call, infer: Infer) -> Verdict:
        """Of an input; one that does not have the model's shapes is shown to no further guard."""
        memory = call.caller.remembered(call.route.model)
        digest = digest_of_input(infer, self._keys[0])
        call.digest, call.number = digest.hex(), int.from_bytes(digest)
        number = call.number
        told = memory.seen.before(number)
        call.repeat, call.paid = told is not None, told not in (None, TURNED)
        call.told = told in (EXACT, COARSE)
        said = ALLOW
        for guard in self._before[call.route.model]:
            found = guard(call, memory, infer)
            if found is not ALLOW:
                said = worse(said, self._held(call, found))
                if found.guard == "schema":
                    return said
        call.memory = memory
        if call.caller.evidence.sums:
            said = self._climbed(call, said)
        # What went out once goes out again as it did: neither a difference nor a second, exact answer tells.
        call.plain = told == EXACT or (
            told != COARSE and "degrade" not in (said.reaction, call.verdict.reaction)
        )
        if not call.paid:
            memory.seen.add(number, TURNED if STEP[said.reaction] >= STEP["throttle"] else SENT)
        return said

    def question(self, call: Call, infer: Infer) -> Infer:
        """What the model is asked: for all outputs, as guards look at scores that the caller did not name."""
        if call.memory is None:
            return infer
        asked = infer
        if infer.outputs:
            asked = infer._replace(outputs=(), binary=any(one.binary for one in infer.outputs))
        probes = self._probes[call.route.model]
        if not probes.extra or call.told or not probes.wanted(call.number):
            return asked
        if call.rows + probes.extra > self._rows:
            return asked
        call.extra = probes.extra
        return probes.widened(asked, call.number)

    def after(self, call: Call, outputs: Sequence[Tensor]) -> list[Tensor]:
        """The answer that the caller gets; Refused where the guards after the model hold it back."""
        outputs, call.differing = without(outputs)
        if call.infer is None:
            raise TypeError("an answer to nothing")
        if call.memory is not None:
            if call.extra:
                outputs = self._probed(call, call.memory, outputs)
            for guard in self._after[call.route.model]:
                found = guard(call, call.memory, outputs)
                if found is not ALLOW:
                    call.verdict = worse(call.verdict, self._held(call, found))
            if call.near is not None and call.memory.sequence is not None:
                call.memory.sequence.judged(call.first, len(call.near))
            self._settle(call, call.memory)
        return shown(call, outputs, call.infer, self._layouts[call.route.model], key=self._keys[1])

    def _settle(self, call: Call, memory: Memory) -> None:
        """Whether the answer goes, and how exact."""
        if call.verdict.reaction == "review":
            self._review(call)
        reaction = call.verdict.reaction
        if STEP[reaction] >= STEP["review"]:
            raise Refused(STATUS[reaction], call.verdict.why)
        if reaction == "degrade" and memory.seen.before(call.number) != EXACT:
            call.plain = False
        memory.seen.add(call.number, EXACT if call.plain else COARSE)

    def _probed(self, call: Call, memory: Memory, outputs: Sequence[Tensor]) -> list[Tensor]:
        """The caller's own part of the answer; what its probes say is in the verdict."""
        model = call.route.model
        own, shares = parted(outputs, self._layouts[model], rows=call.rows, extra=call.extra)
        if shares is not None:
            plain = shares[probed_row(call.number, call.rows)]
            for found in self._probes[model].judge(plain, shares[call.rows :], memory):
                call.verdict = worse(call.verdict, self._held(call, found))
        return own

    def _held(self, call: Call, found: Verdict) -> Verdict:
        """A guard's word, as far as the policy lets it; it counts as evidence as it was said."""
        call.caller.evidence.add(found.guard, self._clock(), self._policy.ladder)
        return capped(found, self._policy.reactions)

    def _climbed(self, call: Call, said: Verdict) -> Verdict:
        if self._policy.reactions.get("evidence") == "allow":
            return said
        found = evidence(call.caller.evidence, self._clock(), self._policy.ladder)
        return said if found is ALLOW else worse(said, capped(found, self._policy.reactions))


def _probes(settings: Settings, signature: Signature) -> Probes:
    """What requests of a model are probed with."""
    learned = settings.learned.get(signature.model, UNLEARNED)
    reactions = settings.policy.reactions
    squeezing = learned.squeezing if reactions.get("squeezing") != "allow" else None
    trigger = learned.trigger if reactions.get("trigger") != "allow" else None
    if not can_be_probed(signature):
        squeezing = trigger = None
    return Probes(settings.probing.share, squeezing, trigger)
