"""What may stand inside a word, in which order and how often: read off the classes in ``words``."""

from __future__ import annotations

import types
from dataclasses import dataclass, fields
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from gateway.digital_post.simple import Simple
from gateway.digital_post.words import PREFIXES, Word

_EVERY_VERSION = ("1.0", "1.1", "1.2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One element inside another."""

    field: str
    """Field of the class that holds it."""
    namespace: str
    name: str
    word: type[Word] | None = None
    """Its class, if it has children of its own; else *simple* is set."""
    simple: Simple | None = None
    least: int
    most: int | None
    """None: any number."""
    many: bool
    """Held as a tuple."""
    versions: tuple[str, ...]
    """Versions of MeMo that know the element."""
    required_in: tuple[str, ...]
    """Versions in which it must be there even though the class lets it be None."""

    @property
    def tag(self) -> str:
        """As we write it: ``memo:label``."""
        return f"{PREFIXES[self.namespace]}:{self.name}"

    @property
    def clark(self) -> str:
        """As the parser names it: namespace and local name with a blank between."""
        return f"{self.namespace} {self.name}"

    def required(self, version: str) -> bool:
        return version in self.required_in or self.least > 0


_known: dict[type[Word], tuple[Child, ...]] = {}
_known_by_clark: dict[type[Word], dict[str, tuple[int, Child]]] = {}


def children(word: type[Word]) -> tuple[Child, ...]:
    """The elements inside *word*, in the order in which they must stand."""
    if word not in _known:
        hints = get_type_hints(word, include_extras=True)
        _known[word] = tuple(
            _child(word, each.name, hints[each.name], each.metadata)
            for each in fields(word)  # type: ignore[arg-type]  # every Word is a dataclass
        )
    return _known[word]


def by_clark(word: type[Word]) -> dict[str, tuple[int, Child]]:
    """Place and description of every element inside *word*, by the parser's name for it."""
    if word not in _known_by_clark:
        found = {child.clark: (place, child) for place, child in enumerate(children(word))}
        _known_by_clark[word] = found
    return _known_by_clark[word]


def _child(word: type[Word], name: str, hint: Any, extra: Any) -> Child:
    many = get_origin(hint) is tuple
    optional = get_origin(hint) in (Union, types.UnionType)
    inner = get_args(hint)[0] if many or optional else hint
    simple = inner.__metadata__[0] if get_origin(inner) is Annotated else None
    return Child(
        field=name,
        namespace=word.NAMESPACE if simple else inner.NAMESPACE,
        name=name if simple else inner.__name__,
        word=None if simple else inner,
        simple=simple,
        least=extra.get("least", 0 if many or optional else 1),
        most=extra.get("most") if many else 1,
        many=many,
        versions=extra.get("versions", _EVERY_VERSION),
        required_in=extra.get("required_in", ()),
    )
