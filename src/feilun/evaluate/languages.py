"""Which language a text is in: first by its script, then by letters or little words that only one language has.

Enough for answers of some length to "reply in Hindi"; a line of names has no language that one could tell.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

_SCRIPTS = {
    "HANGUL": "ko", "GUJARATI": "gu", "GURMUKHI": "pa", "BENGALI": "bn", "TAMIL": "ta", "TELUGU": "te",
    "KANNADA": "kn", "MALAYALAM": "ml", "THAI": "th", "HEBREW": "he", "GREEK": "el", "CJK": "zh",
}  # fmt: skip
"""First word of a letter's Unicode name -> the language written in that script."""

_WORDS = {
    "LATIN": {
        "en": "the and of to is in that for with are you it this be on not was as have or by from an your",
        "de": "der die das und ist nicht ein eine zu den mit von für sie auf im dem sich auch es wir werden als",
        "fr": "le la les et est des une dans que pour qui sur pas avec du vous ce il nous sont au plus être",
        "es": "el la los las y es que en una por con para del se no lo un como más su pero está son este",
        "pt": "o os as e é que em uma por com para do da não um se como mais dos das na no são você está",
        "it": "il la che di è e un una per non con del della sono le gli nel più anche si come questo dei alla",
        "pl": "i w na z się nie do jest to że o jak po dla od są przez ale za oraz był który może",
        "fi": "ja on ei se että oli ovat kun myös hän mutta ole tai joka sekä niin kuin voi tämä sen",
        "vi": "và của là có không được cho một các trong người với những để này đã tôi bạn về cũng",
        "sw": "na ya wa kwa ni katika la za cha kuwa hii hiyo yake au kama lakini watu sana pia kila",
    },
    "CYRILLIC": {
        "ru": "и в не на что с это как по для из но к он от так же или мы вы был быть было при который",
        "uk": "і в не на що з це як та для із але до він від так або ми ви був бути є який про й",
        "bg": "и в не на че с това как по за от но е да се са ще като към или беше бъде при който",
    },
    "DEVANAGARI": {
        "hi": "है हैं का की के में और से को यह था थी थे एक पर नहीं कि लिए भी हो कर आप मैं जो",
        "mr": "आहे आहेत आणि च्या मध्ये हे ही तो ती होते होता होती एक नाही या तुम्ही मी करू असे आम्ही साठी पण त्या",
        "ne": "छ छन् र को मा हो लाई गर्न भएको यो एक पनि थियो हुन्छ गरेको तपाईं हाम्रो मेरो गर्नुहोस् लागि बाट हुन् ले",
    },
    "ARABIC": {
        "ar": "في من على إلى أن هذا هذه التي الذي كان لا ما عن مع أو هو هي كل قد بعد كما",
        "fa": "و در به از که این را با است برای آن می یک های شده ما خود تا هم بود شما کرد",
        "ur": "ہے ہیں کا کی کے میں اور سے کو یہ تھا تھی ایک پر نہیں کہ لئے لیے بھی ہو کر آپ",
    },
}  # fmt: skip
"""Frequent little words, by script and language. Written for this file, not counted from a corpus."""

_ONLY = {"ARABIC": {"ur": "ٹڈڑںےہھ", "fa": "پچژگ", "ar": "ةىيكأإ"}, "CYRILLIC": {"uk": "іїєґ", "ru": "ыэё"}}
"""Letters that tell languages of one script apart."""

_WORD = re.compile(r"[^\W\d_]+(?:[\u0300-\u036f\u0900-\u0d7f]+[^\W\d_]*)*")


def language_of(text: str) -> str | None:
    """ISO 639-1 code of the language most of the text is in; None where that cannot be told."""
    scripts = Counter(unicodedata.name(letter, "").split(" ")[0] for letter in text if letter.isalpha())
    if not scripts:
        return None
    # Japanese is mostly kana with Chinese characters between; of a Chinese text next to nothing is kana.
    kana = scripts["HIRAGANA"] + scripts["KATAKANA"]
    if kana and kana + scripts["CJK"] > scripts.total() / 2:
        return "ja" if kana * 10 > scripts["CJK"] else "zh"
    script = scripts.most_common(1)[0][0]
    if script not in _WORDS:
        return _SCRIPTS.get(script)
    found = Counter(_WORD.findall(text.lower()))
    letters = Counter(text.lower())
    points = {
        language: sum(found[word] for word in words.split(" "))
        + sum(letters[letter] for letter in _ONLY.get(script, {}).get(language, ""))
        for language, words in _WORDS[script].items()
    }
    best = max(points, key=lambda language: points[language])
    return best if points[best] else None
