"""Draws the Peruvian cards: DNI new and old, both sides, and the foreigner's card, all marked SPECIMEN.

The labels are the printed ones; their arrangement is our own, small label above value.
"""

import random

from local.cardprinter.canvas import Box, Colour, Sheet
from local.kinds import Kind

LABEL: Colour = (60, 72, 110)
LABEL_SIZE = 1.9
VALUE_SIZE = 2.8
MONTHS = ("ENE", "FEB", "MAR", "ABR", "MAY", "JUN", "JUL", "AGO", "SEP", "OCT", "NOV", "DIC")
SEX_WORDS = {"M": "MASCULINO", "F": "FEMENINO"}
MARITAL_WORDS = {"single": "Soltero", "married": "Casado", "divorced": "Divorciado", "widowed": "Viudo"}
MARITAL_LETTERS = {"single": "S", "married": "C", "divorced": "D", "widowed": "V"}
COUNTRY = "REPÚBLICA DEL PERÚ"

type Cell = tuple[float, float, str, str]
"""x and y in mm, label, value."""


def draw_side(kind: Kind, card: dict[str, str | bool], rng: random.Random) -> tuple[Sheet, Box]:
    """One side, and where its number (on a back: its address) stands."""
    match kind:
        case "pe_dni_new_front":
            return _new_front(card, rng)
        case "pe_dni_old_front":
            return _old_front(card, rng)
        case "pe_foreigner_front":
            return _foreigner_front(card, rng)
        case "pe_dni_new_back":
            region = "/".join(str(card[name]) for name in ("department", "province", "district"))
            cells = [
                (6.0, 8.0, "Departamento / Provincia / Distrito", region),
                (6, 16, "Dirección", str(card["address"])),
            ]
            return _back(cells, (214, 232, 222), (232, 222, 238), rng)
        case _:
            cells = [
                (6.0, 6.0, "Departamento", str(card["department"])),
                (46.0, 6.0, "Provincia", str(card["province"])),
                (6.0, 14.0, "Distrito", str(card["district"])),
                (6.0, 22.0, "Dirección", str(card["address"])),
                (6.0, 30.0, "Grupo de Votación", str(card["election_number"])),
                (46.0, 30.0, "Donación de Órganos", _yes(card["organ_donor"])),
            ]
            return _back(cells, (206, 220, 240), (216, 234, 232), rng)


def _new_front(card: dict[str, str | bool], rng: random.Random) -> tuple[Sheet, Box]:
    sheet = Sheet(rng, (212, 232, 224), (236, 222, 232))
    sheet.text(6, 3, COUNTRY, 2.4, LABEL)
    sheet.text(6, 6.2, "DOCUMENTO NACIONAL DE IDENTIDAD ELECTRÓNICO", 2.0, LABEL)
    sheet.silhouette(5, 17.2, 20)
    left, right = 29 + rng.uniform(-0.8, 0.8), 59 + rng.uniform(-0.8, 0.8)
    number = _cell(sheet, (6.0, 10.2, "CUI", _dni(card)))
    for cell in (
        (left, 10.2, "Primer Apellido", str(card["paternal_surname"])),
        (right, 10.2, "Segundo Apellido", str(card["maternal_surname"])),
        (left, 17.2, "Prenombres", str(card["given_names"])),
        (left, 24.2, "Sexo", SEX_WORDS[str(card["sex"])]),
        (right, 24.2, "Estado Civil", MARITAL_WORDS[str(card["marital_status"])]),
        (left, 31.2, "Fecha de Nacimiento", _slashed(card["birth_date"])),
        (right, 31.2, "Ubigeo de Nacimiento", str(card["birth_place"])),
        (left, 38.2, "Fecha Emisión", _slashed(card["issue_date"])),
        (right, 38.2, "Fecha Caducidad", _end(card)),
        (left, 45.2, "Grupo de Votación", str(card["election_number"])),
        (right, 45.2, "Donación de Órganos", _yes(card["organ_donor"])),
    ):
        _cell(sheet, cell)
    return sheet, number


def _old_front(card: dict[str, str | bool], rng: random.Random) -> tuple[Sheet, Box]:
    sheet = Sheet(rng, (202, 218, 240), (222, 236, 230))
    sheet.band(0, 9.4, (188, 206, 234))
    sheet.text(6, 1.6, COUNTRY, 2.4, LABEL)
    sheet.text(6, 5.2, "DOCUMENTO NACIONAL DE IDENTIDAD", 2.2, LABEL)
    sheet.text(56.5, 3.0, "DNI", 3.0, LABEL)
    number = sheet.text(63.5, 2.8, _dni(card), 3.2)
    sheet.silhouette(5, 13, 20)
    left, right = 29 + rng.uniform(-0.8, 0.8), 59 + rng.uniform(-0.8, 0.8)
    for cell in (
        (left, 10.6, "Primer Apellido", str(card["paternal_surname"])),
        (right, 10.6, "Segundo Apellido", str(card["maternal_surname"])),
        (left, 17.8, "Prenombres", str(card["given_names"])),
        (left, 25.0, "Fecha de Nacimiento", _slashed(card["birth_date"])),
        (right, 25.0, "Ubigeo de Nacimiento", str(card["birth_place"])),
        (left, 32.2, "Sexo", str(card["sex"])),
        (right, 32.2, "Estado Civil", MARITAL_LETTERS[str(card["marital_status"])]),
        (6.0, 41.6, "Fecha Inscripción", _slashed(card["registration_date"])),
        (left, 41.6, "Fecha Emisión", _slashed(card["issue_date"])),
        (right, 41.6, "Fecha Caducidad", _end(card)),
    ):
        _cell(sheet, cell)
    return sheet, number


def _foreigner_front(card: dict[str, str | bool], rng: random.Random) -> tuple[Sheet, Box]:
    sheet = Sheet(rng, (232, 220, 206), (212, 230, 216))
    sheet.text(6, 2.6, COUNTRY, 2.4, LABEL)
    sheet.text(6, 6.0, "CARNET DE EXTRANJERÍA", 2.6, (150, 50, 60))
    sheet.silhouette(5, 12, 20)
    left, right = 29 + rng.uniform(-0.8, 0.8), 59 + rng.uniform(-0.8, 0.8)
    number = _cell(sheet, (right, 3.0, "N° de Carnet", str(card["id_number"])))
    for cell in (
        (left, 10.6, "Apellidos", str(card["surname"])),
        (left, 17.8, "Nombres", str(card["given_names"])),
        (left, 25.0, "Sexo", str(card["sex"])),
        (left + 12, 25.0, "Estado Civil", MARITAL_LETTERS[str(card["marital_status"])]),
        (right, 25.0, "Nacionalidad", str(card["nationality"])),
        (left, 32.2, "Fecha de Nacimiento", _spelled(card["birth_date"])),
        (right, 32.2, "N° de Documento", str(card["document_number"])),
        (left, 39.4, "Fecha Emisión", _spelled(card["issue_date"])),
        (right, 39.4, "Fecha Caducidad", _spelled(card["expiry_date"])),
        (left, 46.4, "Calidad Migratoria", str(card["migratory_quality"])),
    ):
        _cell(sheet, cell)
    return sheet, number


def _back(cells: list[Cell], start: Colour, end: Colour, rng: random.Random) -> tuple[Sheet, Box]:
    sheet = Sheet(rng, start, end)
    places = {cell[2]: _cell(sheet, cell) for cell in cells}
    sheet.ring(72, 43, 7)
    sheet.text(6, 47, "RENIEC", 2.2, LABEL)
    return sheet, places["Dirección"]


def _cell(sheet: Sheet, cell: Cell) -> Box:
    x, y, label, value = cell
    sheet.text(x, y, label, LABEL_SIZE, LABEL)
    return sheet.text(x, y + 2.5, value, VALUE_SIZE)


def _dni(card: dict[str, str | bool]) -> str:
    return f"{card['id_number']}-{card['check_character']}"


def _yes(value: str | bool) -> str:
    return "SI" if value else "NO"


def _slashed(iso: str | bool) -> str:
    return "/".join(reversed(str(iso).split("-")))


def _spelled(iso: str | bool) -> str:
    year, month, day = str(iso).split("-")
    return f"{day} {MONTHS[int(month) - 1]} {year}"


def _end(card: dict[str, str | bool]) -> str:
    return "NO CADUCA" if card.get("no_expiry") else _slashed(card["expiry_date"])
