"""Telling languages apart."""

from __future__ import annotations

import pytest

from feilun.evaluate.languages import language_of

SENTENCES = {
    "en": "The library opens at nine and you can return the books that you have read.",
    "de": "Die Bibliothek öffnet um neun Uhr, und man kann dort auch Zeitungen lesen.",
    "fr": "La bibliothèque ouvre à neuf heures et vous pouvez rendre les livres dans la boîte.",
    "es": "La biblioteca abre a las nueve y los libros se pueden devolver en la entrada.",
    "pt": "A biblioteca abre às nove e você não pode levar os jornais para casa.",
    "it": "La biblioteca apre alle nove e i libri che hai letto si lasciano nella cassetta.",
    "pl": "Biblioteka jest otwarta od dziewiątej i można w niej czytać gazety, ale nie wolno ich wynosić.",
    "fi": "Kirjasto on auki yhdeksästä ja siellä voi lukea lehtiä, mutta niitä ei saa viedä pois.",
    "vi": "Thư viện mở cửa lúc chín giờ và bạn có thể trả những cuốn sách đã đọc.",
    "sw": "Maktaba hufunguliwa saa tatu na vitabu vya watoto viko katika chumba cha kwanza.",
    "ru": "Библиотека открывается в девять, и вы можете вернуть книги, которые уже прочитали.",
    "uk": "Бібліотека відкривається о дев'ятій, і ви можете повернути книжки, які вже прочитали.",
    "bg": "Библиотеката отваря в девет и можете да върнете книгите, които вече са прочетени.",
    "hi": "पुस्तकालय नौ बजे खुलता है और आप वहाँ अख़बार भी पढ़ सकते हैं।",
    "mr": "ग्रंथालय नऊ वाजता उघडते आणि तुम्ही तेथे वर्तमानपत्र वाचू शकता, हे चांगले आहे.",
    "ne": "पुस्तकालय नौ बजे खुल्छ र तपाईं त्यहाँ पत्रिका पनि पढ्न सक्नुहुन्छ, यो राम्रो छ।",
    "ar": "تفتح المكتبة في التاسعة ويمكن إعادة الكتب التي قرأتها إلى الصندوق.",
    "fa": "کتابخانه ساعت نه باز می‌شود و شما می‌توانید کتاب‌ها را در آن بخوانید.",
    "ur": "کتب خانہ نو بجے کھلتا ہے اور آپ وہاں اخبار بھی پڑھ سکتے ہیں۔",
    "ko": "도서관은 아홉 시에 열고 신문도 읽을 수 있습니다.",
    "ja": "図書館は九時に開き、新聞を読むこともできます。",
    "zh": "图书馆九点开门，也可以在那里看报纸。",
    "gu": "પુસ્તકાલય નવ વાગ્યે ખૂલે છે.",
    "pa": "ਲਾਇਬ੍ਰੇਰੀ ਨੌਂ ਵਜੇ ਖੁੱਲ੍ਹਦੀ ਹੈ।",
    "th": "ห้องสมุดเปิดเก้าโมง",
    "el": "Η βιβλιοθήκη ανοίγει στις εννέα.",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_is_in_its_language(language: str) -> None:
    assert language_of(SENTENCES[language]) == language
    assert language_of(SENTENCES[language].upper()) == language


@pytest.mark.parametrize("text", ["", "12:30", "Xkcd Qwerty", "!?"])
def test_what_has_no_language_is_in_none(text: str) -> None:
    assert language_of(text) is None


def test_the_most_of_a_text_decides() -> None:
    assert language_of("图书馆叫做 Central Library，九点开门，欢迎大家前来阅读。") == "zh"
    assert language_of("The sign on the door says 图书馆 and it is in the old town.") == "en"
