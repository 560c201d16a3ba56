"""The labelled set: large enough, varied, the same for the same seed."""

from collections import Counter
from html import unescape

from feilun.data.encoding import decode
from feilun.data.labelled import COUNTS, pages
from feilun.data.repair import repair


def test_it_has_every_kind_and_at_least_400_pages() -> None:
    found = pages()
    assert len(found) >= 400
    assert Counter(page.kind for page in found) == COUNTS
    assert len({page.id for page in found}) == len(found)
    assert len({page.text for page in found}) == len(found)


def test_the_same_seed_gives_the_same_pages() -> None:
    assert pages(3) == pages(3)
    assert {page.text for page in pages(3)}.isdisjoint(page.text for page in pages(4) if page.good)


def test_only_good_pages_have_gold() -> None:
    assert all(bool(page.gold) == page.good for page in pages())


def test_both_languages_are_in_every_kind_that_knows_both() -> None:
    kinds = Counter((page.kind, page.lang) for page in pages())
    assert all(
        kinds[kind, lang] >= 8
        for kind in ("clean", "innocent", "spam", "spun", "list")
        for lang in ("zh", "en")
    )


def test_innocent_pages_say_what_bad_ones_say() -> None:
    found = [page for page in pages() if page.kind == "innocent"]
    assert all(page.good and page.gold == page.text for page in found)
    text = "\n".join(page.text for page in found).lower()
    said = (
        "鬼子",
        "废物",
        "智障",
        "老虎机",
        "肛交",
        "斗牛",
        "原价",
        "收集",
        "roulette",
        "thirty days",
        "60 minutes",
        "hardcore",
    )
    assert [word for word in said if word not in text] == []


def test_pages_in_a_wrong_charset_hold_their_gold_once_decoded() -> None:
    found = [page for page in pages() if page.kind == "charset"]
    assert any(page.charset != "utf-8" for page in found)
    for page in found:
        html = unescape(decode(page.html, page.charset, html=True).text)
        assert all(line in html for line in page.gold.split("\n"))


def test_glosses_are_what_separates_a_glossed_page_from_its_gold() -> None:
    for page in pages():
        if page.kind == "glossed":
            assert page.text != page.gold
            assert repair("", page.text).text == page.gold


def test_most_shifted_pages_show_it() -> None:
    found = [page for page in pages() if page.kind == "shifted"]
    assert all("?" in page.text and not page.good for page in found)
    seen = sum(repair("", page.text).shifted > 0 for page in found)
    assert seen >= 0.8 * len(found)
