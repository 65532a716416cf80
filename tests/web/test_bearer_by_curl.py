"""The recipe of docs/frontend.md, run as it stands: a bearer token by curl."""

import json
import re
import subprocess
from pathlib import Path

from app.settings import Settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "frontend.md"


def test_the_recipe_for_a_bearer_token_works(site: Settings) -> None:
    recipe = re.search(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert recipe is not None
    script = recipe[1].replace("http://127.0.0.1:8000", site.base_url)
    done = subprocess.run(  # noqa: S603 - our own page
        ["/bin/sh", "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    user = json.loads(done.stdout)["data"]["viewer"]["user"]
    assert user == {"name": "Jane Miller", "email": "jane@acme.example"}
