"""Every check that ``ancile explain`` knows: the stages' own tuples, and nothing beside them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ancile.core.check import Check

TUPLES = (
    "ancile.scan.pickle_checks:PICKLE_CHECKS",
    "ancile.scan.archive_checks:ARCHIVE_CHECKS",
    "ancile.scan.tensor_checks:TENSOR_CHECKS",
    "ancile.scan.tensor_checks:STORAGE_CHECKS",
    "ancile.scan.tensor_values:VALUE_CHECKS",
    "ancile.scan.npy:NPY_CHECKS",
    "ancile.scan.plain_data:DATA_CHECKS",
    "ancile.scan.onnx:ONNX_CHECKS",
    "ancile.scan.templates:TEMPLATE_CHECKS",
    "ancile.scan.code:CODE_CHECKS",
    "ancile.scan.configs:CONFIG_CHECKS",
    "ancile.scan.notebooks:NOTEBOOK_CHECKS",
    "ancile.scan.pages:PAGE_CHECKS",
    "ancile.scan.machine_code:MACHINE_CHECKS",
    "ancile.scan.keras:KERAS_CHECKS",
    "ancile.scan.hdf5:HDF5_CHECKS",
    "ancile.scan.tensorflow:TENSORFLOW_CHECKS",
    "ancile.scan.skops:SKOPS_CHECKS",
    "ancile.scan.secret_checks:SECRET_CHECKS",
    "ancile.scan.licence:LICENCE_CHECKS",
    "ancile.scan.licence:FOLDER_CHECKS",
    "ancile.scan.files:FILE_CHECKS",
    "ancile.scan.policy:POLICY_CHECKS",
    "ancile.scan.baseline:BASELINE_CHECKS",
    "ancile.assess.checks:EVASION_CHECKS",
    "ancile.assess.checks:INPUT_CHECKS",
    "ancile.models.checks:MODEL_CHECKS",
    "ancile.data.checks:ADDED",
    "ancile.data.checks:VERIFIED",
    "ancile.data.listing:LISTED",
    "ancile.data.leakage:OVERLAP",
    "ancile.data.checking.validation:VALIDATION",
    "ancile.data.checking.comparison:COMPARISON",
    "ancile.data.checking.suspicion:SUSPICION",
    "ancile.data.checking.vetting:VETTED",
    "ancile.data.personal:CHECKS",
    "ancile.data.risk:HIDDEN",
    "ancile.data.erasing:DROPPED",
    "ancile.data.erasing:ERASED",
    "ancile.data.access:SEALING",
    "ancile.data.access:OPENING",
    "ancile.data.trace_checks:MARKING",
    "ancile.data.trace_checks:TRACING",
    "ancile.data.trace_checks:GIVEN",
    "ancile.release.checks:RELEASE_CHECKS",
    "ancile.serve.attackers.checks:GATEWAY_CHECKS",
    "ancile.govern.checks:GATE_CHECKS",
    "ancile.trust.checks:LEDGER_CHECKS",
)


def all_checks() -> dict[str, Check[Any]]:
    """Id to check, in the order of the stages."""
    found: dict[str, Check[Any]] = {}
    for name in TUPLES:
        module, _, attribute = name.partition(":")
        for one in getattr(import_module(module), attribute):
            if one.id in found:
                raise ValueError(f"two checks have the id {one.id}")
            found[one.id] = one
    return found
