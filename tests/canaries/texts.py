"""The canaries: texts that stand in cards, keys, pictures and secrets of these tests, and may stand nowhere else.

ASCII, Chinese, emoji, quotes and backslashes: each encoding disfigures another of them. Parts count for themselves, so
that half a leak is one.
"""

NAME, NUMBER, ADDRESS, AUTHORITY = "张金丝雀", "990105199003070918", '金丝雀路"七\\号🐤', "金丝雀市公安局"
GIVEN_NAMES, PATERNAL, MATERNAL, DNI = "ANA CANARIA", "GORRIÓN", "PINZÓN", "99000417"
FACE, SCAN = "CANARY-FACE-7f3a", "CANARY-SCAN-9c41"
OF_CARDS = (
    NAME, NUMBER, ADDRESS, '金丝雀路"七', AUTHORITY, GIVEN_NAMES, PATERNAL, MATERNAL, DNI, FACE, SCAN,
)  # fmt: skip
OF_KEYS = ("canary-folder-鸟", '金丝 "q\\uote" 🐤', "CANARY-KEY 990105199003070926")
OF_SECRETS = ("CANARY-SECRET-5e11",)
EVERYTHING = (*OF_CARDS, *OF_KEYS, *OF_SECRETS)

TALE = " ".join((*OF_CARDS, *OF_KEYS))
"""What a stranger might write into a text of his own."""


def key(name: object) -> str:
    """An object's key; its case (`C-1001`) may be told, all else may not."""
    return f"{OF_KEYS[0]}/C-1001/{OF_KEYS[1]} {OF_KEYS[2]} {name}.jpg"
