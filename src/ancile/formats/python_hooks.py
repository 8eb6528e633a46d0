"""When the functions of a Python source run: on import, when a model is loaded or asked, or later.

What a loader calls by itself: torch.nn.Module, transformers' remote code, ``datasets`` scripts, the model
servers TorchServe, Triton, SageMaker, Azure ML, BentoML and MLflow, setuptools' commands, pytest's plugins.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Literal

When = Literal["import", "hook", "start", "later"]
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef

# Methods of any class that run without being asked for by name
SPECIAL = re.compile(
    r"__(?:init|post_init|new|call|del|enter|exit|getattr|getattribute|init_subclass|set_name|setstate|reduce"
    r"|reduce_ex|class_getitem|prepare|get|repr|str|hash|eq|iter|len|bool)__"
)
# Classes that a loader or a server makes, and whose methods it calls
MODEL = re.compile(
    r"Pre[Tt]rained\w*|\w*(?:Module|Model|Config|Tokenizer|TokenizerFast|Processor|Extractor|Handler|Builder"
    r"|Pipeline|Layer|Estimator|Classifier|Regressor|Transformer|Predictor|Service|Endpoint|Runnable|Dataset"
    r"|Callback|Trainer|Scheduler|Embeddings?)|install|develop|egg_info|build_py|sdist|bdist_\w+"
)
SERVER = re.compile(
    r"\w*(?:Handler|Model|Predictor|Endpoint|Service|Inference|Pipeline|Processor|Tokenizer)\w*"
)
# Functions of a module that a server or a test runner calls
ENTRY = re.compile(
    r"handle|handler|predict|inference|model_fn|input_fn|predict_fn|output_fn|transform_fn|load_model|preprocess"
    r"|postprocess|initialize|_load_pyfunc|load_ipython_extension|pytest_\w+|__getattr__|__dir__|lambda_handler"
)
# Methods that only a server or a loader calls, whatever their class is called
SERVED = re.compile(
    r"handle|initialize|inference|load_context|preprocess|postprocess|predict|forward|_split_generators|_generate_examples"
)
SERVING = ("service", "deployment", "endpoint", "ingress")  # decorators of BentoML and Ray Serve
PAIR = ("init", "run")  # Azure ML's score.py has both


def is_main(node: ast.AST) -> bool:
    """Whether this is the part of a script that an import skips."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Compare)
        and isinstance(node.test.left, ast.Name)
        and node.test.left.id == "__name__"
        and isinstance(node.test.ops[0], ast.Eq)
        and isinstance(node.test.comparators[0], ast.Constant)
        and node.test.comparators[0].value == "__main__"
    )


def runs(tree: ast.Module, every: Sequence[ast.AST]) -> dict[ast.AST, When]:
    """Each function that does not wait for somebody to call it by name, and what it waits for."""
    found: dict[ast.AST, When] = {}
    own, classes = _definitions(every)
    statements = [one for one in tree.body if not isinstance(one, FUNCTIONS) and not is_main(one)]
    for one in statements:
        body = [one] if not isinstance(one, ast.ClassDef) else [*one.decorator_list, *one.bases, *one.body]
        for node in body:
            if not isinstance(node, FUNCTIONS):
                _follow(node, "import", own, classes, found)
    functions = [one for one in tree.body if isinstance(one, FUNCTIONS)]
    pair = {one.name for one in functions} >= set(PAIR)
    for one in functions:
        if ENTRY.fullmatch(one.name) or (pair and one.name in PAIR):
            _mark(one, "hook", own, classes, found)
    for held in every:
        if isinstance(held, ast.ClassDef):
            _of_class(held, own, classes, found)
    return found


def _definitions(
    every: Sequence[ast.AST],
) -> tuple[dict[str, list[ast.AST]], dict[str, ast.ClassDef]]:
    """Functions and methods by name, and classes by name."""
    own: dict[str, list[ast.AST]] = {}
    classes: dict[str, ast.ClassDef] = {}
    for one in every:
        if isinstance(one, FUNCTIONS):
            own.setdefault(one.name, []).append(one)
        elif isinstance(one, ast.ClassDef):
            classes[one.name] = one
    return own, classes


def _of_class(
    one: ast.ClassDef,
    own: dict[str, list[ast.AST]],
    classes: dict[str, ast.ClassDef],
    found: dict[ast.AST, When],
) -> None:
    bases = [_last(base) for base in one.bases]
    model = any(MODEL.fullmatch(base) for base in bases) or (
        not bases and SERVER.fullmatch(one.name) is not None
    )
    asked = model or any(_decorator(held) in SERVING for held in one.decorator_list)
    for method in (held for held in one.body if isinstance(held, FUNCTIONS)):
        if asked or (not bases and SERVED.fullmatch(method.name)):
            _mark(method, "hook", own, classes, found)
        elif SPECIAL.fullmatch(method.name):
            _mark(method, "start", own, classes, found)


def _decorator(held: ast.expr) -> str:
    return _last(held.func if isinstance(held, ast.Call) else held)


def _last(base: ast.expr) -> str:
    if isinstance(base, ast.Subscript):
        return _last(base.value)
    return base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")


def _mark(
    function: ast.AST,
    when: When,
    own: dict[str, list[ast.AST]],
    classes: dict[str, ast.ClassDef],
    found: dict[ast.AST, When],
) -> None:
    if function not in found:
        found[function] = when
        for statement in getattr(function, "body", ()):
            _follow(statement, when, own, classes, found)


def _follow(
    start: ast.AST,
    when: When,
    own: dict[str, list[ast.AST]],
    classes: dict[str, ast.ClassDef],
    found: dict[ast.AST, When],
) -> None:
    """Functions of this source that a statement calls, and those that they call."""
    waiting = [start]
    while waiting:
        for node in ast.walk(waiting.pop()):
            for function in _callees(node, own, classes) if isinstance(node, ast.Call) else ():
                if function not in found:
                    found[function] = when
                    waiting += getattr(function, "body", ())


def _callees(
    node: ast.Call, own: dict[str, list[ast.AST]], classes: dict[str, ast.ClassDef]
) -> Iterator[ast.AST]:
    called = node.func
    if isinstance(called, ast.Name):
        yield from own.get(called.id, ())
        if called.id in classes:
            for one in classes[called.id].body:
                if isinstance(one, FUNCTIONS) and one.name in ("__init__", "__new__", "__post_init__"):
                    yield one
    elif isinstance(called, ast.Attribute):
        owner = getattr(called.value, "id", "")
        if owner in ("self", "cls") or owner in classes:
            yield from own.get(called.attr, ())
