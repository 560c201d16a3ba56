"""Which blocks of a page are its main text.

The run of blocks that adds up to the most: sentences count for it; links, labels and every container boundary between
two blocks against it. This is the maximum subsequence of Pasternack and Roth (2009, "Extracting article text from the
web with maximum subsequence segmentation") over blocks instead of words, with the tree as the cost of moving on. The
run is then fitted to the container that holds most of it, what is not text goes from within, and short siblings of
its paragraphs come back at both ends.
"""

from __future__ import annotations

from itertools import accumulate
from typing import NamedTuple

from feilun.data.extract import hints
from feilun.data.extract.belief import believed_junk
from feilun.data.extract.outline import Block, Outline
from feilun.data.extract.wording import furniture, prose

_LEAVES = frozenset(
    ("p", "h1", "h2", "h3", "h4", "h5", "h6", "li", "dt", "dd", "pre", "blockquote", "figcaption")
)
_LISTS = frozenset(("ul", "ol", "dl", "table", "tbody", "thead", "tr", "td", "th"))
_FAR = 40
"""Containers: further apart is not measured, so that the time stays linear on a page nested without end."""


class Chosen(NamedTuple):
    blocks: list[int]
    """Indices into ``page.blocks``, in their order."""
    title: int
    """The heading that repeats the page's title, or -1; not among the blocks."""


def choose(page: Outline) -> Chosen:
    """The blocks of the main text."""
    title = _title_at(page)
    return Chosen(_Choice(page, title).blocks(), title)


def _title_at(page: Outline) -> int:
    """The heading that repeats the page's title or most of it, or -1. The site's name is a heading too, elsewhere."""
    titles = [" ".join(title.split()) for title in (page.meta.get("og:title", ""), page.title) if title]
    best, length = -1, 5
    for at, block in enumerate(page.blocks):
        if block.size > length and page.tag[block.node] in ("h1", "h2"):
            for title in titles:
                if title.startswith(block.text) or (
                    block.text in title and 2 * len(block.text) >= len(title)
                ):
                    best, length = at, block.size
    return best


class _Choice:
    def __init__(self, page: Outline, title: int) -> None:
        self.page = page
        self.title = title
        self.heading = page.blocks[title].text if title >= 0 else None
        self.sentences = [prose(block) for block in page.blocks]
        self.junk = believed_junk(page, self.sentences, title)
        # Running sums in bytes over what is not junk: of anything, of what is linked, of prose.
        live = [0 if junk else block.size for block, junk in zip(page.blocks, self.junk, strict=True)]
        self.size = [0, *accumulate(live)]
        self.linked = [
            0.0,
            *accumulate(size * block.linked for block, size in zip(page.blocks, live, strict=True)),
        ]
        self.prose = [
            0,
            *accumulate(size if is_prose else 0 for size, is_prose in zip(live, self.sentences, strict=True)),
        ]
        self.depth = [0] * len(page.parent)
        for node in range(1, len(self.depth)):
            self.depth[node] = self.depth[page.parent[node]] + 1

    def blocks(self) -> list[int]:
        values = self.values()
        begin, end = best_run(values)
        if sparse := self.prose[end] - self.prose[begin] < 300:
            values = self.values(0.5)
            begin, end = best_run(values)
        if begin == end:
            return self.everything()
        if begin < self.title < end and self.prose[self.title] - self.prose[begin] < 0.25 * (
            self.prose[end] - self.prose[begin]
        ):
            begin = self.title
        begin, end = self.fitted(values, begin, end)
        if not sparse:
            begin, end = self.with_siblings(begin, end)
        return self.cleaned(begin, end)

    def everything(self) -> list[int]:
        """All of a page without a run worth anything, unless it is a list of links."""
        blocks = self.page.blocks
        few = sum(block.linked > 0.5 for block in blocks) < 5
        if not few and self.linked[-1] > 0.3 * self.size[-1]:
            return []
        return [at for at, block in enumerate(blocks) if not self.junk[at] and (few or block.linked < 0.6)]

    def values(self, short: float = 0.0) -> list[float]:
        """What each block adds to a run: about its bytes, or less than nothing. ``short``: what a byte of an unlinked
        block without a sentence counts; 0 has it count against the run."""
        page = self.page
        body = bytearray(len(page.blocks))
        for node, bits in enumerate(page.hint):
            if bits & hints.BODY:
                first, end = page.first[node], page.end[node]
                body[first:end] = b"\1" * (end - first)
        values: list[float] = []
        seen: dict[str, int] = {}
        before = 0
        for at, block in enumerate(page.blocks):
            if at == self.title:
                value = 300.0
            elif self.junk[at]:
                values.append(-3.0)
                continue
            elif block.linked > 0.5:
                value = -10 - block.size * block.linked
            elif self.sentences[at]:
                value = block.size * (1.3 if body[at] else 1.0) * (1 - block.linked)
                if self.is_copy(seen, block):
                    value = 0.0
            else:
                value = short * block.size if short else -10 - 0.2 * block.size
            if before != block.node:
                steps, articles = self.between(before, block.node)
                value -= 6 * max(0, steps - 2) + 100 * articles
                before = block.node
            values.append(value)
        return values

    def between(self, a: int, b: int) -> tuple[int, int]:
        """Containers left and entered from one to the other, at most `_FAR`; how many of those are an ``<article>``
        that is entered."""
        parent, depth = self.page.parent, self.depth
        steps = articles = 0
        while a != b and steps < _FAR:
            if depth[a] >= depth[b]:
                a = parent[a]
            else:
                articles += self.page.tag[b] == "article"
                b = parent[b]
            steps += 1
        return steps, articles

    def is_copy(self, seen: dict[str, int], block: Block) -> bool:
        """Whether the text was there before, elsewhere in the page: shown twice, say for narrow screens. Beside each
        other the author may well have meant it."""
        first = seen.setdefault(block.text, block.node)
        return first != block.node and self.between(first, block.node)[0] > 4

    def fitted(self, values: list[float], begin: int, end: int) -> tuple[int, int]:
        """The run, made as long as the containers named like an article in it; else as the smallest container that
        holds three quarters of what counts for it, or as much of that as was in the run where it holds much else."""
        page = self.page
        positive = [0.0, *accumulate(max(0.0, value) for value in values)]

        def held(node: int) -> float:
            first, last = max(page.first[node], begin), min(page.end[node], end)
            return positive[last] - positive[first] if last > first else 0.0

        whole = positive[end] - positive[begin]
        bodies: list[int] = []
        for node, bits in enumerate(page.hint):
            if (
                bits & hints.BODY
                and held(node) > 0
                and (not bodies or page.end[bodies[-1]] <= page.first[node])
            ):
                bodies.append(node)
        if bodies and sum(map(held, bodies)) >= max(250, 0.35 * whole):
            return page.first[bodies[0]], page.end[bodies[-1]]
        chosen = 0
        for node, parent in enumerate(page.parent):
            if parent == chosen and node and page.tag[node] not in _LEAVES and held(node) >= 0.75 * whole:
                chosen = node
        node = chosen
        for _ in range(_FAR):
            node = page.parent[node]
            if page.hint[node] & (hints.BODY | hints.MAIN) and self.is_text(node):
                chosen = node
        if self.is_text(chosen):
            return page.first[chosen], page.end[chosen]
        return max(page.first[chosen], begin), min(page.end[chosen], end)

    def is_text(self, node: int) -> bool:
        """Whether a container holds prose enough, and links few enough, that all of it may be taken."""
        first, end = self.page.first[node], self.page.end[node]
        size = self.size[end] - self.size[first]
        links = self.linked[end] - self.linked[first]
        return links <= 0.45 * size and self.prose[end] - self.prose[first] >= 0.3 * size

    def with_siblings(self, begin: int, end: int) -> tuple[int, int]:
        """From the first sentence to the last, and on through the blocks that stand among the same paragraphs."""
        blocks = self.page.blocks

        def solid(at: int) -> bool:
            block = blocks[at]
            return (
                self.sentences[at]
                and not self.junk[at]
                and block.text != self.heading
                and not furniture(block)
            )

        first = next(filter(solid, range(begin, end)), None)
        last = next(filter(solid, range(end - 1, begin - 1, -1)), None)
        if first is None or last is None:
            return begin, end
        groups = {self.group(first), self.group(last)}

        def joins(at: int) -> bool:
            block = blocks[at]
            plain = not self.junk[at] and block.linked <= 0.6 and at != self.title
            return plain and self.group(at) in groups and not furniture(block)

        begin, end = first, last + 1
        while begin > 0 and joins(begin - 1):
            begin -= 1
        while end < len(blocks) and joins(end):
            end += 1
        return begin, end

    def group(self, at: int) -> int:
        """The container whose paragraphs and lists a block stands among."""
        page = self.page
        node = page.blocks[at].node
        for _ in range(_FAR):
            lone = page.end[node] - page.first[node] == 1
            if node == 0 or not (lone or page.tag[node] in _LEAVES or page.tag[node] in _LISTS):
                break
            node = page.parent[node]
        return node

    def cleaned(self, begin: int, end: int) -> list[int]:
        """The blocks of the run without what is not text."""
        page = self.page
        # In a list or table that is not mostly links, links are words.
        words = bytearray(end - begin)
        for node, tag in enumerate(page.tag):
            if tag in ("ul", "ol", "dl", "table"):
                first, last = page.first[node], page.end[node]
                links = self.linked[last] - self.linked[first]
                if begin <= first < last <= end and links < 0.5 * (self.size[last] - self.size[first]):
                    words[first - begin : last - begin] = b"\1" * (last - first)
        kept: list[int] = []
        seen: dict[str, int] = {}
        for at in range(begin, end):
            block = page.blocks[at]
            if self.junk[at] or block.text == self.heading or (block.linked > 0.6 and not words[at - begin]):
                continue
            if furniture(block) or (block.size >= 60 and self.is_copy(seen, block)):
                continue
            kept.append(at)
        return kept


def best_run(values: list[float]) -> tuple[int, int]:
    """Begin and end of the run with the greatest sum (Kadane); an empty one when nothing is positive."""
    best, most = (0, 0), 0.0
    begin, total = 0, 0.0
    for at, value in enumerate(values):
        if total <= 0:
            begin, total = at, 0.0
        total += value
        if total > most:
            best, most = (begin, at + 1), total
    return best
