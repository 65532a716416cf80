"""Sign-ins and sessions: who a browser or a bearer is, until when, and how it ends."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

from sqlalchemy import bindparam, delete, select, update
from sqlmodel import col

from app.access import Actor, Viewer, anyone, signed_in_writes, system
from app.database import AnySelect, affected, now
from app.errors import SignInRefused
from app.integrations.identity import Identity, SignInStart
from app.models import Session, SignInAttempt, User
from app.resolvers._people import personal_account_of, take_in
from app.seats import PERSON_COLUMNS, Person, person_from

ATTEMPT_MINUTES = 10
TOUCH_EVERY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sign-in that has come back: what was sent along, where to go next, and both moments."""

    nonce: str
    code_verifier: str
    return_path: str
    fresh: bool
    left_at: datetime
    back_at: datetime


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """A live session and its person; `touch_due` asks for `touch_session` after the answer."""

    user: Person
    session_id: UUID
    signed_in_at: datetime
    form_token: str
    expires_at: datetime
    touch_due: bool


def _hash(secret: str) -> bytes:
    # 256-bit random secrets need no slow hash.
    return hashlib.sha256(secret.encode()).digest()


@anyone
async def clock(viewer: Viewer) -> datetime:
    """Tell the database's time."""
    row = await viewer.database.row(select(now()))
    if row is None:
        raise RuntimeError("a SELECT without a table gave no row")
    moment: datetime = row[0]
    return moment


@system
async def begin_sign_in(
    actor: Actor, start: SignInStart, *, browser: str, return_path: str, fresh: bool
) -> None:
    """Remember a sign-in that leaves for the identity provider, bound to the browser's secret."""
    await actor.session.execute(
        delete(SignInAttempt).where(col(SignInAttempt.expires_at) <= actor.now)
    )
    attempt = SignInAttempt(
        state_hash=_hash(start.state),
        browser_hash=_hash(browser),
        nonce=start.nonce,
        code_verifier=start.code_verifier,
        return_path=return_path,
        fresh=fresh,
        expires_at=actor.now + timedelta(minutes=ATTEMPT_MINUTES),
    )
    actor.session.add(attempt)


@system
async def take_sign_in(actor: Actor, *, state: str, browser: str) -> Attempt:
    """Take a sign-in that came back; each once. Raises `SignInRefused`."""
    statement = (
        delete(SignInAttempt)
        .where(
            col(SignInAttempt.state_hash) == _hash(state),
            col(SignInAttempt.browser_hash) == _hash(browser),
            col(SignInAttempt.expires_at) > actor.now,
        )
        .returning(
            col(SignInAttempt.nonce),
            col(SignInAttempt.code_verifier),
            col(SignInAttempt.return_path),
            col(SignInAttempt.fresh),
            col(SignInAttempt.expires_at),
        )
    )
    found = (await actor.session.execute(statement)).first()
    if found is None:
        raise SignInRefused(
            "This sign-in is not one that this browser started, or it took too long."
        )
    nonce, code_verifier, return_path, fresh, expires_at = found
    left_at = expires_at - timedelta(minutes=ATTEMPT_MINUTES)
    return Attempt(nonce, code_verifier, return_path, fresh, left_at, back_at=actor.now)


@system
async def sign_in(actor: Actor, identity: Identity, *, replacing: str | None) -> str:
    """Take a person in and open a session, in place of the browser's old one; give its secret.

    The sign-in is as old as the provider says that it is: being sent back without a question is no
    fresh sign-in.
    """
    user = await take_in(actor, identity)
    session = actor.session
    if replacing is not None:
        await session.execute(delete(Session).where(col(Session.secret_hash) == _hash(replacing)))
    await session.execute(
        delete(Session).where(col(Session.user_id) == user.id, col(Session.expires_at) <= actor.now)
    )
    secret = secrets.token_urlsafe(32)
    opened = Session(
        user_id=user.id,
        secret_hash=_hash(secret),
        form_token=secrets.token_urlsafe(32),
        signed_in_at=min(identity.authenticated_at or actor.now, actor.now),
        seen_at=actor.now,
        expires_at=actor.now + timedelta(hours=actor.settings.session_hours),
    )
    session.add(opened)
    account = await personal_account_of(session, user.id)
    actor.record(account, name=account.name, account_id=account.id, after={"issuer": user.issuer})
    return secret


@lru_cache(maxsize=1)
def _live_session() -> AnySelect:
    """Select the session of a `secret_hash` with its person: built once, since every request begins with it."""
    return (
        select(
            *PERSON_COLUMNS,
            col(Session.id).label("session_id"),
            col(Session.signed_in_at),
            col(Session.form_token),
            col(Session.expires_at),
            col(Session.seen_at),
            now().label("now"),
        )
        .join_from(Session, User, col(User.id) == col(Session.user_id))
        .where(
            col(Session.secret_hash) == bindparam("secret_hash"), col(Session.expires_at) > now()
        )
    )


@anyone
async def session_of(viewer: Viewer, secret: str) -> SessionFacts | None:
    """Find the live session behind a cookie, by one statement; None for an ended or unknown one."""
    row = await viewer.database.row(_live_session(), {"secret_hash": _hash(secret)})
    if row is None:
        return None
    idle = row.now - row.seen_at
    if idle > timedelta(minutes=viewer.settings.session_idle_minutes):
        return None
    return SessionFacts(
        person_from(row),
        row.session_id,
        row.signed_in_at,
        row.form_token,
        row.expires_at,
        touch_due=idle > TOUCH_EVERY,
    )


@system
async def touch_session(actor: Actor, session_id: UUID) -> None:
    """Note that a session is in use."""
    await actor.session.execute(
        update(Session).where(col(Session.id) == session_id).values(seen_at=actor.now)
    )


@signed_in_writes
async def sign_out(actor: Actor) -> None:
    """End this session."""
    await _end(actor, col(Session.id) == actor.viewer.session_id)


@signed_in_writes
async def sign_out_everywhere(actor: Actor) -> None:
    """End every session of this person."""
    await _end(actor, col(Session.user_id) == actor.user.id)


async def _end(actor: Actor, which: object) -> None:
    ended = affected(await actor.session.execute(delete(Session).where(which)))  # type: ignore[arg-type]
    if ended:
        account = await personal_account_of(actor.session, actor.user.id)
        actor.record(account, name=account.name, account_id=account.id, before={"sessions": ended})


@anyone
async def user_of_token(viewer: Viewer, issuer: str, subject: str) -> Person | None:
    """Find the person that a verified access token names."""
    statement = select(*PERSON_COLUMNS).where(
        col(User.issuer) == issuer, col(User.subject) == subject
    )
    row = await viewer.database.row(statement)
    return person_from(row) if row else None


@system
async def recognise(actor: Actor, identity: Identity) -> Person:
    """Take in the person behind a bearer token, as a first sign-in does."""
    return person_from(await take_in(actor, identity))


@system
async def end_stale_sessions(actor: Actor) -> int:
    """Delete sessions and sign-ins whose time is over; tell how many sessions."""
    await actor.session.execute(
        delete(SignInAttempt).where(col(SignInAttempt.expires_at) <= actor.now)
    )
    stale = await actor.session.execute(delete(Session).where(col(Session.expires_at) <= actor.now))
    return affected(stale)
