"""README and docs name only what exists, and all that a reader looks for."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import GraphQLError, parse, validate

from app.permissions import Permission
from app.schema import build_schema
from app.settings import PREFIX, Settings
from scripts.write_docs import BLOCK, TABLES, commands, filled

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text() for path in PAGES}
DOCS = "\n".join(TEXTS.values())
NO_SETTINGS = {"R9S_SECRETS_DIR"}
FOLDERS = ("app", "alembic", "bench", "docs", "scripts", "tests")


def found(pattern: str) -> Iterator[tuple[str, str]]:
    """Find a pattern's group on every page."""
    for name, text in TEXTS.items():
        for match in re.finditer(pattern, text):
            yield name, match[1]


def graphql_documents() -> Iterator[tuple[str, str]]:
    yield from found(r"(?s)```graphql\n(.*?)```")
    yield from found(r"""'\{"query": "([^"]*)"\}'""")


def test_tables_say_what_the_code_says() -> None:
    used = set()
    for name, text in TEXTS.items():
        used |= {match[1] for match in BLOCK.finditer(text)}
        assert filled(text) == text, f"{name} is old: make docs"
    assert used == set(TABLES)


def test_settings_that_are_named_exist_and_all_are_documented() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields} | NO_SETTINGS
    named = {word for _page, word in found(r"\b(R9S_[A-Z_]*[A-Z])")}
    assert named <= known
    assert known <= named


def test_commands_that_are_named_exist_and_all_are_documented() -> None:
    known = commands()
    groups = {one.split()[0] for one in known}
    for page, said in found(r"`(?:\.venv/bin/)?r9s ([a-z]+(?: [a-z]+)?)"):
        words = said.split()
        whole = " ".join(words) in known or words[0] in known
        assert whole or (len(words) == 1 and words[0] in groups), f"{page}: r9s {said}"
    for one in known:
        assert f"`r9s {one}" in DOCS, f"r9s {one} stands in no page"


def test_make_targets_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {word for _page, word in found(r"`make ([a-z]+)")} - {"TARGET"}
    assert named <= targets
    assert {"serve", "test"} <= named


def test_files_that_are_named_exist() -> None:
    folders = "|".join(FOLDERS)
    for page, name in found(rf"`((?:{folders})/[\w./-]*)`"):
        assert (ROOT / name).exists(), f"{page}: {name}"
    for page, module in found(r"`(app\.[a-z_.]+)`"):
        path = ROOT / module.replace(".", "/")
        named_in_it = path.parent.with_suffix(".py")
        is_module = path.with_suffix(".py").exists() or path.is_dir()
        is_name = named_in_it.exists() and path.name in named_in_it.read_text()
        assert is_module or is_name, f"{page}: {module}"


def test_links_lead_somewhere() -> None:
    for name, text in TEXTS.items():
        for target in re.findall(r"\]\(([^)#]+)", text):
            if "://" not in target:
                assert ((ROOT / name).parent / target).exists(), f"{name}: {target}"


def test_every_page_is_reached_from_the_readme() -> None:
    waiting, seen = [ROOT / "README.md"], set()
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        targets = re.findall(r"\]\(([^)#:]+\.md)", page.read_text())
        waiting += [(page.parent / one).resolve() for one in targets]
    assert {one for one in PAGES if one.name != "CHANGELOG.md"} <= seen


@pytest.mark.parametrize("document", [one for _page, one in graphql_documents()])
def test_queries_are_of_the_schema(document: str) -> None:
    schema = build_schema(Settings(_env_file=None))._schema
    try:
        faults = validate(schema, parse(document))
    except GraphQLError as fault:
        faults = [fault]
    assert not faults


def test_every_permission_and_every_table_of_rooms_is_documented() -> None:
    for one in Permission:
        assert f"`{one.value}`" in TEXTS["docs/roles.md"]
    for path in sorted((ROOT / "app").iterdir()):
        room = path.name if path.suffix == ".py" else f"{path.name}/"
        if room.startswith("__"):
            continue
        assert f"`app/{room}`" in TEXTS["docs/architecture.md"], room


def test_a_decision_has_a_title_a_date_and_a_place_in_the_list() -> None:
    index = TEXTS["docs/decisions/README.md"]
    for name, text in TEXTS.items():
        page = name.removeprefix("docs/decisions/")
        if page in (name, "README.md"):
            continue
        title, _, date, *_rest = text.split("\n")
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", date), name
        assert f"[{title.removeprefix('# ')}]({page})" in index, name


def test_every_expectation_is_held_by_tests_that_exist() -> None:
    page = TEXTS["docs/expectations.md"]
    rows = re.findall(r"(?m)^\| (\d+) \| ([^|]+) \| ([^|]+) \|$", page)
    assert [int(number) for number, _expected, _tests in rows] == list(range(1, 41))
    code = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    there = set(re.findall(r"def (test_\w+)\(", code))
    for number, _expected, tests in rows:
        named = re.findall(r"`(test_\w+)`", tests)
        assert named, number
        assert set(named) <= there, (number, set(named) - there)
