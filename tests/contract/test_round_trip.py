"""Any valid card, written as each provider's document writes it, comes back as the same card."""

import unicodedata
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from stdnum.iso7064 import mod_11_2
from stdnum.pe import cui

import tests.properties  # noqa: F401 - loads the profile
from cardintake.cards.models import (
    MAX_TEXT,
    Card,
    ChineseIdEmblem,
    ChineseIdPortrait,
    PeruvianDniBack,
    PeruvianDniFront,
    PeruvianForeignerCardFront,
)
from cardintake.providers.protocol import CardReading, Reading
from tests.contract.configured import PROVIDERS
from tests.contract.printing import FORMS, Form, Kind
from tests.contract.recorded import answer

pytestmark = pytest.mark.thorough

CARD: TypeAdapter[Card] = TypeAdapter(Card)

# GB/T 3304, in the order of its codes
_GB_3304 = """
    汉 蒙古 回 藏 维吾尔 苗 彝 壮 布依 朝鲜 满 侗 瑶 白 土家 哈尼 哈萨克 傣 黎 傈僳 佤 畲 高山 拉祜 水 东乡 纳西 景颇
    柯尔克孜 土 达斡尔 仫佬 羌 布朗 撒拉 毛南 仡佬 锡伯 阿昌 普米 塔吉克 怒 乌孜别克 俄罗斯 鄂温克 德昂 保安 裕固 京
    塔塔尔 独龙 鄂伦春 赫哲 门巴 珞巴 基诺
"""
ETHNIC_GROUPS = _GB_3304.split()
UNCLASSIFIED = ["穿青人", "其他", "外国血统中国籍人士"]

# cards ----------------------------------------------------------------------------------------------------------------


def _as_kept(text: str) -> bool:
    """One line in composed form, as a record holds it."""
    return unicodedata.is_normalized("NFC", text) and text == " ".join(text.split()) and 0 < len(text) <= MAX_TEXT


def _texts(alphabet: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    short = st.text(alphabet, min_size=1, max_size=20)
    return (short | st.text(alphabet, min_size=MAX_TEXT - 5, max_size=MAX_TEXT)).filter(_as_kept)


# common and rare characters, those of later extensions, and those for private use by which older systems write others
HAN = (
    st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF)
    | st.characters(min_codepoint=0x20000, max_codepoint=0x2EBE0)
    | st.characters(min_codepoint=0x30000, max_codepoint=0x323AF)
    | st.characters(min_codepoint=0xE000, max_codepoint=0xF8FF)
    | st.sampled_from("〇·㛃䶮𠮷𬭎𱁬張樣例样例张")
)
SPANISH = st.sampled_from("ABCDEFGHIJKLMNÑOPQRSTUVWXYZÁÉÍÓÚÜ' -")
PRINTED = st.characters(codec="utf-8", categories=["L", "M", "N", "P", "S"]) | st.just(" ")
CODES = st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-*", min_size=1, max_size=20)
DIGITS = st.text("0123456789", min_size=1, max_size=12)
DAYS = st.dates(date(1880, 1, 1), date(2199, 12, 31))
LEAP_DAYS = st.sampled_from([date(2000, 2, 29), date(2024, 2, 29)])
WHEN = DAYS | LEAP_DAYS
SEX = st.sampled_from(["M", "F"])
MARRIAGE = st.sampled_from(["single", "married", "divorced", "widowed"])
ADDRESS = _texts(HAN | SPANISH | PRINTED)
# permits of Hong Kong, Macao and Taiwan, foreigners, and regions that do not exist
REGIONS = st.sampled_from(["810000", "820000", "830000", "932682", "990105", "999999"])


@st.composite
def _chinese_numbers(draw: st.DrawFn) -> str:
    """Of today, a third of them with X; with a wrong character; masked; of the old form with 15 digits."""
    born, order = draw(DAYS), draw(st.integers(0, 999))
    first_17 = f"{draw(REGIONS)}{born:%Y%m%d}{order:03d}"
    number = first_17 + mod_11_2.calc_check_digit(first_17)
    masked, mask = draw(st.integers(4, 17)), draw(st.sampled_from("X*×"))
    return draw(
        st.sampled_from(
            [
                number,
                _ending_in_x(first_17),
                first_17 + draw(st.sampled_from("0123456789X")),
                number[:3] + mask * (masked - 3) + number[masked:],
                number[:6] + number[8:17],
            ]
        )
    )


def _ending_in_x(first_17: str) -> str:
    numbers = (f"{first_17[:14]}{order:03d}" for order in range(1000))
    return next(number for number in numbers if mod_11_2.calc_check_digit(number) == "X") + "X"


@st.composite
def _dni_numbers(draw: st.DrawFn) -> dict[str, str | None]:
    """With its digit, its letter, a wrong character, without any; masked."""
    number = draw(st.text("0123456789", min_size=8, max_size=8))
    masked = number[: draw(st.integers(0, 7))].ljust(8, "X")
    right, any_other = cui.calc_check_digits(number), draw(st.sampled_from("0123456789ABCDEFGHIJK"))
    characters = st.sampled_from([*right, any_other, None])
    return {"id_number": draw(st.sampled_from([number, number, masked])), "check_character": draw(characters)}


@st.composite
def _fields(
    draw: st.DrawFn, fields: dict[str, st.SearchStrategy[Any]], *groups: st.SearchStrategy[dict[str, Any]]
) -> dict[str, Any]:
    """Some of these, at least one; `groups` hold fields that hang together. Each is there most of the time."""
    singles = [st.fixed_dictionaries({name: value}) for name, value in fields.items()]
    read: dict[str, Any] = {}
    for part in (*singles, *groups):
        if draw(st.integers(0, 7)):
            read |= draw(part)
    read = {name: value for name, value in read.items() if value is not None}
    return read or draw(singles[0])


UNTIL = WHEN.map(lambda day: {"valid_to": day}) | st.just({"long_term": True})
WHOLE_TERM = st.builds(lambda start, until: {"valid_from": start} | until, WHEN, UNTIL)
DNI_UNTIL = WHEN.map(lambda day: {"expiry_date": day}) | st.just({"no_expiry": True})
AUTHORITY = {"issuing_authority": _texts(HAN)}
DNI_FRONT = {
    "given_names": _texts(SPANISH), "paternal_surname": _texts(SPANISH), "maternal_surname": _texts(SPANISH),
    "sex": SEX, "marital_status": MARRIAGE, "birth_date": WHEN, "birth_place": DIGITS, "issue_date": WHEN,
}  # fmt: skip
VOTER = {"election_number": DIGITS, "organ_donor": st.booleans()}
WITHIN = st.text(SPANISH, min_size=1, max_size=80).filter(_as_kept)  # three of them are one text on the new edition
REGION = st.fixed_dictionaries({"department": WITHIN, "province": WITHIN, "district": WITHIN})

CARDS: dict[Kind, st.SearchStrategy[Any]] = {
    "portrait": _fields(
        {
            "name": _texts(HAN), "sex": SEX, "ethnicity": st.sampled_from([*ETHNIC_GROUPS, *UNCLASSIFIED]),
            "birth_date": WHEN, "address": ADDRESS, "id_number": _chinese_numbers(),
        }
    ).map(lambda read: ChineseIdPortrait(**read)),
    "emblem": _fields(AUTHORITY | {"valid_from": WHEN}, UNTIL).map(lambda read: ChineseIdEmblem(**read)),
    "emblem, term as one text": _fields(AUTHORITY, WHOLE_TERM).map(lambda read: ChineseIdEmblem(**read)),
    "new front": _fields(DNI_FRONT | VOTER, _dni_numbers(), DNI_UNTIL).map(
        lambda read: PeruvianDniFront(edition="new", **read)
    ),
    "new back": _fields({"address": ADDRESS}, REGION).map(lambda read: PeruvianDniBack(edition="new", **read)),
    "old front": _fields(DNI_FRONT | {"registration_date": WHEN}, _dni_numbers(), DNI_UNTIL).map(
        lambda read: PeruvianDniFront(edition="old", **read)
    ),
    "old back": _fields(
        {"address": ADDRESS, "department": WITHIN, "province": WITHIN, "district": WITHIN} | VOTER
    ).map(lambda read: PeruvianDniBack(edition="old", **read)),
    "foreigner": _fields(
        {
            "id_number": CODES, "document_number": CODES, "surname": _texts(SPANISH), "given_names": _texts(SPANISH),
            "sex": SEX, "marital_status": MARRIAGE, "birth_date": WHEN, "issue_date": WHEN, "expiry_date": WHEN,
            "nationality": _texts(SPANISH), "migratory_quality": _texts(SPANISH),
        }
    ).map(lambda read: PeruvianForeignerCardFront(**read)),
}  # fmt: skip

# there and back -------------------------------------------------------------------------------------------------------


def read_back(form: Form, cards: tuple[Any, ...], *, blank: bool) -> Reading:
    given_answer = answer(form.write(*cards, blank=blank))
    provider = PROVIDERS[form.provider]
    provider.check(given_answer)
    return provider.read(given_answer)


@pytest.mark.parametrize("form", FORMS, ids=str)
@given(data=st.data(), blank=st.booleans())
def test_a_card_comes_back_as_it_was_printed(form: Form, data: st.DataObject, blank: bool) -> None:
    cards = tuple(data.draw(CARDS[kind]) for kind in form.kinds)
    assert read_back(form, cards, blank=blank).cards == tuple(CardReading(card) for card in cards)
    for card in cards:
        assert CARD.validate_python(card.values()) == card


WHOLE: dict[Kind, Any] = {
    "portrait": ChineseIdPortrait(
        name="张样例", sex="M", ethnicity="汉", birth_date=date(1990, 3, 7), address="样例省样例市样例路1号",
        id_number="990105199003070037",
    ),
    "emblem": ChineseIdEmblem(
        issuing_authority="样例市公安局", valid_from=date(2007, 7, 27), valid_to=date(2027, 7, 27)
    ),
    "new front": PeruvianDniFront(
        edition="new", id_number="99000006", check_character="4", given_names="ANA", paternal_surname="ESPÉCIMEN",
        maternal_surname="MUESTRA", sex="F", marital_status="single", birth_date=date(1994, 5, 16),
        birth_place="990133", issue_date=date(2019, 10, 11), expiry_date=date(2027, 10, 11), election_number="053999",
        organ_donor=False,
    ),
    "new back": PeruvianDniBack(
        edition="new", address="CALLE DE LA MUESTRA 100", department="LIMA", province="CALLAO", district="LA VICTORIA"
    ),
    "old back": PeruvianDniBack(
        edition="old", address="CALLE DE LA MUESTRA 100", department="LIMA", province="CALLAO",
        district="LA VICTORIA", election_number="053999", organ_donor=True,
    ),
    "foreigner": PeruvianForeignerCardFront(
        id_number="990045991", document_number="M99", surname="ESPÉCIMEN MUESTRA", given_names="JUAN", sex="M",
        marital_status="single", birth_date=date(1991, 3, 7), issue_date=date(2019, 10, 11),
        expiry_date=date(2027, 10, 11), nationality="VENEZOLANA", migratory_quality="ESP ESPECIAL",
    ),
}  # fmt: skip
WHOLE["emblem, term as one text"] = WHOLE["emblem"]
WHOLE["old front"] = WHOLE["new front"].model_copy(
    update={
        "edition": "old", "registration_date": date(2009, 10, 11), "expiry_date": None, "no_expiry": True,
        "election_number": None, "organ_donor": None,
    }
)  # fmt: skip


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_every_form_bears_every_field_of_its_document(form: Form) -> None:
    cards = tuple(WHOLE[kind] for kind in form.kinds)
    assert [reading.card.values() for reading in read_back(form, cards, blank=False).cards] == [
        card.values() for card in cards
    ]


def test_between_them_the_forms_bear_every_field_of_every_card() -> None:
    models = {type(card): card for card in WHOLE.values()}
    cards = [*WHOLE.values(), ChineseIdEmblem(long_term=True)]
    for model, example in models.items():
        borne = {name for card in cards if type(card) is model for name in card.values()}
        assert borne == set(example.__class__.model_fields)
    kinds = {country: {kind for kind, card in WHOLE.items() if card.country == country} for country in ("CHN", "PER")}
    for name, provider in PROVIDERS.items():
        written = {kind for form in FORMS if form.provider == name for kind in form.kinds}
        assert written | {"emblem", "emblem, term as one text"} >= kinds[provider.country]
        assert len(models) == 5


@pytest.mark.parametrize("form", [form for form in FORMS if form.kinds == ("portrait",)], ids=str)
def test_every_ethnic_group_comes_back(form: Form) -> None:
    assert len(set(ETHNIC_GROUPS)) == 56
    for group in (*ETHNIC_GROUPS, *UNCLASSIFIED):
        card = ChineseIdPortrait(ethnicity=group)
        assert read_back(form, (card,), blank=False).cards == (CardReading(card),)


@pytest.mark.parametrize("form", [form for form in FORMS if "foreigner" in form.kinds], ids=str)
@pytest.mark.parametrize("month", range(1, 13))
def test_every_spanish_month_comes_back(form: Form, month: int) -> None:
    cards = tuple(WHOLE[kind] for kind in form.kinds)
    (at,) = (place for place, kind in enumerate(form.kinds) if kind == "foreigner")
    card = cards[at].model_copy(update={"birth_date": date(1991, month, 28)})
    printed = (*cards[:at], card, *cards[at + 1 :])
    assert read_back(form, printed, blank=False).cards[at] == CardReading(card)
