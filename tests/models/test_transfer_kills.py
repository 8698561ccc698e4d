"""A download whose process is killed, again and again, in the middle of its work."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from kdmgr.models.manifest import Layer
from kdmgr.models.partials import Partials
from kdmgr.models.range_request import RemoteFile
from kdmgr.models.transfer import fetch_blob
from kdmgr.models.web import Web
from tests.models.storing import ignore
from tests.models.test_transfer import QUICK, refuse
from tests.support.publisher import Site

WORK = """
import sys
from pathlib import Path
from kdmgr.models.manifest import Layer
from kdmgr.models.partials import Partials
from kdmgr.models.range_request import RemoteFile
from kdmgr.models.transfer import fetch_blob
from kdmgr.models.web import Web
from tests.models.test_transfer import QUICK, refuse

root, url, digest, size = sys.argv[1:]
layer = Layer("model", digest, int(size))
with Partials(Path(root)).hold(layer, "tiny:latest", lambda sentence: None) as partial:
    fetch_blob(Web(), RemoteFile(url, layer.size, refuse), partial, lambda progress: None, QUICK)
"""


def test_a_download_killed_five_times_is_finished_with_the_right_digest(tmp_path: Path) -> None:
    content = os.urandom(4 << 20)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    published, root = tmp_path / "published", tmp_path / "store"
    published.write_bytes(content)
    root.mkdir()
    partials, layer = Partials(root), Layer("model", digest, len(content))
    kept = [0]
    with Site() as site:
        site.files["/blob"] = published
        site.rate = 600_000
        for _ in range(5):
            process = subprocess.Popen(
                [sys.executable, "-c", WORK, str(root), f"{site.url}/blob", digest, str(len(content))]
            )
            until = time.monotonic() + 20
            while kept[-1] + (200 << 10) > (info.completed if (info := partials.find(digest)) else 0):
                assert time.monotonic() < until, "nothing came"
                assert process.poll() is None
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
            process.wait()
            info = partials.find(digest)
            assert info is not None
            kept.append(info.completed)
        assert kept == sorted(kept)
        assert kept[-1] < len(content)
        site.rate = 0
        before = site.sent
        with partials.hold(layer, "tiny:latest", lambda sentence: None, wait_s=2) as partial:
            path = fetch_blob(Web(), RemoteFile(f"{site.url}/blob", len(content), refuse), partial, ignore, QUICK)
            assert path.read_bytes() == content
        # What the server was still writing to the killed one counts, too.
        assert site.sent - before <= len(content) - kept[-1] + 4 * (128 << 10)
