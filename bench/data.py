"""A whole build: beside datatrove, with two workers, and of a million documents.

    python bench/data.py                                    # ours, on pages of our own making; one worker and two
    python bench/data.py --pages FOLDER                     # on HTML and WARC of yours
    python bench/data.py --peers OTHER/bin/python --config cmn_Hani.yml --lid lid.176.ftz
    python bench/data.py --many 1000000                     # so many short documents, beside a tenth of them

Ours is ``feilun data build`` with ``recipes/data/web.toml`` and our evaluation questions to be kept out. The peer is
FineWeb-2's pipeline for Chinese in datatrove (`bench/data_datatrove.py`; `pip install 'datatrove[io,processing]'
'trafilatura<2' lxml_html_clean spacy jieba python-magic pyyaml`), with the limits of that project's
configs/cmn_Hani.yml. Both read the same WARC files, and write what is kept; ours writes what is not kept as well.

CPU seconds are those of the whole process tree. A build of one page is the start: imports, models, tables. What a
build takes beyond its start, over its pages, is the steady work, which is what a large corpus costs.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil
from fastwarc.warc import ArchiveIterator, WarcRecordType

from feilun.data.labelled import pages as labelled
from feilun.recipe import shipped

HERE = Path(__file__).parent
FILES = 16
"""WARC files that the pages are laid into: enough for two workers to share out."""
DIFFER = """\
where the two differ: datatrove keeps Chinese alone, and what is not goes no further than its language;
it asks fastText's 176 languages (FineWeb-2: GlotLID) and no block list of sites; FineWeb-2 has no C4 filters.
Its copies share word 5-grams in 14 bands of 8, ours letters' 5-grams at J >= .8. It repairs (ftfy) and masks (e-mail,
IP) only what it keeps. Ours has besides: titles, dates, lines, spam, spun, spliced, classifier, evaluation sets."""


@dataclass
class Run:
    cpu: float
    """Seconds of the process and all that it started."""
    wall: float
    peak: float
    """MB: the most that the processes living at once have each taken at their worst (VmHWM)."""
    out: str


def run(command: list[str], **environment: str) -> Run:
    start = time.perf_counter()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=out, stderr=errors, env={**os.environ, **environment})
        peak, ended = [0.0], threading.Event()
        watching = threading.Thread(target=_watch, args=(process.pid, peak, ended))
        watching.start()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        cpu = used.ru_utime + used.ru_stime
        ended.set()
        watching.join()
        out.seek(0)
        errors.seek(0)
        if process.returncode:
            sys.exit(f"{' '.join(command)}:\n{errors.read().decode()[-3000:]}")
        return Run(cpu, wall, peak[0], out.read().decode())


def _watch(pid: int, peak: list[float], ended: threading.Event) -> None:
    while not ended.wait(0.1):
        try:
            top = psutil.Process(pid)
            peak[0] = max(peak[0], sum(_worst(one.pid) for one in [top, *top.children(recursive=True)]))
        except psutil.NoSuchProcess:
            continue


def _worst(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(found[0].split()[1]) / 1024 if found else 0.0


def feilun(work: Path, source: Path, workers: int = 1) -> Run:
    """A build of the source from nothing; the corpus is ``work/corpora/bench``."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    recipe = work / "bench.toml"
    sets = "".join(
        f'\n[[decontaminate]]\npath = "{shipped(f"eval/{name}.jsonl")}"\n'
        for name in ("assistant", "regression")
    )
    recipe.write_text(shipped("data/web.toml").read_text(encoding="utf-8") + sets, encoding="utf-8")
    command = [sys.executable, "-m", "feilun", "--workspace", str(work), "data", "build", str(recipe)]
    return run(
        [*command, "--source", str(source), "--name", "bench", "--workers", str(workers), "--json"],
        FEILUN_LANG="en",
    )


def figures(work: Path) -> str:
    found = json.loads((work / "corpora" / "bench" / "artifact.json").read_text())["figures"]
    dropped = sorted(found["dropped"].items(), key=lambda pair: -pair[1])
    return f"kept {found['kept']} of {found['read']}; " + ", ".join(f"{why} {n}" for why, n in dropped)


def datatrove(options: argparse.Namespace, work: Path, source: Path) -> Run:
    shutil.rmtree(work, ignore_errors=True)
    program = str(HERE / "data_datatrove.py")
    return run(
        [options.peers, program, str(source), str(work), str(options.config), str(options.lid)],
        DATATROVE_COLORIZE_LOGS="0",
    )


def generated(count: int) -> Iterator[tuple[str, bytes, str | None]]:
    """(url, page, charset) of so many pages of the labelled set, good and bad."""
    seed = 0
    while count > 0:
        for page in labelled(seed)[:count]:
            yield f"https://site{len(page.id) % 7}.example/{seed}/{page.id}.html", page.html, page.charset
            count -= 1
        seed += 1


def found(folder: Path) -> Iterator[tuple[str, bytes, str | None]]:
    """The pages of a folder: HTML files, and responses in WARC files."""
    for path in sorted(one for one in folder.rglob("*") if one.is_file()) if folder.is_dir() else [folder]:
        name = path.name.lower()
        if name.endswith((".html", ".htm")):
            yield f"https://pages.example/{path.name}", path.read_bytes(), None
        elif name.endswith((".warc", ".warc.gz")):
            with path.open("rb") as file:
                for record in ArchiveIterator(file, WarcRecordType.response):
                    kind = record.http_content_type
                    if kind is None or "html" in kind:
                        yield record.headers["WARC-Target-URI"], record.reader.read(), record.http_charset


def lay_out(pages: Iterator[tuple[str, bytes, str | None]], folder: Path, most: int) -> int:
    """Write them into WARC files in turn, each record packed apart; gives the number of pages."""
    folder.mkdir(parents=True)
    files = [(folder / f"{at:02}.warc.gz").open("wb") for at in range(min(FILES, most))]
    count = 0
    for url, page, charset in itertools.islice(pages, most):
        kind = "text/html" + (f"; charset={charset}" if charset else "")
        body = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode() + page
        head = (
            "WARC/1.0\r\nWARC-Type: response\r\nWARC-Date: 2026-01-01T00:00:00Z\r\n"
            f"WARC-Target-URI: {url}\r\nWARC-Record-ID: <urn:uuid:{count:08}>\r\n"
            "WARC-Identified-Payload-Type: text/html\r\nContent-Type: application/http; msgtype=response\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        files[count % FILES].write(gzip.compress(head.encode() + body + b"\r\n\r\n", mtime=0))
        count += 1
    for file in files:
        file.close()
    return count


WORDS = (
    "山水 城市 道路 学校 老师 学生 春天 河流 桥梁 工厂 机器 医生 病人 市场 蔬菜 价格 天气 农田 电力 火车 车站 旅客 新闻 记者 问题 "
    "研究 数据 模型 结果 方法 误差 今年 去年 公司 员工 合同 法律 规定 安全 事故 原因 责任 音乐 电影 演员 观众 小说 作者 读者 历史 "
    "文化 节日 家庭 孩子 父母 健康 比赛 教练 目标 计划 开始 结束 发现 认为 需要 可以 已经 正在 继续 提高 减少 保护 环境 我们 他们 "
    "这个 没有 的 了 在 是 和 也 就 都 对 从 把 被 一个 很多 因为 所以 但是 如果 时候 地方 大家 自己 知道 看到 工作 生活 社会 国家"
)
SHARD = 50_000


def short_documents(count: int, folder: Path) -> int:
    """JSON lines of so many texts, 60 to 200 words drawn at random; one in 50 again, and one in 50 nearly. Gives bytes."""
    folder.mkdir(parents=True)
    draw, last, size = random.Random(0), [""] * 1000, 0
    known = WORDS.split()
    for first in range(0, count, SHARD):
        with (folder / f"{first // SHARD:04}.jsonl").open("w", encoding="utf-8") as file:
            for at in range(first, min(first + SHARD, count)):
                if at % 50 == 1 and at > 1000:
                    text = draw.choice(last)
                elif at % 50 == 2 and at > 1000:
                    text = draw.choice(last) + "他们已经回家了。"
                else:
                    words = draw.choices(known, k=draw.randrange(60, 200))
                    marks = ("，", "。", "，", "。\n")
                    parts = ["".join(words[begin : begin + 8]) for begin in range(0, len(words), 8)]
                    text = (
                        "".join(part + marks[place % 4] for place, part in enumerate(parts[:-1]))
                        + parts[-1]
                        + "。"
                    )
                last[at % 1000] = text
                size += file.write(json.dumps({"id": str(at), "text": text}, ensure_ascii=False) + "\n")
    return size


def header() -> None:
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = psutil.virtual_memory().total / 2**30
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(
        f"{model}, {os.cpu_count()} cores, {memory:.0f} GB; load {load}; Python {platform.python_version()}"
    )
    print(", ".join(f"{name} {version(name)}" for name in ("numpy", "pyarrow", "fastwarc")))


def against(options: argparse.Namespace, work: Path, pages: Path, one: Path, count: int) -> None:
    """Steady CPU time a document, in rounds that alternate; the best of each."""
    contestants = {"feilun": lambda source: feilun(work / "ours", source)}
    if options.peers:
        contestants["datatrove"] = lambda source: datatrove(options, work / "theirs", source)
    start = dict.fromkeys(contestants, 1e9)
    whole = dict(start)
    last: dict[str, Run] = {}
    for _ in range(options.rounds):
        for name, build in contestants.items():
            start[name] = min(start[name], build(one).cpu)
            last[name] = build(pages)
            whole[name] = min(whole[name], last[name].cpu)
    steady = {name: (whole[name] - start[name]) / count for name in contestants}
    for name in contestants:
        print(
            f"{name:10} whole {whole[name]:7.2f} CPU s, start {start[name]:5.2f}; steady "
            f"{1e3 * steady[name]:7.3f} ms a document, {1 / steady[name]:7.1f} documents per CPU second"
        )
    print("feilun    ", figures(work / "ours"))
    if options.peers:
        told = json.loads(last["datatrove"].out.splitlines()[-1])
        print("datatrove ", told["left"], {name: round(used, 1) for name, used in told["seconds"].items()})
        print(
            f"feilun is {steady['datatrove'] / steady['feilun']:.1f}x datatrove, steady; "
            f"{whole['datatrove'] / whole['feilun']:.1f}x with its start"
        )
        print(DIFFER)


def two_workers(options: argparse.Namespace, work: Path, pages: Path, one: Path, count: int) -> None:
    """Documents a second of the clock."""
    best: dict[int, float] = {1: 1e9, 2: 1e9}
    start = dict(best)
    for _ in range(options.rounds):
        for workers in best:
            start[workers] = min(start[workers], feilun(work / "ours", one, workers).wall)
            best[workers] = min(best[workers], feilun(work / "ours", pages, workers).wall)
    load = os.getloadavg()[0]
    for workers in best:
        print(
            f"{workers} worker(s): {best[workers]:.2f} s, start {start[workers]:.2f} s, "
            f"{count / best[workers]:.1f} documents a second (steady {count / (best[workers] - start[workers]):.1f})"
        )
    steady = (best[1] - start[1]) / (best[2] - start[2])
    print(f"two workers are {best[1] / best[2]:.2f}x one, steady {steady:.2f}x (load {load:.1f})")


def many(options: argparse.Namespace, work: Path) -> None:
    each: list[float] = []
    for count in (options.many // 10, options.many):
        folder = work / f"many-{count}"
        size = short_documents(count, folder)
        done = feilun(work / "ours", folder, options.workers)
        each.append(done.cpu / count)
        print(
            f"{count} documents of {size // count} characters, {options.workers} workers: {1e3 * each[-1]:.3f} CPU ms "
            f"a document, {done.wall:.0f} s, peak {done.peak:.0f} MB; {figures(work / 'ours')}"
        )
        shutil.rmtree(folder)
    print(f"a document of the larger corpus takes {each[1] / each[0]:.2f}x the time")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pages", type=Path, help="a folder of HTML and WARC files (default: made here)")
    parser.add_argument("--count", type=int, default=2016, help="pages that are made, or read at most")
    parser.add_argument("--peers", help="a Python that has datatrove")
    parser.add_argument("--config", type=Path, help="FineWeb-2's configs/cmn_Hani.yml")
    parser.add_argument("--lid", type=Path, help="fastText's lid.176.ftz or lid.176.bin")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2, help="of --many")
    parser.add_argument("--many", type=int, metavar="N", help="only this: N short documents")
    parser.add_argument("--skip-workers", action="store_true", help="leave out two workers against one")
    options = parser.parse_args()
    if options.peers and not (options.config and options.lid):
        parser.error("--peers needs --config and --lid")
    header()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        if options.many:
            many(options, work)
            return
        read = found(options.pages) if options.pages else generated(options.count)
        count = lay_out(read, work / "pages", options.count)
        lay_out(itertools.islice(generated(2), 1, 2), work / "one", 1)  # the first in Chinese
        size = sum(path.stat().st_size for path in (work / "pages").iterdir())
        print(f"{count} pages, {size / 2**20:.1f} MB of WARC")
        against(options, work, work / "pages", work / "one", count)
        if not options.skip_workers:
            two_workers(options, work, work / "pages", work / "one", count)


if __name__ == "__main__":
    main()
