"""A model as judge of two answers, asked twice with the answers swapped.

Judges favour a place (Zheng et al., "Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena", arXiv:2306.05685,
section 3.4): an answer wins only if it does so in both places, all else is a tie.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from feilun.evaluate.item import Item, Score, unscorable
from feilun.evaluate.questions import Answer, Message

Verdict = Literal["A", "B", "tie"]

_ENGLISH = """\
Two assistants have answered the same user. Judge which answer is better: is it right, does it do what was asked, is \
it clear, is it as long as it should be? Where an answer stands and how long it is must not sway you.{criteria}

{dialogue}
{reference}
Say in a sentence or two why, then end with one line: [[A]] if answer A is better, [[B]] if answer B is better, [[C]] if \
they are equally good."""
_CHINESE = """\
两个助手回答了同一位用户。请判断哪个回答更好：内容是否正确、是否按要求完成、是否清楚、长短是否合适。回答的先后位置与长度不应影响判断。{criteria}

{dialogue}
{reference}
请先用一两句话说明理由，最后单独一行给出结论：回答 A 更好写 [[A]]，回答 B 更好写 [[B]]，两者同样好写 [[C]]。"""

_MARKED = re.compile(r"\[\[\s*(A|B|C|TIE|平局?|平手)\s*\]\]", re.IGNORECASE)
_LOOSE = re.compile(
    r"(?:verdict|winner|better (?:answer|one)|conclusion|结论|更好的(?:回答|是)|胜者|判断)\W{0,6}"
    r"(?:is|是|为|：|:)?\W{0,4}(?:answer|assistant|回答|助手)?\W{0,4}(A|B|C|tie|平局|平手|同样好)(?![A-Za-z])"
    r"|(?:answer|assistant|回答|助手)\s*[*“\"]?(A|B)[*”\"]?\s*(?:is|was|更|要|比.{0,6}更)\s*(?:the |slightly |much |clearly )*"
    r"(?:better|好|优|胜)|\A\W*(A|B|C|tie|平局)\W*\Z",
    re.IGNORECASE,
)


class Judge(BaseModel):
    """Each model against the first, by the better answer: 1 won, 0.5 tie, 0 lost; one model alone: against the target.

    ``model`` names the judge (default: the server's first), ``criteria`` is added to what it is told.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    model: str | None = None
    criteria: str = ""
    max_tokens: Annotated[int, Field(ge=1)] = 400

    def compare(self, ask: Callable[[list[Message]], str], item: Item, one: Answer, other: Answer) -> Score:
        """How ``other`` does against ``one``. ``ask`` returns what the judge says to messages."""
        if _said(one) == _said(other):
            return Score(value=0.5, note="the same answer")
        straight = verdict_of(ask(self.messages(item, one, other)))
        swapped = verdict_of(ask(self.messages(item, other, one)))
        note = f"{straight or '?'}, swapped {swapped or '?'}"
        if straight is None or swapped is None:
            return unscorable(f"no verdict: {note}")
        won = (straight == "B") + (swapped == "A")
        lost = (straight == "A") + (swapped == "B")
        return Score(value=1.0 if won == 2 else 0.0 if lost == 2 else 0.5, note=note)

    def messages(self, item: Item, a: Answer, b: Answer) -> list[Message]:
        """What the judge is asked, in the item's language."""
        chinese = item.language == "zh"
        dialogue: list[str] = [
            *(f"<{message.role}>\n{message.content}\n</{message.role}>" for message in item.messages),
            *(f"<user>\n{text}\n</user>" for text in item.more),
            f"<answer_A>\n{_said(a)}\n</answer_A>",
            f"<answer_B>\n{_said(b)}\n</answer_B>",
        ]
        reference = "\n---\n".join(item.targets)
        known = "参考答案" if chinese else "A right answer"
        text = (_CHINESE if chinese else _ENGLISH).format(
            criteria=f"\n{self.criteria}" if self.criteria else "",
            dialogue="\n".join(dialogue),
            reference=f"\n{known}:\n{reference}\n" if reference else "",
        )
        return [Message(role="user", content=text)]


def _said(answer: Answer) -> str:
    return "\n---\n".join([*answer.earlier, answer.text])


def verdict_of(text: str) -> Verdict | None:
    """What the judge decided: the last ``[[…]]``, else a phrase that says so; None if it does not say, or says both."""
    found = [mark.upper() for mark in _MARKED.findall(text)]
    if not found:
        loose = {(match[1] or match[2] or match[3]).upper() for match in _LOOSE.finditer(text.strip())}
        found = list(loose) if len(loose) == 1 else []
    if not found:
        return None
    return "A" if found[-1] == "A" else "B" if found[-1] == "B" else "tie"
