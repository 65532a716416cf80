# ruff: noqa: S608 - every word of these statements is our own; accounts come as parameters
"""The checks of `r9s verify`, of ledger and holds: each finds rows that break a promise of PRODUCT.md, and must find none.

A check that compares two ways of counting puts one with its sign turned beside the other, and looks
for what does not cancel out: so a row that is missing on either side is found as well.
"""

from dataclasses import dataclass

from app.database import UtcParts
from app.ledger.posting import CREDITS, DISSOLVED, LIFETIME, SIDES

IN_RANGE = "account_id BETWEEN :low AND :high"
_GAINED = "CASE WHEN credit = 'CREDITS' THEN amount_micro ELSE -amount_micro END"


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `sql` gives what is wrong, the rows of one range of accounts at a time, or all at once."""

    name: str
    promise: int
    says: str
    sql: str
    by_account: bool = True


def cancels(keys: str, sums: tuple[str, ...], *sides: str) -> str:
    """Find what the sides, each with its own sign, do not sum to zero for."""
    totals = ", ".join(f"sum({name}) AS {name}" for name in sums)
    wrong = " OR ".join(f"sum({name}) <> 0" for name in sums)
    return (
        f"SELECT {keys}, {totals} FROM ({' UNION ALL '.join(sides)}) AS sides"
        f" GROUP BY {keys} HAVING {wrong} ORDER BY {keys} LIMIT 1"
    )


def _sides_of_kinds() -> str:
    known: set[tuple[str, ...]] = set()
    for kind, (debit, credit) in SIDES.items():
        for one, other in ((debit, credit), (credit, debit)):
            known.add((kind.value, one.value, other.value))
            if DISSOLVED not in {debit, credit}:
                swapped = [DISSOLVED if side is CREDITS else side for side in (one, other)]
                known.add((kind.value, *(side.value for side in swapped)))
    return ", ".join(f"'{' '.join(one)}'" for one in sorted(known))


def ledger_checks(parts: UtcParts) -> list[Check]:
    """List the checks of transfers, wallets and entries: causes first, so that they are what is named."""
    return [*_transfer_checks(), _wallet_check(), *_entry_checks(parts)]


def _transfer_checks() -> list[Check]:
    return [
        Check(
            "accounts",
            2,
            "An account has no wallet, or one that does not know of its dissolving.",
            "SELECT a.id AS account_id, a.slug FROM accounts a"
            " LEFT JOIN wallets w ON w.account_id = a.id"
            " WHERE a.id BETWEEN :low AND :high AND (w.account_id IS NULL"
            " OR (w.dissolved_at IS NULL) <> (a.dissolved_at IS NULL)) ORDER BY a.id LIMIT 1",
        ),
        Check(
            "transfers",
            1,
            "A transfer has sides that its kind does not move, or an entry where credits do not move.",
            "SELECT account_id, id AS transfer_id, kind, debit, credit, entry_number FROM transfers"
            f" WHERE {IN_RANGE} AND (kind || ' ' || debit || ' ' || credit NOT IN ({_sides_of_kinds()})"
            " OR amount_micro <= 0"
            " OR (entry_number IS NOT NULL) <> (debit = 'CREDITS' OR credit = 'CREDITS'))"
            " ORDER BY account_id, id LIMIT 1",
        ),
        Check(
            "sources",
            5,
            "One cause has moved credits more than once.",
            "SELECT source, count(*) AS transfers FROM transfers WHERE source IS NOT NULL"
            " GROUP BY source HAVING count(*) > 1 ORDER BY source LIMIT 1",
            by_account=False,
        ),
    ]


def _wallet_check() -> Check:
    lifetime = {
        name: " + ".join(
            f"CASE WHEN kind = '{kind.value}' THEN {sign} * ({_GAINED}) ELSE 0 END"
            for kind, (of, sign) in LIFETIME.items()
            if of == name
        )
        for name in sorted({of for of, _sign in LIFETIME.values()})
    }
    sums = ("balance_micro", *lifetime)
    return Check(
        "wallets",
        2,
        "A wallet's sums are not those of its transfers (shown: stored less moved).",
        cancels(
            "account_id",
            sums,
            f"SELECT account_id, {', '.join(sums)} FROM wallets WHERE {IN_RANGE}",
            f"SELECT account_id, -({_GAINED}), "
            + ", ".join(f"-({lifetime[name]})" for name in lifetime)
            + f" FROM transfers WHERE {IN_RANGE} AND entry_number IS NOT NULL",
        ),
    )


def _entry_checks(parts: UtcParts) -> list[Check]:
    return [
        Check(
            "entries",
            2,
            "A ledger entry is missing, or its balance is not the one before it plus its amount.",
            "SELECT account_id, number, amount_micro, balance_after_micro, balance_before_micro FROM ("
            " SELECT account_id, number, amount_micro, balance_after_micro,"
            " lag(number, 1, 0) OVER its AS number_before,"
            " lag(balance_after_micro, 1, 0) OVER its AS balance_before_micro"
            f" FROM ledger_entries WHERE {IN_RANGE} WINDOW its AS (PARTITION BY account_id ORDER BY number)"
            ") AS e WHERE number <> number_before + 1"
            " OR balance_after_micro <> balance_before_micro + amount_micro"
            " ORDER BY account_id, number LIMIT 1",
        ),
        Check(
            "entry_sums",
            2,
            "A ledger entry's amount is not that of its transfers (shown: entry less transfers).",
            cancels(
                "account_id, number",
                ("amount_micro",),
                f"SELECT account_id, number, amount_micro FROM ledger_entries WHERE {IN_RANGE}",
                f"SELECT account_id, entry_number, -({_GAINED}) FROM transfers"
                f" WHERE {IN_RANGE} AND entry_number IS NOT NULL",
            ),
        ),
        Check(
            "entry_kinds",
            2,
            "A transfer is part of a ledger entry of another kind, or of usage of another day.",
            "SELECT t.account_id, t.id AS transfer_id, t.kind, e.number, e.kind AS entry_kind"
            " FROM transfers t JOIN ledger_entries e"
            " ON e.account_id = t.account_id AND e.number = t.entry_number"
            " WHERE t.account_id BETWEEN :low AND :high AND (t.kind <> e.kind OR (t.kind = 'USAGE'"
            f" AND {parts.day('t.created_at')} <> {parts.day('e.created_at')}))"
            " ORDER BY t.account_id, t.id LIMIT 1",
        ),
        Check(
            "numbers",
            2,
            "A wallet's last entry or last record is another one (shown: stored less found).",
            cancels(
                "account_id",
                ("entry_number", "usage_sequence"),
                f"SELECT account_id, entry_number, usage_sequence FROM wallets WHERE {IN_RANGE}",
                f"SELECT account_id, -count(*), 0 FROM ledger_entries WHERE {IN_RANGE} GROUP BY account_id",
                f"SELECT account_id, 0, -count(*) FROM usage_records WHERE {IN_RANGE} GROUP BY account_id",
            ),
        ),
    ]


def hold_checks(parts: UtcParts) -> list[Check]:
    """List the checks of holds, and of what wallets and counters hold."""
    open_holds = f"FROM holds WHERE {IN_RANGE} AND status = 'OPEN'"
    return [
        Check(
            "held",
            2,
            "A wallet holds another sum than its open holds (shown: stored less open).",
            cancels(
                "account_id",
                ("held_micro",),
                f"SELECT account_id, held_micro FROM wallets WHERE {IN_RANGE}",
                f"SELECT account_id, -amount_micro {open_holds}",
            ),
        ),
        Check(
            "counters_held",
            2,
            "A member's or key's month holds another sum than the open holds (shown: stored less open).",
            cancels(
                "account_id, subject_id, month",
                ("held_micro",),
                f"SELECT account_id, subject_id, month, held_micro FROM month_counters WHERE {IN_RANGE}",
                f"SELECT account_id, member_id, month, -amount_micro {open_holds}",
                f"SELECT account_id, api_key_id, month, -amount_micro {open_holds}",
            ),
        ),
        Check(
            "holds",
            4,
            "A hold's state and its end do not agree, or its month is not that of its authorization.",
            "SELECT account_id, id AS hold_id, status, ended_at FROM holds"
            " WHERE (status = 'OPEN') <> (ended_at IS NULL)"
            f" OR month <> {parts.month('authorized_at')} LIMIT 1",
            by_account=False,
        ),
        Check(
            "settlements",
            4,
            "A hold was settled without a record, or has records without being settled, or several"
            " (shown: settled less recorded).",
            cancels(
                "hold_id",
                ("times",),
                "SELECT id AS hold_id, 1 AS times FROM holds WHERE status = 'SETTLED'",
                "SELECT hold_id, -1 FROM usage_records"
                " WHERE hold_id IS NOT NULL AND corrects IS NULL",
            ),
            by_account=False,
        ),
    ]
