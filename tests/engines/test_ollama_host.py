"""OLLAMA_HOST, read as Ollama's own client reads it."""

from __future__ import annotations

import pytest

from kdmgr.engines.ollama import OllamaEngine, parse_host, server_address
from kdmgr.engines.ollama.starting import MAC_APP, UNITS, Installation, find_installation, start_hint


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("1.2.3.4", "http://1.2.3.4:11434"),
        ("1.2.3.4:", "http://1.2.3.4:11434"),
        (":1234", "http://127.0.0.1:1234"),
        ("1.2.3.4:1234", "http://1.2.3.4:1234"),
        ("example.com:1234", "http://example.com:1234"),
        ("http://1.2.3.4", "http://1.2.3.4:80"),
        ("https://1.2.3.4", "https://1.2.3.4:443"),
        ("https://1.2.3.4:4321", "https://1.2.3.4:4321"),
        ("HTTPS://1.2.3.4", "https://1.2.3.4:443"),
        ("https://example.com/ollama", "https://example.com:443/ollama"),
        ("example.com/a/b/", "http://example.com:11434/a/b"),
        ("http://example.com:8080/", "http://example.com:8080"),
        ("ollama.com", "https://ollama.com:443"),
        (" 1.2.3.4 ", "http://1.2.3.4:11434"),
        ('"1.2.3.4"', "http://1.2.3.4:11434"),
        ("'1.2.3.4'", "http://1.2.3.4:11434"),
        (' " 1.2.3.4 " ', "http://1.2.3.4:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("::1", "http://[::1]:11434"),
        ("[::1]:1337", "http://[::1]:1337"),
        ("https://[2001:db8::1]/x", "https://[2001:db8::1]:443/x"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:1234", "http://127.0.0.1:1234"),
        ("https://0.0.0.0:4321", "https://127.0.0.1:4321"),
        ("[::]", "http://[::1]:11434"),
        ("[::]:1234", "http://[::1]:1234"),
        ("[0:0:0:0:0:0:0:0]:7", "http://[::1]:7"),
        (":66000", "http://127.0.0.1:11434"),
        (":-1", "http://127.0.0.1:11434"),
        ("host:port", "http://host:11434"),
        ("https://host:port", "https://host:443"),
        (":٣", "http://127.0.0.1:11434"),
        (":" + "9" * 5000, "http://127.0.0.1:11434"),
    ],
)
def test_every_text_names_a_server(text: str, url: str) -> None:
    assert parse_host(text).url == url


def test_a_given_host_wins_over_the_environment() -> None:
    env = {"OLLAMA_HOST": "10.0.0.1:9"}
    assert server_address("10.0.0.2", env).url == "http://10.0.0.2:11434"
    assert server_address(None, env).url == "http://10.0.0.1:9"
    assert server_address("", env).url == "http://10.0.0.1:9"
    assert OllamaEngine(None, {}).address.netloc == "127.0.0.1:11434"


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("", True), ("localhost", True), ("LOCALHOST.:80", True), ("a.localhost", True), ("127.8.8.8", True),
        ("[::1]", True), ("0.0.0.0", True), ("192.168.1.2", False), ("notlocalhost", False), ("127.evil.com", False),
    ],
)  # fmt: skip
def test_loopback_is_told_from_the_rest(text: str, loopback: bool) -> None:
    assert parse_host(text).is_loopback is loopback


@pytest.mark.parametrize(
    ("text", "platform", "hint"),
    [
        ("", "linux", "start it: ollama serve"),
        ("", "darwin", "start it: open the Ollama app, or ollama serve"),
        ("", "win32", "start it: Ollama in the Start menu, or ollama serve"),
        (":99", "linux", "start it: OLLAMA_HOST=127.0.0.1:99 ollama serve"),
        (":99", "win32", "set OLLAMA_HOST to 127.0.0.1:99, then start it: ollama serve"),
        ("box:99", "linux", "is Ollama running on box, started with OLLAMA_HOST=0.0.0.0:99?"),
    ],
)
def test_the_start_hint_fits_the_platform_and_the_address(text: str, platform: str, hint: str) -> None:
    assert start_hint(parse_host(text), Installation(platform, True, False, False)) == hint


def test_a_systemd_unit_is_started_as_one() -> None:
    here = Installation("linux", True, has_unit=True, has_app=False)
    assert "sudo systemctl start ollama" in start_hint(parse_host(""), here)
    assert "journalctl -u ollama" in start_hint(parse_host(""), here)
    assert start_hint(parse_host("127.0.0.1:99"), here) == "start it: OLLAMA_HOST=127.0.0.1:99 ollama serve"


def test_where_no_ollama_is_found_it_is_said_where_to_get_one() -> None:
    hint = start_hint(parse_host(""), Installation("linux", False, False, False))
    assert hint.startswith("start it: ollama serve (no Ollama is found here: https://")


@pytest.mark.parametrize(
    ("platform", "unit", "app"), [("linux", True, False), ("darwin", False, True), ("win32", False, False)]
)
def test_an_installation_is_looked_for_where_the_platform_has_it(platform: str, unit: bool, app: bool) -> None:
    found = find_installation(platform, exists=lambda path: path in (*UNITS, MAC_APP))
    assert (found.has_unit, found.has_app) == (unit, app)
