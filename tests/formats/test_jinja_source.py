"""What a Jinja template reaches for is told without rendering it, however the name is written."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.formats.jinja_source import LARGEST, parse

INTERNALS = [
    "{{ cycler.__init__.__globals__.os }}",
    r"{{ ''['\x5f\x5fclass\x5f\x5f'] }}",
    "{{ ''|attr('__cl' ~ 'ass__') }}",
    "{% set a = '__' %}{{ ''[a ~ 'class' ~ a] }}",
    "{% set ns = namespace(a='__') %}{{ ''[ns.a ~ 'class' ~ ns.a] }}",
    "{{ ''['__ssalc__'[::-1]] }}",
    "{{ ''[('ssalc__'|reverse) ~ '__'] }}",
    "{{ messages|map(attribute='a.__class__')|list }}",
    "{{ ()|map('attr', '__class__')|list }}",
    "{{ ''['%sclass%s'|format('__', '__')] }}",
    "{{ ''['_{}_'.format('_class_')] }}",
    "{{ ''[dict(__cl=a, ass__=b)|join] }}",
    "{% macro m(x) %}{{ ''[x] }}{% endmacro %}{{ m('__class__') }}",
    "{% macro m() %}__class__{% endmacro %}{{ ''[m()] }}",
    "{% for c in ['__class__'] %}{{ ''[c] }}{% endfor %}",
    "{% set x %}__class__{% endset %}{{ ''[x] }}",
    "{% with x = '__class__' %}{{ ''[x] }}{% endwith %}",
    "{{ '{0.__class__}'.format(x) }}",
    "{{ self._TemplateReference__context }}",
    "{{ __import__('os') }}",
    "{{ eval('1') }}",
    "{{ x.gi_frame }}",
    "{{ ['__class__']|first }}",
    "{{ __builtins__ }}",
    "{% if %}{{ x.__class__",
]
ORDINARY = [
    "{% for m in messages[1:] %}{{ m['role'] + m.content.split('x')[-1] | trim }}{% endfor %}",
    "{{ raise_exception('no') }}{{ strftime_now('%d') }}{{ tools | tojson(indent=4) }}",
    "{% set ns = namespace(found=false) %}{% set ns.found = true %}{{ ns.found }}",
    "{% generation %}{{ x }}{% endgeneration %}{% for a in b %}{% break %}{% endfor %}",
    "{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | list }}",
    "{% macro m(x, y=none) %}{{ m(x.a[y]) }}{% endmacro %}{{ m(messages[loop.index0 - 1]) }}",
    "{% for i in range(messages|length) %}{{ messages[i - 1]['_type'] }}{% endfor %}",
    "{{ '%s: %s' | format(a, b) }}{{ '{}'.format(a) }}{{ args_value if args_value is string }}",
    "<p>{{ __url__ }} {{ __version__ }}</p>",
    "{% for a in b %}{% set ns.x = ns.x ~ a %}{% set c = c + a if c else c %}{% endfor %}",
    "a paper: title={{DeepSeek} technical report}} and {{ braces }}",
]


@pytest.mark.parametrize("source", INTERNALS)
def test_a_way_into_the_interpreter_is_found_however_it_is_written(source: str) -> None:
    assert parse(source).internals


@pytest.mark.parametrize("source", ORDINARY)
def test_what_chat_templates_do_is_ordinary(source: str) -> None:
    found = parse(source)
    assert not any([found.internals, found.computed, found.loads, found.heavy, found.odd, found.fault])


@pytest.mark.parametrize(
    "source",
    [
        "{{ x|attr(y) }}",
        "{{ x[y ~ '_'] }}",
        "{{ ''[y] }}",
        "{{ (x ~ y).format(z) }}",
        "{{ x|map(attribute=y) }}",
        "{{ x[y|lower] }}",
        "{{ x['a' + y] }}",
        "{{ x[''.join(y)] }}",
    ],
)
def test_a_name_that_is_put_together_of_unknown_parts_is_told(source: str) -> None:
    assert parse(source).computed


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(10000) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{{ range(1000000)|list }}",
        f"{{{{ range({'9' * 40}) }}}}",
        "{{ 'a' * 1000000000 }}",
        "{{ 9**9**9 }}",
        "{{ 'a'|center(1000000000) }}",
        "{{ 'a'.ljust(1000000000) }}",
        "{{ lipsum(n=1000000) }}",
        "{{ " + "(" * 5000 + ")" * 5000 + " }}",
    ],
)
def test_what_takes_no_end_of_time_is_told(source: str) -> None:
    assert parse(source).heavy


@pytest.mark.parametrize("source", ["{% include 'x' %}", "{% import x as y %}", "{% extends 'x' %}"])
def test_reading_other_templates_is_told(source: str) -> None:
    assert parse(source).loads


def test_what_does_not_parse_is_a_fault_only_where_it_is_a_template() -> None:
    assert parse("{% for x in %}").fault
    assert not parse("{{ a } b }}").fault
    assert parse("{% set x = 1 %}" + " " * LARGEST).fault
    assert parse("{{ x.__class__ }}" + " " * LARGEST).internals


def test_the_oddities_of_globals_are_told() -> None:
    assert parse("{{ lipsum.x }}").odd
    assert not parse("{% set cycler = messages %}{{ cycler.x }}").odd


@given(
    st.lists(
        st.sampled_from(
            [
                "{{",
                "}}",
                "{%",
                "%}",
                "'",
                "|",
                "[",
                "]",
                "(",
                ")",
                "~",
                "*",
                "9",
                "x",
                ".",
                "set",
                "for",
                "in",
                "=",
            ]
        ),
        max_size=40,
    )
)
def test_no_template_raises_anything(parts: list[str]) -> None:
    parse(" ".join(parts))


@given(st.text(max_size=200), st.sampled_from(INTERNALS + ORDINARY), st.integers(0, 100))
def test_no_change_of_a_template_raises_anything(text: str, source: str, at: int) -> None:
    parse(source[:at] + text + source[at:])


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(10 ** 9) %}x{% endfor %}",
        "{% for a in b %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% for a in b %}{% set x = x + x %}{% endfor %}",
    ],
)
def test_what_grows_without_measure_is_heavy(source: str) -> None:
    assert parse(source).heavy


def test_a_call_of_a_computed_subscript_is_odd() -> None:
    assert parse("{{ x[messages[0].role]() }}").odd
    assert not parse("{{ x['role']() }}").odd


MACROS = "{% macro a(x) %}{{ x }}{% endmacro %}{% macro b(x) %}{{ x }}{% endmacro %}{% set all = [a] %}"


def test_a_list_of_own_macros_may_be_called_one_by_one() -> None:
    """As AI21's Jamba does."""
    more = "{% set all = all + [b] %}{% for i in range(all|length) %}{{ all[i](messages) }}{% endfor %}"
    assert not parse(MACROS + more).odd


@pytest.mark.parametrize(
    "change",
    [
        "{% set all = all + [messages] %}",
        "{% set all = messages %}",
        "{% set _ = all.append(messages[0]) %}",
        "{% do all.insert(0, x) %}",
        "{{ f(all) }}",
        "{% for all in messages %}{% endfor %}",
        "{% macro c(all) %}{{ all[i]() }}{% endmacro %}",
        "{% set a = messages[0] %}",
        "{% set all, x = messages %}",
        "{% with all = messages %}{% endwith %}",
        "{% set all %}text{% endset %}",
    ],
)
def test_a_list_that_may_hold_something_else_may_not(change: str) -> None:
    assert parse(MACROS + change + "{{ all[i](messages) }}").odd


@pytest.mark.parametrize(
    "source",
    [
        "{{ x['%999999999d' % 1] }}",
        "{{ x['%999999999d'|format(1)] }}",
        "{{ x['{:>999999999}'.format(1)] }}",
        "{{ x['{:>{}}'.format(1, 999999999)] }}",
        "{{ x['a'.zfill(999999999)] }}",
        "{{ x['%*d' % (999999999, 1)] }}",
    ],
)
def test_widths_are_not_tried_out(source: str) -> None:
    tracemalloc.start()
    parse(source)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()
