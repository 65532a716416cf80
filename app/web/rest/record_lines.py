"""Records of usage as lines of CSV or NDJSON, whole columns at a time: a million rows in seconds.

What they say is what `record_row` says of each.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from json.encoder import encode_basestring
from typing import Any

from app.ids import KINDS, wire_id
from app.resolvers.usage import RecordTexts, whose_of
from app.web.rest.formats import CSV, csv_rows, plain_json
from app.web.rest.usage_rows import TOKENS

REMEMBERED = 10_000
"""As many texts of whose a record is are kept, and those of a part more."""
_ID = f"{KINDS['usage_record']}_"
_CSV = ",".join([f"{_ID}%s", *["%s"] * 5, *["%s"] * len(TOKENS), "%s"]) + "\r\n"
_NDJSON = (
    f'{{"id":"{_ID}%s",'
    '"event_id":%s,"occurred_at":"%s","recorded_at":"%s","corrects":%s,%s,'
    + "".join(f'"{name}":%s,' for name in TOKENS)
    + '"cost":"%s"}\n'
)
# What a field of CSV has quotes for, and what may make one a formula; \0 stands before each text.
_QUOTED = ('"', ",", "\r", "\n")
_FORMULAS = tuple(f"\0{one}" for one in " =+-@\t")


async def record_lines(kind: str, parts: AsyncGenerator[RecordTexts]) -> AsyncGenerator[bytes]:
    """Write records, without the header row."""
    write = _csv_lines if kind == CSV else _json_lines
    fields = _csv_fields if kind == CSV else _json_members
    known: dict[str, str] = {}
    async with aclosing(parts):
        async for part in parts:
            if len(known) >= REMEMBERED:
                known.clear()
            known |= {one: _whose_text(fields, one) for one in set(part.whose) - known.keys()}
            yield write(part, [known[one] for one in part.whose])


def _whose_text(fields: Callable[[dict[str, Any]], str], whose: str) -> str:
    """Write whose a record is."""
    read = whose_of(whose)
    for name, kind in (("member_id", "member"), ("api_key_id", "api_key")):
        read[name] = wire_id(kind, read[name])
    return fields(read)


def _csv_lines(part: RecordTexts, whose: Sequence[str]) -> bytes:
    corrects = [one and f"{_ID}{one}" for one in part.corrects]
    return _lines(_CSV, part, _csv_texts(part.event_id), corrects, whose)


def _json_lines(part: RecordTexts, whose: Sequence[str]) -> bytes:
    texts = [encode_basestring(one) for one in part.event_id]
    corrects = [f'"{_ID}{one}"' if one else "null" for one in part.corrects]
    return _lines(_NDJSON, part, texts, corrects, whose)


def _lines(
    pattern: str,
    part: RecordTexts,
    event_ids: Sequence[str],
    corrects: Sequence[str],
    whose: Sequence[str],
) -> bytes:
    """Put columns into a pattern: `%` with each row takes three times as long."""
    columns = (
        *(part.id, event_ids, part.occurred_at, part.recorded_at, corrects, whose),
        *part.counts,
        part.cost,
    )
    between = pattern.split("%s")
    row = [one for each in between for one in (each, "")][:-1]
    texts = row * len(part.id)
    for n, column in enumerate(columns):
        texts[2 * n + 1 :: len(row)] = column
    return "".join(texts).encode()


def _csv_texts(texts: Sequence[str]) -> Sequence[str]:
    whole = "\0" + "\0".join(texts)
    if any(one in whole for one in _QUOTED) or any(one in whole for one in _FORMULAS):
        return [_csv_fields({"": one}) for one in texts]
    return texts


def _csv_fields(values: dict[str, Any]) -> str:
    return csv_rows(tuple(values), [values]).decode().removesuffix("\r\n")


def _json_members(values: dict[str, Any]) -> str:
    return plain_json(values)[1:-1]
