"""Better answers that people found by themselves: they asked again, or asked in other words.

Nobody said in so many words that such an answer is right, and whether an edited question still means the same only a
reader can tell. So what is found here is a suggestion, which a reviewer takes or leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher

from feilun.store.tables import Feedback, Message

ALIKE = 0.5
"""Of the letters, an edit leaves so many in place (difflib's ratio): where less is left, another thing is asked."""
LONGEST = 1000
"""Letters; the comparison takes the square of them, and in a longer text the question is the least part."""


class Tree:
    """A conversation, and what one person thinks of its answers."""

    def __init__(self, messages: Iterable[Message], opinions: Mapping[str, Feedback]) -> None:
        """``messages``: all of one conversation; ``opinions``: the person's present ones, by the answer's id."""
        self._all = {message.id: message for message in messages}
        self._opinions = opinions
        self._parents = {message.parent_id for message in self._all.values()}

    def before(self, message: Message) -> list[Message]:
        """What was said before a message, root first."""
        path: list[Message] = []
        at = self._all.get(message.parent_id or "")
        while at is not None:
            path.append(at)
            at = self._all.get(at.parent_id or "")
        return path[::-1]

    def siblings(self, answer: Message) -> list[Message]:
        """Other answers to the same question, the praised ones left out."""
        others = (row for row in self._children(answer.parent_id, "assistant") if row.id != answer.id)
        return [
            row for row in others if (opinion := self._opinions.get(row.id)) is None or opinion.rating != 1
        ]

    def replacement(self, answer: Message) -> tuple[Message, str] | None:
        """Where a disliked answer was replaced by a good one: that answer and the text that is good of it.

        The same question asked again comes before an edited one, a judged answer before one that was merely not
        disliked, a later before an earlier. Of answers to the same question an unjudged one counts only if the
        conversation went on from it.
        """
        question = self._all.get(answer.parent_id or "")
        if question is None:
            return None
        again = [row for row in self._children(question.id, "assistant") if row.id != answer.id]
        found = self._best(row for row in again if row.id > answer.id and self._kept(row))
        if found is not None:
            return found
        edits = [row for row in self._children(question.parent_id, "user") if row.id > answer.id]
        return self._best(
            row for edit in edits if _alike(question, edit) for row in self._children(edit.id, "assistant")
        )

    def replaced(self, answer: Message) -> Message | None:
        """Of a praised answer: the last one to an earlier wording of its question, if nothing was said of that."""
        question = self._all.get(answer.parent_id or "")
        if question is None:
            return None
        earlier = [
            row
            for wording in self._children(question.parent_id, "user")
            if wording.id < question.id and _alike(wording, question)
            for row in self._children(wording.id, "assistant")
            if row.id < question.id and row.status == "complete"
        ]
        last = max(earlier, key=lambda row: row.id, default=None)
        return None if last is None or last.id in self._opinions else last

    def _children(self, parent_id: str | None, role: str) -> list[Message]:
        return [row for row in self._all.values() if row.parent_id == parent_id and row.role == role]

    def _kept(self, answer: Message) -> bool:
        return answer.id in self._opinions or answer.id in self._parents

    def _best(self, answers: Iterable[Message]) -> tuple[Message, str] | None:
        good = ((row, text) for row in answers if (text := self._good(row)))
        return max(good, key=lambda found: (found[0].id in self._opinions, found[0].id), default=None)

    def _good(self, answer: Message) -> str | None:
        """What is good of an answer: its correction, or itself unless it is disliked or no whole answer."""
        opinion = self._opinions.get(answer.id)
        if opinion is not None and opinion.correction is not None:
            return opinion.correction.strip()
        disliked = opinion is not None and opinion.rating == -1
        return None if disliked or answer.status != "complete" else answer.content.strip()


def _alike(question: Message, edit: Message) -> bool:
    if max(len(question.content), len(edit.content)) > LONGEST:
        return False
    texts = (" ".join(row.content.casefold().split()) for row in (question, edit))
    return SequenceMatcher(None, *texts, autojunk=False).ratio() >= ALIKE
