"""What a Hub repository holds, as models: shards joined, projectors apart, one entry for each quant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kdmgr.errors import NotFound, UsageError
from kdmgr.gguf.shards import parse_shard
from kdmgr.refs import HubRef, find_quant
from kdmgr.units import printable

FALLBACKS = ("Q4_K_M", "UD-Q4_K_XL", "Q4_K_S", "IQ4_XS", "Q4_0", "Q5_K_M", "Q6_K", "Q8_0")
"""The quant that is meant when none is named: the first of these that the repository has, else its smallest."""
MAX_SIZE = 1 << 50
_SHA256 = re.compile(r"[0-9a-f]{64}")
_GIT = re.compile(r"[0-9a-f]{40}")
# Beside models, repositories keep what was used to make them.
_NO_MODEL = ("imatrix",)


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository. `digest` is `sha256:<hex>` or `git:<hex>`, None where the Hub names none."""

    path: str
    size: int
    digest: str | None

    @property
    def name(self) -> str:
        """The path's last part."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class HubModel:
    """One model of a repository: a file, or a set of shards in order."""

    files: tuple[HubFile, ...]
    quant: str | None
    missing: int = 0
    """Shards that the repository does not have."""

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class HubRepo:
    """The models of a repository, the smallest first, and its projectors."""

    models: tuple[HubModel, ...]
    projectors: tuple[HubFile, ...]
    note: str | None = None
    """Set when the listing is an old copy."""

    def ref_of(self, ref: HubRef, model: HubModel) -> HubRef:
        """How to name one model: by its quant where that is enough, else by its file."""
        alike = sum(other.quant == model.quant for other in self.models)
        if model.quant is not None and alike == 1:
            return HubRef(ref.user, ref.repo, quant=model.quant)
        return HubRef(ref.user, ref.repo, file=model.files[0].path)


def read_repo(entries: Iterable[object], note: str | None = None) -> HubRepo:
    """The models among the entries of a tree listing; what is no GGUF is left out."""
    files = [file for entry in entries if (file := _read_entry(entry)) is not None]
    projectors = [file for file in files if "mmproj" in file.name.lower()]
    weights = [file for file in files if file not in projectors]
    return HubRepo(tuple(sorted(_join_shards(weights), key=lambda model: model.size)), tuple(projectors), note)


def choose_model(repo: HubRepo, ref: HubRef) -> HubModel:
    """The model that `ref` names, else the default one. `NotFound` lists the quants there are."""
    if not repo.models:
        raise NotFound(f"hf.co/{ref.user}/{ref.repo} holds no GGUF files", hint="look for a repository named …-GGUF")
    if ref.file is not None:
        found = [model for model in repo.models if _has_file(model, ref.file)]
    elif ref.quant is not None:
        found = _of_quant(repo, ref.quant)
    else:
        found = next((alike for quant in FALLBACKS if (alike := _of_quant(repo, quant))), [repo.models[0]])
    if not found:
        raise NotFound(f"{printable(str(ref))} does not exist", hint=f"there are {_list_names(repo)}")
    if len(found) > 1:
        names = ", ".join(printable(model.files[0].name) for model in found[:3])
        raise UsageError(
            f"{printable(str(ref))} may be any of {len(found)} models: {names}",
            hint=f"name the file: hf.co/{ref.user}/{ref.repo}:{printable(found[0].files[0].name)}",
        )
    return found[0]


def _of_quant(repo: HubRepo, quant: str) -> list[HubModel]:
    """Models of a quant; one in the repository's top folder wins, and `UD-` may be left away."""
    wanted = quant.upper()
    found = [model for model in repo.models if model.quant == wanted]
    found = found or [model for model in repo.models if model.quant == f"UD-{wanted}"]
    return [model for model in found if "/" not in model.files[0].path] or found


def _has_file(model: HubModel, name: str) -> bool:
    wanted = name.lower()
    return any(wanted in (file.path.lower(), file.name.lower()) for file in model.files)


def _list_names(repo: HubRepo) -> str:
    names = dict.fromkeys(model.quant or model.files[0].name for model in repo.models)
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return printable(", ".join(list(names)[:12])) + more


def _read_entry(entry: object) -> HubFile | None:
    if not isinstance(entry, Mapping):
        return None
    path, size = entry.get("path"), entry.get("size")
    if not isinstance(path, str) or not path.lower().endswith(".gguf") or not _is_plain(path):
        return None
    lfs = entry.get("lfs")
    lfs = lfs if isinstance(lfs, Mapping) else {}
    if isinstance(lfs.get("size"), int):
        size = lfs["size"]
    if not isinstance(size, int) or isinstance(size, bool) or not 0 < size < MAX_SIZE:
        return None
    return HubFile(path, size, _read_digest(lfs.get("oid"), entry.get("oid")))


def _read_digest(oid: Any, git_oid: Any) -> str | None:
    if isinstance(oid, str) and _SHA256.fullmatch(oid.removeprefix("sha256:")):
        return f"sha256:{oid.removeprefix('sha256:')}"
    return f"git:{git_oid}" if isinstance(git_oid, str) and _GIT.fullmatch(git_oid) else None


def _is_plain(path: str) -> bool:
    """Whether a path leads down, and can be printed; others are nothing that a publisher would upload."""
    name = path.rpartition("/")[2].lower()
    parts = path.split("/")
    return (
        path.isprintable()
        and len(path) <= 500
        and all(part not in ("", ".", "..") for part in parts)
        and not any(word in name for word in _NO_MODEL)
    )


def _join_shards(files: list[HubFile]) -> list[HubModel]:
    whole: list[HubModel] = []
    sets: dict[tuple[str, int], dict[int, HubFile]] = {}
    for file in files:
        shard = parse_shard(file.path)
        if shard is None:
            whole.append(HubModel((file,), _quant_of(file.path)))
        else:
            sets.setdefault((shard.prefix, shard.total), {})[shard.number] = file
    for (prefix, total), shards in sets.items():
        ordered = tuple(shards[number] for number in sorted(shards))
        whole.append(HubModel(ordered, _quant_of(f"{prefix}.gguf"), total - len(shards)))
    return whole


def _quant_of(path: str) -> str | None:
    """The quant that the file's name says, else its folder's."""
    folder, _, name = path[: -len(".gguf")].rpartition("/")
    return find_quant(name) or find_quant(folder)
