"""Draws the two sides of a Chinese resident identity card (居民身份证), marked SPECIMEN.

A temporary card (临时居民身份证) is the same but for its title, which its portrait side bears too: real ones have one
side with all texts, and another with the title alone.

The gap after a label, the space inside it and the wording of the number's label vary, as they do on pictures of real
cards; the places are measured on the real layout.
"""

import random

from local.cardprinter.canvas import Box, Colour, Sheet

LABEL: Colour = (36, 104, 160)
LABEL_SIZE = 2.7
VALUE_SIZE = 3.2
LEFT = 6.8
ADDRESS_LINE = 11
SEX = {"M": "男", "F": "女"}


def draw_portrait_side(
    card: dict[str, str | bool], rng: random.Random, *, temporary: bool = False
) -> tuple[Sheet, Box]:
    """The side with the portrait, and where the number stands."""
    sheet = Sheet(rng, (198, 222, 240), (238, 212, 222))
    sheet.silhouette(56.5, 8.5, 23)
    if temporary:
        sheet.text(LEFT, 3.0, "临时居民身份证", LABEL_SIZE, LABEL)
    gap, space = rng.uniform(1.0, 2.6), rng.choice(("", " ", "  "))
    indent = sheet.width_of("姓" + space + "名", LABEL_SIZE) + gap

    def field(x: float, y: float, label: str, value: str) -> float:
        sheet.text(x, y + 0.3, label[0] + space + label[1], LABEL_SIZE, LABEL)
        sheet.text(x + indent, y, value, VALUE_SIZE)
        return x + indent + sheet.width_of(value, VALUE_SIZE)

    field(LEFT, 8.6, "姓名", str(card["name"]))
    end = field(LEFT, 14.9, "性别", SEX.get(str(card["sex"]), str(card["sex"])))
    field(max(end + 4, 25.8), 14.9, "民族", str(card["ethnicity"]))
    year, month, day = str(card["birth_date"]).split("-")
    end = field(LEFT, 21.1, "出生", year)
    for unit, number in (("年", month.lstrip("0")), ("月", day.lstrip("0")), ("日", "")):
        sheet.text(end + 0.8, 21.4, unit, LABEL_SIZE, LABEL)
        start = end + 0.8 + LABEL_SIZE + 0.8
        sheet.text(start, 21.1, number, VALUE_SIZE)
        end = start + sheet.width_of(number, VALUE_SIZE)
    first, *more = _lines(str(card["address"]))
    field(LEFT, 27.4, "住址", first)
    for number_of_line, line in enumerate(more, 1):
        sheet.text(LEFT + indent, 27.4 + 4.7 * number_of_line, line, VALUE_SIZE)
    label = rng.choice(("公民身份号码", "公民身份号码", "公民身份证号码"))
    sheet.text(LEFT, 44.2, label, LABEL_SIZE, LABEL)
    start = LEFT + sheet.width_of(label, LABEL_SIZE) + gap + 2
    return sheet, sheet.text(start, 43.4, str(card["id_number"]), 3.9)


def draw_emblem_side(card: dict[str, str | bool], rng: random.Random, *, temporary: bool = False) -> tuple[Sheet, Box]:
    """The side with the emblem, and where the term of validity stands."""
    sheet = Sheet(rng, (206, 228, 224), (238, 214, 218))
    sheet.ring(15, 14.5, 8.5)
    sheet.text(29.9, 5.2, "中 华 人 民 共 和 国", 5.0, face="serif")
    if temporary:
        sheet.text(26, 14.7, "临 时 居 民 身 份 证", 5.0, face="serif")
    else:
        sheet.text(26, 12.8, "居 民 身 份 证", 7.4, face="serif")
    sheet.text(63, 27.5, "SPECIMEN", 2.6, (196, 44, 52))
    gap = rng.uniform(1.6, 3.2)
    start = 20.4 + sheet.width_of("签发机关", VALUE_SIZE) + gap
    sheet.text(20.4, 37.4, "签发机关", VALUE_SIZE)
    sheet.text(start, 37.4, str(card["issuing_authority"]), VALUE_SIZE)
    sheet.text(20.4, 43.8, "有效期限", VALUE_SIZE)
    end = "长期" if card.get("long_term") else str(card["valid_to"]).replace("-", ".")
    return sheet, sheet.text(start, 43.8, f"{str(card['valid_from']).replace('-', '.')}-{end}", VALUE_SIZE)


def _lines(address: str) -> list[str]:
    return [address[start : start + ADDRESS_LINE] for start in range(0, len(address), ADDRESS_LINE)]
