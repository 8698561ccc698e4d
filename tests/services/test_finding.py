"""Where a model is looked for, in which order, and what is said of where it was found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kdmgr.config import Settings
from kdmgr.errors import NotFound, ServerUnreachable, Unreadable
from kdmgr.fit.options import EngineBuild, RunOptions
from kdmgr.models.own_store import OwnStore
from kdmgr.models.web import Waits, Web
from kdmgr.paths import Paths
from kdmgr.refs import FileRef, HubRef, OllamaRef, parse_ref
from kdmgr.services.app import Services
from kdmgr.services.finding import installed_name
from tests.engines.scripted import ScriptedServer, json_reply
from tests.engines.test_shown_header import shown
from tests.models.storing import add_model
from tests.support.machines import gpu, machine
from tests.support.publisher import HubSite, Page, Registry, Site
from tests.support.shard_sets import write_shards
from tests.support.sparse import RECIPES, quantised, write_sparse

NOBODY = "127.0.0.1:9"
CARD = machine(gpu(12))


class NewServices:
    """Services with folders of their own, which are the same each time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: list[Services] = []

    def __call__(self, *, server: str = NOBODY, host: str | None = None, **env: str) -> Services:
        folder = self._folder
        paths = Paths(folder / "data", folder / "config", folder / "cache", folder / "ollama")
        services = Services(paths, Settings(), {"OLLAMA_HOST": server, "HF_HOME": str(folder), **env}, host)
        services.web = Web(waits=Waits(connect_s=1, read_s=1), sleep=lambda _seconds: None)  # type: ignore[misc]
        self._made.append(services)
        return services

    def close(self) -> None:
        for services in self._made:
            services.web.close()


@pytest.fixture
def new_services(tmp_path: Path) -> Iterator[NewServices]:
    factory = NewServices(tmp_path)
    yield factory
    factory.close()


@pytest.fixture
def cdn() -> Iterator[Site]:
    with Site() as site:
        yield site


@pytest.fixture
def registry(cdn: Site, tmp_path: Path) -> Iterator[Registry]:
    with Registry(cdn) as site:
        site.publish("library/phi3:mini", write_sparse(RECIPES["phi-3-mini-4k"], tmp_path))
        yield site


def serve_model(server: ScriptedServer, name: str, **changes: Any) -> ScriptedServer:
    listing = {"name": name, "model": name, "size": 10, "digest": "ab" * 32, **changes}
    server.on("GET", "/api/tags", json_reply(models=[listing]))
    return server.on("POST", "/api/show", json_reply(**shown()))


def test_a_tag_is_found_in_the_registry_of_its_host(new_services: NewServices, registry: Registry) -> None:
    services = new_services()
    text = f"{registry.host}/library/phi3:mini"
    answer = services.fit(text, CARD, RunOptions())
    assert (answer.report.source, answer.report.ref, answer.notes) == ("registry", text, ())
    assert answer.found is not None
    assert answer.found.manifest_digest
    assert services.web.traffic.requests == 3
    again = new_services().fit(text, CARD, RunOptions())
    assert again.report == answer.report
    assert again.found is not None
    assert again.found.from_cache


def test_a_server_is_asked_before_the_registry(new_services: NewServices, registry: Registry) -> None:
    name = f"{registry.host}/library/phi3:mini"
    with serve_model(ScriptedServer(), name) as server:
        services = new_services(server=server.host)
        found = services.find(parse_ref(name))
        assert (found.source, found.header.text("general.architecture")) == ("server", "llama")
        asked = len(server.asked)
        again = new_services(server=server.host).find(parse_ref(name))
        assert (again.header, again.from_cache) == (found.header, True)
        assert len(server.asked) == asked + 1
    assert services.web.traffic.requests == 0


@pytest.mark.parametrize(
    ("version", "build"),
    [
        ("0.11.4", EngineBuild.OLLAMA_011),
        ("0.11.5", EngineBuild.OLLAMA_024),
        ("0.24.0", EngineBuild.OLLAMA_024),
        ("0.30.0", EngineBuild.LLAMA_CPP),
        ("", EngineBuild.LLAMA_CPP),
    ],
)
def test_a_server_plans_as_its_version_does(new_services: NewServices, version: str, build: EngineBuild) -> None:
    with serve_model(ScriptedServer(), "mine:latest") as server:
        server.on("GET", "/api/version", json_reply(version=version))
        services = new_services(host=server.host)
        report = services.fit("mine", CARD, RunOptions()).report
        assert report.options.engine_build is build
        asked = services.fit("mine", CARD, RunOptions(engine_build=EngineBuild.OLLAMA_030)).report
        assert asked.options.engine_build is EngineBuild.OLLAMA_030


def test_a_server_decides_for_ollamas_store_on_this_machine_only(new_services: NewServices, tiny: Path) -> None:
    with ScriptedServer().on("GET", "/api/version", json_reply(version="0.11.4")) as server:
        services = new_services(server=server.host)
        add_model(OwnStore(services.library.ollama.root), tiny, "theirs")
        add_model(services.library.own, tiny, "mine")
        builds = {
            (name, on.declared): services.fit(name, on, RunOptions()).report.options.engine_build
            for name in ("theirs", "mine")
            for on in (CARD, replace(CARD, declared=False))
        }
    assert [key for key, build in builds.items() if build is EngineBuild.OLLAMA_011] == [("theirs", False)]


def test_a_store_is_looked_into_before_a_server(new_services: NewServices, tiny: Path) -> None:
    with serve_model(ScriptedServer(), "mine:latest") as server:
        services = new_services(server=server.host)
        add_model(services.library.own, tiny, "mine")
        assert services.find(OllamaRef("mine")).source == "store"
        assert not server.asked


def test_a_server_that_is_named_comes_first_and_has_to_answer(new_services: NewServices, tiny: Path) -> None:
    with serve_model(ScriptedServer(), "mine:latest") as server:
        services = new_services(host=server.host)
        add_model(services.library.own, tiny, "mine")
        assert services.find(OllamaRef("mine")).source == "server"
    with pytest.raises(ServerUnreachable, match="no Ollama server answers"):
        new_services(host=NOBODY).find(OllamaRef("mine"))


def test_a_remote_model_of_a_server_is_not_sized(new_services: NewServices) -> None:
    with serve_model(ScriptedServer(), "far:latest", remote_host="https://x") as server:
        services = new_services(server=server.host)
        assert services.server_models.find(OllamaRef("far")) is None


def test_a_server_that_does_not_answer_in_time_holds_nothing_up(new_services: NewServices, registry: Registry) -> None:
    with Site() as slow:
        slow.pause_s = 3
        found = new_services(server=slow.host).find(parse_ref(f"{registry.host}/library/phi3:mini"))
        assert found.source == "registry"


def test_a_damaged_copy_is_said_to_be_one(new_services: NewServices, registry: Registry, tiny: Path) -> None:
    services = new_services()
    name = f"{registry.host}/library/phi3:mini"
    model = add_model(services.library.own, tiny, name)
    model.model_path.unlink()
    with pytest.raises(NotFound, match="is gone"):
        services.find(parse_ref(name))
    assert not registry.asked


def test_what_is_nowhere_comes_with_what_is_like_it(new_services: NewServices, registry: Registry, tiny: Path) -> None:
    services = new_services()
    add_model(services.library.own, tiny, f"{registry.host}/library/phi4:mini")
    with pytest.raises(NotFound, match="the registry has no") as failed:
        services.find(parse_ref(f"{registry.host}/library/phi4:mimi"))
    assert f"did you mean {registry.host}/library/phi4:mini?" in (failed.value.hint or "")


def test_with_nobody_to_ask_it_is_said_that_it_is_not_installed(new_services: NewServices) -> None:
    with pytest.raises(ServerUnreachable, match=r"no model named .* is installed, and cannot reach"):
        new_services().find(OllamaRef("phi3", "mini", host=NOBODY))


def test_a_shard_set_is_one_model(new_services: NewServices, tmp_path: Path) -> None:
    paths = write_shards(tmp_path / "set")
    answer = new_services().fit(str(paths[1]), CARD, RunOptions())
    assert (answer.report.source, answer.report.shape.n_layer) == ("file", 3)
    assert new_services().open(FileRef(paths[2])).path == paths[0]


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        (HubRef("user", "repo", quant="Q8_0"), "hf.co/user/repo:Q8_0"),
        (HubRef("user", "repo"), "hf.co/user/repo:latest"),
        (HubRef("us.er", "repo"), None),
        (OllamaRef("phi3"), "phi3:latest"),
    ],
)
def test_names_under_which_a_model_may_be_installed(ref: HubRef | OllamaRef, expected: str | None) -> None:
    name = installed_name(ref)
    assert (name and str(name)) == expected


def test_a_repository_is_a_ladder(new_services: NewServices, cdn: Site, tmp_path: Path) -> None:
    files = {}
    for quant, kind in (("Q4_K_M", "Q4_K"), ("Q6_K", "Q6_K"), ("Q8_0", "Q8_0")):
        path = write_sparse(quantised(RECIPES["llama-3.1-8b"], kind), tmp_path, quant)
        files[f"llama-{quant}.gguf"] = path
    broken = tmp_path / "broken"
    broken.write_bytes(b"<html>" * 100)
    with HubSite(cdn) as hub:
        hub.publish("user/llama-GGUF", {**files, "llama-Q2_K.gguf": broken})
        services = new_services(HF_ENDPOINT=hub.url)
        ladder = services.fit_quants(HubRef("user", "llama-GGUF"), machine(gpu(8)), RunOptions(n_ctx=4096))
        assert [rung.report.ref.rpartition(":")[2] for rung in ladder.rungs] == ["Q4_K_M", "Q6_K", "Q8_0"]
        assert [rung.report.verdict.value == "fits" for rung in ladder.rungs] == [True, True, False]
        assert ladder.recommended is ladder.rungs[1]
        assert "does not begin with GGUF" in ladder.problems[0]
        assert services.web.traffic.requests == 1 + 4 * 2
        (single,) = [rung for rung in ladder.rungs if rung.report.ref.endswith("Q6_K")]
        assert services.fit("hf.co/user/llama-GGUF:q6_k", machine(gpu(8)), RunOptions(n_ctx=4096)) == _cached(single)
    offline = new_services(HF_ENDPOINT=hub.url, HF_HUB_OFFLINE="1")
    found = offline.find(HubRef("user", "llama-GGUF", quant="Q8_0"))
    assert found.notes[0].startswith("offline: answered from the copy of ")


def test_a_repository_without_any_model_that_can_be_read(new_services: NewServices, cdn: Site, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"<html>" * 100)
    with HubSite(cdn) as hub:
        hub.publish("user/x-GGUF", {"x-Q2_K.gguf": broken})
        hub.publish("user/none", {})
        services = new_services(HF_ENDPOINT=hub.url)
        with pytest.raises(Unreadable):
            services.fit_quants(HubRef("user", "x-GGUF"), CARD, RunOptions())
        with pytest.raises(NotFound, match="holds no GGUF"):
            services.fit_quants(HubRef("user", "none"), CARD, RunOptions())


def test_a_projector_is_counted_and_named(new_services: NewServices, cdn: Site, tmp_path: Path) -> None:
    with Registry(cdn) as registry:
        path = write_sparse(RECIPES["gemma-3-4b"], tmp_path)
        registry.publish("library/gemma3:4b", path, extra=(("projector", 851 << 20),))
        answer = new_services().fit(f"{registry.host}/library/gemma3:4b", CARD, RunOptions())
    assert answer.notes == ("its projector (851.0 MiB) is counted, the scratch memory of it is not known",)
    assert answer.report.plan.components.projector == 851 << 20


def test_a_hostile_manifest_cannot_reach_the_terminal(new_services: NewServices, registry: Registry) -> None:
    body = json.dumps({"config": {"mediaType": "\x1b[2J", "digest": "\x1b[2J", "size": 1}, "layers": []}).encode()
    registry.pages["/v2/library/phi3/manifests/mini"] = Page(body)
    with pytest.raises(Unreadable) as failed:
        new_services().find(parse_ref(f"{registry.host}/library/phi3:mini"))
    assert "\x1b" not in f"{failed.value.message}{failed.value.hint}"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    (path, *_rest) = write_shards(tmp_path / "one", "one", 1)
    return path


def _cached(assessment: Any) -> Any:
    import dataclasses

    return dataclasses.replace(assessment, found=dataclasses.replace(assessment.found, from_cache=True))
