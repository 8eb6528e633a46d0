"""A session of onnxruntime on the CPU, quiet, with as many threads as it is told."""

from __future__ import annotations

from typing import Any

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain


def onnx_session(data: bytes, *, threads: int, spinning: bool = True) -> Any:
    """The session for a graph; AncileError where onnxruntime does not take it.

    threads   of one operator; 0 leaves that to onnxruntime
    spinning  whether they wait at work, not asleep
    """
    runtime = needs("onnxruntime", "onnx")
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
