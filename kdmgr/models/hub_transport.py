"""`huggingface_hub` over kdmgr's own client: one set of time limits, one place that knows the token.

The package is given no token and no network. What its client is asked for goes through `HubReader`, whose
failures are kdmgr's own, so that none of the package's retries (minutes of them) come into play.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx2
from huggingface_hub import HfApi, close_session, set_client_factory

if TYPE_CHECKING:
    from kdmgr.models.hub_reader import HubReader

# The package has one client for the whole process.
_IN_USE = threading.Lock()


class ReaderTransport(httpx2.BaseTransport):
    """Answers with what a `HubReader` reads; of anything but models it says that there is none."""

    def __init__(self, reader: HubReader) -> None:
        self._reader = reader
        self._models = f"{reader.access.endpoint}/api/models"

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Ask the Hub. Raises kdmgr's own errors."""
        url = str(request.url)
        path = url.partition("?")[0]
        if request.method != "GET" or not (path == self._models or path.startswith(f"{self._models}/")):
            return httpx2.Response(404, request=request)
        repo = path.removeprefix(self._models).strip("/") or None
        body = self._reader.ask(url, repo)
        return httpx2.Response(200, headers={"content-type": "application/json"}, content=body, request=request)


@contextmanager
def hub_api(reader: HubReader) -> Iterator[HfApi]:
    """The package's API of the Hub that `reader` reads from, for the block."""
    with _IN_USE:
        set_client_factory(lambda: httpx2.Client(transport=ReaderTransport(reader), trust_env=False))
        try:
            yield HfApi(endpoint=reader.access.endpoint, token=False, library_name="kdmgr")
        finally:
            close_session()
