"""Whether a module has code of its own, or only makes its folder a namespace package.

Distributions that share a namespace in the old ways (pkgutil, pkg_resources) each bring the same
`__init__.py`, or one that differs in its comments alone, and it does not matter whose is there.
"""

from __future__ import annotations

import ast

__all__ = ["has_code"]

_MODULES = frozenset({"__future__", "pkg_resources", "pkgutil"})
_CALLS = frozenset({"declare_namespace", "extend_path"})
_LARGEST = 64 << 10


def has_code(source: bytes) -> bool:
    """Whether a module does anything but extend its own path."""
    if len(source) > _LARGEST:
        return True
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    return not all(map(_is_namespace, module.body))


def _is_namespace(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            found = True
        case ast.Expr(value=value) | ast.Assign(targets=[ast.Name(id="__path__")], value=value):
            found = _extends(value)
        case ast.Import(names=names):
            found = all(one.name in _MODULES for one in names)
        case ast.ImportFrom(module=module):
            found = module in _MODULES
        case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=finalbody):
            parts = [body, orelse, finalbody, *(one.body for one in handlers)]
            found = all(map(_is_namespace, (one for part in parts for one in part)))
        case _:
            found = False
    return found


def _extends(value: ast.expr) -> bool:
    """`extend_path(...)` or `declare_namespace(...)`, whatever they were imported as."""
    if not isinstance(value, ast.Call):
        return False
    called = value.func
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return name in _CALLS
