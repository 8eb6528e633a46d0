"""Red team: plans attacks, doubts itself, measures."""

from __future__ import annotations

from ancile.core.room import callable_room

callable_room(__name__, function="ancile.assess.call:assess")
