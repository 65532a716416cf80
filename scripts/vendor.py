"""Bring the packages of npm that pages and their tests use into the repository: `python scripts/vendor.py`.

Packs each package at an exact version (`npm pack`, so npm has to be there), copies the named files with
their licences, makes one sprite of the icons, and writes a manifest.json with the SHA-256 of each file into
each folder; a test recomputes those.
"""

import hashlib
import json
import re
import subprocess
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATIC = "app/web/static"
Files = dict[str, str]
FOLDERS: dict[str, dict[str, Files]] = {
    f"{STATIC}/graphiql": {
        "graphiql@4.1.2": {
            "graphiql.min.js": "graphiql.min.js",
            "graphiql.min.css": "graphiql.min.css",
            "LICENSE": "LICENSE-graphiql",
        },
        "react@18.2.0": {
            "umd/react.production.min.js": "react.production.min.js",
            "LICENSE": "LICENSE-react",
        },
        "react-dom@18.2.0": {
            "umd/react-dom.production.min.js": "react-dom.production.min.js",
            "LICENSE": "LICENSE-react-dom",
        },
    },
    f"{STATIC}/htmx": {
        "htmx.org@4.0.1": {"dist/htmx.min.js": "htmx.min.js", "LICENSE": "LICENSE-htmx"},
    },
    f"{STATIC}/icons": {"lucide-static@1.62.0": {"LICENSE": "LICENSE-lucide"}},
    # For tests alone, and served to nobody.
    "tests/browser/axe": {
        "axe-core@4.14.1": {
            "axe.min.js": "axe.min.js",
            "LICENSE": "LICENSE-axe",
            "LICENSE-3RD-PARTY.txt": "LICENSE-axe-3rd-party.txt",
        },
    },
}
LICENCES = {"graphiql": "MIT", "htmx": "0BSD", "icons": "ISC", "axe": "MPL-2.0"}
SPRITE = "lucide-static@1.62.0", "icons.svg"
ICONS = [
    "activity",
    "arrow-down",
    "arrow-left",
    "arrow-right",
    "arrow-up",
    "building-2",
    "calendar",
    "check",
    "chevron-down",
    "chevrons-up-down",
    "circle-alert",
    "clock",
    "coins",
    "copy",
    "download",
    "ellipsis",
    "external-link",
    "eye",
    "file-text",
    "funnel",
    "history",
    "house",
    "info",
    "key-round",
    "list",
    "log-out",
    "mail",
    "monitor",
    "moon",
    "pencil",
    "plus",
    "receipt",
    "rotate-cw",
    "search",
    "settings-2",
    "shield",
    "shield-check",
    "sun",
    "trash-2",
    "triangle-alert",
    "user-minus",
    "user-round",
    "users",
    "wifi-off",
    "x",
]


def files_of(package: str, wanted: list[str], work: Path) -> list[bytes]:
    """Pack one package and read the files that are wanted."""
    command = ["npm", "pack", "--silent", package]
    packed = subprocess.run(command, cwd=work, check=True, capture_output=True, text=True)  # noqa: S603 - fixed words
    found = []
    with tarfile.open(work / packed.stdout.strip().splitlines()[-1]) as archive:
        for name in wanted:
            member = archive.extractfile(f"package/{name}")
            if member is None:
                raise SystemExit(f"{package} has no {name}")
            found.append(member.read())
    return found


def sprite(icons: list[bytes]) -> bytes:
    """Make one file of many icons, each a symbol by its name; a page's style says how they are drawn."""
    symbols = []
    for name, icon in zip(ICONS, icons, strict=True):
        inside = re.sub(r"^.*?<svg[^>]*>|</svg>\s*$", "", icon.decode(), flags=re.DOTALL)
        drawn = re.sub(r"\s*\n\s*", "", inside).replace(" />", "/>")
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{drawn}</symbol>')
    body = "\n".join(symbols)
    return f'<svg xmlns="http://www.w3.org/2000/svg">\n{body}\n</svg>\n'.encode()


def main() -> None:
    """Fetch, copy, write the manifests."""
    with tempfile.TemporaryDirectory() as work:
        for folder, packages in FOLDERS.items():
            into = ROOT / folder
            into.mkdir(parents=True, exist_ok=True)
            kept: list[tuple[str, str, bytes]] = []
            for package, wanted in packages.items():
                contents = files_of(package, list(wanted), Path(work))
                kept += [(package, *one) for one in zip(wanted.values(), contents, strict=True)]
            package, name = SPRITE
            if package in packages:
                icons = files_of(package, [f"icons/{icon}.svg" for icon in ICONS], Path(work))
                kept.append((package, name, sprite(icons)))
            manifest = []
            for package, name, content in kept:
                (into / name).write_bytes(content)
                manifest.append(
                    {
                        "file": name,
                        "package": package,
                        "licence": LICENCES[into.name],
                        "sha256": hashlib.sha256(content).hexdigest(),
                    }
                )
            (into / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    main()
