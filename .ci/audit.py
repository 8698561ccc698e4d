"""Audit of the dependencies: bounded, locked, and without a known vulnerability.

Exits with 1 for a requirement without an upper bound, an installed version that the lock does not have, or a
vulnerability in what the lock names. Where the advisory database cannot be reached that part is said to be left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).parent
LOCK = HERE / "lock.txt"
OF_THE_ENVIRONMENT = {"kdmgr", "pip", "setuptools"}
"""Installed, but by no requirement of ours."""


def read_lock() -> dict[str, str]:
    """Versions by normalised name."""
    rows = (line.split("#")[0].strip() for line in LOCK.read_text("utf-8").splitlines())
    return {canonicalize_name(name): version for name, _, version in (row.partition("==") for row in rows if row)}


def unbounded() -> list[str]:
    """Requirements of `pyproject.toml` that a future major release would be let in by."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    texts = [*project["dependencies"], *(text for extra in project["optional-dependencies"].values() for text in extra)]
    wanted = [Requirement(text) for text in texts]
    return [
        f"{one.name}: no upper bound"
        for one in wanted
        if one.name != project["name"] and not any(part.operator in ("<", "==", "~=") for part in one.specifier)
    ]


def unlocked(lock: dict[str, str]) -> list[str]:
    """Installed versions that the lock does not name."""
    installed = {canonicalize_name(one.name): one.version for one in distributions()}
    return [
        f"{name} {version} is installed, the lock has {lock.get(name) or 'none'}"
        for name, version in sorted(installed.items())
        if name not in OF_THE_ENVIRONMENT and lock.get(name) != version
    ]


def vulnerable() -> tuple[list[str], int]:
    """Known vulnerabilities of locked versions, and how many versions could not be looked up."""
    command = [sys.executable, "-m", "pip_audit", "-r", str(LOCK), "--no-deps", "--disable-pip", "-f", "json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    try:
        rows = json.loads(run.stdout)["dependencies"]
    except (ValueError, KeyError):
        return [], -1
    found = [f"{row['name']} {row['version']}: {one['id']}" for row in rows for one in row.get("vulns", ())]
    return found, sum("skip_reason" in row for row in rows)


def main() -> int:
    """Print what is wrong; 1 when something is."""
    lock = read_lock()
    known, skipped = vulnerable()
    faults = [*unbounded(), *unlocked(lock), *known]
    for fault in faults:
        print(f"audit: {fault}")
    if skipped:
        left_out = "the lock" if skipped < 0 else f"{skipped} of {len(lock)} versions"
        print(f"audit: no advisories could be read for {left_out}: not checked for vulnerabilities")
    print(f"audit: {len(lock)} locked versions, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
