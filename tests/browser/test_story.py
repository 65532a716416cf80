"""An organization's story, by three people in three windows: created, invited to, joined, limited, left behind."""

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Window

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


def found(page: Page) -> None:
    """Create the organization in the switcher's dialog."""
    page.get_by_label("Switch account").click()
    page.get_by_role("link", name="Create Organization").click()
    dialog = page.get_by_role("dialog", name="Create Organization")
    dialog.get_by_label("Name").fill("Storyline Inc.")
    dialog.get_by_role("button", name="Create").click()
    expect(page.get_by_role("status")).to_contain_text("Storyline Inc. is there.")


def invite(page: Page) -> None:
    """Invite two people and one who is none."""
    page.get_by_role("link", name="Invite").click()
    dialog = page.get_by_role("dialog")
    emails = dialog.get_by_label("E-mail addresses")
    expect(emails).to_be_focused()
    emails.fill("ben@story.example, cleo@story.example, nonsense")
    dialog.get_by_label("Monthly quota").fill("50")
    dialog.get_by_role("button", name="Invite").click()
    expect(dialog.get_by_text("is no e-mail address")).to_be_visible()
    expect(emails).to_have_value("nonsense")
    dialog.get_by_role("link", name="Cancel").click()
    expect(dialog).to_be_hidden()


def join(window: Window, email: str) -> Page:
    """Sign in and accept the invitation that the switcher shows."""
    page = sign_in(window, email)
    page.get_by_label("1 invitation waiting").click()
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_role("status")).to_contain_text("You have joined Storyline Inc.")
    expect(page.get_by_role("navigation").get_by_text("Management")).to_have_count(0)
    expect(page.get_by_title("left of your quota")).to_contain_text("50.00 of 50 credits left")
    return page


def limit(page: Page, row: Locator) -> None:
    """Set Ben's quota where it stands."""
    page.get_by_role("link", name="Edit the quota of Ben").click()
    field = page.get_by_label("Monthly quota of Ben")
    expect(field).to_have_value("50")
    field.fill("75")
    page.keyboard.press("Enter")
    expect(row).to_contain_text("of 75")
    expect(page.get_by_role("link", name="Edit the quota of Ben")).to_be_focused()


def promote(page: Page, row: Locator) -> None:
    """Make Ben an Admin."""
    page.get_by_label("More for Ben").click()
    page.get_by_role("link", name="Make Admin").click()
    dialog = page.get_by_role("dialog", name="Make Ben an Admin")
    expect(dialog).to_contain_text("They see every member")
    dialog.get_by_role("button", name="Make Admin").click()
    expect(dialog).to_be_hidden()
    expect(row).to_contain_text("Admin")


def remove(page: Page) -> None:
    """Let the new Admin remove Cleo."""
    page.reload()
    members_of(page)
    page.get_by_label("More for Cleo").click()
    page.get_by_role("link", name="Remove").click()
    dialog = page.get_by_role("dialog", name="Remove Cleo")
    expect(dialog).to_contain_text("This cannot be undone.")
    dialog.get_by_role("button", name="Remove Cleo").click()
    expect(page.get_by_role("row", name=re.compile("cleo@story.example"))).to_have_count(0)


def test_three_people_run_an_organization(window: Open) -> None:
    olga, ben, cleo = window(), window(), window()
    page = sign_in(olga, "olga@story.example")
    found(page)
    members_of(page)
    invite(page)
    other, third = join(ben, "ben@story.example"), join(cleo, "cleo@story.example")
    row = page.get_by_role("row", name=re.compile("ben@story.example"))
    expect(row).to_be_visible()  # by itself, while the page is open
    limit(page, row)
    expect(other.get_by_title("left of your quota")).to_contain_text("75.00 of 75 credits left")
    promote(page, row)
    remove(other)
    cleo.expected.append("404")
    third.reload()
    expect(third.get_by_role("heading", name="Nothing here")).to_be_visible()
