"""Pages of Markdown, as GitHub renders them: what is on them, and where their links lead."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import chain, pairwise
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token


class Fence(NamedTuple):
    """A block of code; its language is empty where it is indented, or says none."""

    language: str
    content: str


@cache
def tokens(page: Path) -> Sequence[Token]:
    """All of the page, those within its lines of text too."""
    blocks = MarkdownIt("commonmark").enable("table").parse(page.read_text())
    return [*blocks, *chain.from_iterable(block.children or () for block in blocks)]


def fences(page: Path, *languages: str) -> list[Fence]:
    """Those in one of the *languages*, or all."""
    found = [Fence(token.info, token.content) for token in tokens(page) if token.type in {"fence", "code_block"}]
    return [fence for fence in found if not languages or fence.language in languages]


def code(page: Path) -> list[str]:
    """What is set as code within the text."""
    return [token.content for token in tokens(page) if token.type == "code_inline"]


def rows(page: Path, *head: str) -> list[Sequence[str]]:
    """The cells of all tables that have this *head*, which has to be there."""
    found = [table[1:] for table in _tables(page) if tuple(table[0]) == head]
    assert found, f"{page} has no table with {' | '.join(head)}"
    return list(chain.from_iterable(found))


def _tables(page: Path) -> Iterator[list[Sequence[str]]]:
    table: list[Sequence[str]] = []
    cells: list[str] = []
    for token, content in pairwise(tokens(page)):
        match token.type:
            case "table_open":
                table = []
            case "tr_open":
                cells = []
            case "th_open" | "td_open":
                cells.append(content.content)
            case "tr_close":
                table.append(cells)
            case "table_close":
                yield table


def section(page: Path, heading: str) -> str:
    """The text below a *heading*, up to the next of its level."""
    found = re.search(rf"^(#+) {re.escape(heading)}\n(.*?)(?=^\1 |\Z)", page.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no heading {heading}"
    return found[2]


def lost(page: Path) -> Mapping[str, str]:
    """The links and pictures of the page that lead nowhere in the repository, with what is missing."""
    attributes = {"link_open": "href", "image": "src"}
    found = [str(token.attrs[attributes[token.type]]) for token in tokens(page) if token.type in attributes]
    return {link: missing for link in found if "://" not in link and (missing := _missing(page, link))}


def _missing(page: Path, link: str) -> str:
    split = urlsplit(link)
    target = (page.parent / split.path).resolve() if split.path else page
    if not target.exists():
        return str(target)
    return split.fragment if split.fragment and split.fragment not in anchors(target) else ""


def anchors(page: Path) -> set[str]:
    """What headings can be linked by."""
    texts = [content.content for token, content in pairwise(tokens(page)) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in texts}
