"""The rules of style that no linter knows, read from the files. Each message says what to do instead."""

import ast
import importlib
import inspect
import re
import socket
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from graphql import GraphQLNamedType
from pytest_socket import SocketConnectBlockedError

import app.errors
from app.access import VERBS
from app.schema import build_schema
from app.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
APP = ROOT / "app"
FUNCTION_LINES = 60
FILE_LINES = 400
# Where to start reading: nothing imports these.
ENTRANCES = {"app", "app.cli"}
CODE = sorted(APP.rglob("*.py"))
EVERYTHING = sorted(
    path
    for folder in ("app", "tests", "bench", "scripts")
    for path in (ROOT / folder).rglob("*.py")
)
TEMPLATES = sorted(APP.rglob("*.html"))

# (what is banned, where it may stand, what to do instead)
BANS = (
    (r"\bdatetime\.(now|utcnow|today)\(", (), "ask the database's clock: app.database.now"),
    (r"\bdate\.today\(", (), "ask the database's clock: app.database.now"),
    # Signed claims and limits in memory have no database to ask.
    (
        r"\btime\.time\(",
        ("app/integrations/", "app/sandbox/", "app/web/rate_limits.py"),
        "ask the database's clock: app.database.now",
    ),
    (r"\.commit\(", ("app/database.py",), "write a verb: its end commits"),
    (r"(?<![\w.])print\(", ("app/cli",), "log with structlog, or print in app/cli"),
    (r"\b(TODO|FIXME|XXX)\b", (), "do it, or file an issue"),
    (
        r"(?<![\w.])float\(",
        ("app/web/metrics.py", "app/web/graphql.py"),
        "credits are whole micro-credits: app.money",
    ),
    (r"\.write\(\) as", ("app/access.py", "app/metering"), "write a verb: it is a transaction"),
    (r"\buuid4\(|\buuid1\(", (), "make ids with app.ids.new_id"),
    (r"os\.(environ|getenv)", ("app/settings.py", "app/cli.py"), "make it a setting"),
)
# PRODUCT.md, words: one meaning each.
SYNONYMS = re.compile(r"\b(tenants?|teams?|seats?)\b", re.IGNORECASE)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _code_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines without docstrings and other texts, which may speak of what is banned."""
    texts = {
        line
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for line in range(node.lineno + 1, (node.end_lineno or node.lineno) + 1)
    }
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if number not in texts:
            yield number, line


@pytest.mark.parametrize("path", EVERYTHING, ids=_name)
def test_a_file_is_short_has_a_docstring_and_short_functions(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= FILE_LINES, f"{_name(path)} has {lines} lines: part it by ideas"
    tree = _tree(path)
    if tree.body:
        assert ast.get_docstring(tree), f"{_name(path)}: say in a docstring what it is for"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            place = f"{_name(path)}:{node.lineno} {node.name}"
            assert length <= FUNCTION_LINES, f"{place} has {length} lines: part it"


def test_nothing_banned_is_written() -> None:
    found = [
        f"{_name(path)}:{number}: {line.strip()} -- instead: {instead}"
        for path in CODE
        for number, line in _code_lines(path)
        for pattern, allowed, instead in BANS
        if re.search(pattern, line) and not _name(path).startswith(allowed or ("-",))
    ]
    assert not found, "\n".join(found)


def test_tests_do_not_sleep() -> None:
    sleeping = re.compile(r"\b(?:asyncio|time)\.sleep\((?!0\))|wait_for_timeout\(")
    found = [
        f"{_name(path)}:{number}: {line.strip()} -- wait for what you wait for, or shift_clock"
        for path in (ROOT / "tests").rglob("*.py")
        for number, line in _code_lines(path)
        if sleeping.search(line) and path != Path(__file__)
    ]
    assert not found, "\n".join(found)


def test_every_public_function_of_resolvers_is_a_verb() -> None:
    bare = []
    for path in sorted((APP / "resolvers").glob("[!_]*.py")):
        module = importlib.import_module(_module(path))
        for node in _tree(path).body:
            public = isinstance(
                node, ast.FunctionDef | ast.AsyncFunctionDef
            ) and not node.name.startswith("_")
            if public and f"{module.__name__}.{node.name}" not in VERBS:
                bare.append(f"{_name(path)}:{node.lineno} {node.name}")
    assert not bare, f"declare it as a verb (app/access.py), or name it with a _ : {bare}"


def test_every_verb_has_a_docstring() -> None:
    silent = [
        name
        for name, verb in VERBS.items()
        if verb.module.startswith("app.")
        and not inspect.getdoc(getattr(importlib.import_module(verb.module), verb.name))
    ]
    assert not silent, f"say what a caller may rely on: {silent}"


def test_no_module_is_dead() -> None:
    imported: set[str] = set()
    for path in CODE:
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module)
                imported |= {f"{node.module}.{alias.name}" for alias in node.names}
    names = {_module(path) for path in CODE}
    packages = {name for name in names if any(one.startswith(f"{name}.") for one in names)}
    dead = names - imported - ENTRANCES - packages
    assert not dead, f"nothing imports these, so delete them: {sorted(dead)}"


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_a_template_is_safe_under_our_content_security_policy(path: Path) -> None:
    text = path.read_text()
    letter = "letters" in path.parts
    rules = {
        r"\|\s*safe\b|autoescape\s+false|Markup\(": "let Jinja escape it",
        r"<script(?![^>]*\bsrc=)": "put scripts into app/web/static",
        r"\son[a-z]+\s*=": "listen in app/web/static, without inline handlers",
        r"\bhx-on\b": "listen in app/web/static, without inline handlers",
        r"javascript:": "link to an address",
    }
    markup = re.sub(r"{%.*?%}", "", text, flags=re.DOTALL)
    if not letter:  # mail programs read inline style only, and no page's policy reaches them
        rules |= {r"<style\b|\sstyle\s*=": "write a class in app/web/static"}
    found = [
        f"{match.group(0).strip()!r}: {instead}"
        for pattern, instead in rules.items()
        for match in re.finditer(pattern, markup if "style" in pattern else text, re.IGNORECASE)
    ]
    assert not found, f"{_name(path)}: {found}"


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_a_form_that_posts_carries_the_token(path: Path) -> None:
    if "sandbox" in path.parts:
        return  # another service, which knows no session of ours
    forms = re.findall(r"<form\b.*?</form>", path.read_text(), re.IGNORECASE | re.DOTALL)
    bare = [
        form
        for form in forms
        if re.search(r"method\s*=\s*.?post", form, re.IGNORECASE)
        and not re.search(r"form_token|token_field|\btoken\(", form)
    ]
    assert not bare, f"{_name(path)}: put the token's field into {bare}"


def _visible_text() -> Iterator[tuple[str, str]]:
    for path in TEMPLATES:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            yield f"{_name(path)}:{number}", re.sub(r"{[{%#].*?[}%#]}|<[^>]*>", " ", line)
    for name, kind in vars(app.errors).items():
        if isinstance(kind, type) and issubclass(kind, app.errors.Refusal):
            yield f"app.errors.{name}", kind.says
    for name, setting in Settings.model_fields.items():
        yield f"R9S_{name.upper()}", setting.description or ""
    yield from _descriptions()


def _descriptions() -> Iterator[tuple[str, str]]:
    kinds: dict[str, GraphQLNamedType] = build_schema(Settings(_env_file=None))._schema.type_map
    for kind in kinds.values():
        if kind.name.startswith("__"):
            continue
        yield kind.name, kind.description or ""
        for name, field in (getattr(kind, "fields", None) or {}).items():
            yield f"{kind.name}.{name}", f"{name} {field.description or ''}"
            for given, argument in (getattr(field, "args", None) or {}).items():
                yield f"{kind.name}.{name}({given})", f"{given} {argument.description or ''}"
        for name, value in (getattr(kind, "values", None) or {}).items():
            yield f"{kind.name}.{name}", getattr(value, "description", None) or ""


def test_what_people_read_uses_the_words_of_the_product() -> None:
    found = [
        f"{place}: {text.strip()!r} says {match.group(0)!r}"
        for place, text in _visible_text()
        for match in SYNONYMS.finditer(text)
    ]
    assert not found, "account, organization, member, credit (PRODUCT.md, words):\n" + "\n".join(
        found
    )


def test_every_setting_has_a_sentence() -> None:
    silent = [name for name, field in Settings.model_fields.items() if not field.description]
    assert not silent


def test_the_public_errors_have_sentences_and_codes_of_their_own() -> None:
    kinds = [
        kind
        for kind in vars(app.errors).values()
        if isinstance(kind, type) and issubclass(kind, app.errors.Refusal)
    ]
    codes = [kind.code for kind in kinds]
    assert len(set(codes)) == len(codes), "two classes share a code"
    for kind in kinds:
        assert kind.says.endswith("."), f"{kind.__name__} says no sentence"
        assert re.fullmatch(r"[a-z_]+", kind.code)


@pytest.mark.filterwarnings("ignore:A test tried to use socket")
def test_a_test_reaches_nothing_but_loopback() -> None:
    with (
        socket.socket() as one,
        pytest.raises(SocketConnectBlockedError),
    ):
        one.connect(("192.0.2.1", 9))  # an address that belongs to nobody (RFC 5737)
