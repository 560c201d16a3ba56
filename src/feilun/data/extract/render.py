"""Chosen blocks -> text: a paragraph a line, rows and lists readable, code with its line ends."""

from __future__ import annotations

import re
from collections.abc import Sequence

from feilun.data.extract.outline import Outline

_BULLETED = re.compile(r"[-*•·▪◦●○■★☆✓➤]|\(?\d{1,3}[.)、：:]|[（(]?[一二三四五六七八九十]{1,3}[）)、]")


def render_text(page: Outline, kept: Sequence[int]) -> str:
    """Lines joined by ``\\n``. Cells of a row stand side by side, ``a | b``; items begin with ``- `` or ``1. ``;
    code stands between fences of three backticks."""
    row, item, code = _nearest(page, "tr"), _nearest(page, "li"), _nearest(page, "pre")
    cell = _nearest(page, "td", "th") if any(row) else row
    lines: list[str] = []
    number: dict[int, int] = {}
    begun: set[int] = set()
    at = 0
    while at < len(kept):
        node = page.blocks[kept[at]].node
        end = at + 1
        group, column = (code[node], code) if code[node] else (row[node], row)
        while group and end < len(kept) and column[page.blocks[kept[end]].node] == group:
            end += 1
        texts = [page.blocks[each].text for each in kept[at:end]]
        if code[node]:
            lines.extend(("```", *texts, "```"))
        elif len(texts) > 1 and _is_data(page, cell, kept[at:end]):
            lines.append(" | ".join(texts))
        else:
            for each in kept[at:end]:
                block = page.blocks[each]
                li = item[block.node]
                mark = ""
                if li and li not in begun:
                    begun.add(li)
                    parent = page.parent[li]
                    number[parent] = number.get(parent, 0) + 1
                    if not _BULLETED.match(block.text):
                        mark = f"{number[parent]}. " if page.tag[parent] == "ol" else "- "
                lines.append(mark + block.text)
        at = end
    return "\n".join(lines)


def _nearest(page: Outline, *tags: str) -> list[int]:
    """For every container the nearest of these tags around it, itself included; 0 for none."""
    nearest = [0] * len(page.tag)
    if any(tag in page.tag for tag in tags):
        for node in range(1, len(nearest)):
            nearest[node] = node if page.tag[node] in tags else nearest[page.parent[node]]
    return nearest


def _is_data(page: Outline, cell: Sequence[int], row: Sequence[int]) -> bool:
    """A row of a table that shows data: cells of one short text each. Other tables hold a page's columns."""
    cells = {cell[page.blocks[at].node] for at in row}
    return len(cells) == len(row) and all(page.blocks[at].size <= 300 for at in row)
