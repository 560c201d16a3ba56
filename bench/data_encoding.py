"""Which encoding is a page in: 720 generated pages without charset tags, and what four detectors say.

    python bench/data_encoding.py [--pages 240] [--seed 0]

240 pages each in UTF-8, GB18030 and Big5, of sentences written for this: from a menu entry of four characters to a
long page, Chinese alone and mixed with English, with markup and without. A page counts as right if the text comes
out as it went in. Peers are named in the table where they are installed (`pip install chardet charset-normalizer`).
Time is CPU time of this process.
"""

from __future__ import annotations

import argparse
import importlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

CHARSETS = ("utf-8", "gb18030", "big5")

SIMPLIFIED = """清晨的菜市场比任何地方都热闹，卖豆腐的老人一边找零一边和熟客说笑。
这座桥建成于上世纪八十年代，去年冬天刚刚换过全部栏杆。
如果水温低于五度，请先把阀门关上，再检查过滤网有没有堵塞。
研究小组比较了三种肥料，发现产量的差别主要来自灌溉。
她把旧信一封一封地读完，然后放回那只掉了漆的铁盒子里。
从车站出来往左走，经过两个路口就能看见图书馆的红色屋顶。
本次更新修复了登录失败的问题，并且加快了搜索的速度。
陈师傅说，木头要晾足一年，做出来的椅子才不会开裂。
会议决定把预算的一半用于乡村学校的操场和食堂。
夜里下了一场大雨，第二天早上田埂上全是青蛙。
请在付款以前核对地址、电话和数量，发货以后不能修改。
这种鸟每年秋天从北方飞来，在湖边的芦苇里过冬。
医生提醒大家，感冒的时候多休息，不要自己乱吃药。
小说的最后一章没有写结局，只写了一扇没有关上的窗。
网站首页、公司简介、产品中心、新闻动态、联系我们。
工程师用了两个星期才弄明白，故障原来出在一根数据线上。
镇上的邮局只有一个柜台，邮递员骑自行车送信已经二十年了。
把面团分成八份，盖上湿布醒半个小时，再擀成薄片。
统计显示，去年到这里旅游的人数增加了百分之十二。
孩子们在院子里画了一条很长的龙，龙尾一直画到大门外面。
数据库每天凌晨三点备份，保留最近十四天的副本。
茶叶采下来以后要在当天炒制，否则香气会散掉一半。
鄱阳湖的水位比往年低，渔民们把船拖到了远处的码头。
镍、钴和锂的价格连续上涨，电池厂开始寻找别的材料。
他姓綦，村里人都不认得这个字，干脆叫他老七。
"""

TRADITIONAL = """巷口的麵店開了三十年，老闆娘記得每一位熟客的口味。
颱風過後，鄰居們一起把倒下的榕樹鋸成小段搬走。
請於上車前準備好零錢，並依序由前門上車。
這間圖書館每逢週末舉辦說故事活動，歡迎親子參加。
關於我們、最新消息、產品介紹、會員專區、聯絡方式。
爺爺把舊收音機修好了，晚上又聽得見他喜歡的戲曲。
實驗結果顯示，遮陰的幼苗長得較慢，但葉片比較厚。
捷運站旁邊新開了一家書店，二樓還可以喝咖啡。
"""

ENGLISH = """The library opens at nine and closes at six.
Please restart the router before you call support.
Version 2.1 makes the search about twice as fast.
Terms of service, privacy, contact.
A short walk along the river takes twenty minutes.
"""

PHRASES = ("公司简介", "联系我们", "查看更多", "上一页", "用户登录", "今日天气", "热门文章", "免费下载")


@dataclass(frozen=True, slots=True)
class Page:
    text: str
    charset: str
    content: bytes


def pages(count: int, seed: int = 0) -> Iterator[Page]:
    """``count`` pages of each charset, the same for the same seed."""
    from opencc import OpenCC

    convert = OpenCC("s2t").convert
    traditional: list[str] = [*TRADITIONAL.split(), *filter(_in_big5, map(convert, SIMPLIFIED.split()))]
    draw = random.Random(seed)
    for charset in CHARSETS:
        for number in range(count):
            old = {"utf-8": number % 2 == 0, "gb18030": number % 12 == 0, "big5": True}[charset]
            phrases = [convert(one) if old else one for one in PHRASES]
            text = _page(draw, traditional if old else SIMPLIFIED.split(), phrases, number)
            yield Page(text, charset, text.encode(charset))


def _in_big5(text: str) -> bool:
    try:
        return text.encode("big5").decode("big5") == text
    except UnicodeError:
        return False


def _page(draw: random.Random, sentences: Sequence[str], phrases: list[str], number: int) -> str:
    size = ("phrase", "short", "middle", "long")[number % 4]
    if size == "phrase":
        lines = [draw.choice(phrases)]
    else:
        low, high = {"short": (1, 2), "middle": (4, 10), "long": (40, 120)}[size]
        lines = [draw.choice(sentences) for _ in range(draw.randint(low, high))]
    if draw.random() < 0.5:
        share = draw.choice((1, 1, 3))
        lines = [line for one in lines for line in (one, *draw.choices(ENGLISH.splitlines(), k=share))]
    if draw.random() < 0.5:
        return "\n".join(lines)
    style = "body { margin: 0 auto; font: 14px sans-serif }\n" * draw.choice((1, 30))
    body = "\n".join(f'<div class="c{at % 7}"><p>{line}</p></div>' for at, line in enumerate(lines))
    return (
        f"<!DOCTYPE html>\n<html><head><title>{draw.choice(phrases)}</title>\n<style>{style}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def _named(charset: str | None, content: bytes) -> str:
    """The text by a detector's answer, read with the wider sets that a browser takes for these names."""
    name = (charset or "ascii").lower().replace("_", "-")
    wider = {"gb2312": "gb18030", "gbk": "gb18030", "big5": "big5hkscs", "ascii": "utf-8"}.get(name, name)
    return content.decode(wider, "replace")


def _contestants() -> Iterator[tuple[str, Callable[[bytes], str]]]:
    def feilun() -> Callable[[bytes], str]:
        from feilun.data.encoding import decode

        return lambda content: decode(content, html=True).text

    def resiliparse() -> Callable[[bytes], str]:
        detect = importlib.import_module("resiliparse.parse.encoding").detect_encoding
        return lambda content: _named(detect(content), content)

    def chardet() -> Callable[[bytes], str]:
        detect = importlib.import_module("chardet").detect
        return lambda content: _named(detect(content)["encoding"], content)

    def charset_normalizer() -> Callable[[bytes], str]:
        best = importlib.import_module("charset_normalizer").from_bytes
        return lambda content: _named(found.encoding if (found := best(content).best()) else None, content)

    for make in (feilun, resiliparse, chardet, charset_normalizer):
        try:
            yield make.__name__, make()
        except ImportError:
            print(f"{make.__name__}: not installed")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pages", type=int, default=240, help="pages of each charset")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wrong", action="store_true", help="show what feilun gets wrong")
    arguments = parser.parse_args()
    made = list(pages(arguments.pages, arguments.seed))
    print(f"{'right of':>20} " + " ".join(f"{name:>8}" for name in CHARSETS) + "     all  pages/s")
    for name, decode in _contestants():
        decode(made[0].content)  # tables are made at the first call
        began = time.process_time()
        right = [decode(page.content) == page.text for page in made]
        spent = time.process_time() - began
        counts = [
            sum(ok for ok, page in zip(right, made, strict=True) if page.charset == one) for one in CHARSETS
        ]
        row = " ".join(f"{count:>8}" for count in counts)
        print(f"{name:>20} {row} {sum(right) / len(made):>7.1%} {len(made) / spent:>8.0f}")
        if arguments.wrong and name == "feilun":
            for ok, page in zip(right, made, strict=True):
                if not ok:
                    print("   ", page.charset, repr(page.text[:80]))


if __name__ == "__main__":
    main()
