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
    # The files in question have a few lines; the parser's memory is many times a source's.
    if len(source) > _LARGEST:
        return True
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    return not all(map(_is_namespace, module.body))


def _is_namespace(statement: ast.stmt) -> bool:
    match statement:
        # A text that stands alone is the docstring.
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            extends = True
        case ast.Expr(value=value) | ast.Assign(targets=[ast.Name(id="__path__")], value=value):
            extends = _extends(value)
        case ast.Import(names=names):
            extends = all(name.name in _MODULES for name in names)
        case ast.ImportFrom(module=module):
            extends = module in _MODULES
        case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=finalbody):
            parts = [body, orelse, finalbody, *(handler.body for handler in handlers)]
            extends = all(map(_is_namespace, (statement for part in parts for statement in part)))
        case _:
            extends = False
    return extends


def _extends(value: ast.expr) -> bool:
    """`extend_path(...)` or `declare_namespace(...)`, whatever they were imported as."""
    if not isinstance(value, ast.Call):
        return False
    called = value.func
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return name in _CALLS
