"""IFEval's verifiable instructions, strict, for English and Chinese answers.

Source: Zhou et al., "Instruction-Following Evaluation for Large Language Models" (arXiv:2311.07911), table 1. Each
instruction is a function of the answer and of its arguments by their names in the data set. What a word, a sentence,
a comma and a quotation mark are is extended to Chinese: a character is a word, 。！？ end sentences, ， is a comma.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from feilun.evaluate.languages import language_of
from feilun.evaluate.wording import count_han, straight

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_PIECE = re.compile(r"[^\W\u3400-\u4dbf\u4e00-\u9fff]+")
_SENTENCE_END = re.compile(r"[。！？]+[”’」』）]*|[.!?…]+[\"'”’)\]*]*(?=\s|\Z)")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|Sr|Jr|St|vs|etc|No|Inc|Ltd|Co|e\.g|i\.e|approx|Fig)|\b[A-Za-z]|^\s*\d+)\.\Z",
    re.MULTILINE | re.IGNORECASE,
)
_BULLET = re.compile(r"^\s*(?:\*(?!\*)|-|•).*$", re.MULTILINE)
_HIGHLIGHT = re.compile(r"\*\*[^\n*]*[^\n*\s][^\n*]*\*\*|\*[^\n*]*[^\n*\s][^\n*]*\*")
_TITLE = re.compile(r"<<[^\n]+>>")
_QUOTES = ('""', "“”", "「」", "『』")
_CONSTRAINED = ("My answer is yes.", "My answer is no.", "My answer is maybe.")

Check = Callable[..., bool]

INSTRUCTIONS: dict[str, Check] = {}
"""By id, such as ``keywords:existence``; called with the answer and the instruction's arguments."""


def follows(instruction: str, arguments: Mapping[str, Any], answer: str) -> bool:
    """Whether the answer does what the instruction asks; an empty answer never does. Null arguments are not there.

    Raises `KeyError` for an instruction that is not known, `TypeError` for arguments that are not its own.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    return INSTRUCTIONS[instruction](answer, **given) and bool(answer.strip())


def count_words(text: str) -> int:
    """Runs of letters, digits and underscores, and Chinese characters one by one."""
    return count_han(text) + len(_PIECE.findall(text))


def count_sentences(text: str) -> int:
    """Pieces that end in a full stop, a question or exclamation mark, or with the text; abbreviations end none."""
    count, start = 0, 0
    for end in _SENTENCE_END.finditer(text):
        if not _ABBREVIATION.search(text[start : end.end()]):
            count += any(letter.isalnum() for letter in text[start : end.end()])
            start = end.end()
    return count + any(letter.isalnum() for letter in text[start:])


def _instruction(name: str) -> Callable[[Check], Check]:
    def add(check: Check) -> Check:
        INSTRUCTIONS[name] = check
        return check

    return add


def _compare(count: int, relation: str, limit: int) -> bool:
    return count >= limit if relation == "at least" else count < limit


def _between(text: str, separator: str) -> list[str] | None:
    """The parts between separators; the first and the last may be empty, None if one in the middle is."""
    parts = [part.strip() for part in re.split(separator, text)]
    return None if not all(parts[1:-1]) else [part for part in parts if part]


@_instruction("keywords:existence")
def _existence(answer: str, keywords: list[str]) -> bool:
    text = straight(answer).casefold()
    return all(straight(word).casefold() in text for word in keywords)


@_instruction("keywords:frequency")
def _frequency(answer: str, relation: str, keyword: str, frequency: int) -> bool:
    found = straight(answer).casefold().count(straight(keyword.strip()).casefold())
    return _compare(found, relation, frequency)


@_instruction("keywords:forbidden_words")
def _forbidden(answer: str, forbidden_words: list[str]) -> bool:
    def pattern(word: str) -> str:  # Chinese has no edges of words
        return re.escape(word) if _HAN.search(word) else rf"\b{re.escape(word)}\b"

    text = straight(answer)
    return not any(re.search(pattern(straight(word)), text, re.IGNORECASE) for word in forbidden_words)


@_instruction("keywords:letter_frequency")
def _letters(answer: str, let_relation: str, letter: str, let_frequency: int) -> bool:
    return _compare(answer.lower().count(letter.lower()), let_relation, let_frequency)


@_instruction("language:response_language")
def _language(answer: str, language: str) -> bool:
    return language_of(answer) == language.split("-")[0].lower()


@_instruction("length_constraints:number_words")
def _words(answer: str, relation: str, num_words: int) -> bool:
    return _compare(count_words(answer), relation, num_words)


@_instruction("length_constraints:number_sentences")
def _sentences(answer: str, relation: str, num_sentences: int) -> bool:
    return _compare(count_sentences(answer), relation, num_sentences)


@_instruction("length_constraints:number_paragraphs")
def _paragraphs(answer: str, num_paragraphs: int) -> bool:
    parts = _between(answer, r"\s?\*\*\*\s?")
    return parts is not None and len(parts) == num_paragraphs


@_instruction("length_constraints:nth_paragraph_first_word")
def _first_word(answer: str, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    parts = [part.strip() for part in answer.split("\n\n")]
    if len([part for part in parts if part]) != num_paragraphs or nth_paragraph > num_paragraphs:
        return False
    start = straight(parts[nth_paragraph - 1]).lstrip("'\"“「").lower()
    wanted = straight(first_word).lower()
    if _HAN.search(first_word):
        return start.startswith(wanted)
    return re.split(r"[\s.,?!'\"]", start, maxsplit=1)[0] == wanted


@_instruction("detectable_content:number_placeholders")
def _placeholders(answer: str, num_placeholders: int) -> bool:
    return len(re.findall(r"\[.*?\]|［.*?］|【.*?】", answer)) >= num_placeholders


@_instruction("detectable_content:postscript")
def _postscript(answer: str, postscript_marker: str) -> bool:
    marker = postscript_marker.strip().upper()
    known = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
    return re.search(known.get(marker, re.escape(marker)), answer, re.IGNORECASE) is not None


@_instruction("detectable_format:number_bullet_lists")
def _bullets(answer: str, num_bullets: int) -> bool:
    return len(_BULLET.findall(answer)) == num_bullets


@_instruction("detectable_format:number_highlighted_sections")
def _highlights(answer: str, num_highlights: int) -> bool:
    return len(_HIGHLIGHT.findall(answer)) >= num_highlights


@_instruction("detectable_format:multiple_sections")
def _sections(answer: str, section_spliter: str, num_sections: int) -> bool:
    return len(re.findall(rf"{re.escape(section_spliter.strip())}\s?\d+", answer)) >= num_sections


@_instruction("detectable_format:title")
def _title(answer: str) -> bool:
    return any(title.strip("<> \t") for title in _TITLE.findall(answer))


@_instruction("detectable_format:json_format")
def _json(answer: str) -> bool:
    text = re.sub(r"\A```(?:json)?|```\Z", "", answer.strip(), flags=re.IGNORECASE)
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


@_instruction("detectable_format:constrained_response")
def _constrained(answer: str, options: tuple[str, ...] = _CONSTRAINED) -> bool:
    return any(option in answer for option in options)


@_instruction("change_case:english_capital")
def _upper(answer: str) -> bool:
    return answer.isupper() and language_of(answer) in ("en", None)


@_instruction("change_case:english_lowercase")
def _lower(answer: str) -> bool:
    return answer.islower() and language_of(answer) in ("en", None)


@_instruction("change_case:capital_word_frequency")
def _capitals(answer: str, capital_relation: str, capital_frequency: int) -> bool:
    words = re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", answer)
    return _compare(sum(word.isupper() for word in words), capital_relation, capital_frequency)


@_instruction("punctuation:no_comma")
def _no_comma(answer: str) -> bool:
    return not re.search("[,，]", answer)


@_instruction("startend:end_checker")
def _ends(answer: str, end_phrase: str) -> bool:
    text = straight(answer).strip().strip('"”」').strip().lower()
    return text.endswith(straight(end_phrase).strip().strip('"').lower())


@_instruction("startend:quotation")
def _quoted(answer: str) -> bool:
    text = answer.strip()
    return len(text) > 1 and text[0] + text[-1] in _QUOTES


@_instruction("combination:repeat_prompt")
def _repeats(answer: str, prompt_to_repeat: str) -> bool:
    return straight(answer).strip().lower().startswith(straight(prompt_to_repeat).strip().lower())


@_instruction("combination:two_responses")
def _two(answer: str) -> bool:
    parts = _between(answer, r"\*{6}")
    return parts is not None and len(parts) == 2 and parts[0] != parts[1]
