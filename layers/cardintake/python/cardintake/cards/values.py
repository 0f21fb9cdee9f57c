"""From the text that a provider read to the value of one field. `None` in, or nothing legible: `None` out."""

import re
import unicodedata

from cardintake.cards.models import MAX_TEXT, MaritalStatus, Sex

_SEX: dict[str, Sex] = {"男": "M", "M": "M", "MASCULINO": "M", "女": "F", "F": "F", "FEMENINO": "F"}
_MARITAL_STATUS: dict[str, MaritalStatus] = {
    "S": "single", "SOLTERO": "single", "SOLTERA": "single",
    "C": "married", "CASADO": "married", "CASADA": "married",
    "D": "divorced", "DIVORCIADO": "divorced", "DIVORCIADA": "divorced",
    "V": "widowed", "VIUDO": "widowed", "VIUDA": "widowed",
}  # fmt: skip
_YES_NO = {"SI": True, "SÍ": True, "NO": False}


def text(value: object) -> str | None:
    """One line of printed text: numbers become text, white space is folded, control characters go.

    A value that is neither text nor a whole number, longer than a card can bear, or broken, was not read.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**30 else None
    if not isinstance(value, str) or len(value) > 4 * MAX_TEXT:
        return None
    kinds = {c: unicodedata.category(c) for c in set(value)}
    if "Cs" in kinds.values():
        return None  # half a character: what it was is not known, and no store accepts it
    # control and format characters are nothing that a card bears; characters for private use are: rare Chinese names
    legible = "".join(" " if c.isspace() else c for c in value if c.isspace() or kinds[c] not in ("Cc", "Cf"))
    folded = " ".join(unicodedata.normalize("NFC", legible).split())
    return folded if 0 < len(folded) <= MAX_TEXT else None


def code(value: object) -> str | None:
    """A number or code: full-width forms become ASCII (NFKC), letters upper-case, white space goes."""
    read = text(value)
    if read is None:
        return None
    written = "".join(unicodedata.normalize("NFKC", read).split()).upper()
    return written if 0 < len(written) <= MAX_TEXT else None


def sex(value: object) -> Sex | None:
    """男/女, M/F, MASCULINO/FEMENINO."""
    return _SEX.get(code(value) or "")


def marital_status(value: object) -> MaritalStatus | None:
    """Spanish word (new DNI) or letter (old DNI, foreigner's card)."""
    return _MARITAL_STATUS.get(code(value) or "")


def yes_no(value: object) -> bool | None:
    """SI / NO."""
    return _YES_NO.get(code(value) or "")


def ethnicity(value: object) -> str | None:
    """民族 as cards print it, bare: 汉族 becomes 汉."""
    read = text(value)
    if read is None:
        return None
    return re.sub(r"(?<=.)族$", "", read.replace(" ", ""))
