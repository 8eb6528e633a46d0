"""Before the body: who asks, for what, may he, and is there something left for him."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from ancile.serve.budgets import Unavailable
from ancile.serve.call import STATUS, Call, Settings
from ancile.serve.caller import Caller, Callers
from ancile.serve.config import Permission
from ancile.serve.framing import Connection
from ancile.serve.guards.quota import quota
from ancile.serve.guards.rate import rate
from ancile.serve.identity.permissions import NOBODY, Decision, Permissions
from ancile.serve.identity.recognition import Recognition
from ancile.serve.keys import Identity, Users
from ancile.serve.record import ANONYMOUS, Counted, refusal_of
from ancile.serve.refusal import Refused
from ancile.serve.routes import Route, route_of
from ancile.serve.verdict import ALLOW, STEP, Verdict, capped, worse

MOST_RUNNING = 64  # requests of one identity under way: a slow upstream is not one identity's to fill
UNCOUNTED = Verdict("deny", "quota", "what is left cannot be told now", 1.0)
IN_BODY = frozenset(("chat", "models"))
FORBIDDEN = Refused(403, "the role may not ask for that")


class Admission:
    """Who comes in.

    models   that are served
    counted  takes what was refused
    routes   which requests there are, and what they ask
    """

    def __init__(
        self,
        users: Users,
        settings: Settings,
        models: Collection[str],
        counted: Counted,
        *,
        routes: Callable[[bytes, bytes], Route | None] = route_of,
    ) -> None:
        self._settings, self._models, self._counted, self._routes = settings, models, counted, routes
        self._callers = Callers(settings.budgets, settings.history)
        self._recognition = Recognition(users, settings.known)
        self._permissions = Permissions(settings.policy.roles, settings.known.policies)

    def judge(self, exchange: Connection) -> Call | Refused:
        """The call of somebody who may ask for this now; Elsewhere where another worker is to judge."""
        identity = self._recognition.of(exchange)
        if isinstance(identity, Refused):
            self._counted.add(ANONYMOUS)
            return identity
        if self._settings.siblings is not None:
            self._settings.siblings.keep(identity.name)
        role = self._settings.policy.roles.get(identity.role, NOBODY)
        route = self._routes(exchange.method, exchange.target)
        if route is None or (route.model and route.model not in self._models):
            return self._refused(identity, Verdict("deny", "route", "no such route or model here"), 404)
        said = self._decide(identity, route)
        if not said.allowed:
            self._refused(identity, Verdict("deny", "permission", said.why), 403)
            return FORBIDDEN  # which policies there are is nobody's to learn by asking
        caller = self._callers.of(identity, role)
        try:
            verdict = self._spent(caller, exchange.started)
        except Unavailable:
            return self._refused(identity, UNCOUNTED, 503)
        if STEP[verdict.reaction] >= STEP["throttle"]:
            return self._refused(identity, verdict, STATUS[verdict.reaction])
        return Call(caller, route, verdict)

    def permits(self, who: Identity, action: Permission, model: str) -> bool:
        """Whether somebody who was admitted may do that with a model that only the body names."""
        return self._permissions.decide(who, action, model).allowed

    def _decide(self, who: Identity, route: Route) -> Decision:
        """Where the body names the model, whether it may be any of them."""
        if route.ask not in IN_BODY:
            return self._permissions.decide(who, route.needs, route.model)
        said = [self._permissions.decide(who, route.needs, model) for model in self._models]
        return next((one for one in said if one.allowed), said[0])

    def tick(self) -> None:
        """Take over who changed; keep what is held against whom."""
        self._recognition.tick()
        self._callers.tick()

    def close(self) -> None:
        """Nobody asks any more: evidence is kept, what was taken of a day and not spent goes back."""
        self._callers.settle()
        self._callers.budgets.close()

    def _spent(self, caller: Caller, now: float) -> Verdict:
        """What is left of rate, quota and concurrency; what one refuses takes nothing of the next."""
        if caller.running >= MOST_RUNNING:
            return Verdict("throttle", "running", "too many requests at a time", 1.0)
        verdict = self._held(rate(caller, now, self._settings.rates))
        if STEP[verdict.reaction] >= STEP["throttle"]:
            return verdict
        return worse(verdict, self._held(quota(caller, time.time(), self._callers.budgets)))

    def _held(self, verdict: Verdict) -> Verdict:
        return verdict if verdict is ALLOW else capped(verdict, self._settings.policy.reactions)

    def _refused(self, who: Identity, verdict: Verdict, status: int) -> Refused:
        self._counted.add(refusal_of(verdict, who=who.name, role=who.role, status=status))
        after = int(verdict.retry_after) + 1 if status in (STATUS["throttle"], 503) else None
        return Refused(status, verdict.why, retry_after=after)
