"""A session of onnxruntime on the CPU, quiet, with as many threads as it is told, and without its telemetry.

From 1.31 on its wheels report to their maker wherever there is a network, unless the environment says not to.
"""

from __future__ import annotations

import os
from typing import Any

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain

SILENT = "ORT_DISABLE_TELEMETRY"


def onnx_session(data: bytes, *, threads: int, spinning: bool = True) -> Any:
    """The session for a graph; AncileError where onnxruntime does not take it.

    threads   of one operator; 0 leaves that to onnxruntime
    spinning  whether they wait at work, not asleep
    """
    os.environ[SILENT] = "1"  # before it is imported; where it was, by somebody else, it is told
    runtime = needs("onnxruntime", "onnx")
    runtime.disable_telemetry_events()
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # fatal: what matters comes as an exception
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    if not spinning:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as reason:  # onnxruntime's exceptions share no parent
        raise AncileError(
            "onnxruntime cannot load the model",
            value=plain(" ".join(str(reason).split())),
            remedy="check it with onnx.checker, and export it for an operator set that is known here",
        ) from reason
