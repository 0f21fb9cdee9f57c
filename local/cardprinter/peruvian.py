"""Invented holders of Peruvian cards: front and back of one seed belong to one person.

DNI numbers begin with 99, place codes (ubigeo) with the department 99, which does not exist. The check character stands
after the dash: weights 3 2 7 6 5 4 3 2, modulus 11. A DNI is valid for 8 years, from the age of 60 without end.
"""

import random
from datetime import date

from local.cardprinter.calendar import age_on, reference_day, some_day, years_after, years_before
from local.kinds import Kind

SURNAMES = ("ESPÉCIMEN", "MUESTRA", "EJEMPLAR", "FICTICIO", "PRUEBA", "MODELO", "IMAGINARIO", "ENSEÑANZA")
MEN = ("JUAN", "LUIS ALBERTO", "JOSÉ MARTÍN", "CARLOS", "PEDRO PABLO")
WOMEN = ("ANA ROSA", "MARÍA", "LUCÍA ELENA", "CARMEN", "ROSA")
MARITAL_STATUSES = ("single", "married", "divorced", "widowed")
DEPARTMENTS = ("MODELIA", "FICTICIA", "MUESTRA ALTA")
PROVINCES = ("PRUEBA", "EJEMPLO", "VALLE NUEVO")
DISTRICTS = ("LA MUESTRA", "SAN ESPÉCIMEN", "VILLA MODELO")
STREETS = ("AV. EJEMPLO", "JR. LA MUESTRA", "CALLE FICTICIA", "PSJE. MODELO")
NATIONALITIES = ("VENEZOLANA", "COLOMBIANA", "CHILENA", "ESPAÑOLA")
MIGRATORY_QUALITIES = ("RESIDENTE", "TRABAJADOR RESIDENTE", "ESP ESPECIAL", "FAMILIAR RESIDENTE")

CHECK_WEIGHTS = (3, 2, 7, 6, 5, 4, 3, 2)
CHECK_DIGITS = "67890112345"

FRONT = (
    "id_number",
    "check_character",
    "paternal_surname",
    "maternal_surname",
    "given_names",
    "sex",
    "marital_status",
    "birth_date",
    "birth_place",
)
FIELDS: dict[Kind, tuple[str, ...]] = {
    "pe_dni_new_front": (*FRONT, "issue_date", "expiry_date", "no_expiry", "election_number", "organ_donor"),
    "pe_dni_new_back": ("department", "province", "district", "address"),
    "pe_dni_old_front": (*FRONT, "registration_date", "issue_date", "expiry_date", "no_expiry"),
    "pe_dni_old_back": ("department", "province", "district", "address", "election_number", "organ_donor"),
    "pe_foreigner_front": (
        *("id_number", "document_number", "surname", "given_names", "sex", "marital_status", "birth_date"),
        *("issue_date", "expiry_date", "nationality", "migratory_quality"),
    ),
}
"""The record's fields on each side, `edition` aside."""


def dni_side(kind: Kind, seed: int, overrides: dict[str, str | bool]) -> dict[str, str | bool]:
    """The record's fields of one side of a DNI; the check character fits the number unless overridden."""
    person = _person(seed) | overrides
    person.setdefault("check_character", check_character(str(person["id_number"])))
    if "expiry_date" in overrides and "issue_date" not in overrides:
        person["issue_date"] = years_before(date.fromisoformat(str(person["expiry_date"])), 8).isoformat()
    if "registration_date" not in overrides and str(person["registration_date"]) >= str(person["issue_date"]):
        person["registration_date"] = years_before(date.fromisoformat(str(person["issue_date"])), 1).isoformat()
    if person.get("no_expiry"):
        person.pop("expiry_date", None)
    elif "expiry_date" not in overrides:
        birth, issued = (date.fromisoformat(str(person[name])) for name in ("birth_date", "issue_date"))
        endless = age_on(birth, issued) >= 60
        person |= {"no_expiry": True} if endless else {"expiry_date": years_after(issued, 8).isoformat()}
    person = {name: value for name, value in person.items() if name != "no_expiry" or value}
    borne = {name: person[name] for name in FIELDS[kind] if name in person}
    return {"edition": "new" if "_new_" in kind else "old"} | borne


def foreigner_side(seed: int, overrides: dict[str, str | bool]) -> dict[str, str | bool]:
    """The record's fields of the front of a foreigner's card; it is valid for 4 years."""
    rng = random.Random(f"foreigner {seed}")
    person = _person(seed)
    card: dict[str, str | bool] = {
        "id_number": f"99{rng.randrange(10**7):07d}",
        "document_number": f"99{rng.randrange(10**6):06d}",
        "surname": f"{person['paternal_surname']} {person['maternal_surname']}",
        "nationality": rng.choice(NATIONALITIES),
        "migratory_quality": rng.choice(MIGRATORY_QUALITIES),
    }
    card |= {name: person[name] for name in ("given_names", "sex", "marital_status", "birth_date", "issue_date")}
    card |= overrides
    if "expiry_date" in overrides and "issue_date" not in overrides:
        card["issue_date"] = years_before(date.fromisoformat(str(card["expiry_date"])), 4).isoformat()
    card.setdefault("expiry_date", years_after(date.fromisoformat(str(card["issue_date"])), 4).isoformat())
    return card


def check_character(number: str) -> str:
    """The digit after the dash for an eight-digit DNI number."""
    remainder = 11 - sum(int(digit) * weight for digit, weight in zip(number, CHECK_WEIGHTS, strict=True)) % 11
    return CHECK_DIGITS[0 if remainder == 11 else remainder]


def wrong_check_character(number: str) -> str:
    """A digit that the rule does not give for `number`."""
    return str((int(check_character(number)) + 1) % 10)


def _person(seed: int) -> dict[str, str | bool]:
    rng = random.Random(f"peruvian holder {seed}")
    issued = some_day(rng, years_before(reference_day(), 3), reference_day())
    birth = some_day(rng, years_before(issued, 66), years_before(issued, 26))
    sex = rng.choice("MF")
    paternal, maternal = rng.sample(SURNAMES, 2)
    return {
        "id_number": f"99{rng.randrange(10**6):06d}",
        "paternal_surname": paternal,
        "maternal_surname": maternal,
        "given_names": rng.choice(MEN if sex == "M" else WOMEN),
        "sex": sex,
        "marital_status": rng.choice(MARITAL_STATUSES),
        "birth_date": birth.isoformat(),
        "birth_place": f"99{rng.randrange(1, 20):02d}{rng.randrange(1, 40):02d}",
        "registration_date": some_day(rng, years_after(birth, 18), years_before(issued, 1)).isoformat(),
        "issue_date": issued.isoformat(),
        "election_number": f"99{rng.randrange(10**4):04d}",
        "organ_donor": rng.random() < 0.5,
        "department": rng.choice(DEPARTMENTS),
        "province": rng.choice(PROVINCES),
        "district": rng.choice(DISTRICTS),
        "address": f"{rng.choice(STREETS)} {rng.randrange(100, 1999)} DPTO.{rng.randrange(101, 999)}",
    }
