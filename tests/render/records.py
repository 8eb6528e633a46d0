"""Realistic records: an assessment, an incomplete one, a failing one, an empty one, a gate's answer."""

from __future__ import annotations

import math
import struct
import zlib
from datetime import UTC, datetime

from ancile.core.exhibit import Curve, Exhibit, Picture, Point, Series, Table, Text
from ancile.core.finding import Finding, Location
from ancile.core.measure import RATE, Bound, Count, Estimate, Measure, Slice
from ancile.core.report import Cost, Evidence, Record, Report
from ancile.core.subject import Subject, digest_of, subject_of_parts

STARTED = datetime(2026, 3, 2, 9, 30, 0, tzinfo=UTC)
FINISHED = datetime(2026, 3, 2, 9, 33, 20, tzinfo=UTC)
MODEL = subject_of_parts(
    "model",
    "digits.pt2",
    {"digits.pt2": digest_of(b"graph"), "weights/layer%201.safetensors": digest_of(b"weights")},
)
EVASION = ("AML.T0043 (ATLAS 5.6.0)", "ML01:2023 (OWASP ML)", "NISTAML.022 (NIST AI 100-2e2025)")
EVIDENCE = Evidence(
    index=41,
    statement_digest=digest_of(b"statement"),
    checkpoint="example.org/ledger/digits\n42\nq8Zl0W9lXcMZyKzZr8Ck3XkTzLJ0JfVn5cXkqkzv3kA=\n\n"
    "— example.org/ledger/digits Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyW\n",
)


def rate(cls: type[Estimate | Bound], name: str, hits: int, n: int, **slice_: str | float) -> Measure:
    """A share with the Wilson interval, so that the numbers belong together."""
    p, z = hits / n, 1.96
    middle, spread = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = ((middle + sign * spread) / (1 + z * z / n) for sign in (-1, 1))
    side = {"side": "at_least" if "success" in name else "at_most"} if cls is Bound else {}
    of: Slice = dict(slice_)
    return cls(
        name=name,
        slice=of,
        value=p,
        unit=RATE,
        n=n,
        low=max(0.0, min(low, p)),
        high=min(1.0, max(high, p)),
        confidence=0.95,
        method="share of the drawn samples, Wilson interval",
        **side,
    )


def png(grey: int) -> bytes:
    """Three grey ramps side by side, as an assessment draws a sample, the changed one and the difference."""
    width, height = 296, 96
    lines = b"".join(
        b"\0" + bytes((grey + 9 * (x % 100 // 12) + 5 * (y // 12)) % 256 for x in range(width))
        for y in range(height)
    )
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + name + d + struct.pack(">I", zlib.crc32(name + d)) for name, d in chunks
    )


def calibration(name: str, value: float, inputs: str) -> Measure:
    return Estimate(
        name=name,
        slice={"inputs": inputs},
        value=value,
        unit="1",
        n=1000,
        low=value * 0.8,
        high=value * 1.25,
        confidence=0.95,
        method="bootstrap over the samples, 1,000 draws",
    )


CLASSES = ("zero", "one", "two", "three", "four", "five")
MEASURES: tuple[Measure, ...] = (
    rate(Estimate, "clean_accuracy", 981, 1000),
    rate(Bound, "robust_accuracy", 812, 1000),
    rate(Bound, "attack_success_rate", 169, 981),
    *(rate(Estimate, "clean_accuracy", 165 - i, 166, **{"class": c}) for i, c in enumerate(CLASSES)),
    *(rate(Bound, "robust_accuracy", 150 - 9 * i, 166, **{"class": c}) for i, c in enumerate(CLASSES)),
    calibration("expected_calibration_error", 0.012, "clean"),
    calibration("brier_score", 0.031, "clean"),
    calibration("expected_calibration_error", 0.142, "attacked"),
    calibration("brier_score", 0.298, "attacked"),
    Count(name="samples", value=1000, unit="samples", n=1000, method="drawn without replacement"),
    *(
        rate(Bound, "robust_accuracy", hits, 200, eps=eps)
        for eps, hits in ((0.0, 196), (0.025, 190), (0.05, 181), (0.1, 162), (0.15, 118), (0.2, 41))
    ),
)
FINDINGS = (
    Finding(
        check="evasion-adversarial-example",
        status="WARN",
        severity="high",
        title="A change within the budget makes the model err",
        detail="169 of 981 samples that it gets right are broken at linf eps 0.1",
        fix="Train against these perturbations (PGD adversarial training), lower the input's precision, or "
        "detect and refuse such inputs; then assess again and let a gate hold the bound.",
        refs=EVASION,
    ),
    Finding(
        check="evasion-black-box-figure",
        status="WARN",
        severity="medium",
        title="The figure comes from scores or labels alone",
        detail="an onnx model is attacked through its scores",
        fix="Assess the PyTorch or torch.export form of the model as well.",
        refs=(*EVASION, "NISTAML.025 (NIST AI 100-2e2025)"),
    ),
    Finding(
        check="model-uncovered-code",
        status="WARN",
        severity="medium",
        location=Location(path="weights/layer 1.safetensors", member="data", offset=128),
        title="The digest does not cover all code that runs",
        detail="the factory imports helpers from outside its distribution",
        fix="Install the helpers as part of the distribution, or list them.",
        refs=("CWE-829", "AML.T0010 (ATLAS 5.6.0)"),
    ),
    Finding(
        check="model-uncovered-code",
        status="WARN",
        severity="medium",
        location=Location(path="digits.pt2"),
        title="The digest does not cover all code that runs",
        detail="sys.path is changed at import",
        fix="Install the helpers as part of the distribution, or list them.",
        refs=("CWE-829", "AML.T0010 (ATLAS 5.6.0)"),
    ),
    Finding(
        check="evasion-assumed-input",
        status="WARN",
        severity="low",
        location=Location(column="pixel 0"),
        title="Something about the inputs was assumed, not told",
        detail="bounds 0 to 1 are taken from the data",
        fix="Say it once in ancile.toml under [assess].",
    ),
    Finding(
        check="evasion-masked-gradient",
        status="SKIP",
        severity="high",
        title="An attack without gradients breaks what attacks with gradients left",
        detail="the model was attacked without gradients from the start",
        refs=EVASION,
    ),
    Finding(
        check="evasion-few-samples",
        status="WARN",
        severity="low",
        title="Too few samples for a narrow interval",
        detail="classes of 166 samples: 6 points either way",
        fix="Give more samples (--samples), 1,000 where the data allows.",
    ),
    Finding(
        check="data-duplicate-row",
        status="WARN",
        severity="info",
        location=Location(row=17),
        title="A sample occurs more than once",
        detail="row 17 is row 903",
        fix="Remove the copies before the split.",
    ),
)
BROKEN = Finding(
    check="evasion-broken-claim",
    status="FAIL",
    severity="critical",
    location=Location(row=7),
    title="An example that the report counts lies outside the ball or the bounds",
    detail="1 example",
    fix="Report this as a fault of ancile, with the model and the command.",
    refs=EVASION,
)
UNFINISHED = Finding(
    check="evasion-unfinished",
    status="ERROR",
    severity="medium",
    title="The plan was not finished",
    detail="not run, or not to the end: square",
)
CURVE = Curve(
    title="Robust accuracy against eps",
    x_label="eps (linf)",
    y_label="robust accuracy, at most",
    series=(
        Series(
            name="attacked",
            points=tuple(
                Point(float(m.slice["eps"]), m.value, m.low, m.high) for m in MEASURES if "eps" in m.slice
            ),
        ),
    ),
    note="200 of the samples, one short attack at each eps; what breaks at a smaller eps stays broken.",
)
HISTOGRAM = Curve(
    title="How small the changes were",
    x_label="linf distance",
    y_label="samples",
    series=(
        Series(
            name="broken",
            points=tuple(Point(x, n) for x, n in ((0, 12), (0.05, 12), (0.05, 30), (0.1, 30))),
        ),
    ),
    note="Distances of the 42 samples that were broken.",
)
ATTACKS = Table(
    title="What each attack added",
    columns=("attack", "tried on", "broke", "robust accuracy after", "forwards", "CPU s"),
    rows=(
        ("fgsm", 981, 61, 0.92, 981, 0.31),
        ("pgd, 20 steps", 920, 97, 0.823, 18400, 9.812),
        ("square, 1000 queries", 823, 11, 0.812, 791203, 181.5),
    ),
    note="Each attack sees only the samples that still stand.",
)
CHANGES = Table(
    title="row 12: benign becomes malignant, linf distance 0.081, by pgd",
    columns=("feature", "before", "after", "change"),
    rows=(("worst radius", 14.91, 15.72, 0.81), ("mean texture", 19.3, 18.5, -0.8)),
    note="and 9 smaller changes",
)
NOTES = Text(title="Threat model", text="Who: a sender of images.\nWhat: any pixel by up to 0.1.")


def picture(sample: int) -> Picture:
    words = f"row {sample}: three becomes eight, linf distance 0.07, by pgd"
    return Picture(
        title=f"Sample {sample}",
        png=png(sample),
        alt=f"Sample, changed sample and the difference. {words}",
        caption=f"{words}. Left the sample, middle the changed one, right the difference.",
    )


CASCADE = Table(
    title=ATTACKS.title,
    columns=ATTACKS.columns,
    rows=tuple((f"phase {i}", 900 - i, 7 if i in (2, 9) else 0, 0.9 - i / 100, 100, 0.5) for i in range(25)),
    note=ATTACKS.note,
)
MANY = tuple(
    one
    for i in range(43)
    for one in (
        rate(Estimate, "clean_accuracy", 50, 50, **{"class": f"sign {i}"}),
        rate(Bound, "robust_accuracy", 7 * i % 43, 50, **{"class": f"sign {i}"}),
    )
)


EXHIBITS: tuple[Exhibit, ...] = (ATTACKS, CURVE, picture(3), picture(90), picture(207), CHANGES, NOTES)


def report(**changes: object) -> Report:
    """The assessment, with fields replaced."""
    fields: dict[str, object] = {
        "stage": "assess",
        "complete": True,
        "subject": MODEL,
        "parameters": {
            "goal": "evasion, untargeted",
            "norm": "linf",
            "eps": 0.1,
            "effort": "standard",
            "seed": 20260302,
            "samples": 1000,
            "data": "digits held out",
            "data_digest": digest_of(b"data"),
            "access": "scores",
            "attacks": ["fgsm", "pgd, 20 steps", "square, 1000 queries"],
            "budget_seconds": None,
        },
        "measures": MEASURES,
        "findings": FINDINGS,
        "passed": {"evasion-idle-attack": 3, "evasion-unconfirmed-claim": 1, "evasion-unsteady-model": 1},
        "exhibits": EXHIBITS,
        "cost": Cost(
            forwards=810_584,
            backwards=19_381,
            queries=791_203,
            cpu_seconds=191.6,
            wall_seconds=200.0,
            peak_memory_bytes=712_000_000,
        ),
        "started": STARTED,
        "finished": FINISHED,
        "version": "0.1.0",
    }
    return Report(**(fields | changes))  # type: ignore[arg-type]  # checked by the struct's own tests


def assessed() -> Record:
    return Record(report=report(), evidence=EVIDENCE)


def incomplete() -> Record:
    return Record(report=report(complete=False, findings=(*FINDINGS, UNFINISHED)))


def failing() -> Record:
    return Record(report=report(findings=(*FINDINGS, BROKEN)), evidence=EVIDENCE)


def empty() -> Record:
    """Nothing examined, nothing measured."""
    subject = Subject(kind="files", name="nothing", digest=digest_of(b""))
    bare = Report(
        stage="scan", complete=True, subject=subject, started=STARTED, finished=STARTED, version="0.1.0"
    )
    return Record(report=bare)


def gate() -> Record:
    """A gate's answer: one requirement not met, one without conclusion, one met."""
    rows = (
        ("robust at 0.1", "not met", "upper end 0.72 is below 0.80", "example.org/ledger entry 41"),
        ("scanned", "no conclusion", "no scan of this digest", ""),
        ("calibrated", "met", "0.031 is at most 0.05", "example.org/ledger entry 41"),
    )
    findings = (
        Finding(
            check="gate-requirement-not-met",
            status="FAIL",
            severity="high",
            location=Location(column="robust at 0.1"),
            title="Evidence shows that a requirement of the policy is not met",
            detail="robust at 0.1: upper end 0.72 is below 0.80",
            fix="Improve the model and run the stage again; change the policy only as a decision of its own.",
        ),
        Finding(
            check="gate-without-conclusion",
            status="ERROR",
            severity="high",
            location=Location(column="scanned"),
            title="A requirement cannot be answered from the evidence at hand",
            detail="scanned: no scan of this digest; run `ancile scan` first",
        ),
    )
    answered = Report(
        stage="gate",
        complete=True,
        subject=MODEL,
        parameters={"policy_digest": digest_of(b"policy")},
        measures=(Count(name="runs", value=2, unit="runs", method="started runs on record"),),
        findings=findings,
        passed={"gate-requirement-not-met": 2, "gate-without-conclusion": 2},
        exhibits=(
            Table(title="Requirements", columns=("requirement", "answer", "reason", "evidence"), rows=rows),
        ),
        started=FINISHED,
        finished=FINISHED,
        version="0.1.0",
    )
    return Record(report=answered, evidence=EVIDENCE)


RECORDS = {
    "assessed": assessed,
    "incomplete": incomplete,
    "failing": failing,
    "empty": empty,
    "gate": gate,
}
