"""`/openapi.json`: the finance and the metering window, described by OpenAPI 3.1."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.settings import Settings
from app.web import openapi_finance, openapi_metering
from app.web.openapi_parts import Json, object_of, text

FRESH_SECONDS = 300


class Document:
    """The document, made once."""

    def __init__(self, settings: Settings) -> None:
        self._body = describe(settings)

    async def show(self, _request: Request) -> Response:
        """Answer it: it is public, and the same for everybody."""
        headers = {"Cache-Control": f"public, max-age={FRESH_SECONDS}"}
        return JSONResponse(self._body, headers=headers)


def describe(settings: Settings) -> Json:
    """Write the document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "R9S Organizations",
            "version": "1",
            "description": "Balance, usage, ledger and members of an organization for finance and BI tools, "
            "and metering for the gateway. Amounts are exact decimal strings of credits, moments are UTC.",
        },
        "servers": [{"url": settings.base_url}],
        "paths": {**openapi_finance.paths(settings), **openapi_metering.PATHS},
        "components": {
            "securitySchemes": {
                "managementKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A management key of the organization: sk_mg_…",
                },
                "gatewayToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A gateway's token: gw_…",
                },
            },
            "schemas": {
                **openapi_finance.SCHEMAS,
                **openapi_metering.SCHEMAS,
                "Problem": PROBLEM,
            },
        },
    }


PROBLEM = object_of(
    {
        "type": text(),
        "title": text(),
        "status": {"type": "integer"},
        "detail": text(),
        "instance": text(),
        "code": text("Which refusal it is, for programs."),
        "request_id": text("Names this request in the service's log."),
        "errors": {
            "type": "array",
            "items": object_of({"field": text(), "message": text()}),
            "description": "With `invalid`: a sentence for each field.",
        },
    },
    optional=("errors",),
    more=True,
    says="A refusal, as RFC 9457 has it.",
)
