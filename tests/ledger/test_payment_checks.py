# ruff: noqa: S608 - every word of these statements is our own
"""Verify: a payment, refund or dispute without its credits, or credits without one, is found and named."""

from dataclasses import dataclass

import pytest
from sqlalchemy import Uuid, bindparam, text

from app.ledger.payment_checks import payment_checks
from app.ledger.verification import verify
from app.money import MICRO
from tests.ledger.books import without_triggers
from tests.resolvers.shop import FIFTY, Shop, open_shop
from tests.scene import Scene
from tests.till import Till

OWN = " WHERE account_id = :account"


@dataclass(frozen=True)
class Damage:
    """A statement that breaks one row, the check that must find it, and the credits that it must show."""

    check: str
    sql: str
    shows: tuple[str, int]


DAMAGES = [
    Damage(
        "top_ups",
        "UPDATE top_ups SET status = 'FAILED', paid_at = NULL" + OWN,
        ("amount_micro", -FIFTY),
    ),
    Damage(
        "top_ups",
        "UPDATE top_ups SET amount_micro = amount_micro + 1" + OWN,
        ("amount_micro", 1),
    ),
    Damage(
        "top_ups",
        "UPDATE transfers SET source = 'stripe:cs_other'" + OWN + " AND kind = 'TOP_UP'",
        ("amount_micro", -FIFTY),
    ),
    Damage(
        "reversals",
        "DELETE FROM reversals" + OWN + " AND kind = 'DISPUTE'",
        ("amount_micro", -25 * MICRO),
    ),
    Damage(
        "reversals",
        "UPDATE reversals SET returned_at = NULL" + OWN + " AND kind = 'DISPUTE'",
        ("amount_micro", 25 * MICRO),
    ),
    Damage(
        "reversals",
        "UPDATE transfers SET source = 'stripe:re_other'" + OWN + " AND kind = 'REFUND'",
        ("amount_micro", 10 * MICRO),
    ),
    Damage(
        "refunded",
        "UPDATE reversals SET amount_minor = 5000" + OWN + " AND kind = 'REFUND'",
        ("refunded_micro", 10 * MICRO),
    ),
]


async def _paid(scene: Scene) -> Shop:
    """Fifty paid, ten of it refunded, a dispute of half that was won."""
    shop = await open_shop(scene, Till())
    till, session = shop.till, shop.session
    await shop.deliver(
        till.pay(session), till.give_back(session, 1000), till.dispute(session, 2500)
    )
    await shop.deliver(till.close(next(iter(till.disputes)), "won"))
    return shop


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: f"{one.check}:{one.sql[:48]}")
async def test_each_damage_of_payments_is_found_and_its_row_named(
    scene: Scene, damage: Damage
) -> None:
    shop = await _paid(scene)
    assert (await verify(scene.database)).wrong is None
    statement = text(damage.sql).bindparams(bindparam("account", shop.account_id, type_=Uuid()))
    await without_triggers(scene.database, statement)
    wrong = (await verify(scene.database)).wrong
    assert wrong is not None
    assert (wrong.check, wrong.promise) == (damage.check, 5)
    name, micro = damage.shows
    assert wrong.row[name] == micro
    assert wrong.row["account_id"] == shop.account_id.hex


def test_every_check_of_payments_has_its_damage() -> None:
    assert {one.name for one in payment_checks()} == {one.check for one in DAMAGES}
