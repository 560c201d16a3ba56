"""Pages about five topics, and corpora made of them."""

from __future__ import annotations

from pathlib import Path

from feilun.data.build import KIND, build
from feilun.data.recipe import CorpusRecipe
from feilun.data.workers import local
from feilun.jobs import Job
from feilun.workspace import Manifest

TOPICS = {
    "stove": ("铁炉", "老街上的铁匠铺"),
    "river": ("河堤", "城北的河道管理处"),
    "tea": ("茶园", "南坡的茶农合作社"),
    "bridge": ("石桥", "县里的文物保护队"),
    "school": ("校舍", "村小学的老师们"),
}
PHONE = "13812345678"


def article(thing: str, who: str) -> list[str]:
    """Six paragraphs about something."""
    return [
        f"{who}今年春天开始修缮{thing}，工期预计三个月，所需费用由居民和当地政府共同承担。",
        f"据负责人介绍，{thing}已经用了六十多年，表面多处开裂，雨季时常有积水，影响附近居民的出行和生活。",
        f"为了保留原貌，{who}请来两位退休的老师傅，他们年轻时参加过{thing}的建造，对每一处结构都很熟悉。",
        f"施工期间，周围的道路会有部分封闭，{who}在路口设置了指示牌，并安排专人引导行人和车辆绕行。",
        f"一位住在旁边的老人说，{thing}陪伴了几代人的成长，看到它重新变得结实，心里十分高兴。",
        f"工程结束以后，{who}打算把修缮的过程整理成册，放在社区图书室里，供大家随时翻阅。",
    ]


def html(title: str, paragraphs: list[str]) -> str:
    body = "".join(f"<p>{one}</p>" for one in paragraphs)
    menu = "".join(
        f"<li><a href='/{n}'>{word}</a></li>" for n, word in enumerate(("首页", "新闻", "图片", "论坛"))
    )
    return (
        f"<html><head><title>{title}</title></head><body><ul>{menu}</ul><article><h1>{title}</h1>{body}</article>"
        "<footer>版权所有 本站</footer></body></html>"
    )


def recipe(*sources: Path, **more: object) -> CorpusRecipe:
    return CorpusRecipe.model_validate(
        {
            "kind": "corpus",
            "name": "tiny",
            "sources": [{"path": str(path)} for path in sources],
            "rules": [{"reason": "too_short", "column": "score.chars.v1", "min": 50}],
            **more,
        }
    )


def made(wanted: CorpusRecipe, folder: Path, *, workers: int = 1) -> Path:
    job = Job.create(folder / "runs", KIND, wanted.name, wanted.model_dump(mode="json"))
    with job.running():
        corpus = build(wanted, job, folder / "corpus", local(workers))
    assert corpus is not None
    return corpus


def files(corpus: Path) -> dict[str, str]:
    return Manifest.read(corpus).files
