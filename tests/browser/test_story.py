"""An organization's story, by three people in three windows: created, invited to, joined, limited, left behind."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import Backstage, Window

Open = Callable[..., Window]


def sign_in(window: Window, email: str) -> Page:
    """Sign in at the sandbox's issuer, as a person does."""
    page = window.go("/")
    page.get_by_role("main").get_by_role("link", name="Sign in").click()
    page.get_by_label(re.compile("e-mail", re.IGNORECASE)).fill(email)
    page.keyboard.press("Enter")
    page.wait_for_url("**/a/**")
    return page


def members_of(page: Page) -> None:
    """Go to the members."""
    page.get_by_role("navigation", name="Storyline Inc.").get_by_role(
        "link", name="Members"
    ).click()


def test_three_people_run_an_organization(window: Open, backstage: Backstage) -> None:
    olga, ben, cleo = window(), window(), window()
    page = sign_in(olga, "olga@story.example")
    page.get_by_label("Switch account").click()
    page.get_by_role("link", name="Create Organization").click()
    dialog = page.get_by_role("dialog", name="Create Organization")
    dialog.get_by_label("Name").fill("Storyline Inc.")
    dialog.get_by_role("button", name="Create").click()
    expect(page.get_by_role("status")).to_contain_text("Storyline Inc. is there.")
    members_of(page)

    page.get_by_role("link", name="Invite").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("E-mail addresses")).to_be_focused()
    dialog.get_by_label("E-mail addresses").fill("ben@story.example, cleo@story.example, nonsense")
    dialog.get_by_label("Monthly quota").fill("50")
    dialog.get_by_role("button", name="Invite").click()
    expect(dialog.get_by_text("is no e-mail address")).to_be_visible()
    expect(dialog.get_by_label("E-mail addresses")).to_have_value("nonsense")
    dialog.get_by_role("link", name="Cancel").click()
    expect(dialog).to_be_hidden()

    other = sign_in(ben, "ben@story.example")
    other.get_by_label("1 invitation waiting").click()
    other.get_by_role("button", name="Accept").click()
    expect(other.get_by_role("status")).to_contain_text("You have joined Storyline Inc.")
    expect(other.get_by_role("navigation").get_by_text("Management")).to_have_count(0)
    third = sign_in(cleo, "cleo@story.example")
    third.get_by_label("1 invitation waiting").click()
    third.get_by_role("button", name="Accept").click()
    expect(third.get_by_title("left of your quota")).to_contain_text("50.00 of 50 credits left")

    row = page.get_by_role("row", name=re.compile("ben@story.example"))
    expect(row).to_be_visible()  # by itself, while the page is open
    page.get_by_role("link", name="Edit the quota of Ben").click()
    field = page.get_by_label("Monthly quota of Ben")
    expect(field).to_have_value("50")
    field.fill("75")
    page.keyboard.press("Enter")
    expect(row).to_contain_text("of 75")
    expect(page.get_by_role("link", name="Edit the quota of Ben")).to_be_focused()
    expect(other.get_by_title("left of your quota")).to_contain_text("75.00 of 75 credits left")

    page.get_by_label("More for Ben").click()
    page.get_by_role("link", name="Make Admin").click()
    dialog = page.get_by_role("dialog", name="Make Ben an Admin")
    expect(dialog).to_contain_text("They see every member")
    dialog.get_by_role("button", name="Make Admin").click()
    expect(dialog).to_be_hidden()
    expect(row).to_contain_text("Admin")
    other.reload()
    members_of(other)
    other.get_by_label("More for Cleo").click()
    other.get_by_role("link", name="Remove").click()
    dialog = other.get_by_role("dialog", name="Remove Cleo")
    expect(dialog).to_contain_text("This cannot be undone.")
    dialog.get_by_role("button", name="Remove Cleo").click()
    expect(other.get_by_role("row", name=re.compile("cleo@story.example"))).to_have_count(0)
    cleo.expected.append("404")
    third.reload()
    expect(third.get_by_role("heading", name="Nothing here")).to_be_visible()
    backstage.run(backstage.scene.promises())
