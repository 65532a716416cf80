"""Take pictures of the portal's pages for the README and the docs: `python -m scripts.screenshots`.

Makes the demo in a database of its own, serves it, signs in as its Owner and visits the
main pages.
"""

import asyncio
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from app import migrations
from app.database import Database
from app.demo import make_demo
from app.settings import Settings
from app.web.portal.sections import SECTIONS
from tests.web.chromium import ARGUMENTS, chromium_path
from tests.web.conftest import served

INTO = Path(__file__).resolve().parent.parent / "docs" / "screenshots"
OWNER = "jane@acme.example"
CALLS = 4000
# Shown in the README, as the reader's own scheme has it; of the others one picture is enough.
IN_BOTH = ("dashboard", "members")
IN_LIGHT = (*IN_BOTH, "usage", "keys", "credits")
SIZE = {"width": 1280, "height": 800}


def main() -> None:
    """Take them all."""
    INTO.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/demo.sqlite3"
        migrations.upgrade(url)
        with served(url) as settings:
            asyncio.run(_fill(settings))
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=chromium_path(), args=ARGUMENTS
                )
                for scheme in ("light", "dark"):
                    _shoot(browser, settings, scheme)
                browser.close()


async def _fill(settings: Settings) -> None:
    database = Database(settings.database_url)
    try:
        await make_demo(database, settings, calls=CALLS)
    finally:
        await database.dispose()


def _shoot(browser: Browser, settings: Settings, scheme: str) -> None:
    context = browser.new_context(color_scheme=scheme, viewport=SIZE)
    page = context.new_page()
    page.goto(f"{settings.base_url}/sign-in")
    page.get_by_role("textbox", name="e-mail").fill(OWNER)
    page.keyboard.press("Enter")
    page.wait_for_url("**/a/**")
    for section in SECTIONS:
        if section.key not in (IN_BOTH if scheme == "dark" else IN_LIGHT):
            continue
        page.goto(f"{settings.base_url}/a/acme-inc/{section.path}".rstrip("/"))
        page.screenshot(path=INTO / f"{section.key}-{scheme}.png")
    context.close()


if __name__ == "__main__":
    main()
