"""The page of an invitation: shown to whoever has the link, answered by whom it was sent to."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from app.credentials import invitation_token
from app.database import Database
from app.models import Invitation, InvitationStatus, Member, User
from app.resolvers import invitations
from app.settings import Settings
from tests.scene import Scene
from tests.web.conftest import Browser

HOSTILE = '"><script>alert(1)</script>{{7*7}}'


class Invited:
    """An invitation, and its page."""

    def __init__(self, scene: Scene, settings: Settings) -> None:
        self.scene, self.settings = scene, settings

    async def send(self, name: str = "Acme", email: str = "new@example.com") -> "Invited":
        """Invite."""
        self.owner = await self.scene.person("ann")
        self.account = await self.scene.organization(self.owner, name)
        (outcome,) = await invitations.invite_members(self.owner, self.account, [email])
        assert outcome.invitation_id is not None
        self.id: UUID = outcome.invitation_id
        return self

    @property
    def path(self) -> str:
        """The letter's link."""
        key = self.settings.secret_key.get_secret_value()
        return f"/invitations/{invitation_token(key, self.id, 1)}"


@pytest.fixture
async def invited(scene: Scene, site: Settings) -> Invited:
    """Invite new@example.com to Acme."""
    return await Invited(scene, site).send()


async def _status(database: Database) -> InvitationStatus:
    return (await database.row(select(Invitation.__table__.c.status)))[0]


async def test_the_link_shows_what_it_is_about_and_changes_nothing(
    invited: Invited, browser: Browser, scene: Scene
) -> None:
    before = await scene.snapshot()
    for _ in range(2):
        page = browser.get(invited.path)
        assert page.status_code == 200
        for text in ("Acme", "Ann", "new@example.com", "Sign in"):
            assert text in page.text
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
    assert await scene.snapshot() == before


async def test_a_person_signs_in_from_the_link_and_accepts(
    invited: Invited, browser: Browser, database: Database
) -> None:
    page = browser.get(invited.path)
    arrived = browser.sign_in("new@example.com", "New", f"/sign-in?return_to={invited.path}")
    assert str(arrived.url).endswith(invited.path)
    home = browser.submit(arrived, "/accept")
    assert "Acme" in home.text
    assert "Member" in home.text
    assert await _status(database) is InvitationStatus.ACCEPTED
    assert "accepted already" in browser.get(invited.path).text
    assert page.status_code == 200


async def test_a_person_declines(invited: Invited, browser: Browser, database: Database) -> None:
    browser.sign_in("new@example.com")
    browser.submit(browser.get(invited.path), "/decline")
    assert await _status(database) is InvitationStatus.DECLINED
    assert "declined" in browser.get(invited.path).text


@pytest.mark.usefixtures("invited")
async def test_a_person_answers_from_the_home_page_without_the_letter(
    browser: Browser, database: Database
) -> None:
    home = browser.sign_in("new@example.com")
    assert "Acme" in home.text
    browser.submit(home, "/accept")
    assert await _status(database) is InvitationStatus.ACCEPTED


async def test_someone_else_is_told_who_they_are_and_can_switch(
    invited: Invited, browser: Browser, database: Database
) -> None:
    browser.sign_in("eve@example.com", "Eve")
    page = browser.get(invited.path)
    assert "You are signed in as <b>Eve</b> (eve@example.com)." in page.text
    assert "Sign in as someone else" in page.text
    assert "/accept" not in page.text
    issuer = browser.submit(page, return_to=invited.path)
    assert browser.session is None
    arrived = browser.submit(issuer, email="new@example.com")
    assert str(arrived.url).endswith(invited.path)
    assert "/accept" in arrived.text
    assert await _status(database) is InvitationStatus.PENDING


@pytest.mark.parametrize("answer", ["accept", "decline"])
async def test_someone_else_cannot_answer(
    invited: Invited, browser: Browser, scene: Scene, answer: str
) -> None:
    home = browser.sign_in("eve@example.com")
    before = await scene.snapshot()
    token = home.text.split('name="form_token" value="')[1].split('"')[0]
    refused = browser.post(
        f"{invited.path}/{answer}",
        data={"form_token": token},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert refused.status_code == 403
    assert "eve@example.com" in refused.text
    assert await scene.snapshot() == before


async def test_an_unverified_address_cannot_answer(
    invited: Invited, browser: Browser, database: Database, scene: Scene
) -> None:
    browser.sign_in("new@example.com")
    async with database.write() as session:
        await session.execute(
            update(User).where(User.email == "new@example.com").values(email_verified=False)
        )
    before = await scene.snapshot()
    page = browser.get(invited.path)
    assert "Verify" in page.text
    assert "/accept" not in page.text
    assert await scene.snapshot() == before


async def test_a_run_out_invitation_says_so(
    invited: Invited, browser: Browser, shift_clock: Callable[[timedelta], None]
) -> None:
    shift_clock(timedelta(days=8))
    page = browser.get(invited.path)
    assert page.status_code == 200
    assert "run out" in page.text


async def test_an_old_letters_link_is_no_longer_one(invited: Invited, browser: Browser) -> None:
    await invitations.resend_invitation(invited.owner, invited.id)
    assert browser.get(invited.path).status_code == 404


@pytest.mark.usefixtures("invited")
@pytest.mark.parametrize("token", ["x", "inv_" + "0" * 32, "acc_" + "0" * 32, "%00", "A" * 48])
async def test_what_is_no_link_is_not_found(browser: Browser, token: str) -> None:
    browser.sign_in("new@example.com")
    assert browser.get(f"/invitations/{token}").status_code == 404


async def test_the_signed_out_are_led_to_sign_in(
    invited: Invited, browser: Browser, scene: Scene
) -> None:
    before = await scene.snapshot()
    headers = {"Sec-Fetch-Site": "same-origin"}
    answer = browser.post(f"{invited.path}/accept", headers=headers, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?return_to=%2Finvitations%2F")
    assert await scene.snapshot() == before


async def test_a_change_by_get_or_from_elsewhere_is_refused(
    invited: Invited, browser: Browser, scene: Scene
) -> None:
    browser.sign_in("new@example.com")
    before = await scene.snapshot()
    assert browser.get(f"{invited.path}/accept").status_code == 405
    assert browser.post(f"{invited.path}/accept").status_code == 403
    headers = {"Sec-Fetch-Site": "same-origin"}
    stale = browser.post(f"{invited.path}/accept", data={"form_token": "x"}, headers=headers)
    assert stale.status_code == 403
    assert await scene.snapshot() == before


async def test_hostile_names_are_shown_as_text(
    scene: Scene, site: Settings, browser: Browser, database: Database
) -> None:
    invited = await Invited(scene, site).send(name=HOSTILE)
    signed_in = browser.sign_in("new@example.com", HOSTILE)
    for page in (browser.get(invited.path), signed_in):
        assert "<script>alert" not in page.text
        assert "{{7*7}}" in page.text
    count = select(Member.__table__.c.id)
    assert len(await database.rows(count)) == 3
