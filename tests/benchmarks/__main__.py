"""`make bench`: every section of the report in one run; `python -m tests.benchmarks SECTION ...`: some of them."""

import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterator

from local.processes import ProcessFailedError
from tests import benchmarks
from tests.benchmarks.row import Row

_FORMAT = "  {:<62} {:>12} {:>12} {:>8} {:>7} {:>8}  {}"


def sections() -> dict[str, Callable[[], Iterator[Row]]]:
    """Every module beside this one that has a function `rows`, by its name."""
    names = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("__")]
    modules = {name: importlib.import_module(f"{benchmarks.__name__}.{name}") for name in names}
    return {name: module.rows for name, module in modules.items() if hasattr(module, "rows")}


def main() -> int:
    known = sections()
    chosen = sys.argv[1:] or list(known)
    if unknown := set(chosen) - known.keys():
        print(f"no section {', '.join(sorted(unknown))}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    print(_FORMAT.format("", "ours", "against", "ratio", "bar", "stretch", ""))
    for name in chosen:
        print(f"{name}")
        for row in known[name]():
            print(_line(row), flush=True)
    return 0


def _line(row: Row) -> str:
    def number(value: float | None, digits: int = 2) -> str:
        return "" if value is None else f"{value:,.{digits}f}"

    ratio = "" if row.against is None else number(row.judged)
    against = "" if row.against is None else number(row.against, 1)
    compared = "" if row.against is None or row.compared_with == "reference" else f"against {row.compared_with}"
    remark = ", ".join(filter(None, (row.verdict, compared)))
    what = f"{row.what}, {row.unit}"
    return _FORMAT.format(
        what, number(row.ours, 1), against, ratio, number(row.bar), number(row.stretch), remark
    ).rstrip()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ProcessFailedError as error:
        sys.exit(str(error))
