"""The changes that are made to a module. Each of them alone should make a test fail.

Messages, annotations, decorators and class fields are not changed: they do not decide what the code does.
"""

import ast
import copy
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_COMPARED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
_COUNTED: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_CALLED: Final = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list"}


@dataclass(frozen=True)
class Change:
    """One change. `node` and `choice` find it again in a fresh tree.

    `lines` are those of its statement; empty if the statement is not inside a function.
    """

    node: int
    choice: int
    line: int
    lines: range
    before: str
    after: str


def changes_of(source: str) -> list[Change]:
    """Return all changes that can be made to a module."""
    tree = ast.parse(source)
    unchanged, statements = _unchanged(tree), _statements(tree)
    found = []
    for number, node in enumerate(ast.walk(tree)):
        if node not in unchanged:
            for choice, after in enumerate(_choices(node)):
                line = _line(node)
                found.append(Change(number, choice, line, statements[node], ast.unparse(node), ast.unparse(after)))
    return found


def changed(source: str, change: Change) -> ast.Module:
    """Return the module with this change."""
    tree = ast.parse(source)
    old = next(node for number, node in enumerate(ast.walk(tree)) if number == change.node)
    new = next(after for choice, after in enumerate(_choices(old)) if choice == change.choice)
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
            elif isinstance(value, list):
                setattr(parent, name, [new if item is old else item for item in value])
    return ast.fix_missing_locations(tree)


def _choices(node: ast.AST) -> Iterator[ast.AST]:
    return itertools.chain.from_iterable(find(node) for find in _KINDS_OF_CHANGE)


def _of_operator(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(ops=[op]) if type(op) in _COMPARED:
            yield _with(node, ops=[_COMPARED[type(op)]()])
        case ast.BoolOp(values=values):
            for left_out in values:
                rest = [value for value in values if value is not left_out]
                yield rest[0] if len(rest) == 1 else _with(node, values=rest)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.BinOp(op=op) if type(op) in _COUNTED:
            yield _with(node, op=_COUNTED[type(op)]())


def _of_constant(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=str(value)):
            yield ast.Constant(value + "~")


def _of_statement(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Raise() | ast.Continue() | ast.Break():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()


def _of_condition(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.IfExp(test=test, body=body, orelse=orelse) if _is_not_reversed_elsewhere(test):
            yield _with(node, body=orelse, orelse=body)
        case ast.If(test=test) | ast.While(test=test) if _is_not_reversed_elsewhere(test):
            yield _with(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.comprehension(ifs=[_, *_] as ifs):
            for left_out in ifs:
                yield _with(node, ifs=[test for test in ifs if test is not left_out])


def _of_call(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Call(func=function, keywords=keywords):
            if isinstance(function, ast.Name) and function.id in _CALLED:
                yield _with(node, func=ast.Name(_CALLED[function.id], ast.Load()))
            for dropped in keywords:
                if dropped.arg not in {None, "strict"}:
                    yield _with(node, keywords=[keyword for keyword in keywords if keyword is not dropped])


_KINDS_OF_CHANGE: Final = (_of_operator, _of_constant, _of_statement, _of_condition, _of_call)


def _with(node: ast.AST, **fields: object) -> ast.AST:
    new = copy.copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def _is_not_reversed_elsewhere(test: ast.expr) -> bool:
    """Return whether no other change reverses this condition."""
    reversed_by_operator = isinstance(test, ast.Compare) and isinstance(
        test.ops[0], ast.Eq | ast.NotEq | ast.Is | ast.IsNot | ast.In | ast.NotIn
    )
    return not reversed_by_operator and not (isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not))


def _fields_of_class(node: ast.ClassDef) -> list[ast.AST]:
    return [each for each in node.body if isinstance(each, ast.AnnAssign | ast.Assign)]


# By the kind of node: its parts that are not changed.
_UNCHANGED_PARTS: Final[Mapping[type[ast.AST], Callable[[Any], Sequence[ast.AST | None]]]] = {
    ast.Raise: lambda node: [node.exc, node.cause],
    # zip(..., strict=False) differs only where the lengths differ, which would be a defect already.
    ast.keyword: lambda node: [node.value] if node.arg == "strict" else [],
    ast.JoinedStr: lambda node: [node],
    ast.Import: lambda node: [node],
    ast.ImportFrom: lambda node: [node],
    ast.Expr: lambda node: [node] if isinstance(node.value, ast.Constant) else [],
    ast.AnnAssign: lambda node: [node.annotation],
    ast.arg: lambda node: [node.annotation],
    ast.FunctionDef: lambda node: [node.returns, *node.decorator_list],
    ast.ClassDef: lambda node: [*node.decorator_list, *node.bases, *_fields_of_class(node)],
    ast.If: lambda node: [node] if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING" else [],
}


def _unchanged(tree: ast.Module) -> set[ast.AST]:
    parts = [part for node in ast.walk(tree) for part in _UNCHANGED_PARTS.get(type(node), lambda _: ())(node)]
    return {node for part in parts if part is not None for node in ast.walk(part)}


def _statements(tree: ast.Module) -> dict[ast.AST, range]:
    """Return the lines of each node's statement; of a statement with a body only those of its head."""
    found: dict[ast.AST, range] = {}

    def visit(node: ast.AST, lines: range, *, inside: bool) -> None:
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            end = body[0].lineno - 1 if body else node.end_lineno or node.lineno
            code = inside and not isinstance(node, ast.FunctionDef | ast.ClassDef)
            lines = range(node.lineno, max(node.lineno, end) + 1) if code else range(0)
        found[node] = lines
        for child in ast.iter_child_nodes(node):
            visit(child, lines, inside=inside or isinstance(node, ast.FunctionDef))

    visit(tree, range(0), inside=False)
    return found


def _line(node: ast.AST) -> int:
    return next((each.lineno for each in ast.walk(node) if isinstance(each, ast.expr | ast.stmt)), 0)
