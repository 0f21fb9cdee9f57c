"""Compares what came of an upload with what was expected of it: every difference is a sentence."""

from collections import Counter
from collections.abc import Iterable, Iterator

from local.demo import contract
from local.demo.model import NOT_COMPARED, Expected, Result, Run


def differences(result: Result) -> list[str]:
    """Every way in which the result is not what was expected; empty when all is well or nothing was expected."""
    expected = result.upload.expected
    if expected is None:
        return []
    if result.record is None:
        return ["no record appeared"]
    if not result.is_final:
        return [_unfinished(result)]
    return [*_of_verdict(result, expected), *_of_card(result, expected), *_of_events(result, expected)]


def of_run(run: Run) -> list[str]:
    """Differences of the whole run: of every result, with its name, and of the bill."""
    found = [f"{result.upload.name}: {text}" for result in run.results for text in differences(result)]
    if run.billable is not None and run.paid_calls != sum(run.billable.values()):
        found.append(f"the records count {run.paid_calls} paid calls, the providers {sum(run.billable.values())}")
    return found


def fields_right(result: Result) -> tuple[int, int] | None:
    """How many of the printed fields were read as printed, and how many there are; None without an expected card."""
    expected = result.upload.expected
    if expected is None or expected.card is None:
        return None
    read = result.get("card", {})
    printed = {name: value for name, value in expected.card.items() if name not in NOT_COMPARED}
    return sum(read.get(name) == value for name, value in printed.items()), len(printed)


def awaited(result: Result) -> frozenset[str]:
    """The events that this record has to be followed by, going by the record itself, and that have not arrived."""
    due = contract.events(result.get("status", ""), result.get("quality"), result.get("risk"))
    return due - set(result.announced())


def _unfinished(result: Result) -> str:
    waiting = result.get("waiting_for")
    return f"still {contract.PROCESSING}" + (f", waiting for {waiting}" if waiting else "")


def _of_verdict(result: Result, expected: Expected) -> Iterator[str]:
    for name, wanted in (("status", expected.status), ("quality", expected.quality), ("risk", expected.risk)):
        if result.get(name) != wanted:
            yield f"{name} is {result.get(name)}, expected {wanted}"
    reasons = set(result.get("reasons", ()))
    if missing := expected.reasons - reasons:
        yield f"not found: {_listed(missing)}"
    if surplus := reasons - expected.reasons:
        yield f"found, but not expected: {_listed(surplus)}"


def _of_card(result: Result, expected: Expected) -> Iterator[str]:
    """Names fields only: a terminal's output may be kept, what is on a card is for the report."""
    printed, read = expected.card or {}, result.get("card", {})
    wrong = [name for name in printed if name in read and read[name] != printed[name]]
    if wrong:
        yield f"read differently than printed: {_listed(wrong)}"
    if missing := printed.keys() - read.keys():
        yield f"not read: {_listed(missing)}"
    if surplus := read.keys() - printed.keys():
        yield f"read, but not printed: {_listed(surplus)}"


def _of_events(result: Result, expected: Expected) -> Iterator[str]:
    arrived = Counter(result.announced())
    if missing := expected.events - arrived.keys():
        yield f"event did not arrive: {_listed(missing)}"
    if surplus := arrived.keys() - expected.events:
        yield f"event arrived, but not expected: {_listed(surplus)}"
    if repeated := [detail_type for detail_type, times in arrived.items() if times > 1]:
        yield f"published more than once: {_listed(repeated)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
