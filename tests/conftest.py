"""How hypothesis runs: a few examples in the quick form, as many as ANCILE_FUZZ_EXAMPLES says in the long one.

And that Ctrl-C can be tested: a shell that starts the tests in the background has them ignore it.
"""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("ANCILE_FUZZ_EXAMPLES", "0"))

# Nothing in a test fails because the machine has much else to do
settings.register_profile(
    "short", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "long", deadline=None, max_examples=EXAMPLES or 100, suppress_health_check=list(HealthCheck)
)
settings.load_profile("long" if EXAMPLES else "short")

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
