"""The documentation names what there is: commands, options, checks, configuration keys, links, references."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from ancile.cli.checks import all_checks
from ancile.cli.main import COMMANDS, ancile, run
from ancile.cli.tables import TABLES
from ancile.core.config import sections
from ancile.core.extras import EXTRAS
from ancile.govern.policy import Log, Require
from tests.docs.pages import ROOT, Page, finished, pages, steps
from tests.shared import SHARED, needs_shared

PAGES = pages()
CALL = re.compile(r"^(?:\s*- run: |\s*- |)ancile ((?:[^\n]|\\\n)*(?:\n\s+--[^\n]*)*)", re.MULTILINE)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*|(?<![\w-])-[a-z](?![\w-])")
LINK = re.compile(r"(?<!!)\[[^\]\n]*(?:\n[^\]\n]*)?\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
ROW = re.compile(r"^\| (`[^|]+`) \|", re.MULTILINE)
OTHERS = {"--index-url", "--trust", "--trust-"}  # pip's; and how the help speaks of a family of flags

# how a reference names its framework's edition, and the file that lists the ids of that edition
EDITIONS = {
    "ATLAS 5.6.0": "mitre_atlas.json",
    "OWASP ML": "owasp_ml_2023.json",
    "NIST AI 100-2e2025": "nist_ai_100_2_e2025.json",
}


def context(command: click.Command) -> click.Context:
    """As the program makes it: click keeps the first spelling of --help that it sees on a command."""
    return click.Context(command, help_option_names=["-h", "--help"])


def commands(group: click.Group = ancile, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command by its path: ``assess``, ``ledger``, ``ledger log``."""
    for name in group.list_commands(context(group)):
        found = group.get_command(context(group), name)
        assert found is not None
        yield f"{path}{name}", found
        if isinstance(found, click.Group):
            yield from commands(found, f"{path}{name} ")


TREE = dict(commands())


def options(command: click.Command) -> set[str]:
    """How its options are spelt."""
    params = command.get_params(context(command))
    return {o for p in params for o in (*p.opts, *p.secondary_opts) if o.startswith("-")}


@pytest.mark.parametrize("path", TREE)
def test_the_page_of_a_command_shows_its_help_word_for_word(
    path: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    page = ROOT / "docs" / "commands" / f"{path.split(maxsplit=1)[0]}.md"
    assert run([*path.split(), "--help"]) == 0
    printed = capsys.readouterr().out.rstrip()
    assert f"```console\n$ ancile {path} --help\n{printed}\n```" in page.read_text("utf-8")


def test_every_command_has_a_page_and_every_page_a_command() -> None:
    assert {p.stem for p in (ROOT / "docs" / "commands").iterdir()} == set(COMMANDS)
    shown = {s.command for p in PAGES for b in p.blocks if b.language == "console" for s in steps(b)}
    helps = {c.removeprefix("ancile ").removesuffix(" --help") for c in shown if c.endswith(" --help")}
    assert helps == set(TREE)


def calls(page: Page) -> Iterator[str]:
    """Every call of ancile in the page's blocks, continuation lines joined."""
    for block in page.blocks:
        if block.language == "console":
            said = [re.sub(r"\\\\\n", " ", step.command) for step in steps(block)]
            yield from (" ".join(one.split()[1:]) for one in said if one.startswith("ancile "))
        elif block.language in ("sh", "yaml"):
            text = re.sub(r"\\\n>?", " ", block.text)
            text = re.sub(r"- run: >-\n\s+", "- run: ", text)
            for found in CALL.finditer(text):
                yield " ".join(found[1].split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_call_on_a_page_names_a_command_and_options_that_exist(page: Page) -> None:
    for call in calls(page):
        words = call.split()
        path = " ".join(words[:2]) if " ".join(words[:2]) in TREE else words[0]
        assert path in TREE, call
        plain = re.split(r"[|>&;]", re.sub(r"'[^']*'|\"[^\"]*\"", "", call))[0]
        assert set(OPTION.findall(plain)) <= options(TREE[path]) | {"--help"}, call


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_in_a_sentence_exists(page: Page) -> None:
    known = {option for command in TREE.values() for option in options(command)}
    known |= options(ancile) | {"--help"}
    prose = re.sub(r"^```.*?^```", "", page.text, flags=re.MULTILINE | re.DOTALL)
    named = {o for code in CODE.findall(prose) for o in OPTION.findall(code) if not code.startswith("pip ")}
    assert named - known - OTHERS == set()


def test_every_check_has_its_page_and_no_other_id_is_spoken_of() -> None:
    known = set(all_checks())
    pages_of_checks = {p.stem for p in (ROOT / "docs" / "checks").glob("*.md")} - {"README"}
    assert pages_of_checks == known
    rooms = "|".join(sorted({one.split("-")[0] for one in known}))
    named = {c for p in PAGES for c in CODE.findall(p.text) if re.fullmatch(rf"({rooms})(-[a-z]+){{2,}}", c)}
    assert named <= known


def test_generated_pages_and_schemas_are_up_to_date() -> None:
    ended = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout


def keys(kind: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(kind)}


def test_every_configuration_key_is_documented_and_nothing_else() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    parts = re.split(r"^## ", text, flags=re.MULTILINE)
    by_table = {m[1]: part for part in parts if (m := re.match(r"\[(\w+)\]", part))}
    assert set(by_table) == set(TABLES)
    for table, part in by_table.items():
        wanted = keys(TABLES[table]) | (keys(Require) if table == "policy" else set())
        named = {name for row in ROW.findall(part) for name in re.findall(r"`(\w+)`", row)}
        assert named == wanted, table
    assert all(f"`{key}`" in by_table["policy"] for key in keys(Log))


def toml_blocks() -> list[Any]:
    return [
        pytest.param(block.text, id=f"{page.name}:{block.line}")
        for page in PAGES
        for block in page.blocks
        if block.language == "toml"
    ]


@pytest.mark.parametrize("text", toml_blocks())
def test_every_toml_block_is_a_configuration_that_ancile_reads(text: str) -> None:
    sections(tomllib.loads(text), TABLES, path=Path("ancile.toml"))


def test_the_commented_configuration_reads_with_its_examples_switched_on() -> None:
    text = (ROOT / "src" / "ancile" / "cli" / "template.toml").read_text("utf-8")
    text = text.replace("@authors@", "").replace("@keys@", "").replace("sha256:…", "sha256:" + "0" * 64)
    switched_on = re.sub(r"^# (?=\w+ = |\[\[)", "", text, flags=re.MULTILINE)
    sections(tomllib.loads(switched_on), TABLES, path=Path("ancile.toml"))


def anchors(text: str) -> set[str]:
    """What GitHub makes of the headings."""
    heads = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("path", sorted({*(p.path for p in PAGES), *(ROOT / "docs" / "checks").glob("*.md")}))
def test_internal_links_lead_somewhere(path: Path) -> None:
    for target in LINK.findall(path.read_text("utf-8")):
        if target.startswith(("https://", "http://")):
            continue
        file, _, anchor = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        assert linked.is_file(), target
        assert linked.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(linked.read_text("utf-8")), target


def test_every_page_can_be_reached_from_the_readme() -> None:
    found, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        found.add(path)
        links = [t.partition("#")[0] for t in LINK.findall(path.read_text("utf-8")) if ":" not in t]
        linked = {(path.parent / target).resolve() for target in links if target.endswith(".md")}
        waiting += linked - found - set(waiting)
    assert {page.path for page in PAGES} <= found


def test_the_versions_on_the_install_page_are_those_of_the_constraints() -> None:
    text = (ROOT / "docs" / "install.md").read_text("utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    exact = {n.lower(): v for n, _, v in (line.partition("==") for line in lines)}
    extras = project["optional-dependencies"]
    wanted = {*project["dependencies"], *(d for extra in EXTRAS for d in extras[extra] if ">=" in d)}
    for one in wanted:
        name, _, lowest = one.partition(">=")
        assert f"| {name} | {exact[name.lower()]} | {lowest} or later |" in text
    assert {extra for extra in EXTRAS if f"| `{extra}` |" not in text} == set()


def test_nothing_pins_torchvision() -> None:
    assert "torchvision" not in (ROOT / "constraints.txt").read_text("utf-8").lower()
    assert "torchvision" not in (ROOT / "pyproject.toml").read_text("utf-8").lower()


def references() -> set[str]:
    return {ref for one in all_checks().values() for ref in one.refs}


@pytest.mark.parametrize("ref", sorted(references()))
def test_a_reference_states_its_edition(ref: str) -> None:
    assert re.fullmatch(
        r"[\w.:-]+ \((ATLAS 5\.6\.0|OWASP ML|NIST AI 100-2e2025)\)|CWE-\d+( \(CWE \d+\.\d+\))?"
        r"|CVE-\d{4}-\d{4,}|GHSA(-[0-9a-z]{4}){3}",
        ref,
    )


@needs_shared
@pytest.mark.parametrize("ref", sorted(r for r in references() if not r.startswith(("CWE", "CVE", "GHSA"))))
def test_a_reference_exists_in_its_framework(ref: str) -> None:
    assert SHARED is not None
    id_, _, edition = ref.removesuffix(")").partition(" (")
    framework = json.loads((SHARED / "data" / "frameworks" / EDITIONS[edition]).read_text("utf-8"))
    assert edition.rsplit(" ", 1)[-1].removeprefix("100-2") in framework["edition"] or edition == "OWASP ML"
    assert id_ in {item["id"] for item in framework["items"]}


def test_a_command_with_its_exit_code_is_one_step() -> None:
    assert finished("false", ["[exit 1]"]) == ("false", (), 1)
