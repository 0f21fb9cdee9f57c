"""The five providers as somebody at the laptop chooses among them: who reads whose cards, and by which key prefix."""

from dataclasses import dataclass
from typing import Self

NAMES = ("ctyun", "waiqin365", "huaweicloud", "ihuyi", "accuauth")
PERUVIAN = "accuauth"
_FIRST_CHINESE = NAMES[0]


class UnknownProviderError(ValueError):
    """Somebody asks for a provider that there is not."""


@dataclass(frozen=True)
class Choice:
    """Who reads the Chinese cards; the Peruvian ones go to the only provider that reads them."""

    chinese: str = _FIRST_CHINESE

    @classmethod
    def of(cls, name: str | None) -> Self:
        """The provider asked for where it reads Chinese cards, else the first that does. UnknownProviderError."""
        if not name or name == PERUVIAN:
            return cls()
        if name not in NAMES:
            raise UnknownProviderError(
                f"No provider is called that; there are {', '.join(NAMES[:-1])} and {NAMES[-1]}."
            )
        return cls(name)

    @property
    def names(self) -> tuple[str, str]:
        """In order of preference, for keys that no route names."""
        return self.chinese, PERUVIAN

    @property
    def routes(self) -> str:
        """`cn/` and `pe/`, by country."""
        return f"cn/={self.chinese},pe/={PERUVIAN}"

    @property
    def all_routes(self) -> str:
        """Those, and a prefix of its own for each of the five."""
        return ",".join([self.routes, *(f"{name}/={name}" for name in NAMES)])
