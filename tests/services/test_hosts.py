"""Which server is meant, what the config keeps, and which machine a plan is for."""

from __future__ import annotations

import asyncio
import os
import socket
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from kdmgr.config import NamedHost, Settings, load_settings
from kdmgr.errors import NotFound, UsageError
from kdmgr.fit.options import RunOptions
from kdmgr.fit.plan import Verdict
from kdmgr.hosts import is_this_machine
from kdmgr.paths import Paths
from kdmgr.refs import OllamaRef
from kdmgr.services.app import Services
from kdmgr.services.host_settings import add_host, remove_host, use_host
from kdmgr.services.hosts import all_hosts, choose_host
from kdmgr.units import GIB
from tests.engines.scripted import ScriptedServer, json_reply
from tests.engines.test_shown_header import shown
from tests.models.storing import add_model
from tests.support.shard_sets import write_shards
from tests.support.sparse import RECIPES, write_sparse

BOX = NamedHost("gpu-box", "http://192.0.2.7:11434", ("RTX 3060 12GB",), 64 * GIB)
BARE = NamedHost("bare", "192.0.2.8")

HAND_WRITTEN = """\
# my settings
engine = "auto"   # leave it
host = "gpu-box"

# the machine in the cellar
[hosts.gpu-box]
url = 'http://192.0.2.7:11434'   # static lease
gpus = [
  "RTX 3060 12GB",  # the old one
]

[hosts.other]
url = "192.0.2.9"
# last words
"""


@pytest.mark.parametrize(
    ("asked", "env", "config", "url", "basis", "name"),
    [
        ("gpu-box", "x:1", "bare", "http://192.0.2.7:11434", "--host", "gpu-box"),
        ("GPU-Box", "", None, "http://192.0.2.7:11434", "--host", "gpu-box"),
        ("192.0.2.7", "", None, "http://192.0.2.7:11434", "--host", "gpu-box"),
        ("192.0.2.7:1", "", None, "http://192.0.2.7:1", "--host", None),
        (None, "gpu-box:99", "bare", "http://gpu-box:99", "OLLAMA_HOST", None),
        (None, " '192.0.2.8' ", None, "http://192.0.2.8:11434", "OLLAMA_HOST", "bare"),
        (None, "", "bare", "http://192.0.2.8:11434", "config", "bare"),
        (None, "", "https://example.com/o", "https://example.com:443/o", "config", None),
        (None, "", None, "http://127.0.0.1:11434", "default", None),
    ],
)
def test_the_nearest_choice_wins(
    asked: str | None, env: str, config: str | None, url: str, basis: str, name: str | None
) -> None:
    settings = Settings(host=config, hosts=(BOX, BARE))
    chosen = choose_host(settings, {"OLLAMA_HOST": env}, asked)
    assert (chosen.address.url, chosen.basis) == (url, basis)
    assert (chosen.named and chosen.named.name) == name


def test_every_host_is_listed_once_the_current_one_first() -> None:
    settings = Settings(host="bare", hosts=(BOX, BARE))
    rows = all_hosts(settings, choose_host(settings, {}, None))
    assert [(host.words, current) for host, current in rows] == [("bare", True), ("gpu-box", False)]
    rows = all_hosts(settings, choose_host(settings, {"OLLAMA_HOST": ":77"}, None))
    assert [(host.words, current) for host, current in rows] == [
        ("127.0.0.1", True),
        ("gpu-box", False),
        ("bare", False),
    ]


def test_this_machine_is_known_by_its_own_names() -> None:
    assert all(map(is_this_machine, ("127.0.0.1", "localhost", "::1", socket.gethostname())))
    assert not any(map(is_this_machine, ("192.0.2.7", "gpu-box.example", "2001:db8::1", "")))


def write_config(folder: Path, text: str = HAND_WRITTEN) -> Path:
    path = folder / "config.toml"
    path.write_bytes(text.encode())
    return path


def test_comments_and_order_outlive_every_change(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    add_host(tmp_path, NamedHost("new", "10.0.0.5", ("2x RTX 3090",)), memory="128GiB", use=True)
    use_host(tmp_path, "other")
    remove_host(tmp_path, "new")
    add_host(tmp_path, NamedHost("GPU-BOX", "http://192.0.2.70", ("RTX 4090",)), replace=True)
    text = path.read_text()
    for kept in ("# my settings", "# leave it", "# the machine in the cellar", "# last words", "# static lease"):
        assert kept in text
    settings = load_settings(tmp_path)
    assert settings.host == "other"
    assert settings.find_host("gpu-box") == NamedHost("gpu-box", "http://192.0.2.70", ("RTX 4090",))
    assert [host.name for host in settings.hosts] == ["gpu-box", "other"]


def test_what_does_not_change_is_written_to_the_byte(tmp_path: Path) -> None:
    path = write_config(tmp_path, HAND_WRITTEN.replace("\n", "\r\n"))
    before = path.read_bytes()
    use_host(tmp_path, "gpu-box")
    assert path.read_bytes() == before
    use_host(tmp_path, "other")
    assert path.read_bytes() == before.replace(b'host = "gpu-box"', b'host = "other"')


def test_a_new_config_begins_with_what_is_asked(tmp_path: Path) -> None:
    add_host(tmp_path / "new", BARE, use=True)
    body = tomllib.loads((tmp_path / "new" / "config.toml").read_text())
    assert body == {"host": "bare", "hosts": {"bare": {"url": "192.0.2.8"}}}
    assert use_host(tmp_path / "new", "default") is None
    assert load_settings(tmp_path / "new").host is None
    assert remove_host(tmp_path / "new", "bare") is False


def test_a_host_that_is_current_leaves_none_behind(tmp_path: Path) -> None:
    write_config(tmp_path)
    assert remove_host(tmp_path, "gpu-box") is True
    assert load_settings(tmp_path).host is None


@pytest.mark.parametrize(
    ("host", "error"),
    [
        (NamedHost("gpu-box", "x"), "exists"),
        (NamedHost("a b", "x"), "cannot be called"),
        (NamedHost("default", "x"), "cannot be called"),
        (NamedHost("x", "ftp://y"), "not the address"),
        (NamedHost("x", "\x1b[2J"), "not the address"),
        (NamedHost("x", "y", ("Voodoo 2",)), "Voodoo"),
    ],
)
def test_a_bad_host_changes_nothing(tmp_path: Path, host: NamedHost, error: str) -> None:
    path = write_config(tmp_path)
    with pytest.raises(UsageError, match=error):
        add_host(tmp_path, host)
    assert path.read_text() == HAND_WRITTEN


@pytest.mark.parametrize(
    "text",
    [
        "hosts = 3",
        '[hosts]\na = "x"',
        "[hosts.a]",
        "[hosts.a]\nurl = 3",
        '[hosts.a]\nurl = "x"\ngpus = "RTX"',
        '[hosts.a]\nurl = "x"\nport = 3',
        '[hosts.a]\nurl = "x"\nmemory = 64',
    ],
)
def test_a_bad_table_is_named_and_never_overwritten(tmp_path: Path, text: str) -> None:
    path = write_config(tmp_path, text)
    with pytest.raises(UsageError) as failed:
        use_host(tmp_path, "default")
    assert failed.value.hint
    assert path.read_text() == text


def test_a_name_that_is_not_there_comes_with_those_that_are(tmp_path: Path) -> None:
    write_config(tmp_path)
    with pytest.raises(NotFound) as failed:
        use_host(tmp_path, "nosuch")
    assert failed.value.hint == "there are gpu-box, other"


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_a_linked_config_stays_a_link_and_private(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    real = write_config(tmp_path / "dotfiles")
    real.chmod(0o600)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.toml").symlink_to(real)
    use_host(tmp_path / "config", "other")
    assert (tmp_path / "config" / "config.toml").is_symlink()
    assert real.stat().st_mode & 0o777 == 0o600
    assert 'host = "other"' in real.read_text()


def services_of(folder: Path, settings: Settings, host: str | None = None, server: str = "127.0.0.1:9") -> Services:
    paths = Paths(folder / "data", folder / "config", folder / "cache", folder / "ollama")
    return Services(paths, settings, {} if settings.host else {"OLLAMA_HOST": server}, host)


@pytest.fixture
def model_file(tmp_path: Path) -> str:
    return str(write_sparse(RECIPES["llama-3.1-8b"], tmp_path))


def test_a_declared_host_is_planned_for(tmp_path: Path, model_file: str) -> None:
    answer = services_of(tmp_path, Settings(hosts=(BOX,)), "gpu-box").fit(model_file, None, RunOptions(n_ctx=4096))
    report = answer.report
    assert [device.name for device in report.plan.devices] == ["NVIDIA GeForce RTX 3060"]
    assert report.plan.host.total_bytes == 64 * GIB
    assert report.verdict is Verdict.FITS
    assert "gpu-box as the config declares it" in answer.notes[-1]


def test_a_host_without_declared_gpus_gets_no_verdict(tmp_path: Path, model_file: str) -> None:
    services = services_of(tmp_path, Settings(hosts=(NamedHost("bare", "192.0.2.8", memory_bytes=64 * GIB),)), "bare")
    report = services.fit(model_file, None, RunOptions(n_ctx=4096)).report
    assert report.verdict is Verdict.UNKNOWN
    assert "the GPUs of bare are not known" in report.reason
    assert (report.headroom_bytes, report.max_n_ctx, report.speed, report.plan.devices) == (None, None, None, ())
    assert any("--gpu" in line for line in report.alternatives)
    assert any("kdmgr hosts add bare" in line for line in report.alternatives)


def test_naming_the_gpu_takes_nothing_else_of_this_machine(tmp_path: Path, model_file: str) -> None:
    services = services_of(tmp_path, Settings(), "192.0.2.8")
    services.plan_for(["RTX 4090"], None)
    report = services.fit(model_file, None, RunOptions(n_ctx=4096)).report
    assert report.verdict is Verdict.FITS
    assert report.plan.host.total_bytes is None


def test_a_file_here_is_planned_for_here_unless_a_host_is_named(tmp_path: Path, model_file: str) -> None:
    services = services_of(tmp_path, Settings(host="gpu-box", hosts=(BOX,)))
    assert services.fit(model_file, None, RunOptions()).report.machine.owner is None
    assert services.machine_of("store").owner is None
    assert services.machine_of("registry").owner == "gpu-box"
    assert services.machine_of("server").owner == "gpu-box"


def test_a_server_here_is_this_machine_unless_it_is_declared(tmp_path: Path) -> None:
    tunnel = NamedHost("tunnel", "127.0.0.1:9", ("RTX 4090",))
    assert services_of(tmp_path, Settings(), "127.0.0.1:9").machine_of("server").owner is None
    assert services_of(tmp_path, Settings(hosts=(tunnel,)), "tunnel").machine_of("server").owner == "tunnel"


def test_a_model_of_a_remote_server_is_judged_by_its_hardware(tmp_path: Path) -> None:
    """The server answers here, but is declared to be elsewhere: its GPUs and no others are planned for."""
    listing = {"name": "m:latest", "model": "m:latest", "size": 10, "digest": "ab" * 32}
    with ScriptedServer() as server:
        server.on("GET", "/api/tags", json_reply(models=[listing])).on("POST", "/api/show", json_reply(**shown()))
        there = NamedHost("there", server.host, ("RTX 3060 12GB",))
        answer = services_of(tmp_path, Settings(host="there", hosts=(there,))).fit("m", None, RunOptions())
    assert answer.report.source == "server"
    assert answer.report.machine.owner == "there"


def test_a_server_that_is_down_takes_nothing_away(tmp_path: Path) -> None:
    (tiny, *_) = write_shards(tmp_path / "one", "one", 1)
    services = services_of(tmp_path, Settings())
    add_model(services.library.own, tiny, "mine")
    assert [row.name for row in services.installed_rows()] == ["mine:latest"]
    assert services.fit("mine", None, RunOptions()).report.source == "store"
    assert services.model_rows()


def test_a_servers_row_is_planned_as_the_server_tells_it_and_on_its_hardware(tmp_path: Path) -> None:
    """The way of the list: never by a file of the same name that is here, never on the GPUs that are here."""
    listing = {"name": "m:latest", "model": "m:latest", "size": 10, "digest": "ab" * 32}
    with ScriptedServer() as server:
        server.on("GET", "/api/tags", json_reply(models=[listing])).on("POST", "/api/show", json_reply(**shown()))
        server.on("GET", "/api/version", json_reply(version="0.30.1"))
        box = NamedHost("box", server.host, ("RTX 4090",))
        services = services_of(tmp_path, Settings(host="box", hosts=(box,)), None)
        (row,) = asyncio.run(services.server_rows())
        shape, source = services.open_shape(row)
        assert (shape.architecture, source) == ("llama", "server")
        there = services.machine_elsewhere(source)
        assert there is not None and [device.name for device in there.devices] == ["NVIDIA GeForce RTX 4090"]
        assert services.assess(shape, source, row.name, there, RunOptions()).machine.owner == "box"
    assert services.machine_elsewhere("store") is None
    with pytest.raises(NotFound, match="does not tell"):
        services.open_shape(replace(row, name="n", ref=OllamaRef("n")))
