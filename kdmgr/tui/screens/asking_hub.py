"""What the search of the Hub does in the background: every question is a worker's, every answer a message."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual import work
from textual.screen import Screen

from kdmgr.errors import KdmgrError
from kdmgr.tui.messages_find import EvidenceRead, FindsSized, QuantsFitted, QuantsListed, Searched, SearchTold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdmgr.catalog.students import Student
    from kdmgr.fit.machine import Machine
    from kdmgr.fit.options import RunOptions
    from kdmgr.refs import HubRef
    from kdmgr.services.discovery import Find
    from kdmgr.tui.ports import AppServices

REST_S = 0.4
"""How long the cursor stays on a repository before its files are asked for."""


class HubAskingScreen(Screen[None]):
    """Answers carry what tells stale ones: the number of a question, or their repository."""

    def __init__(self, services: AppServices) -> None:
        super().__init__()
        self.services = services

    @work(thread=True, exclusive=True, group="search")
    def search(self, version: int, words: str, sort: str) -> None:
        """Ask for repositories."""

        def tell(sentence: str) -> None:
            self.post_message(SearchTold(version, sentence))

        try:
            result = self.services.hub_desk.search(words, sort, tell)
        except KdmgrError as error:
            self.post_message(Searched(version, None, error))
        else:
            self.post_message(Searched(version, result))

    @work(thread=True, exclusive=True, group="size")
    def size_students(self, version: int, students: Sequence[Student], machine: Machine, options: RunOptions) -> None:
        """What the recognised students would take; asks nobody."""
        try:
            sized = self.services.student_desk.size(students, machine, options)
            self.post_message(FindsSized(version, {student.id: found for student, found in sized}))
        except KdmgrError:
            return  # their fit stays unknown

    @work(exclusive=True, group="quants")
    async def list_quants(self, repo: str, ref: HubRef) -> None:
        """Ask what a repository holds, once the cursor has come to rest on it."""
        await asyncio.sleep(REST_S)
        try:
            quants = await asyncio.to_thread(self.services.hub_desk.quants, ref)
        except KdmgrError as error:
            self.post_message(QuantsListed(repo, (), error))
        else:
            self.post_message(QuantsListed(repo, quants))

    @work(thread=True, group="fit")
    def fit_quants(self, repo: str, ref: HubRef, options: RunOptions) -> None:
        """Read the headers of a repository, and plan all its quants."""
        try:
            self.post_message(QuantsFitted(repo, self.services.hub_desk.fit(ref, options)))
        except KdmgrError as error:
            self.post_message(QuantsFitted(repo, None, error))

    @work(thread=True, group="evidence")
    def read_evidence(self, find: Find) -> None:
        """Read what the model cards claim."""
        repo = find.entry.repo
        try:
            self.post_message(EvidenceRead(repo, self.services.hub_desk.with_evidence(find)))
        except KdmgrError as error:
            self.post_message(EvidenceRead(repo, None, error))
