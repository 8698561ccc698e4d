"""What the Hub means when it does not answer with what was asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from kdmgr.errors import Forbidden, KdmgrError, NotFound, ServerUnreachable
from kdmgr.models.hub_access import HubAccess
from kdmgr.models.refusals import busy, describe_status

_WINDOW = re.compile(r";\s*t\s*=\s*(\d{1,5})\b")


def explain_refusal(access: HubAccess, repo: str | None, status: int, headers: Mapping[str, str]) -> KdmgrError:
    """What a refusal means; `repo` is "owner/name", None for a question about no repository in particular.

    The Hub says 401 of what does not exist, too: the error code tells.
    """
    refused = _explain_listing(access, status) if repo is None else _explain_repo(access, repo, status, headers)
    return (
        refused
        or busy("the Hub", status, _find_wait(headers))
        or ServerUnreachable(f"the Hub answers with HTTP {describe_status(status)}", hint="try again later")
    )


def _explain_repo(access: HubAccess, repo: str, status: int, headers: Mapping[str, str]) -> KdmgrError | None:
    code, page, signed_in = headers.get("x-error-code", ""), f"{access.endpoint}/{repo}", access.token is not None
    if code == "GatedRepo" or (status == 403 and signed_in):
        how = "the token in use has no access" if signed_in else "set HF_TOKEN"
        return Forbidden(f"hf.co/{repo} is gated", hint=f"accept its conditions at {page}, then {how}")
    if status == 404 or code in ("RepoNotFound", "EntryNotFound", "RevisionNotFound"):
        if code == "EntryNotFound":
            return NotFound(f"the Hub has no such file: hf.co/{repo}", hint=f"see {page}")
        return NotFound(
            f"the Hub has no such repository: hf.co/{repo}",
            hint="is the name right? a private repository needs HF_TOKEN",
        )
    if status in (401, 403):
        hint = "is HF_TOKEN still valid?" if signed_in else "if it is private, set HF_TOKEN; is the name right?"
        return Forbidden(f"the Hub does not show hf.co/{repo}", hint=hint)
    return None


def _explain_listing(access: HubAccess, status: int) -> KdmgrError | None:
    """Everybody may search: a refusal is about the token."""
    if status in (401, 403):
        if access.token is None:
            return Forbidden("the Hub does not answer without a token", hint="set HF_TOKEN, or look at HF_ENDPOINT")
        return Forbidden(
            "the Hub refuses the token in use", hint="renew HF_TOKEN, or sign in again: hf auth login; or unset it"
        )
    if status in (400, 404):
        return NotFound(f"the Hub does not search ({describe_status(status)})", hint="look at HF_ENDPOINT")
    return None


def _find_wait(headers: Mapping[str, str]) -> str | None:
    """Seconds to wait: as Retry-After has it, else as the Hub's own header does (`ratelimit: "api";r=0;t=55`)."""
    window = _WINDOW.search(headers.get("ratelimit", ""))
    return headers.get("retry-after") or (window[1] if window else None)
