"""Reading YAML from strangers: plain data as JSON has it, and a sentence with file and line for everything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff import studyfile
from bakeoff.errors import UserError
from bakeoff.studyfile import MAX_BYTES, MAX_DEPTH, parse, read, write

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 1e5),
        (".5", 0.5),
        ("2.", 2.0),
        ("-1.10", -1.1),
        ("1.10", 1.1),
        ("+7", 7),
        ("010", 10),
        ("0", 0),
        ("no", "no"),
        ("NO", "NO"),
        ("off", "off"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12:30:45", "12:30:45"),
        ("2020-01-02", "2020-01-02"),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("=", "="),
        ("'1'", "1"),
        ('"true"', "true"),
        ("''", ""),
        ("'1e-3'", "1e-3"),
        ("|\n  12\n", "12\n"),
        ("[1, no, '2']", [1, "no", "2"]),
        ("{a: 1, b: {c: }}", {"a": 1, "b": {"c": None}}),
    ],
)
def test_scalars_are_jsons(text: str, value: Any) -> None:
    found = parse(f"key: {text}".encode(), "study.yaml").data["key"]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_always_text() -> None:
    text = b"__use_yte__: true\n1: a\nnull: b\non: c\n?f?: d\n<<: e\n"
    assert parse(text, "x").data == {"__use_yte__": True, "1": "a", "null": "b", "on": "c", "?f?": "d", "<<": "e"}


def test_the_place_of_every_key_and_item_is_known() -> None:
    document = parse(b"# a study\nmodels:\n  - a\n  - name: b\n    deep: [1,\n      2]\nseeds: [0]\n", "s.yaml")
    assert document.places == {
        ("models",): "s.yaml:2",
        ("models", 0): "s.yaml:3",
        ("models", 1): "s.yaml:4",
        ("models", 1, "name"): "s.yaml:4",
        ("models", 1, "deep"): "s.yaml:5",
        ("models", 1, "deep", 0): "s.yaml:5",
        ("models", 1, "deep", 1): "s.yaml:6",
        ("seeds",): "s.yaml:7",
        ("seeds", 0): "s.yaml:7",
    }
    assert document.where(("models", 1, "options", "x")) == "s.yaml:4"
    assert document.where(("nothing",)) == "s.yaml"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("a: 1\nb: 2\na: 3\n", "s.yaml:3: the key 'a' stands twice", id="duplicate key"),
        pytest.param("a: 1\nb:\n\t- x\n", r"s\.yaml:3: is not valid YAML: .*with spaces, not tabs", id="tab"),
        pytest.param("a: &x 1\nb: *x\n", r"s\.yaml:1: anchors and aliases \(&x\)", id="anchor"),
        pytest.param("a: 1\nb: *x\n", r"s\.yaml:2: anchors and aliases \(\*x\)", id="alias"),
        pytest.param(BOMB, r"s\.yaml:1: anchors and aliases", id="alias bomb"),
        pytest.param(
            "a: 1\nb: !!python/object/apply:os.system [id]\n",
            r"s\.yaml:2: tags \('tag:.*os\.system'\)",
            id="python tag",
        ),
        pytest.param("a: !custom {b: 1}\n", r"s\.yaml:1: tags \('!custom'\)", id="custom tag"),
        pytest.param("a: !!binary aGk=\n", r"s\.yaml:1: tags \('tag:yaml.org,2002:binary'\)", id="binary"),
        pytest.param("a: !!str 5\n", r"s\.yaml:1: tags", id="standard tag"),
        pytest.param("a: ! 5\n", r"s\.yaml:1: tags", id="bare tag"),
        pytest.param("!!set {a}\n", r"s\.yaml:1: tags", id="tag of the root"),
        pytest.param("!x a: 1\n", r"s\.yaml:1: tags", id="tag of a key"),
        pytest.param("a:\n " + "[" * MAX_DEPTH, rf"s\.yaml:2: is nested more than {MAX_DEPTH} levels", id="nesting"),
        pytest.param("[" * 500_000, rf"s\.yaml:1: is nested more than {MAX_DEPTH} levels", id="deep nesting"),
        pytest.param("- a\n- b\n", r"s\.yaml:1: is not a study: a study is a mapping of keys", id="list"),
        pytest.param("just words", r"s\.yaml:1: is not a study", id="text"),
        pytest.param("# nothing\n", r"s\.yaml:1: is not a study", id="empty"),
        pytest.param("a: 1\n---\nb: 1\n", r"s\.yaml:2: is not valid YAML: .*another document", id="two documents"),
        pytest.param("a: 1\nb: [1, 2\n", r"s\.yaml:3: is not valid YAML", id="open bracket"),
        pytest.param("a: 'x\n", r"s\.yaml:2: is not valid YAML", id="open quote"),
        pytest.param("a: 1\n[b]: 2\n", r"s\.yaml:2: a key must be a word", id="list as key"),
        pytest.param("a: 1\nb: \x07\n", r"s\.yaml:2: has a control character \(U\+0007\)", id="control character"),
        pytest.param("a:\n- 1e999\n", r"s\.yaml:2: 1e999 is larger than any number", id="infinite"),
        pytest.param('a: "\\ud800"\n', r"s\.yaml:1: .* halves of characters", id="half a character"),
    ],
)
def test_everything_else_is_refused_at_its_line(text: str, said: str) -> None:
    with pytest.raises(UserError, match=rf"\A{said}"):
        parse(text.encode(), "s.yaml")


def test_a_tag_runs_nothing(tmp_path: Path) -> None:
    made = tmp_path / "made"
    with pytest.raises(UserError, match="tags"):
        parse(
            f"a: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{made}']]".encode(), "s"
        )
    assert not made.exists()


@pytest.mark.parametrize("text", [b"a: 1\nb: \xff\xfe\n", b"a: 1\nb: caf\xe9\n"])
def test_other_encodings_are_refused_at_their_line(text: bytes) -> None:
    with pytest.raises(UserError, match=r"\As\.yaml:2: is not UTF-8 text .*; save it as UTF-8"):
        parse(text, "s.yaml")


def test_a_byte_order_mark_is_no_fault() -> None:
    assert parse("\ufeffstudy: Größe\n".encode(), "s.yaml").data == {"study": "Größe"}


def test_a_file_that_is_no_study_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"missing\.yaml: no such file; study files stand in studies/"):
        read(tmp_path / "missing.yaml")
    with pytest.raises(UserError, match="cannot be read"):
        read(tmp_path)
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * MAX_BYTES)
    with pytest.raises(UserError, match="is not a study"):
        read(large)
    large.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(UserError, match=r"large\.yaml: is larger than 1,000,000 bytes"):
        read(large)


def test_an_endless_file_is_not_read_to_its_end() -> None:
    with pytest.raises(UserError, match="is larger than"):
        read(Path("/dev/zero"))


_printable = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"], exclude_characters="\ufeff\u2028\u2029"))
_number = st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False)
_data = st.recursive(
    st.none() | st.booleans() | _number | _printable,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_printable, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(_printable, _data, max_size=3))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any]) -> None:
    path = write(data, tmp_path_factory.getbasetemp() / "round.json")
    document = read(path)
    assert document.data == data
    assert list(document.places) == list(studyfile.paths(data))
