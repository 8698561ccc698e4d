"""Everything the catalog knows of one student: who taught it, what it was made from, how much it kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdmgr.catalog.chain import Link, walk_chain
from kdmgr.catalog.names import own_names, split_words
from kdmgr.catalog.retention import Retention, find_retention
from kdmgr.catalog.teachers import TeacherFacts, find_teachers
from kdmgr.errors import UsageError
from kdmgr.refs import parse_ollama_name

if TYPE_CHECKING:
    from kdmgr.catalog.load import Catalog
    from kdmgr.catalog.students import Student


@dataclass(frozen=True, slots=True)
class LineageStory:
    """One student, with all that hangs together with it."""

    student: Student
    chain: tuple[Link, ...]
    """What it was made from, and that from."""
    teachers: tuple[TeacherFacts, ...]
    """Empty where the catalog knows no more than the entry's wording."""
    retention: tuple[Retention, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        """Every page that something was read on, once."""
        student = self.student
        links = [student.evidence.url, student.base.source_url if student.base else None]
        for score in student.scores:
            links += [score.source_url, score.teacher_source_url, score.base.source_url if score.base else None]
        return tuple(dict.fromkeys(link for link in links if link))


def tell_lineage(student: Student, catalog: Catalog) -> LineageStory:
    """The story of `student`."""
    return LineageStory(student, walk_chain(student, catalog), find_teachers(student), find_retention(student))


def find_student(catalog: Catalog, text: str) -> Student | None:
    """The entry that `text` names: by its id, its name, a tag in Ollama's library, or a repository on the Hub."""
    found = catalog.get(text.casefold())
    if found is not None:
        return found
    words, lowered, key = split_words(text), text.casefold(), _tag_key(text)
    for student in catalog:
        names = own_names(student) | {split_words(student.name)}
        repos = {repo.casefold() for repo in (student.hf_repo, *student.gguf_repos) if repo}
        tags = {parse_ollama_name(tag.tag).key for tag in student.ollama}
        if (words and words in names) or lowered in repos or key in tags:
            return student
    return None


def _tag_key(text: str) -> object:
    try:
        return parse_ollama_name(text).key
    except UsageError:
        return None
