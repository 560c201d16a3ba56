"""Other ways to ask a question, said by the model itself.

A model that can follow the request knows more ways to ask than the rules of `feilun.flywheel.reword`; but it may answer
instead, ask for something else, or lose a name. What it says goes through a net that lets only those through that keep
what can be checked without understanding, so it is as good as the model is. The default model of 270 million parameters
answers more often than it rewords: asked 120 times about the 30 questions of ``bench/flywheel_facts.jsonl`` it said 14
things that got through, for 12 of the questions, and 6 of the 14 ask for something else. Hence a recipe has to ask for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from feilun.evaluate.questions import Answer
from feilun.evaluate.similarity import token_f1
from feilun.evaluate.wording import abstains
from feilun.flywheel.asking import Messages, ask_once
from feilun.flywheel.queue import triples
from feilun.flywheel.reword import Reworded, essence, in_chinese, is_plain, keeps_facts
from feilun.registry import Release

MAX_TOKENS = 64
"""Of a wording."""

ENGLISH = (
    "Ask this question in other words. Write only the question: {question}",
    "How would somebody else ask this? Do not answer, write only their question: {question}",
    "Turn this question round, so that it begins with another word. Write only the question: {question}",
    "Ask the same in plain everyday speech. Write only the question: {question}",
    "Ask the same in a formal letter. Write only the question: {question}",
    "Ask the same as briefly as you can. Write only the question: {question}",
)
CHINESE = (
    "换一种说法来问这个问题，只写问题：{question}",
    "别人会怎么问这个问题？不要回答，只写问题：{question}",
    "调整语序来问这个问题，只写问题：{question}",
    "用日常口语问同样的问题，只写问题：{question}",
    "用正式的书面语问同样的问题，只写问题：{question}",
    "用尽量短的话问同样的问题，只写问题：{question}",
)
MOST = len(ENGLISH)
"""Wordings of one question."""

SHORTER, LONGER = 0.5, 2.0
"""Letters of a wording, compared with the question's."""
NEARLY_THE_SAME = 0.85
"""Wordings that share so many of their character triples are one."""
RELATED = 0.2
"""F1 of the words (in Chinese the characters) of question and wording."""

_LABEL = re.compile(r"\A(?:改写|问题|问|换句话说|question|rephrased|rewritten)\s*[:：]\s*", re.IGNORECASE)
_PAIRS = ("“”", "「」", '""', "''")
_QUESTION_MARK = re.compile(r"[?？]\W*\Z")
_BETWEEN = re.compile(r"[的是在有叫卖几多少什么哪谁怎吗呢了由于把被和与，。？?、：\s]+")
"""What stands between the things that a Chinese question is about."""


def rewrite(
    release: Release,
    questions: Mapping[str, str],
    wanted: int,
    *,
    folder: Path,
    threads: int | None = None,
) -> dict[str, list[Reworded]]:
    """Of each question, by its key, at most ``wanted`` other wordings (and at most `MOST`); there may be none.

    The release is asked as in `feilun.flywheel.asking.ask_once`, which keeps in ``folder`` what it said. Raises
    `FeilunError` if it cannot be loaded.
    """
    asked: dict[str, Messages] = {
        f"{number}/{key}": [{"role": "user", "content": how.format(question=" ".join(question.split()))}]
        for key, question in questions.items()
        if is_plain(question)
        for number, how in enumerate((CHINESE if in_chinese(question) else ENGLISH)[:wanted])
    }
    said = ask_once(folder, release, asked, max_tokens=MAX_TOKENS, threads=threads)
    found: dict[str, list[Answer]] = {key: [] for key in questions}
    for name, answers in said.items():
        found[name.partition("/")[2]].append(answers[0])
    return {key: sifted(question, found[key]) for key, question in questions.items()}


def sifted(question: str, said: Iterable[Answer]) -> list[Reworded]:
    """Those that can pass for another wording of ``question``.

    They are one short question each, in its language, of about its length; names, numbers and quotations are the same in
    both, and so is what a Chinese question is about; they have words in common with it, and differ from it and from one
    another in more than a few letters.
    """
    kept: list[Reworded] = []
    seen = [question]
    for answer in said:
        text = _bare(answer.text)
        if answer.ended and _could_mean(question, text) and not any(_nearly(text, one) for one in seen):
            seen.append(text)
            kept.append(Reworded(text, "model"))
    return kept


def _bare(text: str) -> str:
    """Without what models put around what they were asked for."""
    text = _LABEL.sub("", text.strip(" \n*_")).strip()
    for opening, closing in _PAIRS:
        if len(text) > 2 and text[0] == opening and text[-1] == closing and closing not in text[1:-1]:
            text = text[1:-1].strip()
    return text


def _could_mean(question: str, text: str) -> bool:
    return (
        is_plain(text)
        and _QUESTION_MARK.search(text) is not None
        and len(re.findall(r"[?？!！。]", text)) == 1
        and in_chinese(text) == in_chinese(question)
        and SHORTER * len(question) <= len(text) <= LONGER * len(question)
        and not abstains(text)
        and keeps_facts(question, text)
        and keeps_facts(text, question)
        and all(thing in text for thing in _about(question))
        and token_f1(text, question) >= RELATED
    )


def _about(question: str) -> set[str]:
    """What a Chinese question seems to be about: the first and the longest run of letters between its small words."""
    if not in_chinese(question):
        return set()
    runs = [run for run in _BETWEEN.split(question) if len(run) > 1]
    return {runs[0], max(runs, key=len)} if runs else set()


def _nearly(one: str, other: str) -> bool:
    mine, theirs = triples(one), triples(other)
    return essence(one) == essence(other) or len(mine & theirs) >= NEARLY_THE_SAME * len(mine | theirs)
