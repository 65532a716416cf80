#!/bin/sh
# Finds or installs what tests need besides .venv: a Chromium for the pages.
set -eu
cd "$(dirname "$0")/.."

works() {
    for name in chromium chromium-browser google-chrome; do
        # On Ubuntu the package is a stub that asks for snap, so ask it for its version.
        if command -v "$name" >/dev/null && "$name" --version >/dev/null 2>&1; then
            return 0
        fi
    done
    .venv/bin/python - <<'PYTHON'
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

with sync_playwright() as playwright:
    sys.exit(not Path(playwright.chromium.executable_path).exists())
PYTHON
}

works && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Chromium by apt-get …"
    { apt-get install -y -qq chromium || { apt-get update -qq && apt-get install -y -qq chromium; }; } \
        >/dev/null 2>&1 || true
    works && exit 0
fi
echo "Installing Chromium by Playwright …"
.venv/bin/playwright install chromium >/dev/null 2>&1 || true
works && exit 0
echo "The tests of pages need Chromium. Install it (Debian: apt-get install chromium), or let" >&2
echo "Playwright: .venv/bin/playwright install --with-deps chromium" >&2
exit 1
