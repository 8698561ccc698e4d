"""`kdmgr config [list|get|set|unset|keys|path]`: what is set for good, in config.toml."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_json

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.services.app import Services
    from kdmgr.services.preferences import PreferenceValue


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `config`; without an action the list."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    listing = actions.add_parser("list", help="all settings (the default)")
    add_json(parser)
    add_json(listing)
    get = actions.add_parser("get", help="the value of one setting")
    get.add_argument("key", metavar="KEY")
    change = actions.add_parser("set", help="change a setting, or a key: set keys.students.filter ctrl+s")
    change.add_argument("key", metavar="KEY")
    change.add_argument("value", metavar="VALUE")
    unset = actions.add_parser("unset", help="let the default hold again")
    unset.add_argument("key", metavar="KEY")
    keys = actions.add_parser("keys", help="the keys of the terminal app, with the ids to set them by")
    add_json(keys)
    actions.add_parser("path", help="where the file is")


def run(args: argparse.Namespace, console: Console) -> int:
    """Do one of the actions; 4 for a setting that does not exist, 2 for a value that it cannot have."""
    from kdmgr.services.app import Services

    actions = {"get": _get, "set": _set, "unset": _unset, "keys": _keys, "path": _path}
    return actions.get(args.action or "list", _list)(Services.create(), args, console)


def _list(services: Services, args: argparse.Namespace, console: Console) -> int:
    values = services.preferences.values()
    if args.json:
        keys = dict(services.preferences.keys())
        settings = [_object(value) for value in values]
        _print_json(
            {"schema_version": 1, "path": str(services.preferences.config_file), "settings": settings, "keys": keys},
            console,
        )
        return 0
    console.table(("SETTING", "VALUE", "ABOUT"), [_row(value) for value in values])
    for name, keys_of in services.preferences.keys().items():
        console.note(f"keys.{name} = {keys_of}")
    for value in values:
        if value.overruled_by:
            console.note(f"{value.overruled_by} is set, and wins over {value.preference.key}")
    return 0


def _row(value: PreferenceValue) -> tuple[str, ...]:
    preference = value.preference
    shown = value.value if value.value is not None else f"({preference.default})"
    choices = f": {', '.join(preference.choices)}" if preference.choices else ""
    return preference.key, shown, f"{preference.summary}{choices}"


def _object(value: PreferenceValue) -> dict[str, object]:
    preference = value.preference
    return {
        "key": preference.key,
        "value": value.value,
        "default": preference.default,
        "choices": list(preference.choices),
        "overruled_by": value.overruled_by,
        "summary": preference.summary,
    }


def _get(services: Services, args: argparse.Namespace, console: Console) -> int:
    from kdmgr.errors import NotFound
    from kdmgr.services.preferences import KEY_PREFIX, find_preference
    from kdmgr.units import printable

    if args.key.startswith(KEY_PREFIX):
        name = args.key.removeprefix(KEY_PREFIX)
        keys = services.preferences.keys().get(name)
        if keys is None:
            raise NotFound(f"no key is set for {name}", hint="kdmgr config keys lists what there is")
        console.print(printable(keys))
        return 0
    preference = find_preference(args.key)
    value = next(one for one in services.preferences.values() if one.preference == preference)
    if value.value is None:
        console.note(f"{args.key} is not set: {preference.default}")
    else:
        console.print(printable(value.value))
    return 0


def _set(services: Services, args: argparse.Namespace, console: Console) -> int:
    from kdmgr.services.preferences import KEY_PREFIX, set_preference

    if args.key.startswith(KEY_PREFIX):
        _check_key(services, args.key.removeprefix(KEY_PREFIX), args.value)
    set_preference(services.paths.config, args.key, args.value)
    console.note(f"{args.key} is {args.value}")
    return 0


def _check_key(services: Services, name: str, keys: str) -> None:
    """`UsageError` for an id that does not exist, or a key that another action has."""
    from kdmgr.errors import UsageError
    from kdmgr.tui.keymap import check_keys, known_keys

    wishes = {**services.preferences.keys(), name: keys}
    checked = check_keys(wishes, known_keys())
    if name not in checked.accepted:
        problem = next(problem for problem in checked.problems if name in problem)
        raise UsageError(problem, hint="kdmgr config keys lists ids and keys")


def _unset(services: Services, args: argparse.Namespace, console: Console) -> int:
    from kdmgr.services.preferences import unset_preference

    unset_preference(services.paths.config, args.key)
    console.note(f"{args.key} is as by default")
    return 0


def _keys(services: Services, args: argparse.Namespace, console: Console) -> int:
    from kdmgr.tui.keymap import check_keys, known_keys

    known = known_keys()
    checked = check_keys(services.preferences.keys(), known)
    if args.json:
        objects = [
            {
                "id": one.id,
                "keys": checked.accepted.get(one.id, one.keys).split(","),
                "default": one.keys.split(","),
                "where": one.places,
                "about": one.text,
            }
            for one in known
        ]
        _print_json({"schema_version": 1, "keys": objects, "problems": list(checked.problems)}, console)
        return 0
    rows = [(one.id, checked.accepted.get(one.id, one.keys), ", ".join(one.places), one.text) for one in known]
    console.table(("ID", "KEYS", "WHERE", "ABOUT"), rows)
    for problem in checked.problems:
        console.note(f"warning: {problem}")
    return 0


def _path(services: Services, args: argparse.Namespace, console: Console) -> int:
    console.print(str(services.preferences.config_file))
    return 0


def _print_json(body: dict[str, object], console: Console) -> None:
    import json

    console.print(json.dumps(body, indent=2))
