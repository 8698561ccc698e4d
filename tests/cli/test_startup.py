"""Starting costs little: nothing heavy is imported before it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kdmgr.cli.registry import COMMANDS
from tests.support.console import Cli

HEAVY = (
    *("textual", "rich", "httpx", "httpx2", "asyncio", "xllamacpp", "pynvml", "numpy", "huggingface_hub"),
    "platformdirs",
)
_LIST_MODULES = """
import json, sys
from kdmgr.cli.main import main
try:
    code = main(sys.argv[1:])
except SystemExit as stop:
    code = stop.code
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["fit", "--help"], ["search", "--help"], ["completion", "bash"]]
)
def test_nothing_heavy_is_imported(arguments: list[str]) -> None:
    ran = subprocess.run([sys.executable, "-c", _LIST_MODULES, *arguments], capture_output=True, text=True, check=True)
    code, modules = json.loads(ran.stderr.splitlines()[-1])
    assert code == 0
    assert not set(HEAVY) & set(modules)


def test_fit_of_a_file_on_a_declared_card_brings_no_client_of_anything(cli: Cli, smollm_gguf: Path) -> None:
    arguments = ["fit", str(smollm_gguf), "--gpu", "RTX 3060 12GB"]
    ran = subprocess.run([sys.executable, "-c", _LIST_MODULES, *arguments], capture_output=True, text=True, check=True)
    code, modules = json.loads(ran.stderr.splitlines()[-1])
    assert code == 0
    wanted = {"platformdirs"}
    assert not ({*HEAVY, "ssl", "socket", "sqlite3", "_hashlib"} - wanted) & set(modules)


def test_fit_of_what_is_no_student_reads_neither_teachers_nor_shapes(cli: Cli, smollm_gguf: Path) -> None:
    arguments = ["fit", str(smollm_gguf), "--gpu", "RTX 3060 12GB"]
    listing = _LIST_MODULES.replace('name.partition(".")[0]', "name")
    ran = subprocess.run([sys.executable, "-c", listing, *arguments], capture_output=True, text=True, check=True)
    code, modules = json.loads(ran.stderr.splitlines()[-1])
    assert code == 0
    unneeded = {"kdmgr.services.teachers", "kdmgr.catalog.teachers", "kdmgr.catalog.shapes", "kdmgr.gguf.published"}
    assert not unneeded & set(modules)


def test_help_lists_every_command_and_alias(cli: Cli) -> None:
    shown = cli("--help").out
    for name, command in COMMANDS.items():
        assert all(word in shown for word in (name, *command.aliases, command.summary))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(cli: Cli, name: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli(name, "--help")
    assert stopped.value.code == 0


def test_a_mistyped_command_is_guessed(cli: Cli) -> None:
    ran = cli("fitt", "x.gguf")
    assert ran.code == 2
    assert "kdmgr fit" in ran.err


def test_a_bad_flag_is_one_line_and_a_hint(cli: Cli) -> None:
    ran = cli("fit", "--colour")
    assert ran.code == 2
    assert ran.err.count("\n") == 2
    assert "kdmgr fit --help" in ran.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_names_every_command(cli: Cli, shell: str) -> None:
    ran = cli("completion", shell)
    assert ran.code == 0
    assert all(name in ran.out for name in COMMANDS)
