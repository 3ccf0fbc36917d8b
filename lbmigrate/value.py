"""Frozen values, and their one JSON form in the journal.

`dataclasses` compiles source for every class at import; thirty frozen ones cost a third of a click
hello-world. `@value` builds nothing: one generic constructor serves all, so that `status` starts at once.
mypy sees ordinary frozen dataclasses (PEP 681).
"""

import types
from functools import cache
from typing import Any, Literal, TypeVar, Union, dataclass_transform, get_args, get_origin, get_type_hints

T = TypeVar("T")
_MISSING = object()


@dataclass_transform(frozen_default=True)
def value(cls: type[T]) -> type[T]:
    """Make `cls` an immutable record of its annotated fields; `__post_init__` may validate (raise ValueError)."""
    fields = tuple(vars(cls).get("__annotations__", {}))
    defaults = {name: vars(cls)[name] for name in fields if name in vars(cls)}
    check = vars(cls).get("__post_init__")

    def __init__(self: Any, *args: Any, **given: Any) -> None:
        if len(args) > len(fields):
            raise TypeError(f"{cls.__name__} takes {len(fields)} fields, {len(args)} given")
        mine = {**defaults, **dict(zip(fields, args, strict=False)), **given}
        if len(mine) != len(fields) or any(name not in mine for name in fields):
            wrong = sorted(set(mine) ^ set(fields))
            raise TypeError(f"{cls.__name__}: missing or unknown fields: {', '.join(wrong)}")
        self.__dict__.update({name: mine[name] for name in fields})
        if check is not None:
            check(self)

    def __eq__(self: Any, other: object) -> bool:
        return type(other) is cls and self.__dict__ == other.__dict__

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
    setattr(cls, "__setattr__", frozen)  # noqa: B010
    setattr(cls, "__delattr__", frozen)  # noqa: B010
    setattr(cls, "__match_args__", fields)  # noqa: B010
    return cls


def replace(old: T, **changes: Any) -> T:
    """A copy of a value with some fields changed."""
    return type(old)(**{**vars(old), **changes})


def to_json(thing: Any) -> Any:
    """Plain JSON data: a value becomes an object that names its type under `is`."""
    if isinstance(thing, tuple | list):
        return [to_json(one) for one in thing]
    if isinstance(thing, dict):
        return {key: to_json(one) for key, one in thing.items()}
    if hasattr(type(thing), "__match_args__"):
        return {"is": type(thing).__name__, **{k: to_json(v) for k, v in vars(thing).items()}}
    return thing


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def from_json(kind: Any, data: Any) -> Any:
    """Read what `to_json` wrote as `kind`: a value class, a union, a tuple, a dict or a plain type. Raises ValueError.

    A field that is absent takes its default, so that events of an older release can still be read.
    """
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _from_union(get_args(kind), data)
    if origin is tuple:
        return _from_tuple(get_args(kind), data)
    if origin is dict:
        return {key: from_json(get_args(kind)[1], one) for key, one in _of(dict, data).items()}
    if origin is Literal:
        if data not in get_args(kind):
            raise ValueError(f"{data!r} is none of {get_args(kind)}")
        return data
    if hasattr(kind, "__match_args__"):
        return _from_object(kind, data)
    if kind is Any:
        return data
    if kind is float and type(data) is int:
        return float(data)
    return _of(type(None) if kind is None else kind, data)


def _of(kind: type, data: Any) -> Any:
    if type(data) is not kind:
        raise ValueError(f"{data!r} is no {kind.__name__}")
    return data


def _from_tuple(kinds: tuple[Any, ...], data: Any) -> tuple[Any, ...]:
    items = _of(list, data)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(from_json(kinds[0], one) for one in items)
    if len(kinds) != len(items):
        raise ValueError(f"{data!r} has not {len(kinds)} elements")
    return tuple(from_json(kind, one) for kind, one in zip(kinds, items, strict=True))


def _from_union(kinds: tuple[Any, ...], data: Any) -> Any:
    named = {kind.__name__: kind for kind in kinds if hasattr(kind, "__match_args__")}
    if isinstance(data, dict) and named:
        if data.get("is") not in named:
            raise ValueError(f"{data.get('is')!r} is none of {', '.join(sorted(named))}")
        return _from_object(named[data["is"]], data)
    for kind in kinds:
        try:
            return from_json(kind, data)
        except ValueError:
            continue
    raise ValueError(f"{data!r} fits none of {kinds}")


def _from_object(kind: Any, data: Any) -> Any:
    given = dict(_of(dict, data))
    if given.pop("is", kind.__name__) != kind.__name__:
        raise ValueError(f"{data['is']!r} is no {kind.__name__}")
    hints = _hints(kind)
    if unknown := set(given) - set(hints):
        raise ValueError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}")
    try:
        return kind(**{key: from_json(hints[key], one) for key, one in given.items()})
    except TypeError as wrong:
        raise ValueError(str(wrong)) from wrong
