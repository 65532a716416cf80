"""Bring GraphiQL and React into app/web/static/graphiql: `python scripts/vendor_graphiql.py`.

Packs each npm package at an exact version (`npm pack`, so npm has to be there), copies the named files
with their licences, and writes manifest.json with the SHA-256 of each; a test recomputes those.
"""

import hashlib
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

INTO = Path(__file__).resolve().parent.parent / "app" / "web" / "static" / "graphiql"
PACKAGES: dict[str, dict[str, str]] = {
    "graphiql@4.1.2": {
        "package/graphiql.min.js": "graphiql.min.js",
        "package/graphiql.min.css": "graphiql.min.css",
        "package/LICENSE": "LICENSE-graphiql",
    },
    "react@18.2.0": {
        "package/umd/react.production.min.js": "react.production.min.js",
        "package/LICENSE": "LICENSE-react",
    },
    "react-dom@18.2.0": {
        "package/umd/react-dom.production.min.js": "react-dom.production.min.js",
        "package/LICENSE": "LICENSE-react-dom",
    },
}


def files_of(package: str, wanted: dict[str, str], work: Path) -> dict[str, bytes]:
    """Pack one package and read the files that are wanted, by the name that they get here."""
    command = ["npm", "pack", "--silent", package]
    packed = subprocess.run(command, cwd=work, check=True, capture_output=True, text=True)  # noqa: S603 - fixed words
    found = {}
    with tarfile.open(work / packed.stdout.strip().splitlines()[-1]) as archive:
        for inside, name in wanted.items():
            member = archive.extractfile(inside)
            if member is None:
                raise SystemExit(f"{package} has no {inside}")
            found[name] = member.read()
    return found


def main() -> None:
    """Fetch, copy, write the manifest."""
    INTO.mkdir(parents=True, exist_ok=True)
    manifest = []
    with tempfile.TemporaryDirectory() as work:
        for package, wanted in PACKAGES.items():
            for name, content in files_of(package, wanted, Path(work)).items():
                (INTO / name).write_bytes(content)
                digest = hashlib.sha256(content).hexdigest()
                manifest.append(
                    {"file": name, "package": package, "licence": "MIT", "sha256": digest}
                )
    (INTO / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    main()
