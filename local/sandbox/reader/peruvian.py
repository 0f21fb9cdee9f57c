"""The texts of Peruvian cards from their lines of text: DNI new and old, both sides, and the foreigner's card.

A label stands above its value, or before it in the same line ("DNI 99117410-2").
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from local.kinds import Kind
from local.sandbox.reader.engine import Line
from local.sandbox.reader.layout import Look, Value, Writing, below, region, right_of

FUZZY = 0.86
WORDS = re.compile(r"[^\W\d_].*")
DNI = re.compile(r"\d{8}(?:\s*-\s*[\dA-K])?")
DAY = re.compile(r"\d{2}/\d{2}/\d{4}")
END = re.compile(r"\d{2}/\d{2}/\d{4}|NO\s*CADUCA")
SPELLED_DAY = re.compile(r"\d{2}\s*[A-Z]{3}\s*\d{4}")
SIX_DIGITS = re.compile(r"(?<!\d)\d{6}(?!\d)")
YES_NO = re.compile(r"\b(?:SI|SÍ|NO)\b", re.IGNORECASE)
SEX = re.compile(r"\b(?:MASCULINO|FEMENINO|[MF])\b")
MARITAL = re.compile(r"\b(?:SOLTER|CASAD|DIVORCIAD|VIUD)[OA]\b|\b[SCDV]\b", re.IGNORECASE)

CONFUSABLES = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧΡοραевнкмстухАВЕНІКМОРСТУХ", "ABEZHIKMNOPTYXPopaebhkmctyxABEHIKMOPCTYX")
"""Greek and Cyrillic letters that the engine takes for Latin ones of the same shape."""


@dataclass(frozen=True)
class Field:
    """One field: its name, its labels as compared (`_key`), and what its value looks like."""

    name: str
    labels: tuple[str, ...]
    pattern: re.Pattern[str]
    short: bool = False
    """A value of one to a few letters: the detector may overlook it."""


NUMBER = Field("id_number", ("DNI", "CUI"), DNI)
SEX_FIELD = Field("sex", ("SEXO",), SEX, short=True)
MARITAL_FIELD = Field("marital_status", ("ESTADOCIVIL",), MARITAL, short=True)
ELECTION = Field("election_number", ("GRUPODEVOTACION",), SIX_DIGITS)
DONOR = Field("organ_donor", ("DONACIONDEORGANOS",), YES_NO, short=True)
ADDRESS = Field("address", ("DIRECCION",), re.compile(r".*\w.*"))
HOLDER = (
    NUMBER,
    Field("paternal_surname", ("PRIMERAPELLIDO",), WORDS),
    Field("maternal_surname", ("SEGUNDOAPELLIDO",), WORDS),
    Field("given_names", ("PRENOMBRES",), WORDS),
    SEX_FIELD,
    MARITAL_FIELD,
    Field("birth_date", ("FECHADENACIMIENTO", "NACIMIENTOFECHAYUBIGEO"), DAY),
    Field("birth_place", ("UBIGEODENACIMIENTO", "NACIMIENTOFECHAYUBIGEO"), SIX_DIGITS),
    Field("issue_date", ("FECHAEMISION", "FECHADEEMISION"), DAY),
    Field("expiry_date", ("FECHACADUCIDAD", "FECHADECADUCIDAD"), END),
)
FIELDS: dict[Kind, tuple[Field, ...]] = {
    "pe_dni_new_front": (*HOLDER, ELECTION, DONOR),
    "pe_dni_new_back": (Field("region", ("DEPARTAMENTOPROVINCIADISTRITO",), re.compile(r"[^/]+/[^/]+/.+")), ADDRESS),
    "pe_dni_old_front": (*HOLDER, Field("registration_date", ("FECHAINSCRIPCION", "FECHADEINSCRIPCION"), DAY)),
    "pe_dni_old_back": (
        Field("department", ("DEPARTAMENTO",), WORDS),
        Field("province", ("PROVINCIA",), WORDS),
        Field("district", ("DISTRITO",), WORDS),
        *(ADDRESS, ELECTION, DONOR),
    ),
    "pe_foreigner_front": (
        Field("id_number", ("NDECARNET", "NDECARNE", "CARNETN"), re.compile(r"\d{9,12}")),
        Field("document_number", ("NDEDOCUMENTO", "DOCUMENTON"), re.compile(r"[A-Z\d]{5,15}")),
        Field("surname", ("APELLIDOS",), WORDS),
        Field("given_names", ("NOMBRES",), WORDS),
        *(SEX_FIELD, MARITAL_FIELD),
        Field("birth_date", ("FECHADENACIMIENTO",), SPELLED_DAY),
        Field("issue_date", ("FECHAEMISION", "FECHADEEMISION"), SPELLED_DAY),
        Field("expiry_date", ("FECHACADUCIDAD", "FECHADECADUCIDAD"), SPELLED_DAY),
        Field("nationality", ("NACIONALIDAD",), WORDS),
        Field("migratory_quality", ("CALIDADMIGRATORIA",), WORDS),
    ),
}
LABELS = frozenset(label for fields in FIELDS.values() for field in fields for label in field.labels)

FRONT_ANCHORS = frozenset({"PRIMERAPELLIDO", "SEGUNDOAPELLIDO", "PRENOMBRES", "UBIGEODENACIMIENTO"})
BACK_ANCHORS = frozenset({"DEPARTAMENTO", "PROVINCIA", "DISTRITO", "DIRECCION", "DEPARTAMENTOPROVINCIADISTRITO"})
FOREIGNER_ANCHORS = frozenset({"APELLIDOS", "NOMBRES", "NACIONALIDAD", "CALIDADMIGRATORIA", "NDECARNET"})
OTHER_DOCUMENT = ("PASAPORTE", "PASSPORT", "LICENCIADECONDUCIR", "BREVETE", "COMPROBANTE", "FACTURA", "BOLETADEVENTA")


def anchors(lines: Iterable[Line], wanted: frozenset[str]) -> dict[str, Line]:
    """The labels among `wanted` that were found."""
    found = ((_label(line), line) for line in lines)
    return {label: line for label, line in found if label in wanted}


def front_kind(lines: Iterable[Line]) -> Kind:
    """Which edition a front is of: only the old one bears a registration date, only the new one the voting group."""
    labels = {_label(line) for line in lines}
    old = len(labels & {"FECHAINSCRIPCION", "FECHADEINSCRIPCION", "DNI"})
    new = len(labels & {"GRUPODEVOTACION", "DONACIONDEORGANOS", "CUI"})
    return "pe_dni_old_front" if old > new else "pe_dni_new_front"


def back_kind(lines: Iterable[Line]) -> Kind:
    """Which edition a back is of: the new one bears the region in one line."""
    labels = {_label(line) for line in lines}
    return "pe_dni_new_back" if "DEPARTAMENTOPROVINCIADISTRITO" in labels else "pe_dni_old_back"


def fields(kind: Kind, lines: list[Line], look: Look) -> dict[str, Value]:
    """The texts of one side as printed; what could not be read is absent."""
    labelled = {name: line for line in lines if (name := _label(line))}
    values = [line for line in lines if not _label(line)]
    found = {}
    for field in FIELDS[kind]:
        label = next((labelled[name] for name in field.labels if name in labelled), None)
        if label is not None and (value := _value(field, label, values, look)):
            found[field.name] = Value(_tidy(value.text, field), value.place)
    return found


def is_other_document(lines: Iterable[Line]) -> bool:
    """True when a word on the picture belongs to another document with the same labels."""
    return any(word in _key(line.text) for line in lines for word in OTHER_DOCUMENT)


def latin(text: str) -> str:
    """`text` without Greek and Cyrillic look-alikes of Latin letters."""
    return text.translate(CONFUSABLES)


def _value(field: Field, label: Line, values: list[Line], look: Look) -> Value | None:
    candidates = [label] if _inline(label.text) else []
    candidates += below(label, values, left=-1.5, right=3.0, depth=2.2)
    candidates += right_of(label, values)[:1]
    for line in candidates:
        if found := Writing.of(line, latin(line.text)).first(field.pattern):
            return Value(found.text, found.place())
    if field.short:
        place = region(label, left=-0.4, top=1.1, width=5.0, height=1.9)
        if overlooked := field.pattern.search(latin(look(place))):
            return Value(overlooked[0], place)
    return None


def _tidy(text: str, field: Field) -> str:
    if field.pattern is DNI:
        return re.sub(r"\s", "", text)
    if field.pattern is SPELLED_DAY:
        return re.sub(r"(\d{2})\s*([A-Z]{3})\s*(\d{4})", r"\1 \2 \3", text)
    if field.pattern is END:
        return re.sub(r"NO\s*CADUCA", "NO CADUCA", text)
    if field is ADDRESS:
        # The engine is careless about spaces: "AV.EJEMPLO" and "1287DPTO.302" are "AV. EJEMPLO" and "1287 DPTO.302".
        text = re.sub(r"(?<=\d)(?=DPTO\b)", " ", re.sub(r"\.\s+(?=\d)", ".", text))
        return re.sub(r"\.(?=[^\W\d])", ". ", text).strip()
    return text.strip()


def _key(text: str) -> str:
    """`text` for comparison: Latin capital letters only, without accents."""
    plain = unicodedata.normalize("NFD", latin(text)).upper()
    return re.sub(r"[^A-Z]", "", plain)


def _inline(text: str) -> bool:
    """True for a text that holds a number after its label."""
    return re.match(r"(?:DNI|CUI)\W*\d", latin(text)) is not None


def _label(line: Line) -> str:
    """The label that `line` is; empty when it is none."""
    return _label_in(line.text)


@lru_cache(maxsize=1024)
def _label_in(text: str) -> str:
    key = _key(text)
    if key in LABELS:
        return key
    if _inline(text):
        return latin(text)[:3]
    if len(key) < 6:
        return ""
    best = max(LABELS, key=lambda label: SequenceMatcher(None, key, label).ratio())
    return best if SequenceMatcher(None, key, best).ratio() >= FUZZY else ""
