"""A key's story: made and saved by a member, used by a gateway, seen by the Owner as it is used, ended; and the organization's end."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx2
from playwright.sync_api import Page, expect

from app.models import AuditActorKind
from app.money import MICRO
from app.resolvers import gateways, members, operations
from tests.browser.conftest import Backstage, Window

Open = Callable[..., Window]
PLACE = "/a/spenders"
MODEL = "openai/gpt-4.1"


async def found(scene: Any) -> str:
    """Found an organization of dora's with 100 credits, whose member eli has a quota of 10; a gateway's token."""
    account = await scene.organization(await scene.person("dora"), "Spenders")
    eli = await scene.join(account, await scene.person("eli"))
    await members.set_member_quota(await scene.owner(account), eli, 10 * MICRO)
    operator = replace(scene.signed_out(), kind=AuditActorKind.OPERATOR)
    await operations.grant(operator, "spenders", 100 * MICRO, "for a story")
    return await gateways.create_gateway(operator, "story")


def create_key(page: Page) -> str:
    """Make a key in the dialog and save its secret."""
    page.get_by_role("link", name="Create key").first.click()
    dialog = page.get_by_role("dialog", name="Create key")
    expect(dialog.get_by_label("Name")).to_be_focused()
    dialog.get_by_label("Name").fill("laptop")
    dialog.get_by_role("button", name="Create").click()
    dialog = page.get_by_role("dialog", name="Save the secret of laptop")
    secret = dialog.locator("code").first.inner_text()
    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()  # a secret does not go by accident
    dialog.get_by_role("link", name="I have saved it").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("row", name=re.compile("laptop"))).to_be_visible()
    assert secret not in page.content()
    return secret


def spend(base: str, token: str, secret: str, call: int) -> int:
    """Let a gateway make a call that costs 4.2 credits; the status of its authorization."""
    headers = {"Authorization": f"Bearer {token}"}
    body = {"request_id": f"story-{call}", "key": secret, "amount": "4.5"}
    asked = httpx2.post(f"{base}/metering/authorize", json=body, headers=headers, timeout=30)
    if asked.status_code == 200:
        settle = {"hold_id": asked.json()["hold_id"], "event_id": f"story-{call}", "model": MODEL}
        tokens = {"prompt_tokens": 1000, "completion_tokens": 200, "cost": "4.2"}
        done = httpx2.post(
            f"{base}/metering/settle", json=settle | tokens, headers=headers, timeout=30
        )
        assert done.status_code == 200, done.text
    return asked.status_code


def dissolve(page: Page) -> None:
    """End the organization, by its name and by what is left."""
    page.get_by_role("link", name="Organization Profile").click()
    page.get_by_role("link", name="Dissolve").click()
    page.get_by_label("Type the name, Spenders").fill("Spender")
    page.get_by_label("Type the credits that you waive").fill("95.8")
    page.get_by_role("button", name="Dissolve").click()
    expect(page.get_by_text("Type the organization's name exactly")).to_be_visible()
    page.get_by_label("Type the name, Spenders").fill("Spenders")
    page.get_by_label("Type the credits that you waive").fill("95.8")
    page.get_by_role("button", name="Dissolve").click()
    expect(page).to_have_url(re.compile("/a/u-"))


def test_a_key_is_made_used_seen_and_ended(window: Open, backstage: Backstage) -> None:
    token = backstage.run(found(backstage.scene))
    dora, eli = window("dora"), window("eli")
    dora.expected.append("422")
    page, other = dora.go(f"{PLACE}/management/members"), eli.go(f"{PLACE}/keys")
    row = page.get_by_role("row", name=re.compile("eli@example.com"))
    expect(row).to_contain_text("not used yet")
    secret = create_key(other)
    assert spend(dora.base, token, secret, 1) == 200
    expect(row).to_contain_text("4.20")  # both by themselves
    expect(row).to_contain_text("42 %")
    expect(other.get_by_title("left of your quota")).to_contain_text("5.80 of 10")
    expect(page.get_by_title("available now")).to_contain_text("95.80")

    page.get_by_role("navigation", name="Spenders").get_by_role("link", name="Dashboard").click()
    expect(page.get_by_role("main")).to_contain_text("4.20")
    page.get_by_role("navigation", name="Spenders").get_by_role("link", name="Usage").click()
    expect(page.get_by_role("main")).to_contain_text(MODEL)

    other.get_by_label("More for laptop").click()
    other.get_by_role("link", name="Revoke").click()
    other.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(other.get_by_role("row", name=re.compile("laptop"))).to_have_count(0)
    assert spend(dora.base, token, secret, 2) == 401

    dissolve(page)
    eli.expected.append("410")
    other.goto(eli.base + PLACE)
    expect(other.get_by_role("heading", name="Dissolved")).to_be_visible()
