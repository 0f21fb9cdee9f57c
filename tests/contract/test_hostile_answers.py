"""Whatever a provider answers: a reading of which every part stands in the answer, or a typed error that repeats none.

A hundred answers for each provider at every run, ten thousand in the full suite (`thorough`).
"""

import ast
import functools
import inspect
import json
import re
import sys
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

import tests.properties  # noqa: F401 - loads the profile
from cardintake.assessment import assess
from cardintake.cards.models import Card, ChineseIdPortrait, PeruvianDniFront
from cardintake.providers import protocol
from cardintake.providers.errors import ImageRefusedError, ProviderError, RetriedOnceError
from cardintake.providers.protocol import Answer, CardReading, Claim, Reading, Region
from tests.contract.configured import PROVIDERS
from tests.contract.hostile import Hostile, hostile_answer
from tests.contract.origins import parsed, stands_in, without_origin
from tests.contract.recorded import ANSWERED_AT, all_recorded

CARD: TypeAdapter[Card] = TypeAdapter(Card)
NOW = datetime(2026, 1, 15, 8, 30, tzinfo=UTC)
REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
MOST_CARDS = 20
SAYABLE = re.compile("[A-Za-z_]{1,40}|复印|未知|-?[0-9]{1,7}([.][0-9]{1,20})?(e-[0-9]+)?")

# what is asserted of one answer ---------------------------------------------------------------------------------------


def outcome_of(provider: str, sent: Hostile) -> Reading | ProviderError:
    """What `check` and `read` make of it; they agree, and nothing else comes out."""
    given_answer = Answer(sent.status, sent.body, ANSWERED_AT, sent.request_id)
    checked: ProviderError | None = None
    outcome: Reading | ProviderError
    try:
        PROVIDERS[provider].check(given_answer)
    except ProviderError as error:
        checked = error
    try:
        outcome = PROVIDERS[provider].read(given_answer)
    except ProviderError as error:
        outcome = error
    assert not isinstance(checked, ImageRefusedError), "a refusal of the image is a final answer"
    if checked is None or isinstance(checked, RetriedOnceError):
        assert isinstance(outcome, Reading | ImageRefusedError)
        assert checked is None or isinstance(outcome, ImageRefusedError)
    else:
        assert (type(outcome), str(outcome)) == (type(checked), str(checked)), "read reads what check refused"
    return outcome


def assert_harmless(provider: str, sent: Hostile) -> None:
    outcome = outcome_of(provider, sent)
    document = parsed(sent.body.removeprefix(b"\xef\xbb\xbf"))
    if outcome.request_id is not None:
        assert REQUEST_ID.fullmatch(outcome.request_id)
        assert outcome.request_id == sent.request_id or stands_in(outcome.request_id, document)
    if isinstance(outcome, ProviderError):
        assert repeated(provider, outcome, sent.status) == ""
        return
    assert document is not None, "a reading of what can be read in two ways, or in none"
    assert without_origin(provider, outcome, document) == []
    assert len(outcome.cards) <= MOST_CARDS
    for read in outcome.cards:
        values = read.card.values()
        json.dumps(values, ensure_ascii=False).encode()
        assert CARD.validate_python(values) == read.card
        assert not set(read.impossible_dates) & values.keys()
        assert all(isinstance(getattr(read.card, name), date | None) for name in read.impossible_dates)
    for crop in (outcome.portrait, outcome.card_image):
        assert crop is None or isinstance(crop, Region) or crop.startswith((b"\xff\xd8\xff", b"\x89PNG"))
    words = [value for name, value in outcome.signals.items() if isinstance(value, str) and name != "risk"]
    assert all(SAYABLE.fullmatch(word) for word in words)
    for finding in assess(outcome, provider, None, Claim(), NOW).findings:
        assert finding.value is None or SAYABLE.fullmatch(finding.value), (
            "a record's findings hold no text of an answer"
        )


def repeated(provider: str, error: ProviderError, status: int) -> str:
    """What of an error's text are neither the module's own words, nor codes that it knows, nor the HTTP status."""
    text = str(error).removeprefix(f"{provider}: ")
    text = re.sub(r"^return_code (?!0 )-?\d{1,6}\b", "", text)  # waiqin365 documents none but 0
    words = own_words(provider)
    if text in words:
        return ""
    for word in (word for word in words if len(word) > 2):
        text = re.sub(rf"\b{word}\b", " ", text) if word.isdecimal() else text.replace(word, " ")
    text = re.sub(rf"\b({status}|[45]\d{{3,4}})\b", " ", text)
    return text.strip(" .():,")


@functools.cache
def own_words(provider: str) -> list[str]:
    """The texts in the code of a provider's modules, longest first; what it says about itself is none of them."""
    modules = [module for name, module in sys.modules.items() if name.startswith(f"{protocol.__package__}.{provider}")]
    found: set[str] = set()
    for module in (*modules, protocol):
        tree = ast.parse(inspect.getsource(module))
        said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and id(node) not in said and isinstance(node.value, str | int):
                text = str(node.value)
                found |= {text, *text.split()} if re.fullmatch(r"[\d ]+", text) else {text}
    return sorted(found, key=len, reverse=True)


# random and hostile ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_hostile_answer_is_a_typed_error_or_invents_nothing(provider: str) -> None:
    assert_all_harmless(provider, 100)


@pytest.mark.thorough
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_ten_thousand_hostile_answers(provider: str) -> None:
    assert_all_harmless(provider, 10_000)


def assert_all_harmless(provider: str, count: int) -> None:
    for number in range(count):
        sent = hostile_answer(provider, number)
        try:
            assert_harmless(provider, sent)
        except Exception as error:
            error.add_note(f"hostile_answer({provider!r}, {number}): {sent!r}")
            raise


@pytest.mark.parametrize("provider", PROVIDERS)
@given(body=st.binary(max_size=200), status=st.integers(100, 999))
def test_any_bytes_are_a_typed_error(provider: str, body: bytes, status: int) -> None:
    assert isinstance(outcome_of(provider, Hostile(body, status, None)), ProviderError)


# the yardstick itself -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_recorded_answer_is_harmless(provider: str) -> None:
    for document in all_recorded(provider):
        assert_harmless(provider, Hostile(json.dumps(document).encode(), 200, None))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_yardstick_notices_every_change_of_a_field(provider: str) -> None:
    """Each field of each recorded card is shifted by a little: it then stands nowhere."""
    shifted = 0
    for document in all_recorded(provider):
        body = json.dumps(document).encode()
        outcome = outcome_of(provider, Hostile(body, 200, None))
        if isinstance(outcome, ProviderError):
            continue
        for read in outcome.cards:
            for name, value in read.card.values().items():
                if name in ("country", "document_type", "side", "long_term", "no_expiry"):
                    continue
                card = read.card.model_copy(update={name: another(value, getattr(read.card, name))})
                assert without_origin(provider, Reading((CardReading(card),)), parsed(body)) == [name]
                shifted += 1
    assert shifted > 10


def another(value: object, typed: object) -> object:
    others = {"M": "F", "F": "M", "old": "new", "new": "old", "single": "married", "widowed": "single"}
    if isinstance(typed, date):
        return typed.replace(day=typed.day % 28 + 1)
    if isinstance(value, bool):
        return not value
    return others.get(str(value), f"{value}1")


def test_the_yardstick_notices_a_field_of_another_member_or_card() -> None:
    document = {"code": 2, "content": {"domicile": "张样例"}}
    read = Reading((CardReading(ChineseIdPortrait(name="张样例")),))
    assert without_origin("ihuyi", read, document) == ["name"]
    info = {"name": "JUAN"}, {"father_name": "ESPÉCIMEN"}
    cards = {"results": [{"card_type": "new", "card_info": each} for each in info]}
    mixed = PeruvianDniFront(given_names="JUAN", paternal_surname="ESPÉCIMEN")
    assert len(without_origin("accuauth", Reading((CardReading(mixed),)), cards)) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("said", ["张样例", "JUAN ESPÉCIMEN", "990105199003070037", "HTTP 200 JUAN", "x", "1990-03-07"])
def test_the_yardstick_notices_a_text_of_the_answer(provider: str, said: str) -> None:
    assert repeated(provider, ImageRefusedError(provider, said), 200) != ""
