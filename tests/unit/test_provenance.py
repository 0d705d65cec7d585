"""What makes a result stale, what makes it refused, and files that are whole or not there."""

from __future__ import annotations

import json
import math
import os
import string
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from bakeoff import provenance
from bakeoff.errors import Refused, UserError
from bakeoff.provenance import (
    at_path,
    check_files,
    code_digest,
    environment,
    finite,
    import_closure,
    parse_spec,
    read_record,
    sha256,
    spec_argument,
    spec_digest,
    validated,
    whole,
    write_json,
    write_record,
)

# --- the digest of the code: a small package, and edits of it ---

PACKAGE = {
    "__init__.py": '"""A package."""\n',
    "step.py": """
        \"\"\"A step.\"\"\"
        import json
        import numpy as np
        from fake import tools
        from . import near
        from fake.part.inner import helper as renamed

        LIMIT = 3

        class Settings:
            \"\"\"Settings.\"\"\"
            size: int = 4
            \"\"\"In pixels.\"\"\"

        def run(value, *, flag=False):
            \"\"\"Runs.\"\"\"
            from fake import lazy
            # why
            return {"a": tools.double(value), "b": LIMIT} if flag else lazy.late(value)
        """,
    "tools.py": "def double(value):\n    return 2 * value\n",
    "near.py": "import fake.deep\nNEAR = 1\n",
    "deep.py": "DEEP = 1\n",
    "lazy.py": "def late(value):\n    import yaml\n    return value\n",
    "other.py": "from fake import step\nOTHER = 1\n",
    "part/__init__.py": '"""A part."""\n',
    "part/inner.py": "def helper():\n    return 1\n",
    "part/unused.py": "UNUSED = 1\n",
    "part/style.css": "body { color: red }\n",
    "far/__init__.py": "",
    "far/table.csv": "1,2\n",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name, text in PACKAGE.items():
        file = tmp_path / "fake" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
    return tmp_path / "fake"


def digest(package: Path) -> str:
    return code_digest("fake.step", package=package)


def edit(package: Path, name: str, old: str, new: str) -> None:
    file = package / name
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    before = file.stat().st_mtime_ns
    file.write_text(text.replace(old, new), encoding="utf-8")
    os.utime(file, ns=(before + 10**9, before + 10**9))  # clocks of file systems are coarser than this test


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        pytest.param("step.py", "# why", "# because", id="comment"),
        pytest.param("step.py", "    # why\n", "", id="no comment"),
        pytest.param("step.py", "A step.", "Another step.", id="docstring of a module"),
        pytest.param("step.py", "Settings.", "Its settings.", id="docstring of a class"),
        pytest.param("step.py", "Runs.", "Runs it.\n\n    For long.", id="docstring of a function"),
        pytest.param("step.py", "In pixels.", "In millimetres.", id="description of a field"),
        pytest.param("step.py", "LIMIT = 3", "LIMIT = (\n    0x3\n)", id="formatting"),
        pytest.param("step.py", '"a"', "'a'", id="quotes"),
        pytest.param("tools.py", "    return", "    return ", id="white space of an imported module"),
        pytest.param("part/unused.py", "1", "2", id="a module that nobody imports"),
        pytest.param("other.py", "1", "2", id="a module that imports the step"),
        pytest.param("far/table.csv", "1", "2", id="a data file of a part that nobody imports"),
    ],
)
def test_the_code_digest_does_not_see(package: Path, name: str, old: str, new: str) -> None:
    before = digest(package)
    edit(package, name, old, new)
    assert digest(package) == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        pytest.param("step.py", "LIMIT = 3", "LIMIT = 4", id="constant"),
        pytest.param("step.py", "LIMIT = 3", "LIMIT = 3.0", id="type of a constant"),
        pytest.param("step.py", "LIMIT = 3", "LIMIT = None", id="none"),
        pytest.param("step.py", "size: int = 4", "size: int = 5", id="default of a field"),
        pytest.param("step.py", "flag=False", "flag=True", id="default of an argument"),
        pytest.param("step.py", '"a"', '"c"', id="text that is a value"),
        pytest.param("step.py", "double(value)", "double(LIMIT)", id="name"),
        pytest.param("tools.py", "2 * value", "value + value", id="imported module"),
        pytest.param("near.py", "NEAR = 1", "NEAR = 2", id="relative import"),
        pytest.param("deep.py", "1", "2", id="import of an import"),
        pytest.param("lazy.py", "return value", "return -value", id="import inside a function"),
        pytest.param("part/inner.py", "1", "2", id="module of a part"),
        pytest.param("part/__init__.py", '"""A part."""', "PART = 1", id="what importing a module runs"),
        pytest.param("__init__.py", '"""A package."""', "ROOT = 1", id="what importing the package runs"),
        pytest.param("part/style.css", "red", "blue", id="data file beside a part's modules"),
        pytest.param("step.py", "import json", "import jinja2", id="another package"),
    ],
)
def test_the_code_digest_sees(package: Path, name: str, old: str, new: str) -> None:
    before = digest(package)
    edit(package, name, old, new)
    assert digest(package) != before


def test_a_new_data_file_counts_but_no_leftovers_of_an_editor(package: Path) -> None:
    before = digest(package)
    for name in (".style.css.swp", ".DS_Store", "style.css~", "inner.cpython-311.pyc"):
        (package / "part" / name).write_text("x")
    assert digest(package) == before
    (package / "part" / "more.css").write_text("x")
    assert digest(package) != before


def test_versions_of_the_packages_imported_count(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest(package)
    versions = {"numpy": "2.4.6", "yaml": "6.0.3"}
    asked = []

    def version(name: str) -> str:
        asked.append(name)
        return versions[name]

    monkeypatch.setattr(provenance, "version", version)
    now = digest(package)
    assert sorted(asked) == ["numpy", "yaml"]  # not json, which comes with Python
    versions["yaml"] = "7"
    assert digest(package) != now
    versions["yaml"] = "6.0.3"
    assert digest(package) == now
    monkeypatch.undo()
    assert digest(package) == before


def test_a_build_for_another_accelerator_is_the_same_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance.importlib.metadata, "version", lambda name: f"2.15.0+{name}")
    provenance.version.cache_clear()
    try:
        assert provenance.version("torch") == "2.15.0"
    finally:
        monkeypatch.undo()
        provenance.version.cache_clear()
    assert provenance.version("no-such-package") is None


def test_the_closure_names_modules_and_packages(package: Path) -> None:
    ours, others = import_closure(["fake.step"], package)
    names = ["", ".deep", ".lazy", ".near", ".part", ".part.inner", ".step", ".tools"]
    assert sorted(ours) == [f"fake{name}" for name in names]
    assert ours["fake.part"] == package / "part" / "__init__.py"
    assert others == {"numpy", "yaml"}


def test_the_place_of_the_package_is_not_in_the_digest(package: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "fake"
    elsewhere.parent.mkdir()
    before = digest(package)
    package.rename(elsewhere)
    assert digest(elsewhere) == before


def test_the_digest_is_the_same_in_every_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pinned: had the syntax tree been dumped by `ast.dump`, each Python version would give another."""
    monkeypatch.setattr(provenance, "version", lambda name: "1")
    file = tmp_path / "fixed" / "step.py"
    file.parent.mkdir()
    (file.parent / "__init__.py").touch()
    file.write_text(
        "import numpy\n@print\ndef f(a, /, b: int = 1, *c, d=None, **e) -> None:\n    match a:\n        case [1, *_]:\n"
        "            return f'{b!r:>{d}} x'\n    with open(a) as g, open(b): yield from (x for x in c if x)\n"
        "class C(dict):\n    x: int\nasync def h(): return await (lambda: ...)()\ntry: pass\nexcept* OSError: raise\n"
    )
    assert code_digest("fixed.step", package=file.parent) == "52a548261ba70328"


def test_a_module_that_is_not_there_is_an_error(package: Path) -> None:
    with pytest.raises(ValueError, match=r"no such module: fake\.nothing"):
        code_digest("fake.step", "fake.nothing", package=package)


# --- records ---

SPEC = {"lr": 0.1, "layers": [1, 2]}
CODE = "c" * 16


@pytest.fixture
def record(tmp_path: Path) -> Path:
    for name in ("a.bin", "b.csv"):
        (tmp_path / name).write_text(name)
    body = {"accuracy": 0.5, "reason": None, "environment": {"commit": "abc"}}
    write_record(tmp_path / "run.json", "run", SPEC, CODE, body, [tmp_path / "a.bin", tmp_path / "b.csv"])
    return tmp_path / "run.json"


def change(record: Path, **changes: Any) -> None:
    record.write_text(json.dumps({**json.loads(record.read_text()), **changes}))


def forge(record: Path, **changes: Any) -> None:
    """As somebody would who works the digest of the record out anew."""
    content = {**json.loads(record.read_text()), **changes}
    record.write_text(json.dumps({**content, "record_digest": provenance._self_digest(content)}))


def test_a_record_is_read_as_written(record: Path) -> None:
    found = read_record(record, "run", spec=spec_digest(SPEC), code=CODE)
    assert found["spec"] == SPEC
    assert (found["accuracy"], found["reason"], found["kind"], found["code_digest"]) == (0.5, None, "run", CODE)
    assert found["files"] == {name: sha256(record.parent / name) for name in ("a.bin", "b.csv")}
    check_files(record, found)
    check_files(record, found, "a.bin")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(Path.unlink, "is missing", id="missing"),
        pytest.param(lambda r: r.write_text("accuracy: 1"), "is no record of bakeoff", id="not JSON"),
        pytest.param(lambda r: r.write_bytes(r.read_bytes()[:-20]), "is no record of bakeoff", id="truncated"),
        pytest.param(lambda r: r.write_bytes(b""), "is no record of bakeoff", id="empty"),
        pytest.param(lambda r: r.write_bytes(b"\xff\xfe{}"), "is no record of bakeoff", id="not UTF-8"),
        pytest.param(lambda r: r.write_text("[]"), "is no record of bakeoff", id="a list"),
        pytest.param(lambda r: r.write_text('"record_digest"'), "is no record of bakeoff", id="a text"),
        pytest.param(lambda r: r.write_text('{"a": 1}'), "is no record of bakeoff", id="without digests"),
        pytest.param(lambda r: r.write_text("[" * 100_000), "is no record of bakeoff", id="nested deep"),
        pytest.param(lambda r: change(r, accuracy=math.nan), "is no record of bakeoff", id="NaN"),
        pytest.param(lambda r: change(r, reason="\ud800"), "is no record of bakeoff", id="half a character"),
        pytest.param(lambda r: change(r, accuracy=0.6), "was changed after it was written", id="edited value"),
        pytest.param(lambda r: change(r, accuracy=None), "was changed after it was written", id="value taken out"),
        pytest.param(lambda r: change(r, spec={"lr": 1}), "was changed after it was written", id="edited spec"),
        pytest.param(lambda r: forge(r, spec={"lr": 1}), "was changed after it was written", id="other spec's digest"),
        pytest.param(lambda r: change(r, extra=1), "was changed after it was written", id="added key"),
        pytest.param(lambda r: change(r, files={}), "was changed after it was written", id="files taken out"),
        pytest.param(lambda r: change(r, record_digest="0" * 64), "was changed after it was written", id="digest"),
        pytest.param(lambda r: forge(r, kind="metrics"), "is a record of 'metrics', not of 'run'", id="other kind"),
    ],
)
def test_a_record_that_cannot_be_trusted_is_refused(record: Path, spoil: Callable[[Path], Any], said: str) -> None:
    spoil(record)
    with pytest.raises(Refused, match=rf"\A{record}: {said}"):
        read_record(record, "run", spec=spec_digest(SPEC), code=CODE)


def test_a_folder_is_no_record(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="is no record of bakeoff"):
        read_record(tmp_path, "run")


def test_a_record_of_other_settings_or_other_code_is_refused(record: Path) -> None:
    with pytest.raises(Refused, match=rf"{record}: was made with other settings \({spec_digest(SPEC)}, wanted 000\)"):
        read_record(record, "run", spec="000")
    with pytest.raises(Refused, match=rf"(?s){record}: was made by other code .*digest {CODE}, now 00.*commit abc"):
        read_record(record, "run", code="00")
    assert read_record(record, "run")["spec"] == SPEC


def test_files_that_are_not_the_ones_described_are_refused(record: Path) -> None:
    found = read_record(record, "run")
    (record.parent / "b.csv").write_text("b.csW")
    check_files(record, found, "a.bin")
    with pytest.raises(Refused, match=r"b\.csv: is not the file that run\.json describes"):
        check_files(record, found)
    (record.parent / "a.bin").unlink()
    with pytest.raises(Refused, match=r"a\.bin: is missing, though run\.json beside it describes it"):
        check_files(record, found)
    with pytest.raises(Refused, match=r"b\.csv: is not the file"):
        check_files(record, {"files": {}}, "b.csv")


_names = st.text(string.ascii_lowercase, min_size=1, max_size=5).filter(
    lambda name: name not in {"kind", "spec", "files", "bakeoff"}
)
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(_names, _json, max_size=3), st.dictionaries(_names, _json, max_size=3))
def test_every_record_is_read_as_written(
    tmp_path_factory: pytest.TempPathFactory, spec: dict[str, Any], body: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "record.json"
    write_record(path, "thing", spec, CODE, body)
    found = read_record(path, "thing", spec=spec_digest(spec), code=CODE)
    assert found["spec"] == spec
    assert {key: found[key] for key in body} == body


# --- files ---


def _write(path: Path, text: str, error: type[BaseException]) -> None:
    with whole(path) as part:
        part.write_text(text)
        raise error


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "table.csv"
    with pytest.raises(KeyboardInterrupt):
        _write(path, "half", KeyboardInterrupt)
    assert list(path.parent.iterdir()) == []

    with whole(path) as part:
        part.write_text("one")
        assert part.suffix == path.suffix  # numpy and pandas go by it
        assert not path.exists()
    assert [path.read_text(), *path.parent.iterdir()] == ["one", path]

    with pytest.raises(RuntimeError):
        _write(path, "two, but", RuntimeError)
    assert [path.read_text(), *path.parent.iterdir()] == ["one", path]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_json_holds_what_is_no_number(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"a": [value]})
    assert list(tmp_path.iterdir()) == []
    assert finite(value) is None
    assert (finite(None), finite(2), finite(0.5)) == (None, 2.0, 0.5)


# --- settings on the command line ---


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{lr: 1}", "--spec: is not JSON"),
        ("", "--spec: is not JSON"),
        ("[1]", "--spec: must be a JSON object"),
        ("zlib:!!!", "--spec: is not JSON"),
        ("zlib:AAAA", "--spec: is not JSON"),
        (spec_argument({"a": "b" * 40_000})[:-8], "--spec: is not JSON"),
    ],
)
def test_settings_that_are_none_are_refused(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        parse_spec(text)


class _Inner(BaseModel):
    size: int = Field(ge=1)
    label: str = Field(default_factory=lambda data: str(data["size"]))


class _Outer(BaseModel):
    inner: _Inner
    rate: float = 0.1


def test_settings_are_validated_with_every_wrong_key_named() -> None:
    assert validated(_Outer, {"inner": {"size": 2}}).inner.label == "2"
    assert validated(_Inner, {"recipe": {"inner": {"size": 2}}}, "recipe", "inner").size == 2
    with pytest.raises(UserError) as caught:
        validated(_Outer, {"inner": {"size": 0}, "rate": "fast"})
    assert str(caught.value).startswith("--spec: inner.size: Input should be greater than or equal to 1; rate: Input")
    assert "factory" not in str(caught.value)
    with pytest.raises(Refused, match=r"\Ax/run\.json: recipe\.inner\.size: Field required"):
        validated(_Inner, {"recipe": {"inner": {}}}, "recipe", "inner", source="x/run.json", fault=Refused)


@pytest.mark.parametrize("value", [{}, {"recipe": {}}, {"recipe": 3}, 3])
def test_a_missing_part_of_the_settings_is_named(value: object) -> None:
    with pytest.raises(UserError, match=r"--spec: recipe(\.inner)?: is missing"):
        at_path(value, "recipe", "inner")


# --- environment ---


def test_the_environment_says_what_one_needs_to_repeat() -> None:
    found = environment(["numpy", "no-such-package"])
    assert found["packages"]["numpy"]
    assert found["packages"]["no-such-package"] is None
    assert found["cpu"]
    assert found["cpu_count"] >= 1
    assert {"python", "platform", "commit", "uncommitted_changes"} <= found.keys()
    json.dumps(found)
