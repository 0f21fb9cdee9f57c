"""Invented holders of Chinese resident identity cards: both sides of one seed belong to one person.

Region codes begin with 99, which GB/T 2260 does not assign. Check characters follow GB 11643-1999 (ISO 7064 MOD 11-2),
validity terms article 5 of the identity card law: 5 years below the age of 16, 10 below 26, 20 below 46, then no end.
"""

import random
from datetime import date

from local.cardprinter.calendar import age_on, reference_day, some_day, years_after, years_before

SURNAMES = "张李王赵陈刘杨黄周吴"
GIVEN_NAMES = ("样例", "示例", "样本", "试样", "范例", "样", "例", "模拟", "测试", "虚构")
ETHNICITIES = ("汉", "汉", "汉", "回", "壮", "满", "苗", "蒙古", "维吾尔", "朝鲜")
CITIES = ("样例省示范市", "样例省模拟市", "虚构省测试市", "样本自治区范例市")
DISTRICTS = ("虚构区", "样本县", "测试区", "示例区")
STREETS = ("样本大道中段", "测试路", "范例街", "虚构新村", "示例胡同")

PORTRAIT_FIELDS = ("name", "sex", "ethnicity", "birth_date", "address", "id_number")
EMBLEM_FIELDS = ("issuing_authority", "valid_from", "valid_to", "long_term")

CHECK_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK_CHARACTERS = "10X98765432"


def portrait_side(seed: int, overrides: dict[str, str | bool]) -> dict[str, str | bool]:
    """The record's fields of the side with the portrait; sex and birth date agree with the number unless overridden."""
    person = _person(seed)
    rng = random.Random(seed)
    printed = ("name", "sex", "ethnicity", "birth_date", "address")
    card: dict[str, str | bool] = {**{name: person[name] for name in printed}, **overrides}
    region = f"99{rng.randrange(10000):04d}"
    number = region + str(card["birth_date"]).replace("-", "") + f"{rng.randrange(1, 50):02d}"
    number += str(rng.randrange(5) * 2 + (card["sex"] == "M"))
    return {"id_number": number + check_character(number), **card}


def emblem_side(seed: int, overrides: dict[str, str | bool]) -> dict[str, str | bool]:
    """The record's fields of the side with the emblem; the term is the legal one for the holder's age at issue."""
    person = _person(seed)
    birth = date.fromisoformat(str(person["birth_date"]))
    card: dict[str, str | bool] = {"issuing_authority": person["issuing_authority"], **overrides}
    if "valid_to" in card and "valid_from" not in card:
        card["valid_from"] = _issued_for(birth, date.fromisoformat(str(card["valid_to"]))).isoformat()
    card.setdefault("valid_from", person["valid_from"])
    if card.get("long_term"):
        card.pop("valid_to", None)
    elif "valid_to" not in card:
        issued = date.fromisoformat(str(card["valid_from"]))
        term = legal_term(age_on(birth, issued))
        card |= {"long_term": True} if term is None else {"valid_to": years_after(issued, term).isoformat()}
    if not card.get("long_term"):
        card.pop("long_term", None)
    return card


def check_character(digits: str) -> str:
    """The eighteenth character for the first seventeen."""
    total = sum(int(digit) * weight for digit, weight in zip(digits, CHECK_WEIGHTS, strict=True))
    return CHECK_CHARACTERS[total % 11]


def wrong_check_character(number: str) -> str:
    """`number` with another last character than GB 11643 asks for."""
    return number[:17] + ("5" if number[17] != "5" else "6")


def legal_term(age: int) -> int | None:
    """Years of validity of a card issued at `age`; None is without end."""
    if age >= 46:
        return None
    return 5 if age < 16 else 10 if age < 26 else 20


def _issued_for(birth: date, valid_to: date) -> date:
    """The day of issue with which `valid_to` is a legal end for somebody born on `birth`."""
    for term in (20, 10, 5):
        issued = years_before(valid_to, term)
        if legal_term(age_on(birth, issued)) == term:
            return issued
    return years_before(valid_to, 10)


def _person(seed: int) -> dict[str, str]:
    rng = random.Random(f"chinese holder {seed}")
    issued = some_day(rng, years_before(reference_day(), 3), reference_day())
    birth = some_day(rng, years_before(issued, 64), years_before(issued, 18))
    city, district = rng.choice(CITIES), rng.choice(DISTRICTS)
    house = f"{rng.randrange(1, 999)}号" + rng.choice(("", f"{rng.randrange(1, 30)}栋{rng.randrange(101, 2999)}室"))
    return {
        "name": rng.choice(SURNAMES) + rng.choice(GIVEN_NAMES),
        "sex": rng.choice("MF"),
        "ethnicity": rng.choice(ETHNICITIES),
        "birth_date": birth.isoformat(),
        "address": city + district + rng.choice(STREETS) + house,
        "issuing_authority": city.rpartition("省")[2].rpartition("区")[2] + "公安局" + district.rstrip("区县") + "分局",
        "valid_from": issued.isoformat(),
    }
