"""Near-duplicates of known similarity, found by ours and by datatrove's MinHash.

    python bench/data_dedup.py                                    # ours alone
    python bench/data_dedup.py --peers OTHER/bin/python           # and datatrove, in an environment of its own

The pairs are generated: texts of words drawn at random, Chinese and English, and copies in which some of the words are
replaced until the Jaccard similarity of their letters' 5-grams, counted with sets, is what was asked for. The truth is
that of all pairs: >= .8 is a duplicate. datatrove compares 5-grams of words, so that one edit costs it more; ``own``
judges it by the similarity of those. Times are CPU seconds of one process, per document; datatrove (its defaults:
14 bands of 8, 64-bit xxhash; `pip install 'datatrove[processing]' spacy jieba`) is timed over its four steps
without its imports and one document's warm-up.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from feilun.data.dedup import Writer, dropped, find, passages, sketch
from feilun.data.dedup.letters import letters

ZH = (
    "山水 城市 道路 学校 老师 学生 春天 秋风 河流 桥梁 工厂 机器 医生 病人 市场 蔬菜 价格 天气 雨季 农田 丰收 电力 火车 车站 旅客 "
    "行李 票价 新闻 记者 采访 问题 回答 研究 数据 模型 结果 方法 实验 误差 增长 下降 平均 今年 去年 月份 季度 公司 员工 工资 合同 "
    "法律 规定 申请 批准 检查 安全 事故 原因 调查 责任 赔偿 音乐 电影 演员 观众 舞台 小说 作者 读者 出版 历史 文化 传统 节日 家庭 "
    "孩子 父母 健康 运动 比赛 冠军 教练 训练 目标 计划 完成 开始 结束 经过 发现 认为 需要 可以 应当 已经 正在 继续 提高 减少 保护 环境"
)
EN = (
    "river bridge market teacher student spring autumn factory engine doctor patient price weather season field harvest "
    "power train station traveller ticket paper reporter question answer research figure model result method error growth "
    "average month quarter company worker wage contract law rule request office check safety accident cause inquiry blame "
    "music film actor crowd stage novel author reader history culture custom holiday family child parent health sport match "
    "winner coach training target plan finish start pass find believe need allow already still raise lower protect nature"
)
LEVELS = (0.5, 0.6, 0.7, 0.75, 0.78, 0.8, 0.82, 0.85, 0.9, 0.95, 0.99)
FIVE = 5


def shown(words: Sequence[str], language: str) -> str:
    marks = ("，", "。") if language == "zh" else (", ", ". ")
    gap = "" if language == "zh" else " "
    parts = [gap.join(words[at : at + 9]) for at in range(0, len(words), 9)]
    return "".join(part + marks[at % 2] for at, part in enumerate(parts))


def grams(text: str) -> set[tuple[int, ...]]:
    plain = letters(text).tolist()
    return {tuple(plain[at : at + FIVE]) for at in range(len(plain) - FIVE + 1)}


def jaccard(one: set[tuple[int, ...]], other: set[tuple[int, ...]]) -> float:
    return len(one & other) / len(one | other)


def pairs(count: int, language: str, chance: random.Random) -> list[tuple[str, str, float]]:
    """(text, copy, similarity): ``count`` of each level, 120 to 900 words long."""
    words = (ZH if language == "zh" else EN).split()
    made: list[tuple[str, str, float]] = []
    for level in LEVELS:
        for _ in range(count):
            text = chance.choices(
                words, k=chance.randrange(120, 900) if language == "zh" else chance.randrange(120, 500)
            )
            copy, places = list(text), chance.sample(range(len(text)), len(text))
            base = grams(shown(text, language))
            step = max(1, len(text) // 100)
            similar = 1.0
            while similar > level and places:
                for at in places[:step]:
                    copy[at] = chance.choice(words)
                del places[:step]
                similar = jaccard(base, grams(shown(copy, language)))
            made.append((shown(text, language), shown(copy, language), similar))
    return made


def ours(texts: list[str]) -> tuple[set[int], dict[str, float]]:
    """Numbers of the pairs found; microseconds per document."""
    times: dict[str, float] = {}
    sketch(texts[0])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = time.process_time()
        sketches = [sketch(text) for text in texts]
        times["sketch"] = time.process_time() - start
        start = time.process_time()
        with Writer(folder, "0") as writer:
            for at, one in enumerate(sketches):
                writer.add(f"{at:08d}", one, -at)
        times["write"] = time.process_time() - start
        start = time.process_time()
        found = list(dropped(folder, find(folder)))
        times["find"] = time.process_time() - start
    start = time.process_time()
    for text in texts:
        passages.hashes(text)
    times["(passages)"] = time.process_time() - start
    hits = {int(one.id) // 2 for one in found if int(one.id) // 2 == int(one.kept) // 2}
    assert len(hits) == len(found), "two texts made apart are called copies"
    return hits, {step: 1e6 * seconds / len(texts) for step, seconds in times.items()}


def datatrove(python: str, texts: list[str], language: str) -> tuple[set[int], dict[str, float], list[float]]:
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "texts.jsonl"
        source.write_text(
            "".join(json.dumps({"id": str(at), "text": text}) + "\n" for at, text in enumerate(texts))
        )
        program = Path(__file__).with_name("data_dedup_datatrove.py")
        subprocess.run([python, str(program), name, language], check=True, capture_output=True)
        result = json.loads((Path(name) / "result.json").read_text())
    return (
        set(result["found"]),
        {k: 1e6 * v / len(texts) for k, v in result["seconds"].items()},
        result["own"],
    )


def judged(found: set[int], similar: Sequence[float]) -> str:
    true = {at for at, value in enumerate(similar) if value >= 0.8}
    recall = len(found & true) / max(1, len(true))
    precision = len(found & true) / max(1, len(found))
    return f"recall {recall:.3f}  precision {precision:.3f}  ({len(true)} of {len(similar)} pairs are duplicates)"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", help="a Python that has datatrove")
    parser.add_argument("--pairs", type=int, default=50, help="of each level of similarity")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for language in ("zh", "en"):
        made = pairs(options.pairs, language, random.Random(options.seed))
        texts = [text for one, other, _ in made for text in (one, other)]
        similar = [value for *_, value in made]
        print(f"\n{language}: {len(texts)} documents of {sum(map(len, texts)) // len(texts)} characters")
        found, times = ours(texts)
        print("feilun     ", judged(found, similar))
        results = [("feilun", found)]
        report = [("feilun", times)]
        if options.peers:
            found, times, own = datatrove(options.peers, texts, language)
            print("datatrove  ", judged(found, similar))
            print("       own ", judged(found, own))
            results.append(("datatrove", found))
            report.append(("datatrove", times))
        edges = [0.0, 0.55, 0.65, 0.72, 0.76, 0.79, 0.8, 0.81, 0.84, 0.88, 0.93, 1.01]
        print("share found by similarity")
        for low, high in itertools.pairwise(edges):
            some = [at for at, value in enumerate(similar) if low <= value < high]
            shares = "  ".join(
                f"{name} {sum(at in hit for at in some) / max(1, len(some)):.2f}" for name, hit in results
            )
            print(f"  {low:.2f} to {min(high, 1):.2f} ({len(some):4d} pairs)  {shares}")
        for name, times in report:
            steps = ", ".join(f"{step} {value:.0f}" for step, value in times.items())
            total = sum(value for step, value in times.items() if not step.startswith("("))
            print(f"{name}: {total:.0f} us per document: {steps}")


if __name__ == "__main__":
    sys.exit(main())
