"""Errors as clients see them: refusals with their code, everything unexpected masked."""

from typing import Any

import structlog
from graphql import (
    ArgumentNode,
    GraphQLError,
    Node,
    ObjectFieldNode,
    VariableNode,
    Visitor,
    parse,
    visit,
)

from app.errors import BadRequest, Invalid, RateLimited, Refusal, Unavailable

log = structlog.get_logger()

OWN_FAULTS = ("Argument ", "Variable ")
"""How graphql-core begins what it says, while running, of values that a client gave."""


def refusal_of(error: BaseException | None) -> Refusal | None:
    """Find the refusal behind an error, however often it was wrapped."""
    while error is not None and not isinstance(error, Refusal):
        error = error.original_error if isinstance(error, GraphQLError) else None
    return error


def error_body(error: GraphQLError, request_id: str | None) -> dict[str, Any]:
    """Write one error for the wire; what is unexpected is logged, and masked."""
    refusal = refusal_of(error)
    if refusal is not None:
        return _written(error, _message(error, refusal), _facts(refusal, error), request_id)
    if _is_the_clients(error):
        facts = {"code": BadRequest.code.upper(), "status": BadRequest.status}
        return _written(error, error.message, facts, request_id)
    original = error.original_error or error
    log.error("graphql_field_failed", path=error.path, exc_info=original, request_id=request_id)
    facts = {"code": Refusal.code.upper(), "status": Refusal.status}
    return _written(error, Refusal.says, facts, request_id)


def _is_the_clients(error: GraphQLError) -> bool:
    innermost: BaseException | None = error
    while isinstance(innermost, GraphQLError) and innermost.original_error is not None:
        innermost = innermost.original_error
    if not isinstance(innermost, GraphQLError):
        return False
    return error.path is None or error.message.startswith(OWN_FAULTS)


def _message(error: GraphQLError, refusal: Refusal) -> str:
    # What a scalar refuses before anything runs names its variable or place in graphql-core's words.
    return error.message if isinstance(refusal, Invalid) and error.path is None else refusal.detail


def _facts(refusal: Refusal, error: GraphQLError) -> dict[str, Any]:
    facts: dict[str, Any] = {"code": refusal.code.upper(), "status": refusal.status}
    if isinstance(refusal, Invalid):
        name = argument_of(error) if error.path is None else None
        facts["fields"] = [
            {"field": name or one["field"], "message": one["message"]} for one in refusal.fields
        ]
    elif isinstance(refusal, RateLimited | Unavailable):
        facts["retryAfter"] = refusal.retry_after
    else:
        facts |= refusal.extra
    return facts


def _written(
    error: GraphQLError, message: str, facts: dict[str, Any], request_id: str | None
) -> dict[str, Any]:
    body: dict[str, Any] = {"message": message}
    if error.locations:
        body["locations"] = [location.formatted for location in error.locations]
    if error.path is not None:
        body["path"] = error.path
    return body | {"extensions": facts | {"requestId": request_id}}


def argument_of(error: GraphQLError) -> str | None:
    """Name the argument or input field whose value was refused before anything ran."""
    if not error.nodes or error.source is None:
        return None
    finder = _Finder(error.nodes[0])
    visit(parse(error.source), finder)  # It was parsed before, so it can be again.
    return finder.found


class _Finder(Visitor):
    """Looks for the argument that holds a value, or a variable, at the place of the blamed node."""

    def __init__(self, blamed: Node) -> None:
        super().__init__()
        self.place = (blamed.loc.start, blamed.loc.end) if blamed.loc else None
        variable = getattr(blamed, "variable", None)
        self.variable = variable.name.value if isinstance(variable, VariableNode) else None
        self.found: str | None = None

    def enter(self, node: Node, *_args: Any) -> None:
        """Compare one argument or input field."""
        if self.found is not None or not isinstance(node, ArgumentNode | ObjectFieldNode):
            return
        value = node.value
        held = value.name.value if isinstance(value, VariableNode) else None
        place = (value.loc.start, value.loc.end) if value.loc else None
        if (held is not None and held == self.variable) or place == self.place:
            self.found = node.name.value
