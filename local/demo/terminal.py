"""What the demo says on the terminal: steps, progress, tables. Plain lines where nobody watches."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from local.demo import checking
from local.demo.model import NOT_COMPARED, Phase, Result, Run
from local.report.explanations import evidence, explain

_UNWATCHED_WIDTH = 140
_WIDE = 118
"""From here on the reasons have a column of their own."""
_COLOURS = {
    "RECOGNIZED": "green",
    "REJECTED": "red",
    "FAILED": "red",
    "good": "green",
    "none": "green",
    "low": "yellow",
    "suspected": "red",
}


class Terminal:
    """Writes to standard output, or to standard error (`aside`) where that is for a program to read."""

    def __init__(self, *, aside: bool = False) -> None:
        self._console = Console(highlight=False, stderr=aside)
        if not self._console.is_terminal and "COLUMNS" not in os.environ:
            self._console.width = _UNWATCHED_WIDTH

    def say(self, text: str = "", style: str = "") -> None:
        """One line or several; never interpreted as markup."""
        self._console.print(Text(text, style=style), soft_wrap=True)

    def verbatim(self, text: str) -> None:
        """Lines to be copied: never wrapped, never coloured."""
        self._console.print(Text(text), soft_wrap=True)

    def step(self, what: str, seconds: float) -> None:
        """Something is done."""
        self._console.print(f"  [green]✓[/] {escape(what)} [dim]{seconds:.1f} s[/]")

    @contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """Something is being done that takes a while."""
        if self._console.is_terminal:
            with self._console.status(escape(what), spinner="dots"):
                yield
        else:
            self.say(f"  {what} ...")
            yield

    @contextmanager
    def progress(self, total: int) -> Iterator["ScanProgress"]:
        """A line for each scan that comes to its end, and a bar below where somebody watches."""
        bar = Progress(
            TextColumn(" "),
            SpinnerColumn(),
            TextColumn("reading"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        with bar:
            yield ScanProgress(bar, self._console, total)

    def results(self, run: Run) -> None:
        """The table of scans."""
        compared = any(result.upload.expected for result in run.results)
        wide = self._console.width >= _WIDE
        self.say()
        table = _table(wide=wide)
        table.add_column("scan", overflow="fold")
        for name in ("status", "card", "quality", "risk"):
            table.add_column(name, no_wrap=True)
        if wide:
            table.add_column("reasons", overflow="fold")
        for name in ("ms", "paid"):
            table.add_column(name, justify="right", no_wrap=True)
        if compared:
            table.add_column("as expected" if wide else "ok", justify="center", no_wrap=True)
        for result in run.results:
            reasons = [Text(reason, "yellow") for reason in _reasons(result)]
            below = [] if wide else [Text("  ") + reason for reason in reasons]
            cells = [
                Text("\n").join([Text(result.upload.name), *below]),
                _word(result.get("status", "NO RECORD")),
                Text(_card(result)),
                _word(result.get("quality", "")),
                _word(result.get("risk", "")),
                *([Text("\n").join(reasons)] if wide else []),
                Text("" if result.milliseconds is None else str(result.milliseconds)),
                Text(str(result.get("paid_calls", ""))),
            ]
            if compared:
                cells.append(
                    Text("no", "bold red") if checking.differences(result) else Text("yes" if wide else "✓", "green")
                )
            table.add_row(*cells)
        self._show(table)

    def events(self, results: Iterable[Result]) -> None:
        """The table of events."""
        table = _table(wide=True)
        table.add_column("event on the subscriber's queue", no_wrap=True)
        table.add_column("scan", overflow="fold")
        table.add_column("reasons", overflow="fold")
        rows = [(event, result) for result in results for event in result.events]
        for event, result in sorted(rows, key=lambda row: row[0]["detail"]["metadata"]["occurred_at"]):
            reasons = " ".join(event["detail"]["data"]["reasons"])
            table.add_row(Text(event["detail-type"]), Text(result.upload.name), Text(reasons, "yellow"))
        if rows:
            self._show(table)
        else:
            self.say("No event: there was nothing to announce.\n")

    def _show(self, table: Table) -> None:
        self._console.print(table)
        self.say()

    def findings(self, results: Iterable[Result]) -> None:
        """Why each flagged scan is flagged, in sentences."""
        for result in results:
            reasons = result.get("reasons", [])
            if not reasons:
                continue
            self._console.print(Text(result.upload.name, style="bold"))
            for reason in reasons:
                rests_on = [evidence(found) for found in result.get("findings", ()) if found["reason"] == reason]
                self.say(f"  {explain(reason)}" + "".join(f"\n    {text}" for text in rests_on))
            self.say()


class ScanProgress:
    """How many scans have come to their end."""

    def __init__(self, bar: Progress, console: Console, total: int) -> None:
        self._bar = bar
        self._console = console
        self._total = total
        self._done = 0
        self._task = bar.add_task("", total=total)

    def final(self, result: Result) -> None:
        """One more."""
        self._done += 1
        status = result.get("status", "")
        reasons = " ".join(_reasons(result))
        colour = _COLOURS.get(status, "default")
        self._console.print(
            f"  [dim]{self._done:>3}/{self._total}[/] [{colour}]{status:<10}[/] {escape(result.upload.name)}"
            f"  [yellow]{escape(reasons)}[/]",
            soft_wrap=True,
        )
        self._bar.advance(self._task)


class Stopwatch:
    """Names what was done since the last time, says so, and keeps it for the report."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._since = time.monotonic()
        self.phases: list[Phase] = []

    def done(self, what: str) -> None:
        """`what` took the time since the last call."""
        now = time.monotonic()
        self._terminal.step(what, now - self._since)
        self.phases.append(Phase(what, now - self._since))
        self._since = now

    @property
    def seconds(self) -> float:
        """Of all phases."""
        return sum(phase.seconds for phase in self.phases)


def _table(*, wide: bool) -> Table:
    return Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1 if wide else 0, 0, 0), header_style="bold")


def _word(word: str) -> Text:
    return Text(word, style=_COLOURS.get(word, ""))


def _reasons(result: Result) -> list[str]:
    reasons: list[str] = result.get("reasons", [])
    return reasons or ([f"waiting for {result.get('waiting_for')}"] if result.get("waiting_for") else [])


def _card(result: Result) -> str:
    """`portrait 6/6`: of the fields that were printed so many were read right; or how many were read at all."""
    card = result.get("card")
    if card is None:
        return ""
    what = "foreigner" if card["document_type"] == "pe_foreigner_card" else card["side"]
    if "edition" in card:
        what = f"{card['edition']} {what}"
    right = checking.fields_right(result)
    if right is None:
        return f"{what}, {len(card.keys() - {*NOT_COMPARED, 'edition'})} fields"
    return f"{what} {right[0]}/{right[1]}"
