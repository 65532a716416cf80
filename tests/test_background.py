"""Letters over real SMTP: sent once, tried again after failures and restarts, given up in the end."""

import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from pydantic import SecretStr
from sqlalchemy import select
from sqlmodel import col

from app.background import Background, deliver_due
from app.credentials import is_invitation_token
from app.database import Database
from app.integrations.mail import Mailer
from app.integrations.stripe import Stripe
from app.metering.gate import Gate
from app.models import Invitation, OutboxLetter
from app.permissions import Role
from app.resolvers import invitations, members
from app.resolvers.letters import take_due_letters
from app.settings import Settings
from tests.scene import Scene

HOSTILE = "<script>alert(1)</script>"


class Post:
    """A mail server that keeps what it takes, and refuses as told."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.answer = "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a letter."""
        if self.answer.startswith("250"):
            self.taken.append(message_from_bytes(envelope.content, policy=policy.default))
        return self.answer


@pytest.fixture
def post() -> Iterator[tuple[Post, int]]:
    """Run a mail server on a free port of loopback."""
    handler = Post()
    # aiosmtpd visits its own port to see whether it is up, so it has to be told one.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    yield handler, port
    controller.stop()


@pytest.fixture
def mailer(settings: Settings, post: tuple[Post, int]) -> Mailer:
    """Give the mailer that talks to it."""
    url = SecretStr(f"smtp://127.0.0.1:{post[1]}")
    return Mailer(settings.model_copy(update={"smtp_url": url}))


async def _invite(scene: Scene, name: str = "Acme", email: str = "new@example.com") -> UUID:
    owner = await scene.person("ann")
    account = await scene.organization(owner, name)
    (outcome,) = await invitations.invite_members(owner, account, [email])
    assert outcome.invitation_id is not None
    return outcome.invitation_id


async def _letter(database: Database) -> Any:
    row = await database.row(select(OutboxLetter.__table__))
    assert row is not None
    return row


async def test_an_invitation_is_sent_once_with_a_working_link(
    scene: Scene, database: Database, settings: Settings, post: tuple[Post, int], mailer: Mailer
) -> None:
    invitation_id = await _invite(scene, name=f"Acme {HOSTILE}")
    assert await deliver_due(database, settings, mailer) == 1
    assert await deliver_due(database, settings, mailer) == 0
    (letter,) = post[0].taken
    assert letter["To"] == "new@example.com"
    text = letter.get_body(("plain",)).get_content()
    html = letter.get_body(("html",)).get_content()
    link = next(word for word in text.split() if word.startswith(settings.base_url))
    token = link.removeprefix(f"{settings.base_url}/invitations/")
    assert is_invitation_token(token, settings.secret_key.get_secret_value(), invitation_id, 1)
    assert link in html
    assert HOSTILE in text
    assert HOSTILE not in html
    assert token not in str(await scene.snapshot())


async def test_a_name_cannot_add_a_header(
    scene: Scene, database: Database, settings: Settings, post: tuple[Post, int], mailer: Mailer
) -> None:
    invitation_id = await _invite(scene)
    async with database.write() as session:
        letter = (await session.execute(select(OutboxLetter))).scalar_one()
        letter.fields = {**letter.fields, "organization_name": "Acme\r\nBcc: evil@example.com"}
    assert await deliver_due(database, settings, mailer) == 1
    assert post[0].taken[0]["Bcc"] is None
    assert invitation_id


async def test_a_letter_that_fails_is_tried_again_later_and_later(
    scene: Scene,
    database: Database,
    settings: Settings,
    post: tuple[Post, int],
    mailer: Mailer,
    shift_clock: Callable[[timedelta], None],
) -> None:
    await _invite(scene)
    post[0].answer = "451 busy"
    assert await deliver_due(database, settings, mailer) == 0
    first = await _letter(database)
    assert (first.attempts, first.sent_at, first.given_up_at) == (1, None, None)
    post[0].answer = "250 OK"
    assert await deliver_due(database, settings, mailer) == 0, "its time has not come"
    shift_clock(timedelta(seconds=11))
    post[0].answer = "451 busy"
    assert await deliver_due(database, settings, mailer) == 0
    second = await _letter(database)
    assert second.due_at - first.due_at > timedelta(seconds=15)
    shift_clock(timedelta(seconds=21))
    post[0].answer = "250 OK"
    assert await deliver_due(database, settings, mailer) == 1
    assert (await _letter(database)).sent_at is not None


async def test_a_letter_survives_the_death_of_its_sender(
    scene: Scene,
    database: Database,
    settings: Settings,
    post: tuple[Post, int],
    mailer: Mailer,
    shift_clock: Callable[[timedelta], None],
) -> None:
    await _invite(scene)
    taken = await take_due_letters(scene.signed_out(), 10)
    assert len(taken) == 1
    assert await deliver_due(database, settings, mailer) == 0, "somebody has it"
    shift_clock(timedelta(minutes=6))
    assert await deliver_due(database, settings, mailer) == 1
    assert len(post[0].taken) == 1


async def test_two_senders_never_take_the_same_letter(scene: Scene) -> None:
    owner = await scene.person("ann")
    account = await scene.organization(owner, "Acme")
    emails = [f"new{n}@example.com" for n in range(20)]
    await invitations.invite_members(owner, account, emails)
    import asyncio  # noqa: PLC0415

    both = await asyncio.gather(*(take_due_letters(scene.signed_out(), 20) for _ in range(4)))
    ids = [letter.id for taken in both for letter in taken]
    assert len(ids) == len(set(ids)) == 20


async def test_a_refusal_for_good_is_given_up_at_once(
    scene: Scene, database: Database, settings: Settings, post: tuple[Post, int], mailer: Mailer
) -> None:
    await _invite(scene)
    post[0].answer = "550 no such box"
    assert await deliver_due(database, settings, mailer) == 0
    letter = await _letter(database)
    assert letter.given_up_at is not None
    assert letter.attempts == 1


async def test_a_letter_is_given_up_after_the_attempts_of_the_settings(
    scene: Scene,
    database: Database,
    settings: Settings,
    post: tuple[Post, int],
    mailer: Mailer,
    shift_clock: Callable[[timedelta], None],
) -> None:
    settings = settings.model_copy(update={"mail_attempts": 3})
    await _invite(scene)
    post[0].answer = "451 busy"
    for attempt in range(1, 4):
        assert (await _letter(database)).given_up_at is None
        await deliver_due(database, settings, mailer)
        assert (await _letter(database)).attempts == attempt
        shift_clock(timedelta(hours=2, seconds=1))
    assert (await _letter(database)).given_up_at is not None
    post[0].answer = "250 OK"
    assert await deliver_due(database, settings, mailer) == 0


@pytest.mark.parametrize("ending", ["revoked", "expired", "replaced"])
async def test_the_letter_of_an_ended_invitation_is_not_sent(  # noqa: PLR0917 - fixtures
    scene: Scene,
    database: Database,
    settings: Settings,
    post: tuple[Post, int],
    mailer: Mailer,
    ending: str,
    shift_clock: Callable[[timedelta], None],
) -> None:
    invitation_id = await _invite(scene)
    owner = await scene.person("ann")
    if ending == "revoked":
        await invitations.revoke_invitation(owner, invitation_id)
    elif ending == "expired":
        shift_clock(timedelta(days=8))
    else:
        await invitations.resend_invitation(owner, invitation_id)
    sent = await deliver_due(database, settings, mailer)
    assert sent == (1 if ending == "replaced" else 0)
    assert len(post[0].taken) == sent
    if ending == "replaced":
        generation = await database.row(select(col(Invitation.generation)))
        assert generation == (2,)


async def test_the_owner_hears_of_a_new_admin(
    scene: Scene, database: Database, settings: Settings, post: tuple[Post, int], mailer: Mailer
) -> None:
    owner, adam, bea = [await scene.person(name) for name in ("ann", "adam", "bea")]
    account = await scene.organization(owner, "Acme")
    await scene.join(account, adam, role=Role.ADMIN)
    member_id = await scene.join(account, bea)
    await members.set_member_role(scene.fresh(adam), member_id, Role.ADMIN)
    await deliver_due(database, settings, mailer)
    (letter,) = post[0].taken
    assert letter["To"] == "ann@example.com"
    assert letter["Subject"] == "Bea is now an Admin of Acme"


async def test_the_loops_survive_a_failure_and_stop(
    database: Database, settings: Settings, mailer: Mailer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio  # noqa: PLC0415

    from app import background  # noqa: PLC0415

    again = asyncio.Event()
    seen = []

    async def failing(*_args: object) -> int:
        seen.append(1)
        if len(seen) > 1:
            again.set()
        raise RuntimeError("a bug")

    monkeypatch.setattr(background, "deliver_due", failing)
    monkeypatch.setattr(background, "LETTER_SECONDS", 0.001)
    loops = Background(database, settings, mailer, Gate(database, settings), Stripe(settings))
    loops.start()
    await asyncio.wait_for(again.wait(), 10)
    await loops.stop()
    assert len(seen) > 1
