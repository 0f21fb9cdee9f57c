"""What stands on a printed card, told from the record that it should lead to: independent of how the printer writes."""

from local.cardprinter import PrintedCard

MONTHS = ("ENE", "FEB", "MAR", "ABR", "MAY", "JUN", "JUL", "AGO", "SEP", "OCT", "NOV", "DIC")
WORDS = {
    "sex": {"M": "MASCULINO", "F": "FEMENINO"},
    "marital_status": {"single": "Soltero", "married": "Casado", "divorced": "Divorciado", "widowed": "Viudo"},
}
LETTERS = {"single": "S", "married": "C", "divorced": "D", "widowed": "V"}


def texts_on(printed: PrintedCard) -> dict[str, str]:
    """The reader's fields for a flawless reading of `printed`."""
    card = {name: value for name, value in printed.card.items() if name not in {"country", "document_type", "side"}}
    match printed.kind:
        case "cn_portrait":
            year, month, day = str(card.pop("birth_date")).split("-")
            sex = {"M": "男", "F": "女"}[str(card.pop("sex"))]
            return texts(card) | {"sex": sex, "birth": f"{year}年{int(month)}月{int(day)}日"}
        case "cn_emblem":
            end = "长期" if card.get("long_term") else dotted(card["valid_to"])
            return {
                "issuing_authority": str(card["issuing_authority"]),
                "validity": f"{dotted(card['valid_from'])}-{end}",
            }
    edition = card.pop("edition", None)
    if edition == "new" and printed.card["side"] == "back":
        region = "/".join(str(card.pop(name)) for name in ("department", "province", "district"))
        return texts(card) | {"region": region}
    if "organ_donor" in card:
        card["organ_donor"] = "SI" if card["organ_donor"] else "NO"
    if "check_character" in card:
        card["id_number"] = f"{card['id_number']}-{card.pop('check_character')}"
    if card.pop("no_expiry", False):
        card["expiry_date"] = "NO CADUCA"
    for name in card.keys() & {"birth_date", "issue_date", "expiry_date", "registration_date"}:
        card[name] = day_text(str(card[name]), spelled=printed.kind == "pe_foreigner_front")
    if "marital_status" in card:
        card["marital_status"] = (WORDS["marital_status"] if edition == "new" else LETTERS)[str(card["marital_status"])]
    if edition == "new":
        card["sex"] = WORDS["sex"][str(card["sex"])]
    return texts(card)


def texts(card: dict[str, str | bool]) -> dict[str, str]:
    return {name: str(value) for name, value in card.items()}


def dotted(iso: str | bool) -> str:
    return str(iso).replace("-", ".")


def day_text(iso: str, *, spelled: bool) -> str:
    if iso == "NO CADUCA":
        return iso
    year, month, day = iso.split("-")
    return f"{day} {MONTHS[int(month) - 1]} {year}" if spelled else f"{day}/{month}/{year}"
