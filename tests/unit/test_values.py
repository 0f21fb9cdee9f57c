"""From a provider's text to a field's value: what is legible stays as it was read, everything else is absent."""

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardintake.cards import values
from cardintake.cards.models import MAX_TEXT
from tests.properties import VALUES

NOT_READ = [
    None, "", " ", "\n\t", "\x00", "\u200b\u200e", True, False, 1.5, float("nan"), [], ["张样例"], {},
    {"words": "张样例"}, b"JUAN", "x" * (MAX_TEXT + 1), "x" * 10_000_000, "\ud83d", "张\udc00样例", 10**40,
]  # fmt: skip
READERS: list[Callable[[object], object]] = [
    values.text, values.code, values.sex, values.marital_status, values.yes_no, values.ethnicity,
]  # fmt: skip


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_nothing_legible_gives_nothing(reader: Callable[[object], object]) -> None:
    assert [reader(value) for value in NOT_READ] == [None] * len(NOT_READ)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("张样例", "张样例"),
        ("  JUAN \n ESPÉCIMEN\t", "JUAN ESPÉCIMEN"),
        ("ESPE\u0301CIMEN", "ESPÉCIMEN"),
        ("样例省\u3000样例市", "样例省 样例市"),
        ("张\u200b样\x07例", "张样例"),
        ("张\ue863", "张\ue863"),  # characters for private use: how older systems write rare names
        ("𠮷𱁬", "𠮷𱁬"),
        ("买买提·样例", "买买提·样例"),
        (990105199003070037, "990105199003070037"),
        (0, "0"),
        ("x" * MAX_TEXT, "x" * MAX_TEXT),
        (" " * 500 + "x", "x"),
        ("<b>", "<b>"),
    ],
)
def test_text(value: object, expected: str) -> None:
    assert values.text(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("99010519900307003x", "99010519900307003X"),
        ("９９０１０５１９９００３０７００３Ｘ", "99010519900307003X"),
        ("990105 19900307 0037", "990105199003070037"),
        ("1075xxxx-x", "1075XXXX-X"),
        ("004599123", "004599123"),
        (12345678, "12345678"),
        ("x" * MAX_TEXT, "X" * MAX_TEXT),
        ("x" * (MAX_TEXT - 1) + "Ⅷ", None),  # one character that stands for four
        ("ﷺ" * 100, None),
    ],
)
def test_code(value: object, expected: str | None) -> None:
    assert values.code(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("男", "M"), ("女", "F"), ("M", "M"), ("f", "F"), ("MASCULINO", "M"), ("Femenino", "F"), (" 女 ", "F"),
     ("Ｍ", "M"), ("性别", None), ("男女", None), ("X", None), ("1", None), ("masculine", None), ("H", None)],
)  # fmt: skip
def test_sex(value: str, expected: str | None) -> None:
    assert values.sex(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("S", "single"), ("Soltero", "single"), ("SOLTERA", "single"), ("C", "married"), ("Casado", "married"),
     ("D", "divorced"), ("Divorciada", "divorced"), ("V", "widowed"), ("Viudo", "widowed"), ("X", None), ("SC", None)],
)  # fmt: skip
def test_marital_status(value: str, expected: str | None) -> None:
    assert values.marital_status(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("SI", True), ("Sí", True), ("SI\u0301", True), ("si", True), ("NO", False), ("No", False), ("N", None),
     ("0", None)],
)  # fmt: skip
def test_yes_no(value: str, expected: bool | None) -> None:
    assert values.yes_no(value) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("汉", "汉"),
        ("汉族", "汉"),
        ("维吾尔族", "维吾尔"),
        (" 汉 族 ", "汉"),
        ("族", "族"),
        ("穿青人", "穿青人"),
        ("土家", "土家"),
    ],
)
def test_ethnicity(value: str, expected: str) -> None:
    assert values.ethnicity(value) == expected


@given(VALUES)
def test_text_invents_nothing(value: object) -> None:
    read = values.text(value)
    if read is None:
        return
    assert 0 < len(read) <= MAX_TEXT
    assert read == read.strip()
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Cs") for character in read)
    read.encode()
    kept = [c for c in unicodedata.normalize("NFD", str(value)) if unicodedata.category(c) not in ("Cc", "Cf")]
    letters = [c for c in unicodedata.normalize("NFD", read) if not c.isspace()]
    assert letters == [c for c in kept if not c.isspace()]


@given(st.text(st.characters(min_codepoint=0xFF01, max_codepoint=0xFF5E), min_size=1, max_size=60))
def test_the_full_width_forms_of_ascii_become_ascii(value: str) -> None:
    assert values.code(value) == "".join(chr(ord(character) - 0xFEE0) for character in value).upper()
