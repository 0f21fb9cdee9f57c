"""Which providers may read a scan: routes by prefix, then the claimed type, else the first one's country."""

import pytest

from cardintake.cards.models import DocumentType
from cardintake.providers import REGISTRY
from cardintake.providers.protocol import Claim
from cardintake.routing import candidates
from cardintake.settings import Settings


def names(key: str, claim: Claim = Claim(), *, providers: str = "ctyun,accuauth", routes: str = "") -> list[str]:  # noqa: B008 - frozen
    environment = {
        "CARDS_TABLE": "t", "ANSWERS_BUCKET": "b", "EVENT_BUS": "e", "PROVIDERS_SECRET": "s", "RETENTION_DAYS": "1",
        "PROVIDERS": providers, "ROUTES": routes,
    }  # fmt: skip
    settings = Settings.from_environment(environment, REGISTRY)
    return [provider.name for provider in candidates(key, claim, settings, REGISTRY)]


def test_without_a_claim_the_first_and_those_of_its_country() -> None:
    assert names("x.jpg") == ["ctyun"]
    assert names("x.jpg", providers="accuauth,ctyun") == ["accuauth"]
    assert names("x.jpg", Claim(side="front")) == ["ctyun"]


@pytest.mark.parametrize(
    ("document_type", "expected"),
    [("cn_resident_id", ["ctyun"]), ("pe_dni", ["accuauth"]), ("pe_foreigner_card", ["accuauth"])],
)
def test_a_claim_leaves_those_that_read_it(document_type: DocumentType, expected: list[str]) -> None:
    assert names("x.jpg", Claim(document_type)) == expected
    assert names("x.jpg", Claim(document_type), providers="accuauth,ctyun") == expected


def test_a_claim_that_nobody_reads_leaves_nobody() -> None:
    assert names("x.jpg", Claim("pe_dni"), providers="ctyun") == []
    assert names("cn/x.jpg", Claim("pe_dni"), routes="cn/=ctyun") == []


def test_the_longest_prefix_wins_and_replaces_providers() -> None:
    routes = "in/=ctyun,in/pe/=accuauth,in/pe/both/=accuauth|ctyun"
    assert names("in/x.jpg", routes=routes) == ["ctyun"]
    assert names("in/pe/x.jpg", routes=routes) == ["accuauth"]
    assert names("in/pe/both/x.jpg", Claim("cn_resident_id"), routes=routes) == ["ctyun"]
    assert names("out/x.jpg", routes=routes, providers="accuauth") == ["accuauth"]
    assert names("IN/x.jpg", routes=routes, providers="accuauth") == ["accuauth"]


def test_nobody_is_asked_twice() -> None:
    assert names("x.jpg", providers="ctyun,accuauth,ctyun") == ["ctyun"]
    assert names("in/x.jpg", routes="in/=accuauth|accuauth") == ["accuauth"]
