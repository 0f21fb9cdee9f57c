"""The sinks of a test, which has to leave them without a canary; nothing sleeps meanwhile."""

import time
from collections.abc import Iterator

import pytest

import tests.unit.conftest  # noqa: F401 - no credentials of whoever runs this
from cardintake.recognition import Recognition
from tests.canaries.sinks import Sinks, listening


@pytest.fixture
def sinks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Sinks]:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    defaults = Recognition.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "sleep", lambda _: None)
    with listening(capsys) as listened:
        yield listened
        leaks = listened.leaks()
        assert leaks == [], "\n".join(map(str, leaks))
