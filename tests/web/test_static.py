"""Static files: what was vendored is what the manifests say, and what pages name is there."""

import hashlib
import json
import re

from app.web.pages import TEMPLATES
from app.web.portal.sections import SECTIONS
from app.web.static import FOLDER
from scripts.vendor import FOLDERS, LICENCES, ROOT


def test_the_vendored_files_are_those_of_the_manifests() -> None:
    for name, packages in FOLDERS.items():
        folder = ROOT / name
        manifest = json.loads((folder / "manifest.json").read_text())
        assert {one["package"] for one in manifest} == set(packages)
        assert any(one["file"].startswith("LICENSE") for one in manifest)
        for one in manifest:
            content = (folder / one["file"]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == one["sha256"], one["file"]
            assert one["licence"] == LICENCES[folder.name]
            assert re.search(r"@\d+\.\d+\.\d+$", one["package"])


def test_every_icon_that_a_page_names_is_in_the_sprite() -> None:
    there = set(re.findall(r'symbol id="([^"]+)"', (FOLDER / "icons" / "icons.svg").read_text()))
    named = {one.icon for one in SECTIONS}
    for path in TEMPLATES.rglob("*.html"):
        named |= set(re.findall(r'ui\.icon\("([^"]+)"', path.read_text()))
    assert named <= there, named - there
