"""The page around a text: header, navigation, side column, footer, as three kinds of sites build it."""

from __future__ import annotations

from html import escape
from random import Random

from feilun.data.labelled.articles import Lang, title, topics
from feilun.data.labelled.words import words

_MENU = {
    "zh": words("首页 新闻 时评 财经 体育 教育 健康 旅游 图片 视频 论坛 专题 地方 房产 汽车 关于我们"),
    "en": words(
        "Home News Opinion Business Sports Culture Health Travel Photos Video Forum About Contact Jobs"
    ),
}
_SIDE = {"zh": ("热门推荐", "相关阅读", "最新发布"), "en": ("Most read", "Related stories", "Latest")}
_FOOT = {
    "zh": (
        "Copyright © {year} {site} 版权所有",
        "{site} 保留所有权利 未经许可不得转载",
        "关于我们 | 联系我们 | 网站地图",
    ),
    "en": ("© {year} {site}. All rights reserved.", "Privacy policy | Terms of use | Contact us"),
}
_SITES = {
    "zh": ("临江新闻网", "山水笔记", "云溪在线", "知行周刊", "北屏日报"),
    "en": ("The Linnet", "Marlow Post", "Tarn Review", "Kessington Echo"),
}


def around(draw: Random, lang: Lang, heading: str, body: str, *, charset: str | None) -> str:
    """HTML of a page with ``body`` (HTML) as its main part."""
    site = draw.choice(_SITES[lang])
    menu = draw.sample(_MENU[lang], draw.randint(6, 12))
    side = [title(draw, lang, draw.choice(topics(lang))) for _ in range(draw.randint(3, 9))]
    foot = draw.choice(_FOOT[lang]).format(year=draw.randint(2005, 2025), site=site)
    meta = f'<meta charset="{charset}">' if charset else ""
    links = "".join(f'<li><a href="/{draw.randint(1, 99)}/">{item}</a></li>' for item in menu)
    more = "".join(f'<li><a href="/a/{draw.randint(1000, 9999)}.html">{escape(one)}</a></li>' for one in side)
    box = f'<div class="side"><h3>{draw.choice(_SIDE[lang])}</h3><ul>{more}</ul></div>'
    middle = f'<div class="{draw.choice(["content", "article-body", "text", "main"])}">{body}</div>'
    shape = draw.randrange(3)
    if shape == 0:
        inside = f'<div class="nav"><ul>{links}</ul></div><h1>{escape(heading)}</h1>{middle}{box}'
    elif shape == 1:
        inside = f"<header><ul>{links}</ul></header><main><article><h1>{escape(heading)}</h1>{middle}</article></main>{box}"
    else:
        inside = f"<table><tr><td>{links}</td></tr><tr><td><h2>{escape(heading)}</h2>{middle}</td><td>{box}</td></tr></table>"
    return (
        f"<!DOCTYPE html><html><head>{meta}<title>{escape(heading)} - {site}</title></head>"
        f"<body>{inside}<footer><p>{foot}</p></footer></body></html>"
    )


def paragraphs(lines: list[str]) -> str:
    return "".join(f"<p>{escape(line)}</p>" for line in lines)


def menu(draw: Random, lang: Lang) -> list[str]:
    """The lines of a page that is nothing but links."""
    items = list(_MENU[lang] * 2)
    draw.shuffle(items)
    joint = draw.choice((" | ", "  ", " > ", " · "))
    lines = [joint.join(items[at : at + draw.randint(1, 5)]) for at in range(0, len(items), 5)]
    return [*lines, *draw.sample(_MENU[lang], 5), *_SIDE[lang]]
