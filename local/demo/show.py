"""`make demo`: the whole system at work on printed specimen cards, judged by what was printed."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from local.demo import checking
from local.demo.deck import not_shown, print_deck
from local.demo.model import Result, Run, Upload
from local.demo.providers import Choice
from local.demo.terminal import Stopwatch, Terminal
from local.demo.watching import Watch
from local.environment import BUILD, REPOSITORY
from local.laptop import Laptop, running_laptop
from local.report import write_report
from local.subscriber import Subscriber

REPORT = BUILD / "report.html"
DECK = BUILD / "demo"


def demo(terminal: Terminal, choice: Choice) -> int:
    """Runs it all and shows it; 0 when everything came out as expected, else 1."""
    began = f"{datetime.now():%-d %B %Y, %H:%M}"  # noqa: DTZ005 - the time on the wall of whoever looks at it
    terminal.say("cardintake demo: the real template on an emulated AWS, everything on this machine", style="bold")
    terminal.say(f"Chinese cards are read by {choice.names[0]}, Peruvian ones by {choice.names[1]}.\n")
    stopwatch = Stopwatch(terminal)
    with ExitStack() as everything:
        # Drawn while the template is being deployed.
        printing = everything.enter_context(ThreadPoolExecutor(1)).submit(print_deck, DECK, choice.chinese)
        with terminal.busy("starting"):
            laptop = everything.enter_context(
                running_laptop(
                    providers=choice.names, routes=choice.routes, progress=lambda what, _: stopwatch.done(what)
                )
            )
            stopwatch.done("provider sandbox ready to read")
            uploads = printing.result()
            stopwatch.done(f"{len(uploads)} pictures printed")
        results = _results(laptop, terminal, stopwatch, uploads)
        accounts = laptop.sandbox.calls()["providers"]
        billable = {
            name: account["billable"]
            for name, account in accounts.items()
            if name in choice.names or account["billable"]
        }
    stopwatch.done("everything stopped")
    title = f"cardintake demo: {' and '.join(choice.names)}"
    run = Run(title, began, results, tuple(stopwatch.phases), billable, not_shown(choice.chinese))
    write_report(run, REPORT)
    return conclude(run, terminal, stopwatch.seconds)


def _results(laptop: Laptop, terminal: Terminal, stopwatch: Stopwatch, uploads: list[Upload]) -> tuple[Result, ...]:
    with Subscriber(laptop.stack, "demo-subscriber") as subscriber, terminal.progress(len(uploads)) as progress:
        watch = Watch(laptop.stack, subscriber, progress.final)
        watch.upload(uploads)
        stopwatch.done(f"{len(uploads)} pictures uploaded, a queue subscribed to the bus")
        results = watch.wait()
    stopwatch.done("read, stored and announced")
    return results


def conclude(run: Run, terminal: Terminal, seconds: float) -> int:
    """Says what came of the run; 0 when everything came out as expected, else 1."""
    terminal.results(run)
    terminal.events(run.results)
    bill = ", ".join(f"{name} {calls}" for name, calls in (run.billable or {}).items())
    terminal.say(f"{run.paid_calls} paid calls for {len(run.results)} scans (counted by the providers: {bill}).")
    terminal.say("ms: from the upload to the final record; all were uploaded at once, and the sandbox reads in turn.")
    if run.remark:
        terminal.say(run.remark)
    terminal.say(f"Pictures: {_below(DECK)}   Report: {_below(REPORT)}\n")
    differences = checking.of_run(run)
    if differences:
        terminal.say(f"Not everything came out as expected, after {seconds:.0f} s:", style="bold red")
        for text in differences:
            terminal.say(f"  {text}")
        return 1
    terminal.say(
        f"All {len(run.results)} scans came out as expected: every status, reason, field and event. {seconds:.0f} s",
        style="bold green",
    )
    return 0


def _below(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))
