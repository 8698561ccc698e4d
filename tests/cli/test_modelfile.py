"""`kdmgr modelfile`: new, lint, show, edit, diff, apply."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.support.console import Cli

EDITOR = """import sys
from pathlib import Path
path = Path(sys.argv[1])
{body}
"""


@pytest.fixture
def smol(cli: Cli, smollm_gguf: Path) -> str:
    assert cli("import", smollm_gguf, "smol").code == 0
    return "smol:latest"


def set_editor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str) -> None:
    """Let $EDITOR be a program that does `body` with the file `path`."""
    script = tmp_path / "editor.py"
    script.write_text(EDITOR.format(body=body))
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f'"{sys.executable}" "{script}"'.replace("\\", "\\\\"))


def drafts(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "data" / "drafts").glob("*.Modelfile"))


def test_lint_names_place_reason_and_fix(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "Modelfile"
    path.write_text("FROM ./gone.gguf\nPARAMETER tempature 1\nPARAMETER mirostat 1\n")
    ran = cli("modelfile", "lint", path)
    assert ran.code == 1
    assert f"{path}:2:1: error unknown-parameter: " in ran.out
    assert "did you mean temperature?" in ran.out
    assert "--fix" in ran.err
    body = json.loads(cli("modelfile", "lint", path, "--json").out)
    assert body["schema_version"] == 1
    assert [finding["code"] for finding in body["files"][0]["findings"]] == [
        "missing-source", "unknown-parameter", "deprecated",
    ]  # fmt: skip
    assert body["files"][0]["findings"][1]["fix"]["text"] == "temperature"


def test_fix_mends_the_file_and_leaves_the_rest(cli: Cli, smol: str, tmp_path: Path) -> None:
    path = tmp_path / "Modelfile"
    path.write_text("# mine\nFROM smol # the small one\nPARAMETER  top-k 3\nPARAMETER mirostat 1\n")
    assert cli("modelfile", "lint", path).code == 1
    ran = cli("modelfile", "lint", path, "--fix")
    assert (ran.code, "no findings" in ran.out) == (0, True)
    assert path.read_text() == "# mine\nFROM smol\nPARAMETER top_k 3\n"
    assert not list(tmp_path.glob(".*"))


def test_fix_does_not_touch_what_it_cannot_read(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "Modelfile"
    source = b"FROM x\nPARAMETER tempature 1\nSYSTEM \xff\n"
    path.write_bytes(source)
    assert cli("modelfile", "lint", path, "--fix").code == 1
    assert path.read_bytes() == source


def test_new_proposes_with_reasons_and_overwrites_nothing(cli: Cli, gemma_gguf: Path, tmp_path: Path) -> None:
    ran = cli("modelfile", "new", gemma_gguf, "--for", "0.24.0")
    assert ran.code == 0
    assert f"FROM {gemma_gguf}" in ran.out
    assert "base model" in ran.out
    path = tmp_path / "Modelfile"
    assert cli("modelfile", "new", gemma_gguf, "-o", path).code == 0
    assert cli("modelfile", "lint", path).code == 0
    assert cli("modelfile", "new", gemma_gguf, "-o", path).code == 2


def test_what_is_applied_is_shown_and_makes_the_same_again(cli: Cli, smollm_gguf: Path, tmp_path: Path) -> None:
    path = tmp_path / "Modelfile"
    path.write_bytes(
        f'FROM {smollm_gguf}\nSYSTEM """"odd"\r\n """\nPARAMETER num_ctx 1048576\n'
        'PARAMETER stop " a"\nMESSAGE user "hi\n"'.encode()
    )
    assert cli("modelfile", "apply", path, "one", "--to", "own").code == 0
    shown = cli("modelfile", "show", "one").out
    assert "PARAMETER num_ctx 1048576\n" in shown
    again = tmp_path / "again"
    again.write_bytes(shown.encode())
    assert cli("modelfile", "apply", again, "two", "--to", "own").code == 0
    digests = {json.loads(cli("show", name, "--json").out)["digest"] for name in ("one", "two")}
    assert len(digests) == 1
    assert cli("modelfile", "diff", "one", "two").code == 0
    assert cli("chat", "two", "Hi", "-n", "2").code == 0


def test_a_model_made_from_another_inherits(cli: Cli, smol: str, tmp_path: Path) -> None:
    path = tmp_path / "Modelfile"
    path.write_text("FROM smol\nSYSTEM one\nPARAMETER top_k 3\n")
    assert cli("modelfile", "apply", path, "child", "--to", "own").code == 0
    path.write_text("FROM child\nPARAMETER seed 1\n")
    assert cli("modelfile", "apply", path, "grandchild", "--to", "own").code == 0
    ran = cli("modelfile", "diff", "child", "grandchild", "--json")
    assert ran.code == 1
    assert json.loads(ran.out)["changes"] == [{"what": "PARAMETER seed", "before": None, "after": "1"}]
    assert cli("rm", "child", "-y").code == 0
    assert "SYSTEM one" in cli("modelfile", "show", "grandchild").out


def test_apply_asks_before_it_replaces(cli: Cli, smol: str, tmp_path: Path) -> None:
    path = tmp_path / "Modelfile"
    path.write_text("FROM smol\nSYSTEM new\n")
    ran = cli("modelfile", "apply", path, "smol", "--to", "own")
    assert (ran.code, "--yes" in ran.err) == (2, True)
    assert "SYSTEM" not in cli("modelfile", "show", "smol").out
    assert cli("modelfile", "apply", path, "smol", "--to", "own", "-y").code == 0
    assert "SYSTEM new" in cli("modelfile", "show", "smol").out


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("FROM smol\nPARAMETER top_k x\n", 1, "not a whole number"),
        ("FROM ./gone.gguf\n", 1, "does not exist"),
        ("FROM smol\n", 3, "no Ollama server answers"),
    ],
)
def test_what_cannot_be_applied_says_why(cli: Cli, smol: str, tmp_path: Path, text: str, code: int, says: str) -> None:
    path = tmp_path / "Modelfile"
    path.write_text(text)
    ran = cli("modelfile", "apply", path, "new")
    assert ran.code == code
    assert says in ran.out + ran.err


def test_a_draft_is_refused_and_not_forgotten(cli: Cli, smol: str, tmp_path: Path) -> None:
    path = tmp_path / "Modelfile"
    path.write_text(f"FROM smol\nDRAFT {path}\n")
    ran = cli("modelfile", "apply", path, "new", "--to", "own")
    assert (ran.code, "draft models" in ran.err) == (2, True)
    assert "new" not in cli("ls").out


def test_an_edit_becomes_a_new_tag_and_the_draft_goes(
    cli: Cli, smol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_editor(monkeypatch, tmp_path, 'path.write_text(path.read_text() + "SYSTEM edited\\n")')
    ran = cli("modelfile", "edit", smol, "--tag", "edited", "-y")
    assert ran.code == 0, ran.err
    assert "+SYSTEM edited" in ran.out
    assert "SYSTEM: added, edited" in ran.out
    assert "SYSTEM edited" in cli("modelfile", "show", "edited").out
    assert "SYSTEM" not in cli("modelfile", "show", smol).out
    assert drafts(tmp_path) == []
    assert cli("modelfile", "edit", smol, "-y").code == 0
    assert "SYSTEM edited" in cli("modelfile", "show", smol).out


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ('path.write_text(path.read_text() + "PARAMETER top_k x\\n")', 1, "draft has errors"),
        ('path.write_text(path.read_text() + "SYSTEM lost?\\n"); sys.exit(3)', 1, "ended with code 3"),
        ('path.write_text(path.read_text() + "SYSTEM unasked\\n")', 2, "nobody can be asked"),
    ],
)
def test_nothing_is_lost_when_an_edit_fails(
    cli: Cli, smol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, code: int, says: str
) -> None:
    before = cli("modelfile", "show", smol).out
    set_editor(monkeypatch, tmp_path, body)
    ran = cli("modelfile", "edit", smol)
    assert ran.code == code
    assert says in ran.err
    (draft,) = drafts(tmp_path)
    assert str(draft) in ran.err
    assert len(draft.read_text()) > len(before)
    assert cli("modelfile", "show", smol).out == before


def test_an_edit_that_changes_nothing_leaves_nothing(
    cli: Cli, smol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_editor(monkeypatch, tmp_path, 'path.write_text(path.read_text() + "\\n# a comment\\n")')
    ran = cli("modelfile", "edit", smol)
    assert (ran.code, "nothing changed" in ran.err) == (0, True)
    assert drafts(tmp_path) == []


def test_an_editor_that_is_not_there_is_named(cli: Cli, smol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "no-such-editor-anywhere --wait")
    ran = cli("modelfile", "edit", smol)
    assert ran.code == 1
    assert "no-such-editor-anywhere" in ran.err


def test_shipped_modelfiles_are_shown_by_their_family(cli: Cli) -> None:
    assert "gemma3" in cli("modelfile", "list").out.split()
    assert "Template family: gemma" in cli("modelfile", "show", "gemma3").out
    assert cli("modelfile", "show", "nothing-like-it").code == 4
