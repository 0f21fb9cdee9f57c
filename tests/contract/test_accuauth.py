"""AccuAuth Peru, held to its document: request, every error, every form of card, and what no answer may do."""

import base64
import json
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_multipart import parse_form
from python_multipart.multipart import Field, File

from cardintake.images import FittedImage
from cardintake.providers.accuauth import MAX_CARDS, AccuAuth
from cardintake.providers.errors import (
    ConfigurationError,
    ImageRefusedError,
    ProviderError,
    QuotaError,
    RequestRefusedError,
    RetryableError,
    ThrottledError,
    UnreadableAnswerError,
)
from cardintake.providers.protocol import Attempt, Call, CardReading, Claim, Region
from tests.contract.documented import error_classes, names_in
from tests.contract.recorded import all_recorded, answer, recorded
from tests.properties import invented, mutated_at, tampered, without

SECRET: dict[str, Any] = {
    "base_url": "https://cloudapi.peru.accuauth.com", "api_id": "df-id-example", "api_secret": "df-secret-example",
}  # fmt: skip
NOW = datetime(2026, 1, 15, 8, 30, tzinfo=UTC)
NEW_FRONT = {
    "country": "PER", "document_type": "pe_dni", "side": "front", "edition": "new", "id_number": "99000006",
    "check_character": "4", "given_names": "ANA ISABEL", "paternal_surname": "ESPÉCIMEN", "maternal_surname": "MUESTRA",
    "sex": "F", "marital_status": "single", "birth_date": "1994-05-16", "birth_place": "990133",
    "issue_date": "2019-10-11", "expiry_date": "2027-10-11", "election_number": "053999", "organ_donor": False,
}  # fmt: skip
NEW_BACK = {
    "country": "PER", "document_type": "pe_dni", "side": "back", "edition": "new", "department": "LIMA",
    "province": "LIMA", "district": "LA VICTORIA", "address": "CALLE DE LA MUESTRA 100 DPTO. 21",
}  # fmt: skip
OLD_FRONT = {
    "country": "PER", "document_type": "pe_dni", "side": "front", "edition": "old", "id_number": "99000006",
    "check_character": "4", "given_names": "JUAN", "paternal_surname": "ESPÉCIMEN", "maternal_surname": "MUESTRA",
    "sex": "M", "marital_status": "widowed", "birth_date": "1954-05-16", "birth_place": "990133",
    "registration_date": "1996-10-11", "issue_date": "2016-10-11", "no_expiry": True,
}  # fmt: skip
OLD_BACK = {
    "country": "PER", "document_type": "pe_dni", "side": "back", "edition": "old", "department": "LIMA",
    "province": "LIMA", "district": "JESUS MARIA", "address": "AV. DE LA MUESTRA 2000", "election_number": "036999",
    "organ_donor": True,
}  # fmt: skip
FOREIGNER = {
    "country": "PER", "document_type": "pe_foreigner_card", "side": "front", "id_number": "990045991",
    "surname": "ESPÉCIMEN MUESTRA", "given_names": "JUAN", "sex": "M", "marital_status": "single",
    "birth_date": "1991-03-07", "nationality": "VENEZOLANA", "migratory_quality": "ESP ESPECIAL",
}  # fmt: skip


def accuauth(**changes: object) -> AccuAuth:
    return AccuAuth.configured(SECRET | changes, allow_http=False)


def image(data: bytes = b"\xff\xd8picture", kind: str = "JPEG") -> FittedImage:
    return FittedImage(data, kind, 200, 200)


def readings_of(document: object) -> tuple[CardReading, ...]:
    provider, given_answer = accuauth(), answer(document)
    provider.check(given_answer)
    return provider.read(given_answer).cards


def cards_of(document: object) -> list[dict[str, Any]]:
    return [reading.card.values() for reading in readings_of(document)]


def with_info(info: dict[str, object], name: str = "new_front") -> Any:
    document = recorded("accuauth", name)
    document["results"][0]["card_info"] |= info
    return document


# request --------------------------------------------------------------------------------------------------------------


def parts_of(call: Call) -> tuple[dict[str, str], list[tuple[str, str, bytes]]]:
    """Form fields by name, and files as (field, file name, bytes), as an independent parser takes them apart."""
    fields: dict[str, str] = {}
    files: list[tuple[str, str, bytes]] = []

    def on_field(field: Field) -> None:
        fields[(field.field_name or b"").decode()] = (field.value or b"").decode()

    def on_file(file: File) -> None:
        file.file_object.seek(0)
        files.append(((file.field_name or b"").decode(), (file.file_name or b"").decode(), file.file_object.read()))

    headers = {"Content-Type": call.headers["Content-Type"].encode(), "Content-Length": str(len(call.content)).encode()}
    parse_form(headers, BytesIO(call.content), on_field, on_file)
    return fields, files


def test_the_documented_request() -> None:
    call = accuauth().call(image(), Claim(), Attempt(NOW))
    assert call.url == "https://cloudapi.peru.accuauth.com/ocr/idcard"
    assert (call.headers["X-DF-API-ID"], call.headers["X-DF-API-SECRET"]) == ("df-id-example", "df-secret-example")
    assert call.headers.keys() == {"Content-Type", "X-DF-API-ID", "X-DF-API-SECRET"}
    assert call.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert parts_of(call) == ({}, [("file", "scan.jpeg", b"\xff\xd8picture")])
    assert b"Content-Type: image/jpeg\r\n" in call.content


def test_a_png_is_called_a_png() -> None:
    call = accuauth().call(image(b"\x89PNG", "PNG"), Claim(), Attempt(NOW))
    assert parts_of(call) == ({}, [("file", "scan.png", b"\x89PNG")])
    assert b"Content-Type: image/png\r\n" in call.content


@pytest.mark.parametrize("detect_face", [0, 1])
def test_the_documented_option(detect_face: int) -> None:
    provider = accuauth(options={"detect_face": detect_face})
    fields, files = parts_of(provider.call(image(), Claim(), Attempt(NOW)))
    assert fields == {"detect_face": str(detect_face)}
    assert files == [("file", "scan.jpeg", b"\xff\xd8picture")]


def test_options_and_nothing_else_decide_the_answer() -> None:
    keys = {accuauth(options=options).options_key(Claim()) for options in ({}, {"detect_face": 0}, {"detect_face": 1})}
    assert len(keys) == 3
    assert accuauth().options_key(Claim()) == accuauth(api_id="other").options_key(Claim("pe_dni", "back"))


@given(st.binary(max_size=400) | st.sampled_from([b"\r\n--", b"--\r\n\r\n", b"\r\n" * 50, b"\n", b"\x00"]))
def test_any_picture_arrives_as_it_is(data: bytes) -> None:
    call = accuauth(options={"detect_face": 1}).call(image(data), Claim(), Attempt(NOW))
    assert parts_of(call) == ({"detect_face": "1"}, [("file", "scan.jpeg", data)])


def test_the_image_as_a_form_field_where_that_is_asked_for() -> None:
    data = base64.b64decode("/9j/4AAQSkZJRgABAQAAAQABAAD/2Q==")
    provider = accuauth(image_parameter="image_base64", options={"detect_face": 1})
    call = provider.call(image(data), Claim(), Attempt(NOW))
    assert call.url == "https://cloudapi.peru.accuauth.com/ocr/idcard"
    assert dict(call.headers) == {
        "X-DF-API-ID": "df-id-example", "X-DF-API-SECRET": "df-secret-example",
        "Content-Type": "application/x-www-form-urlencoded",
    }  # fmt: skip
    assert call.content == b"image_base64=%2F9j%2F4AAQSkZJRgABAQAAAQABAAD%2F2Q%3D%3D&detect_face=1"
    assert provider.options_key(Claim()) == accuauth(options={"detect_face": 1}).options_key(Claim())


@given(st.binary(max_size=400))
def test_any_picture_arrives_as_it_is_in_a_form_field(data: bytes) -> None:
    call = accuauth(image_parameter="image_base64").call(image(data), Claim(), Attempt(NOW))
    ((name, value),) = parse_qsl(call.content.decode(), keep_blank_values=True, strict_parsing=True)
    assert (name, base64.b64decode(value, validate=True)) == ("image_base64", data)


# errors ---------------------------------------------------------------------------------------------------------------


def error_of(document: object, http_status: int = 200) -> ProviderError:
    """The error of an answer: raised by `check`, unless it is a refusal of the image, which is final."""
    given_answer = answer(document, http_status)
    try:
        accuauth().check(given_answer)
    except ProviderError as error:
        assert not isinstance(error, ImageRefusedError)  # noqa: PT017 - which of the two raises it is what is tested
        return error
    with pytest.raises(ImageRefusedError) as refusal:
        accuauth().read(given_answer)
    return refusal.value


CLASSES = [
    (400, "INVALID_ARGUMENT", RequestRefusedError), (400, "DETECTION_FAILED", ImageRefusedError),
    (401, "UNAUTHORIZED", ConfigurationError), (401, "KEY_EXPIRED", ConfigurationError),
    (403, "NO_PERMISSION", ConfigurationError), (403, "OUT_OF_QUOTA", QuotaError),
    (403, "RATE_LIMIT_EXCEEDED", ThrottledError), (404, "NOT_FOUND", ConfigurationError),
    (500, "INTERNAL_ERROR", RetryableError),
]  # fmt: skip


@pytest.mark.parametrize(("http_status", "status", "kind"), CLASSES, ids=[status for _, status, _ in CLASSES])
def test_every_documented_error(http_status: int, status: str, kind: type[ProviderError]) -> None:
    document = recorded("accuauth", "call_failed") | {"status": status, "reason": "张样例 JUAN ESPÉCIMEN 99000006"}
    error = error_of(document, http_status)
    assert type(error) is kind
    assert str(error) == f"accuauth: {status}"
    assert not (isinstance(error, RetryableError) and error.maybe_billed)
    assert type(error_of(document, 403 if http_status != 403 else 400)) is kind  # the HTTP status decides nothing
    if kind is not ThrottledError:
        assert error.request_id == "TID8bf47ab6eda64476973cc5f5b6ebf57e"


def test_an_error_that_the_document_does_not_list_is_tried_again_and_not_quoted() -> None:
    error = error_of({"status": "ESPÉCIMEN, JUAN", "reason": "x"}, 400)
    assert type(error) is RetryableError
    assert "ESPÉCIMEN" not in str(error)


@pytest.mark.parametrize(
    ("http_status", "kind"),
    [(401, ConfigurationError), (403, ConfigurationError), (404, ConfigurationError), (500, RetryableError),
     (502, RetryableError), (400, UnreadableAnswerError), (200, UnreadableAnswerError)],
)  # fmt: skip
def test_a_gateways_own_refusal_goes_by_its_http_status(http_status: int, kind: type[ProviderError]) -> None:
    for document in ({"message": "Forbidden"}, {"status": None}, {"status": 5}):
        assert type(error_of(document, http_status)) is kind


UNREADABLE: list[object] = [
    [], 1, "OK", None, {}, {"status": "OK"}, {"status": "OK", "results": None}, {"status": "OK", "results": {}},
    {"status": "OK", "results": "ESPÉCIMEN"}, {"status": "OK", "results": ["ESPÉCIMEN"]},
    {"status": "OK", "results": [None]}, {"status": "OK", "results": [{"card_info": "ESPÉCIMEN"}]},
    {"status": "OK", "results": [{"card_info": ["ESPÉCIMEN"]}]}, {"status": "OK", "results": [{"card_info": 5}]},
]  # fmt: skip


@pytest.mark.parametrize("document", UNREADABLE, ids=repr)
def test_an_answer_of_no_documented_form_is_unreadable(document: object) -> None:
    error = error_of(document)
    assert type(error) is UnreadableAnswerError
    assert error.maybe_billed
    assert "ESPÉCIMEN" not in str(error)


# readings -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [("new_front", NEW_FRONT), ("new_back", NEW_BACK), ("old_front", OLD_FRONT), ("old_back", OLD_BACK),
     ("foreigner_front", FOREIGNER)],
)  # fmt: skip
def test_every_documented_card(name: str, expected: dict[str, Any]) -> None:
    (reading,) = readings_of(recorded("accuauth", name))
    assert reading.card.values() == expected
    assert reading.impossible_dates == ()


def test_the_request_id_is_kept() -> None:
    reading = accuauth().read(answer(recorded("accuauth", "old_back")))
    assert reading.request_id == "TIDcfa616942c0e4c4cb3870cfb9b1a94be"
    assert reading.signals == {}


@pytest.mark.parametrize("strange", [None, "", 5, [], "ANA ISABEL ESPÉCIMEN", "x" * 101, "a b", "a\n", {"id": "x"}])
def test_a_request_id_that_is_none_is_not_kept(strange: object) -> None:
    assert accuauth().read(answer(recorded("accuauth", "old_back") | {"request_id": strange})).request_id is None
    refusal = recorded("accuauth", "call_failed") | {"status": "OUT_OF_QUOTA", "request_id": strange}
    assert error_of(refusal, 403).request_id is None


def test_several_cards_in_their_order_and_none() -> None:
    assert cards_of(recorded("accuauth", "several_cards")) == [NEW_BACK, NEW_FRONT]
    assert cards_of(recorded("accuauth", "no_card")) == []


@pytest.mark.parametrize("info", [{}, None, [], "", {"id_number": "", "name": None, "gender": []}])
def test_a_card_of_which_nothing_was_read_is_none(info: object) -> None:
    assert cards_of(mutated_at(recorded("accuauth", "new_front"), ("results", 0, "card_info"), info)) == []
    assert cards_of(without(recorded("accuauth", "new_front"), ("results", 0, "card_info"))) == []


def test_masked_values_stay_as_they_were_read() -> None:
    (card,) = cards_of(recorded("accuauth", "masked_front"))
    assert card == {k: v for k, v in NEW_FRONT.items() if k != "check_character"} | {
        "id_number": "1075XXXX", "given_names": "ANA ISAXXX", "paternal_surname": "COMXX",
        "maternal_surname": "CCAXXXXX", "election_number": "053xxx",
    }  # fmt: skip


@pytest.mark.parametrize("side", ["front", "back", "", None, "emblem", 1])
def test_the_fields_decide_the_side_over_card_side(side: object) -> None:
    for name, expected in (("new_front", NEW_FRONT), ("new_back", NEW_BACK), ("old_back", OLD_BACK)):
        assert cards_of(mutated_at(recorded("accuauth", name), ("results", 0, "card_side"), side)) == [expected]


def test_where_the_fields_do_not_decide_card_side_does() -> None:
    both_bear = {"election_number": "036999", "organ_donation": "SI"}
    document = mutated_at(recorded("accuauth", "old_back"), ("results", 0, "card_info"), both_bear)
    assert cards_of(document)[0]["side"] == "back"
    assert cards_of(mutated_at(document, ("results", 0, "card_side"), "front"))[0]["side"] == "front"


@pytest.mark.parametrize("kind", ["", None, "newer", 5])
def test_an_edition_that_is_none_is_left_out(kind: object) -> None:
    (card,) = cards_of(mutated_at(recorded("accuauth", "new_front"), ("results", 0, "card_type"), kind))
    assert card == {k: v for k, v in NEW_FRONT.items() if k != "edition"}


@pytest.mark.parametrize(
    ("printed", "number", "check_character"),
    [("99000006-4", "99000006", "4"), ("990000064", "99000006", "4"), ("99000006-I", "99000006", "I"),
     ("99000006", "99000006", None), (99000006, "99000006", None), ("９９０００００６－４", "99000006", "4"),
     ("9900006-4", "9900006-4", None)],
)  # fmt: skip
def test_the_number_and_its_check_character(printed: object, number: str, check_character: str | None) -> None:
    (card,) = cards_of(with_info({"id_number": printed}))
    assert (card["id_number"], card.get("check_character")) == (number, check_character)


def test_a_foreigners_number_is_never_taken_apart() -> None:
    assert cards_of(with_info({"id_number": "004599123"}, "foreigner_front"))[0]["id_number"] == "004599123"


@pytest.mark.parametrize(
    ("info", "field", "expected"),
    [
        ({"gender": "MASCULINO", "gender_s": ""}, "sex", "M"), ({"gender": "F", "gender_s": None}, "sex", "F"),
        ({"gender": "FEMENINO", "gender_s": "X"}, "sex", "F"), ({"gender": "?", "gender_s": "?"}, "sex", None),
        ({"marriage": "Casado"}, "marital_status", "married"), ({"marriage": "D"}, "marital_status", "divorced"),
        ({"marriage": "?"}, "marital_status", None), ({"organ_donation": "SI"}, "organ_donor", True),
        ({"organ_donation": "No"}, "organ_donor", False), ({"organ_donation": ""}, "organ_donor", None),
        ({"expiry_date": "NO CADUCA"}, "no_expiry", True), ({"expiry_date": "NO CADUCA"}, "expiry_date", None),
        ({"expiry_date": ""}, "expiry_date", None), ({"expiry_date": ""}, "no_expiry", None),
        ({"birthday": "07 MAR 1991"}, "birth_date", "1991-03-07"),
        ({"birthday": "", "birthday_s": "07-03-1991"}, "birth_date", "1991-03-07"),
        ({"birthday": "xx MAR 1991", "birthday_s": "07-03-1991"}, "birth_date", "1991-03-07"),
        ({"birthday": "07 SET 1991", "birthday_s": ""}, "birth_date", "1991-09-07"),
        ({"birthday": "07 SET 1991", "birthday_s": "xx-09-1991"}, "birth_date", "1991-09-07"),
    ],
)  # fmt: skip
def test_every_form_of_a_field(info: dict[str, object], field: str, expected: object) -> None:
    (reading,) = readings_of(with_info(info))
    assert reading.card.values().get(field) == expected
    assert reading.impossible_dates == ()


@pytest.mark.parametrize(
    ("info", "field"),
    [({"birthday": "30/02/1994"}, "birth_date"),
     ({"birthday": "xx MAR 1991", "birthday_s": "xx-03-1991"}, "birth_date"),
     ({"birthday": "1994-05-16"}, "birth_date"), ({"issue_date": "pending"}, "issue_date"),
     ({"expiry_date": "CADUCA"}, "expiry_date"), ({"birthday": "16 JAN 1994"}, "birth_date"),
     ({"birthday": "05/16/1994"}, "birth_date")],
)  # fmt: skip
def test_a_date_that_is_none_is_left_out_and_said(info: dict[str, object], field: str) -> None:
    (reading,) = readings_of(with_info(info))
    assert reading.impossible_dates == (field,)
    assert reading.card.values() == {k: v for k, v in NEW_FRONT.items() if k != field}


@pytest.mark.parametrize(
    ("region", "expected"),
    [("LIMA/LIMA/LA VICTORIA", ("LIMA", "LIMA", "LA VICTORIA")), (" LIMA / LIMA / X ", ("LIMA", "LIMA", "X")),
     ("LIMA//X", ("LIMA", None, "X")), ("LIMA", (None, None, None)), ("A/B", (None, None, None)),
     ("A/B/C/D", (None, None, None)), ("", (None, None, None))],
)  # fmt: skip
def test_the_region_is_taken_apart_only_in_its_documented_form(region: str, expected: tuple[str | None, ...]) -> None:
    (card,) = cards_of(with_info({"region": region}, "new_back"))
    assert tuple(card.get(name) for name in ("department", "province", "district")) == expected


def test_what_siblings_of_this_service_add_is_ignored() -> None:
    document = with_info({"need_check": True, "face_quality": {"x": -1.5}})
    document |= {"image_id": "x", "warnings": []}
    document["results"][0] |= {"card_region": [[-5, -7], [1, 2]], "score": 0.99}
    assert cards_of(document) == [NEW_FRONT]


# faces ----------------------------------------------------------------------------------------------------------------

FACE = Region(((325, 1010), (736, 1010), (736, 1523), (325, 1523)))


def face_of(document: object, detect_face: int | None = 1) -> object:
    options = {} if detect_face is None else {"detect_face": detect_face}
    return accuauth(options=options).read(answer(document)).portrait


def with_region(region: object) -> Any:
    return mutated_at(recorded("accuauth", "new_front"), ("results", 0, "face_region"), region)


def test_where_the_face_is_when_asked_for() -> None:
    for name in ("new_front", "old_front", "foreigner_front"):
        assert face_of(recorded("accuauth", name)) == FACE
        assert face_of(recorded("accuauth", name), 0) is None
        assert face_of(recorded("accuauth", name), None) is None
    assert face_of(recorded("accuauth", "new_back")) is None
    assert face_of(recorded("accuauth", "no_card")) is None


def test_the_face_of_a_turned_card_keeps_its_own_order_of_corners() -> None:
    turned = [[736, 1523], [325, 1523], [325, 1010], [736, 1010]]
    assert face_of(with_region(turned)) == Region(((736, 1523), (325, 1523), (325, 1010), (736, 1010)))


@pytest.mark.parametrize(
    ("region", "first"),
    [([[-5, -7], [2, 0], [2, 9], [-5, 9]], (-5, -7)), ([[0.4, 1.6], [9.0, 1], [9, 9], [0, 9]], (0, 2))],
)
def test_corners_beside_the_picture_and_between_pixels(region: object, first: tuple[int, int]) -> None:
    face = face_of(with_region(region))
    assert isinstance(face, Region)
    assert face.corners[0] == first


NO_REGIONS: list[object] = [
    None, "", [], {}, 5, "[(325, 1010), (736, 1010), (736, 1523), (325, 1523)]", [[1, 2], [3, 4], [5, 6]],
    [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]], [[1, 2]] * 4, [[1, 2], [3, 4], [5, 6], [7]],
    [[1, 2], [3, 4], [5, 6], [7, 8, 9]],
    [[1, 2], [3, 4], [5, 6], ["7", "8"]], [[1, 2], [3, 4], [5, 6], [None, 8]], [[1, 2], [3, 4], [5, 6], [True, 8]],
    [[1, 2], [3, 4], [5, 6], {"x": 7, "y": 8}], [[1, 2], [3, 4], [5, 6], [7, 10**30]],
    [[1, 2], [3, 4], [5, 6], [7, -1e300]], [1, 2, 3, 4],
]  # fmt: skip


@pytest.mark.parametrize("region", NO_REGIONS, ids=repr)
def test_what_is_no_region_is_no_face_and_costs_no_card(region: object) -> None:
    assert face_of(with_region(region)) is None
    assert cards_of(with_region(region)) == [NEW_FRONT]


def test_the_face_is_that_of_the_first_front_and_of_nobody_else() -> None:
    several = recorded("accuauth", "several_cards")
    assert face_of(several) == FACE
    other = recorded("accuauth", "old_front")["results"][0] | {"face_region": [[1, 1], [2, 1], [2, 2], [1, 2]]}
    assert face_of(several | {"results": [*several["results"], other]}) == FACE
    assert face_of(several | {"results": [other, *several["results"]]}) == Region(((1, 1), (2, 1), (2, 2), (1, 2)))
    without_face = without(several, ("results", 1, "face_region"))
    assert face_of(without_face | {"results": [*without_face["results"], other]}) is None


# coverage -------------------------------------------------------------------------------------------------------------


def test_the_documentations_error_table_is_what_the_module_does() -> None:
    classes = error_classes("accuauth")
    assert {status: classes[status] for _, status, _ in CLASSES} == {status: kind for _, status, kind in CLASSES}
    assert {name for name in classes if name.isupper() and "_" in name} <= {status for _, status, _ in CLASSES}


def test_every_parameter_and_field_of_the_document_has_its_place_in_the_documentation() -> None:
    documented = {
        *("X-DF-API-ID", "X-DF-API-SECRET", "file", "image_base64", "detect_face", "request_id", "status", "reason"),
        *("results", "card_type", "card_side", "card_info", "face_region", "id_number", "father_name", "mother_name"),
        *("name", "gender", "gender_s", "marriage", "birthday", "birthday_s", "birth_place", "issue_date"),
        *("issue_date_s", "expiry_date", "expiry_date_s", "election_number", "organ_donation", "region", "address"),
        *("registration_date", "department", "province", "district", "document_number", "surname", "given_name"),
        *("nationality", "migratory_quality"),
    }
    assert documented <= names_in("accuauth")


# strangers ------------------------------------------------------------------------------------------------------------

NOT_JSON = [
    b"", b"OK", b"<html>", b'{"status": "OK", "results": [', b'{"status": "OK", "results": [NaN]}', b"\xff\xfe\x00",
    b"[" * 100_000, b'{"status": "OK", "status": "OK", "results": []}', '{"status": "é"}'.encode("latin-1"),
    json.dumps(with_info({})).encode().replace(b'"birthday"', b'"id_number": "99000007", "birthday"'),
]  # fmt: skip


@pytest.mark.parametrize("body", NOT_JSON, ids=range(len(NOT_JSON)))
def test_what_is_not_json_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableAnswerError):
        accuauth().check(answer(body))


def test_a_value_of_ten_megabytes_is_no_value() -> None:
    (card,) = cards_of(with_info({"name": "A" * 10_000_000, "father_name": "B" * 301}))
    assert card == {k: v for k, v in NEW_FRONT.items() if k not in ("given_names", "paternal_surname")}


@given(tampered(all_recorded("accuauth")))
def test_a_tampered_answer_is_a_typed_error_or_a_reading_that_invents_nothing(document: object) -> None:
    given_answer = answer(document)
    try:
        accuauth().check(given_answer)
        reading = accuauth(options={"detect_face": 1}).read(given_answer)
    except ProviderError as error:
        assert len(str(error)) < 200  # noqa: PT017
        return
    for card in reading.cards:
        assert not invented(card.card.values(), document)


# secret ---------------------------------------------------------------------------------------------------------------


def fault_of(secret: object, *, allow_http: bool = False) -> str:
    with pytest.raises(ConfigurationError) as error:
        AccuAuth.configured(secret, allow_http=allow_http)
    assert error.value.__cause__ is None
    return error.value.code


@pytest.mark.parametrize("field", sorted(SECRET))
def test_a_missing_field_is_named(field: str) -> None:
    assert f"{field}: Field required" in fault_of({k: v for k, v in SECRET.items() if k != field})


NO_TEXT: list[object] = ["", None, 5, [], {"hush": "hush"}]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, value) for field in sorted(SECRET) for value in NO_TEXT),
        ("api_id", "hush\n"), ("api_id", "húsh-hush"), ("api_secret", " hush"), ("api_secret", "hush\r\nX-Other: 1"),
        ("base_url", "http://hush.example"), ("options", {"detect_face": 2}), ("options", {"detect_face": "1"}),
        ("options", {"detect_face": True}), ("options", {"detect_face": 1.0}), ("options", {"detect_copy": 1}),
        ("options", {"detect_face": "hush"}), ("options", ["detect_face"]), ("image_parameter", "hush"),
        ("image_parameter", None),
    ],
)  # fmt: skip
def test_a_bad_field_is_named_and_its_value_is_not(field: str, value: object) -> None:
    fault = fault_of(SECRET | {field: value})
    assert field in fault
    assert "hush" not in fault
    assert not any(other in fault for other in SECRET if other != field)


def test_all_faults_are_named_at_once() -> None:
    fault = fault_of({"base_url": "http://x.example", "options": {"detect_copy": True}})
    assert all(name in fault for name in ("base_url", "api_id", "api_secret", "options.detect_copy"))


def test_nothing_that_can_be_printed_shows_the_secret() -> None:
    provider = accuauth()
    call = provider.call(image(b"identity"), Claim(), Attempt(NOW))
    shown = f"{provider!r} {provider} {provider._secret!r} {provider._secret} {call!r}"
    for hidden in ("df-id-example", "df-secret-example", "identity"):
        assert hidden not in shown


def test_more_cards_than_a_record_can_hold_are_cut_off() -> None:
    document = recorded("accuauth", "new_front")
    document["results"] *= 500
    assert len(readings_of(document)) == MAX_CARDS


@pytest.mark.parametrize("kind", [None, "", "UNHEARD_OF"])
def test_a_card_that_it_does_not_name_is_told_by_its_fields(kind: object) -> None:
    document = mutated_at(recorded("accuauth", "foreigner_front"), ("results", 0, "card_type"), kind)
    (card,) = cards_of(document)
    assert card == cards_of(recorded("accuauth", "foreigner_front"))[0]


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("image resolution must be between 128*128 and 6000*6000", ImageRefusedError),
        ("image format must be JPG or PNG", ImageRefusedError), ("the file can not be decoded", ImageRefusedError),
        ("picture SIZE must not exceed 5MB", ImageRefusedError),
        ("detect_face must be 0 or 1", RequestRefusedError), ("no image was given", RequestRefusedError),
        ("", RequestRefusedError), (None, RequestRefusedError), (["image size"], RequestRefusedError),
    ],
)  # fmt: skip
def test_an_invalid_argument_may_be_the_picture(reason: object, kind: type[ProviderError]) -> None:
    document = recorded("accuauth", "call_failed") | {"status": "INVALID_ARGUMENT", "reason": reason}
    with pytest.raises(ProviderError) as error:
        accuauth().read(answer(document, 400))
    assert type(error.value) is kind
    assert "image" not in str(error.value)
