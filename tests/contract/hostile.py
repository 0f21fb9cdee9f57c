"""Answers that no provider should give, made from the documents' examples: what a stranger, a proxy, a bug would send.

Each begins as a recorded answer. Then values change their type, members go, come twice, swap places or sink deeper;
text becomes full-width, spaced out, broken or ten megabytes long; in the end the whole may be cut off, or no JSON.

Drawn at random from a number, the same answer for the same number: hypothesis, which seeks short examples and varies
what failed, draws the same few short ones again and again here.
"""

import copy
import functools
import itertools
import json
import random
import re
from dataclasses import dataclass
from typing import Any

from tests.contract.recorded import all_recorded
from tests.properties import HOSTILE_VALUES, Path, mutated_at, paths_in, without

_PROVIDERS = ("accuauth", "ctyun", "huaweicloud", "ihuyi", "waiqin365")
_MEGABYTES = 10_000_000
_MOST_HUGE = 4

# What json.dumps would not write. `"@raw:name@"` in a document becomes this text.
_RAW = {
    "nan": "NaN",
    "infinity": "-Infinity",
    "beyond a float": "1e999",
    "leading zeros": "007",
    "no value": "undefined",
    "line break in a text": '"a\nb"',
    "half a character": '"\\ud83d"',
    "nul": '"\\u0000"',
    "4000 digits": "9" * 4000,
    "5000 digits": "9" * 5000,
    "deep": '{"a":' * 400 + "1" + "}" * 400,
    "too deep": "[" * 100_000 + "]" * 100_000,
}
# rarely: each costs a tenth of a second
_HUGE = {
    "huge text": f'"{"x" * _MEGABYTES}"',
    "huge blank": f'"{" " * _MEGABYTES}张样例"',
    "huge digits": f'"{"9" * _MEGABYTES}"',
    "huge characters": f'"{"张" * (_MEGABYTES // 3)}"',
    "huge picture": f'"/9j/{"A" * _MEGABYTES}"',
    "huge list": f"[{'1,' * 500_000}1]",
}
_TOKEN = re.compile(r'"@raw:([a-z0-9 ]+)@"')
_TWICE = re.compile(r'"@twice:((?:[^"\\]|\\.)*)"')

_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_ARABIC_DIGITS = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
_STRANGE_CHARACTERS = ("\x00", "\u200b", "\udc00", "\u0301", "\u202e", "*", "Ⅷ", "٣")
_NUMBERS = [0, 1, -1, 2, 3, 4, 405, 4007, 4011, 4086, 2**53 + 1, 2**64, 10**30, 0.5, -0.0, 1e308]
_WORDS = [
    "1990-03-07", "1990.3.7", "19900307", "1990年3月7日", "07/03/1990", "7 MAR 1990", "31/02/1990", "00000000",
    "2019.06.06-2039.06.06", "20190606—长期", "2019.06.06-2039.13.01", "NO CADUCA", "长期", "长期有效", "INDEFINIDO",
    "男", "女", "FEMENINO", "汉族", "族", "99000006-4", "99000006-x", "990000064", "99010519900307003X", "OK", "old",
    "ALIEN", "reversed_side", "screen", "no face", "AIS.0103", "APIG.0301", "DETECTION_FAILED", "A/B/C", "//",
    "A/B/C/D", "true", "0", "2", "1990-03-00", "19900300", "00/03/1990", "RATE_LIMIT_EXCEEDED", "NO_PERMISSION", "频繁",
    "余额不足", "timestamp", "超时", "base64", "图片格式", "image format error", "ModelArts.6201", "APIG.0308",
]  # fmt: skip
_STATUS = [201, 204, 302, 400, 401, 403, 404, 405, 408, 413, 429, 499, 500, 502, 503, 999]
_FOREIGN = {
    "error_code": "AIS.0103", "error": {"code": "APIG.0301", "message": "token"}, "err_code": 4011, "code": 405,
    "status": "OUT_OF_QUOTA", "return_code": "1", "return_msg": "图片大小", "valid_period": "2019.06.06-长期",
    "name": "张样例", "id_number": 990105199003070037, "validperiod": "19000101-20991231", "birth": "1990-03-07",
    "front": {"name": "张样例"}, "back": {"issue": "样例市公安局"}, "result": {}, "detail": None, "results": [{}],
    "content": [], "expiry_date": "长期", "request_id": "张样例", "score_info": {"copy_score": 10**9},
    "verification_result": {"valid_number": False},
}  # fmt: skip


@dataclass(frozen=True, repr=False)
class Hostile:
    """What was sent."""

    body: bytes
    status: int
    request_id: str | None

    def __repr__(self) -> str:
        shown = self.body if len(self.body) < 4000 else self.body[:1500] + b" ... " + self.body[-500:]
        return f"Hostile({shown!r}, {self.status}, {self.request_id!r})  # {len(self.body)} bytes"


def hostile_answer(provider: str, number: int) -> Hostile:
    """One of endlessly many: of a recorded answer of the provider, or now and then of another provider's."""
    rng = random.Random(f"{provider} {number}")
    own = _recorded(provider)
    document = rng.choice(own if rng.random() < 0.96 else _recorded(rng.choice(_PROVIDERS)))
    for _ in range(rng.choice((1, 1, 2, 2, 3, 4, 6))):
        document = _changed(rng, document, own)
    body = _serialised(document, fold=rng.random() < 0.5, ascii_only=rng.random() < 0.5)
    if rng.random() < 0.08:
        body = _spoiled(rng, body)
    status = 200 if rng.random() < 0.8 else rng.choice(_STATUS)
    return Hostile(body, status, rng.choice((None, "r-1", "", "张样例\n", "x" * 5000)))


@functools.cache
def _recorded(provider: str) -> list[Any]:
    return [_unfolded(document) for document in all_recorded(provider)]


def _unfolded(document: Any) -> Any:
    """waiqin365's text within the answer as a document, so that it can be changed like the rest."""
    document = copy.deepcopy(document)
    if isinstance(document, dict) and isinstance(document.get("response_data"), str):
        document["response_data"] = json.loads(document["response_data"])
    return document


def _serialised(document: Any, *, fold: bool, ascii_only: bool) -> bytes:
    if fold and isinstance(document, dict) and isinstance(data := document.get("response_data"), dict):
        if isinstance(data.get("card_quality"), dict):
            data = data | {"card_quality": _text(data["card_quality"], ascii_only=ascii_only)}
        document = document | {"response_data": _text(data, ascii_only=ascii_only)}
    return _text(document, ascii_only=ascii_only).encode("utf-8", "surrogatepass")


def _text(document: Any, *, ascii_only: bool) -> str:
    written = json.dumps(document, ensure_ascii=ascii_only)
    written = _TWICE.sub(lambda match: f'"{match[1]}"', written)
    huge = itertools.count(1)  # a change of a change may have copied one thirty times: gigabytes, and nothing new

    def raw(match: re.Match[str]) -> str:
        if match[1] in _HUGE:
            return _HUGE[match[1]] if next(huge) <= _MOST_HUGE else "null"
        return _RAW.get(match[1], match[0])

    return _TOKEN.sub(raw, written)


# changes of a document ------------------------------------------------------------------------------------------------


def _changed(rng: random.Random, document: Any, own: list[Any]) -> Any:
    path = _place_in(rng, document)
    value, parent = _at(document, path), _at(document, path[:-1])
    name = path[-1] if path and isinstance(path[-1], str) else None
    match rng.randrange(12):
        case 0 if path:
            return without(document, path)
        case 1 if name is not None:
            return mutated_at(document, path[:-1], parent | {f"@twice:{name}": _value(rng)})
        case 2 if name is not None:
            rest = {member: parent[member] for member in parent if member != name}
            return mutated_at(document, path[:-1], rest | {_renamed(rng, name, list(parent)): value})
        case 3:
            return mutated_at(document, path, copy.deepcopy(_at(document, _place_in(rng, document))))
        case 4:
            deeper = [[value], {"value": value}, {"words": value}, [value, value], [[[value]]], {"": {"": value}}]
            return mutated_at(document, path, rng.choice(deeper))
        case 5 if isinstance(value, dict):
            member = rng.choice(list(_FOREIGN))
            return mutated_at(document, path, value | {member: _FOREIGN[member]})
        case 6:
            other = rng.choice(own)
            return mutated_at(document, path, copy.deepcopy(_at(other, _place_in(rng, other))))
        case 7 | 8 | 9:
            return mutated_at(document, path, _disfigured(rng, value))
    return mutated_at(document, path, _value(rng))


def _place_in(rng: random.Random, document: Any) -> Path:
    """Mostly that of a single value: what happens to a whole object hides what happens within."""
    paths = list(paths_in(document))
    single = [path for path in paths if not isinstance(_at(document, path), dict | list)]
    return rng.choice(single if single and rng.random() < 0.75 else paths)


def _at(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document


def _value(rng: random.Random) -> Any:
    if rng.random() < 0.02:
        return f"@raw:{rng.choice(list(_HUGE))}@"
    raw = [f"@raw:{name}@" for name in _RAW]
    return rng.choice(rng.choice((HOSTILE_VALUES, _WORDS, _WORDS, _NUMBERS, raw, [_random_text(rng)])))


def _random_text(rng: random.Random) -> str:
    planes = ((0x20, 0x7F), (0x80, 0x3000), (0x3000, 0xD800), (0xD800, 0xE000), (0xE000, 0x10000), (0x10000, 0x110000))
    return "".join(chr(rng.randrange(*rng.choice(planes))) for _ in range(rng.randrange(12)))


def _renamed(rng: random.Random, name: str, siblings: list[str]) -> str:
    names = [name.upper(), name.capitalize(), f" {name}", f"{name}\u200b", name.translate(_FULL_WIDTH), name[:-1], ""]
    return rng.choice([*names, *siblings])


def _disfigured(rng: random.Random, value: Any) -> Any:
    """The same value in another type or another spelling."""
    if isinstance(value, dict):
        return rng.choice([list(value.items()), list(value.values()), json.dumps(value), str(value), [value]])
    if isinstance(value, list):
        return rng.choice([{str(at): each for at, each in enumerate(value)}, json.dumps(value), value * 30])
    text = str(value)
    digits = [place for place, character in enumerate(text) if character in "0123456789"]
    if digits and rng.random() < 0.4:
        misread = rng.choice(digits)
        return f"{text[:misread]}{rng.choice('0012345678999')}{text[misread + 1 :]}"
    at = rng.randint(0, len(text))
    before, after = text[:at], text[at:]
    spellings: list[Any] = [
        text, [value], list(text), text.translate(_FULL_WIDTH), text.translate(_ARABIC_DIGITS), " ".join(text),
        f"\u3000{text}\t", text.lower(), text.upper(), text.swapcase(), before, after, text + text, text[::-1],
        text + " " * 1500, text * 400, f"<b>{text}</b>", f"{before}*{after[1:]}",
        *(f"{before}{strange}{after}" for strange in _STRANGE_CHARACTERS),
    ]  # fmt: skip
    if re.fullmatch("[0-9]{1,300}", text):
        spellings += [int(text), float(text)]
    return rng.choice(spellings)


# changes of the whole -------------------------------------------------------------------------------------------------

_NO_ANSWER = (
    b"", b"null", b"{}", b"[]", b"0", b'""', "请求地址不正确或请求方法不存在！".encode(),
    b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>",
)  # fmt: skip


def _spoiled(rng: random.Random, body: bytes) -> bytes:
    at = rng.randint(0, min(len(body), 5000))
    text = body.decode("utf-8", "replace")
    before, after = body[:at], body[at:]
    return rng.choice(
            [
                *_NO_ANSWER, before, after, before + b"\xff" + after, before + b"9" + after, before + after[1:],
                body + body, body + b"\x00", b" " * 1000 + body, body[::-1], b"\xef\xbb\xbf" + body,
                b"[" + body + b"]", b"<html>" + body + b"</html>", b"callback(" + body + b")",
                json.dumps(text).encode(), text.encode("utf-16"), text.encode("utf-32"), text.encode("gbk", "replace"),
                b"\x1f\x8b\x08\x00" + body,
                body.replace(b'"', b"'"), body.replace(b"}", b",}"), body.replace(b":", b"="),
            ]
    )  # fmt: skip
