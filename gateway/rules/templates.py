"""Texts of actions that are filled in at each decision: ``case = "PERS-{{ year }}-{{ sagsnr }}"`` (Jinja2).

Only what fills in a text: values, ``if``, and a few filters. No loops, no calls, no arithmetic, so that
a template takes no more time or memory than it is long.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache

from jinja2 import StrictUndefined, TemplateError, UndefinedError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

LONGEST_FILLED = 1000
"""Characters of a text when it is filled in."""

_FILTERS = ("capitalize", "d", "default", "first", "last", "lower", "title", "trim", "truncate", "upper")
_BARRED = (
    nodes.For, nodes.Call, nodes.CallBlock, nodes.Macro, nodes.Import, nodes.FromImport, nodes.Include, nodes.Extends,
    nodes.Block, nodes.FilterBlock, nodes.Assign, nodes.AssignBlock, nodes.With, nodes.Mul, nodes.Pow, nodes.Getitem,
)  # fmt: skip


class BadTemplate(Exception):
    """What is wrong with a template, as a sentence about it; only between here and gateway.rules.acts."""


class Unfilled(Exception):
    """A value that a template needs is not there; *name* is the field's or the named part's."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)


class Template:
    """A text with places to fill in.

    Raises:
        BadTemplate: it is none, or does more than fill in.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.names = _names(text)
        """What it needs, or may need, sorted."""

    def fill(self, values: Mapping[str, object]) -> str:
        """The text with *values* in it, at most LONGEST_FILLED characters. Raises Unfilled."""
        try:
            filled = _ENVIRONMENT.from_string(self.text).render(values)
        except UndefinedError:
            raise Unfilled(next((name for name in self.names if name not in values), "?")) from None
        except (TemplateError, TypeError, ValueError):
            raise Unfilled("?") from None
        return filled[:LONGEST_FILLED]


def is_template(text: str) -> bool:
    """Whether *text* has places to fill in."""
    return any(mark in text for mark in ("{{", "{%", "{#"))


def unknown_names(template: Template, known: Collection[str]) -> list[str]:
    """Names in *template* that are not among *known*."""
    return [name for name in template.names if name not in known]


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, cache_size=1000)
    environment.filters = {name: environment.filters[name] for name in _FILTERS}
    environment.globals = {}
    return environment


_ENVIRONMENT = _environment()


@lru_cache(maxsize=4096)
def _names(text: str) -> tuple[str, ...]:
    try:
        tree = _ENVIRONMENT.parse(text)
        # Before it is compiled, which works constants out.
        if any(True for _ in tree.find_all(_BARRED)):
            raise BadTemplate("the text may only be filled in: no loops, calls, brackets or calculations.")
        _ENVIRONMENT.from_string(text)
    except TemplateError as error:
        raise BadTemplate(f"the text cannot be filled in ({error.message}).") from None
    return tuple(sorted(meta.find_undeclared_variables(tree)))
