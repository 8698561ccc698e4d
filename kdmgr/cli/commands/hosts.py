"""`kdmgr hosts [list|add|use|rm|test]`: the Ollama servers you have, and which one is meant."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_json, add_yes
from kdmgr.units import format_bytes, format_duration, printable

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.services.app import Services
    from kdmgr.services.hosts import HostCheck

UNREACHABLE = 3
LIST_S, TEST_S = 2.0, 10.0
_BASES = {"--host": "by --host", "OLLAMA_HOST": "by OLLAMA_HOST", "config": "by the config", "default": "by default"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `hosts`; without an action the list."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    listing = actions.add_parser("list", help="all of them: version, era, what is loaded (the default)")
    add_json(parser)
    add_json(listing)
    add = actions.add_parser("add", help="name a server")
    add.add_argument("name", metavar="NAME")
    add.add_argument("url", metavar="URL", help="192.168.1.20, gpu-box:11434 or https://example.com/ollama")
    add.add_argument(
        "--gpu", action="append", default=[], metavar="GPU", help='a GPU it has: "RTX 3060 12GB", "2x RTX 3090"'
    )
    add.add_argument("--memory", metavar="SIZE", help="its host memory: 64GiB")
    add.add_argument("--use", action="store_true", help="make it the current one")
    add.add_argument("--replace", action="store_true", help="take the place of a host of this name")
    use = actions.add_parser("use", help="make a host the current one; `use default` goes back to this machine")
    use.add_argument("name", metavar="NAME")
    remove = actions.add_parser("rm", help="forget a host")
    remove.add_argument("name", metavar="NAME")
    add_yes(remove)
    test = actions.add_parser("test", help="whether a server can be reached, and if not, why")
    test.add_argument("name", nargs="?", metavar="NAME|URL", help="default: the current one")
    add_json(test)


def run(args: argparse.Namespace, console: Console) -> int:
    """Do one of the actions; `test` ends with 3 when the server cannot be used."""
    from kdmgr.services.app import Services

    services = Services.create(host=args.name if args.action == "test" else None)
    actions = {"add": _add, "use": _use, "rm": _remove, "test": _test}
    return actions.get(args.action or "list", _list)(args, services, console)


def _list(args: argparse.Namespace, services: Services, console: Console) -> int:
    import asyncio

    from kdmgr.services.hosts import all_hosts, check_hosts

    checks = asyncio.run(check_hosts(services, all_hosts(services.settings, services.host), within=LIST_S))
    if args.json:
        _print_json({"schema_version": 1, "hosts": [_host_object(check) for check in checks]}, console)
        return 0
    rows = [_row(check) for check in checks]
    console.table(("", "NAME", "ADDRESS", "STATE", "MODELS", "LOADED", "GPUS"), rows, right=(4,))
    current = next(check.host for check in checks if check.current)
    console.note(f"current: {current.words}, {_BASES[current.basis]}")
    return 0


def _row(check: HostCheck) -> tuple[str, ...]:
    host, status = check.host, check.status
    named = host.named
    version = f"{status.version}, era {status.era}" if status.era else "a build without a version"
    state = f"✔ {version}" if status.usable else f"✘ {status.reason}"
    loaded = ", ".join(model.name for model in check.loaded)
    gpus = ", ".join(named.gpus) if named else ""
    return (
        "*" if check.current else "",
        named.name if named else "",
        host.address.url,
        state,
        "" if check.n_models is None else str(check.n_models),
        loaded,
        gpus or ("not declared" if host.is_remote else ""),
    )


def _add(args: argparse.Namespace, services: Services, console: Console) -> int:
    from kdmgr.config import NamedHost
    from kdmgr.services.host_settings import add_host, is_remote_url
    from kdmgr.units import parse_bytes

    memory = None if args.memory is None else parse_bytes(args.memory)
    host = NamedHost(args.name, args.url, tuple(args.gpu), memory)
    add_host(services.paths.config, host, memory=args.memory, replace=args.replace, use=args.use)
    console.note(f"{host.name} is {host.url}{', the current host' if args.use else ''}")
    if not host.gpus and is_remote_url(host.url):
        console.note("its GPUs are not declared: fit cannot tell what fits there without --gpu")
    if args.use:
        _tell_of_environment(services, console)
    return 0


def _use(args: argparse.Namespace, services: Services, console: Console) -> int:
    from kdmgr.services.host_settings import use_host

    host = use_host(services.paths.config, args.name)
    console.note(f"the current host is {host.name}, {host.url}" if host else "the current host is this machine")
    _tell_of_environment(services, console)
    return 0


def _tell_of_environment(services: Services, console: Console) -> None:
    from kdmgr.services.hosts import ENVIRONMENT

    if services.host.basis == ENVIRONMENT:
        console.note(f"warning: OLLAMA_HOST is set to {services.host.address.url}, and wins while it is")


def _remove(args: argparse.Namespace, services: Services, console: Console) -> int:
    from kdmgr.cli.asking import confirm
    from kdmgr.services.host_settings import remove_host, require_host

    host = require_host(services.settings, args.name)
    if not confirm(f"forget {host.name} ({host.url})?", console, yes=args.yes):
        console.note("nothing was changed")
        return 1
    was_current = remove_host(services.paths.config, host.name)
    console.note(f"forgot {host.name}{'; the current host is this machine now' if was_current else ''}")
    return 0


def _test(args: argparse.Namespace, services: Services, console: Console) -> int:
    import asyncio

    from kdmgr.services.hosts import check_host

    check = asyncio.run(check_host(services, services.host, True, within=TEST_S))
    if args.json:
        _print_json({"schema_version": 1, **_host_object(check)}, console)
    elif check.status.usable:
        _print_check(check, console)
    else:
        console.error(f"{check.status.detail} ({check.status.reason})", check.status.hint)
    return 0 if check.status.usable else UNREACHABLE


def _print_check(check: HostCheck, console: Console) -> None:
    from kdmgr.services.hosts import ARGUMENT

    named = check.host.named
    loaded = ", ".join(f"{model.name} ({format_bytes(model.size)})" for model in check.loaded)
    console.fields(
        {
            "name": named.name if named else "",
            "address": check.host.address.url,
            "chosen": "" if check.host.basis == ARGUMENT else _BASES[check.host.basis],
            "server": check.status.detail.partition(", at ")[0],
            "answered in": format_duration(check.answer_s),
            "models": "" if check.n_models is None else str(check.n_models),
            "loaded": loaded,
            "GPUs": (", ".join(named.gpus) if named else "") or ("not declared" if check.host.is_remote else ""),
            "host memory": format_bytes(named.memory_bytes) if named and named.memory_bytes else "",
        }
    )


def _host_object(check: HostCheck) -> dict[str, object]:
    host, status = check.host, check.status
    return {
        "name": host.named.name if host.named else None,
        "url": host.address.url,
        "current": check.current,
        "chosen_by": host.basis,
        "remote": host.is_remote,
        "reachable": status.usable,
        "reason": status.reason,
        "detail": printable(status.detail),
        "hint": status.hint,
        "version": status.version,
        "era": status.era,
        "answer_ms": round(check.answer_s * 1000),
        "models": check.n_models,
        "loaded": [model.name for model in check.loaded],
        "gpus": list(host.named.gpus) if host.named else [],
        "memory_bytes": host.named.memory_bytes if host.named else None,
    }


def _print_json(body: dict[str, object], console: Console) -> None:
    import json

    console.print(json.dumps(body, indent=2))
