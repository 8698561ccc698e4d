"""`kdmgr completion SHELL`: a script that completes commands, and installed models where one is wanted."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kdmgr.cli.registry import ALIASES, COMMANDS

if TYPE_CHECKING:
    from kdmgr.cli.console import Console

_WITH_MODEL = ("fit", "chat", "run", "show", "rm", "cp", "mv", "push", "stop", "keep-alive")

_BASH = """\
_kdmgr() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}"
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{commands}" -- "$word"))
        return
    fi
    case "${{COMP_WORDS[1]}}" in
        {with_model})
            COMPREPLY=($(compgen -W "$(kdmgr list --names 2>/dev/null)" -- "$word"))
            COMPREPLY+=($(compgen -f -X '!*.gguf' -- "$word"))
            ;;
        *) COMPREPLY=($(compgen -f -- "$word")) ;;
    esac
    type __ltrim_colon_completions >/dev/null 2>&1 && __ltrim_colon_completions "$word"
}}
complete -o filenames -F _kdmgr kdmgr
"""

_ZSH = """\
#compdef kdmgr
_kdmgr() {{
    if (( CURRENT == 2 )); then
        compadd {commands}
    elif [[ "$words[2]" == ({with_model}) ]]; then
        compadd -- ${{(f)"$(kdmgr list --names 2>/dev/null)"}}
        _files -g '*.gguf'
    else
        _files
    fi
}}
compdef _kdmgr kdmgr
"""

_FISH = """\
complete -c kdmgr -n __fish_use_subcommand -f -a "{commands}"
complete -c kdmgr -n "__fish_seen_subcommand_from {with_model}" -f -a "(kdmgr list --names 2>/dev/null)"
complete -c kdmgr -n "__fish_seen_subcommand_from {with_model}" -k -a "(__fish_complete_suffix .gguf)"
"""

_SCRIPTS = {"bash": (_BASH, "|"), "zsh": (_ZSH, "|"), "fish": (_FISH, " ")}


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `completion`."""
    parser.add_argument("shell", choices=sorted(_SCRIPTS), help='for bash: eval "$(kdmgr completion bash)"')


def run(args: argparse.Namespace, console: Console) -> int:
    """Print the script."""
    script, separator = _SCRIPTS[args.shell]
    commands = " ".join(sorted({*COMMANDS, *ALIASES}))
    console.print(script.format(commands=commands, with_model=separator.join(_WITH_MODEL)), end="")
    return 0
