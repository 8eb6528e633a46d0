"""What the base install leaves out, and the one line that says how to get it."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from ancile.core.errors import AncileError

# extra: (modules that it brings, what it gives)
EXTRAS: dict[str, tuple[tuple[str, ...], str]] = {
    "arrays": (("numpy", "scipy"), "numeric data, score- and label-based attacks, statistics"),
    "torch": (("torch", "safetensors"), "PyTorch models, gradient-based attacks"),
    "onnx": (("onnxruntime",), "ONNX models"),
    "sklearn": (
        ("sklearn", "skops"),
        "scikit-learn models from skops files, the sets that come with it",
    ),
    "trees": (("xgboost", "lightgbm"), "XGBoost and LightGBM models"),
    "tables": (("pyarrow",), "CSV and Parquet data"),
    "images": (("PIL",), "folders of pictures: ancile data check"),
    "ray": (("ray",), "workers on a cluster: ancile assess --engine ray"),
    "sigstore": (("sigstore",), "keyless signatures: ancile sign --keyless, ancile verify --identity"),
    "serve": (("httptools", "orjson", "cedarpy", "joserfc"), "the gateway in front of a model: ancile serve"),
    "admin": (
        ("starlette", "uvicorn", "argon2", "pyotp", "segno", "webauthn"),
        "people at the gateway: sessions, its administration",
    ),
    "shared": (("asyncpg", "redis", "hiredis"), "a gateway on several hosts: PostgreSQL and Redis"),
    "telemetry": (("prometheus_client", "opentelemetry"), "metrics and traces of the gateway"),
    "pii": (("stdnum",), "checksums of numbers of people: ancile data pii"),
    "keyring": (("keyring",), "passphrases from the keyring of the operating system"),
}


def needs(module: str, extra: str) -> ModuleType:
    """The imported module, or the error that names the extra which brings it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as missing:
        raise AncileError(
            f"{module} is not installed",
            value=f"module {missing.name}",
            remedy=f'pip install "ancile[{extra}]": {EXTRAS[extra][1]}',
        ) from missing
