"""Frozen values, and their one JSON form in the journal.

`dataclasses` compiles source for every class at import; thirty frozen ones cost a third of a click
hello-world. `@value` builds nothing: one generic constructor serves all, so that `status` starts at once.
mypy sees ordinary frozen dataclasses (PEP 681).
"""

import types
from collections.abc import Callable
from functools import cache, partial
from typing import Any, Literal, TypeVar, Union, dataclass_transform, get_args, get_origin, get_type_hints

T = TypeVar("T")
Reader = Callable[[Any], Any]


@dataclass_transform(frozen_default=True)
def value(cls: type[T]) -> type[T]:
    """Make `cls` an immutable record of its annotated fields; `__post_init__` may validate (raise ValueError)."""
    fields = tuple(vars(cls).get("__annotations__", {}))
    defaults = {name: vars(cls)[name] for name in fields if name in vars(cls)}
    needed = [name for name in fields if name not in defaults]
    check = vars(cls).get("__post_init__")
    filled = {name: defaults.get(name) for name in fields}  # keeps the order of the fields, whatever is given
    count, least = len(fields), len(needed)

    def __init__(self: Any, *args: Any, **given: Any) -> None:
        if len(args) > count:
            raise TypeError(f"{cls.__name__} takes {count} fields, {len(args)} given")
        mine = self.__dict__  # filled in place: three times as fast as through one of its own
        mine |= filled
        for name, one in zip(fields, args):  # noqa: B905  (`strict=False` costs as much as a field)
            mine[name] = one
        mine |= given
        if len(mine) > count or (len(args) < least and not given.keys() >= set(needed[len(args) :])):
            wrong = sorted((mine.keys() ^ fields) | set(needed[len(args) :]) - given.keys())
            raise TypeError(f"{cls.__name__}: missing or unknown fields: {', '.join(wrong)}")
        if check is not None:
            check(self)

    def __eq__(self: Any, other: object) -> bool:
        return self is other or (type(other) is cls and self.__dict__ == other.__dict__)

    def __hash__(self: Any) -> int:
        return hash((cls.__name__, *self.__dict__.values()))

    def __repr__(self: Any) -> str:
        return f"{cls.__name__}({', '.join(f'{k}={v!r}' for k, v in self.__dict__.items())})"

    def frozen(_self: Any, *_: Any) -> None:
        raise AttributeError(f"{cls.__name__} is immutable")

    for name in defaults:
        delattr(cls, name)
    for method in (__init__, __eq__, __hash__, __repr__):
        setattr(cls, method.__name__, method)
    setattr(cls, "__checked__", check)  # noqa: B010
    setattr(cls, "__setattr__", frozen)  # noqa: B010
    setattr(cls, "__delattr__", frozen)  # noqa: B010
    setattr(cls, "__match_args__", fields)  # noqa: B010
    return cls


def replace(old: T, **changes: Any) -> T:
    """A copy of a value with some fields changed."""
    kind: Any = type(old)
    was = old.__dict__
    new: T = object.__new__(kind)
    mine = new.__dict__
    mine |= was
    mine |= changes
    if len(mine) > len(was):
        raise TypeError(f"{kind.__name__}: unknown fields: {', '.join(sorted(changes.keys() - was.keys()))}")
    if kind.__checked__ is not None:
        kind.__checked__(new)
    return new


class Same:
    """A thing by its identity, so that what was worked out for a large one is found again without reading it."""

    def __init__(self, thing: object) -> None:
        self.thing = thing

    def __hash__(self) -> int:
        return id(self.thing)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.thing is self.thing


def to_json(thing: Any) -> Any:
    """Plain JSON data: a value becomes an object that names its type under `is`."""
    if isinstance(thing, tuple | list):
        return [to_json(one) for one in thing]
    if isinstance(thing, dict):
        return {key: to_json(one) for key, one in thing.items()}
    if hasattr(type(thing), "__match_args__"):
        return {"is": type(thing).__name__, **{k: to_json(v) for k, v in vars(thing).items()}}
    return thing


def from_json(kind: Any, data: Any) -> Any:
    """Read what `to_json` wrote as `kind`: a value class, a union, a tuple, a dict or a plain type. Raises ValueError.

    A field that is absent takes its default, so that events of an older release can still be read.
    """
    return _reader(kind)(data)


# How a type is read is worked out once, when the first datum of it comes: a journal of some hundred entries holds a
# dozen types and ten thousand numbers.


@cache
def _reader(kind: Any) -> Reader:
    origin, kinds = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _union(kinds)
    if origin is tuple:
        return _list(kinds[0]) if len(kinds) == 2 and kinds[1] is Ellipsis else _record(kinds)
    if origin is dict:
        item = _reader(kinds[1])
        return lambda data: {key: item(one) for key, one in _of(dict, data).items()}
    if origin is Literal:
        return partial(_literal, kinds)
    if hasattr(kind, "__match_args__"):
        return partial(_object, kind)
    if kind is Any:
        return lambda data: data
    return _float if kind is float else partial(_of, type(None) if kind is None else kind)


def _of(kind: type, data: Any) -> Any:
    if type(data) is not kind:
        raise ValueError(f"{data!r} is no {kind.__name__}")
    return data


def _float(data: Any) -> float:
    return float(data) if type(data) is int else float(_of(float, data))


def _literal(words: tuple[Any, ...], data: Any) -> Any:
    if data not in words:
        raise ValueError(f"{data!r} is none of {words}")
    return data


def _list(kind: Any) -> Reader:
    item = _reader(kind)
    return lambda data: tuple([item(one) for one in _of(list, data)])


def _record(kinds: tuple[Any, ...]) -> Reader:
    readers = [_reader(kind) for kind in kinds]

    def read(data: Any) -> Any:
        items = _of(list, data)
        if len(readers) != len(items):
            raise ValueError(f"{data!r} has not {len(readers)} elements")
        return tuple([item(one) for item, one in zip(readers, items, strict=True)])

    return read


def _union(kinds: tuple[Any, ...]) -> Reader:
    named = {kind.__name__: kind for kind in kinds if hasattr(kind, "__match_args__")}
    readers = [_reader(kind) for kind in kinds]

    def read(data: Any) -> Any:
        if isinstance(data, dict) and named:
            if data.get("is") not in named:
                raise ValueError(f"{data.get('is')!r} is none of {', '.join(sorted(named))}")
            return _object(named[data["is"]], data)
        for reader in readers:
            try:
                return reader(data)
            except ValueError:
                continue
        raise ValueError(f"{data!r} fits none of {kinds}")

    return read


@cache
def _fields(cls: type) -> dict[str, Reader]:
    return {name: _reader(hint) for name, hint in get_type_hints(cls).items()}


def _object(kind: Any, data: Any) -> Any:
    given = dict(_of(dict, data))
    if given.pop("is", kind.__name__) != kind.__name__:
        raise ValueError(f"{data['is']!r} is no {kind.__name__}")
    fields = _fields(kind)
    if unknown := given.keys() - fields.keys():
        raise ValueError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}")
    try:
        return kind(**{key: fields[key](one) for key, one in given.items()})
    except TypeError as wrong:
        raise ValueError(str(wrong)) from wrong
