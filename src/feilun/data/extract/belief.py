"""Whether a container that is named like navigation, comments or advertisements is that.

A name is no proof: ``<div class="has-sidebar">`` may hold the whole page. What decides is how much prose would go with
it, and how much would be left.
"""

from __future__ import annotations

from itertools import accumulate

from feilun.data.extract import hints
from feilun.data.extract.outline import Outline


def believed_junk(page: Outline, sentences: list[bool], title: int) -> bytearray:
    """1 for each block in a container that is not main text. ``sentences``: which blocks are prose; ``title``: the
    index of the page's heading, or -1."""
    mass = [
        0,
        *accumulate(
            block.size if is_prose else 0 for block, is_prose in zip(page.blocks, sentences, strict=True)
        ),
    ]
    plain = [0.0, *accumulate(block.size * (1 - block.linked) for block in page.blocks)]
    junk = bytearray(len(page.blocks))
    total = left = mass[-1]  # bytes of prose
    reached = body_end = 0
    article = (0, 0)
    for node, bits in enumerate(page.hint):
        tag = page.tag[node]
        if not bits and tag != "article":
            continue
        first, end = page.first[node], page.end[node]
        if bits & hints.BODY and mass[end] - mass[first] > 0.3 * total:
            body_end = max(body_end, end)
        if tag == "article":
            if first >= article[1]:
                article = first, end
            elif mass[first] - mass[article[0]] >= 300:
                bits |= hints.TALK  # an article inside one is a comment on it, says HTML
        first = max(first, reached)
        if not bits & hints.ASIDE or end <= first:
            continue
        held = mass[end] - mass[first]
        if held:
            rest = left - held
            if first <= title < end:
                believed = held <= 0.15 * total
            elif bits & hints.TALK:
                believed = rest >= 200
            elif bits & hints.HIDDEN:
                believed = rest >= max(250, 0.25 * total)
            elif tag in ("nav", "footer", "aside"):
                believed = rest >= 300 or held <= 500 or title >= 0
            elif first < body_end or tag in ("header", "figcaption", "article", "main"):
                believed = held <= 0.15 * total
            else:
                believed = rest >= 0.15 * total and (held <= 0.4 * total or rest >= max(400, 0.25 * total))
            if not believed:
                continue
            left = rest
        elif plain[end] - plain[first] > 0.6 * plain[-1]:
            continue  # a page without a sentence, and this is most of its words
        junk[first:end] = b"\1" * (end - first)
        reached = end
    return junk
