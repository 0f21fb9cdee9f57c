"""What an invocation costs once everything is loaded and connected, and how much memory one large picture takes.

Medians of nine rounds in which the sides take turns, and with them `calls`, which makes a clean scan's calls by the
same libraries and does nothing else. The ideal is what the stubs wait in these calls, one after the other. Memory is
the first large picture's in a fresh process, above what it held before.
"""

import io
import json
import random
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from PIL import Image, ImageDraw

from local.environment import REPOSITORY
from tests.benchmarks import sides
from tests.benchmarks.row import Row
from tests.benchmarks.warm_stubs import LATENCY
from tests.contract.certificates import write_certificate

WARM_UPS = 3  # until there are as many connections as are ever used at a time
ROUNDS = 9
BATCH = 10
# claim, get, content claim, provider, answer, store
IDEAL_MS = sum(LATENCY[name] for name in ("dynamodb", "s3", "dynamodb", "provider", "s3", "dynamodb"))
SMALL, LARGE = "small.jpg", "large.jpg"
LARGE_BYTES = 9_900_000
_ENDPOINTS = {
    "S3": "s3", "DYNAMODB": "dynamodb", "EVENTBRIDGE": "events", "SECRETS_MANAGER": "secretsmanager",
}  # fmt: skip

type Figures = dict[str, float]


def rows() -> Iterator[Row]:
    """The section `warm` of the report."""
    with TemporaryDirectory() as name, ExitStack() as stack:
        write_pictures(Path(name))
        stubs, environment = stack.enter_context(surroundings(Path(name)))
        peaks = {side: _peak(side, environment) / LARGE_BYTES for side in sides.SIDES}
        processes = {side: stack.enter_context(_Side(side, environment)) for side in sides.SIDES}
        processes["calls"] = stack.enter_context(_Side("calls", environment))
        rounds: dict[sides.Side, list[Figures]] = {side: [] for side in processes}
        asked: dict[sides.Side, Counter[str]] = {side: Counter() for side in processes}
        for number in range(WARM_UPS + ROUNDS):
            for side, process in processes.items():
                figures = process.run(BATCH, SMALL)
                heard = stubs.asked()
                if number >= WARM_UPS:
                    rounds[side].append(figures)
                    asked[side] += heard
        fifty = {side: [processes[side].run(5 * BATCH, SMALL) for _ in range(ROUNDS)] for side in ("ours", "calls")}
    for side, heard in asked.items():
        if heard["provider"] != ROUNDS * BATCH:
            raise RuntimeError(f"{side} made {heard['provider']} paid calls for {ROUNDS * BATCH} scans")
    cpu = {side: _median(rounds[side], "cpu") * 1000 / BATCH for side in rounds}
    wall = {side: _median(rounds[side], "wall") * 1000 for side in rounds}
    yield Row("ten 100 KB scans, wall", wall["ours"], "ms", IDEAL_MS, "the ideal", bar=1.20, stretch=1.12)
    yield Row("ten 100 KB scans, wall", wall["ours"], "ms", wall["reference"])
    yield Row("CPU a scan", cpu["ours"], "ms", cpu["reference"], bar=0.50)
    yield Row("ten 100 KB scans, wall", wall["ours"], "ms", wall["calls"], "the calls alone")
    yield Row("CPU a scan", cpu["ours"], "ms", cpu["calls"], "the calls alone")
    yield Row("the calls alone, ten, wall", wall["calls"], "ms", IDEAL_MS, "the ideal")
    fifty_wall = {side: _median(figures, "wall") * 1000 for side, figures in fifty.items()}
    ideal = 5 * IDEAL_MS
    yield Row("fifty, ten at a time, wall", fifty_wall["ours"], "ms", ideal, "the ideal", bar=1.15, stretch=1.08)
    yield Row("fifty, ten at a time, wall", fifty_wall["ours"], "ms", fifty_wall["calls"], "the calls alone")
    yield Row("one 10 MB scan, peak above idle", peaks["ours"], "times the image", bar=2.5, stretch=1.5)
    yield Row("the reference's peak", peaks["reference"], "times the image")
    yield Row("secret reads in ninety warm scans", asked["ours"]["secretsmanager"], "times", bar=0)
    yield Row("new connections in ninety warm scans", asked["ours"]["connections"], "times")


def _median(rounds: list[Figures], name: str) -> float:
    return statistics.median(figures[name] for figures in rounds)


def _peak(side: sides.Side, environment: Mapping[str, str]) -> float:
    with _Side(side, environment) as fresh:
        fresh.run(1, SMALL)
        figures = fresh.run(1, LARGE)
        return figures["peak"] - figures["idle"]


class _Process:
    """A Python that answers each line with a line of JSON, until its standard input ends."""

    def __init__(self, command: list[object], environment: Mapping[str, str], folder: Path) -> None:
        self._process = subprocess.Popen(
            list(map(str, command)),
            env=dict(environment),
            cwd=folder,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def tell(self, line: object) -> None:
        assert self._process.stdin is not None
        print(json.dumps(line), file=self._process.stdin, flush=True)

    def line(self) -> dict[str, float]:
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise RuntimeError(f"a process of the benchmark ended with status {self._process.wait()}")
        answer: dict[str, float] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


class _Side(_Process):
    """Makes invocations when it is told to."""

    def __init__(self, side: sides.Side, environment: Mapping[str, str]) -> None:
        script = Path(__file__).with_name("warm_side.py")
        super().__init__([sides.PYTHON, script], sides.environment(side, None, **environment), REPOSITORY)

    def run(self, scans: int, picture: str) -> Figures:
        """Wall and CPU seconds; bytes of memory before and at the peak."""
        self.tell([scans, picture])
        return self.line()


class Stubs(_Process):
    """The stand-ins for AWS and CTYun."""

    def __init__(self, folder: Path, certificate: Path) -> None:
        environment = {"PYTHONPATH": str(REPOSITORY)}
        super().__init__([sys.executable, "-m", "tests.benchmarks.warm_stubs", certificate], environment, folder)
        self.ports = self.line()

    def asked(self) -> Counter[str]:
        """Requests by service, and new connections, since this was last asked."""
        self.tell("asked?")
        return Counter({name: int(count) for name, count in self.line().items()})


@contextmanager
def surroundings(folder: Path) -> Iterator[tuple[Stubs, dict[str, str]]]:
    """The stubs, which hold the folder's pictures, and the variables by which either side finds them."""
    certificate = write_certificate(folder / "server.pem")
    with Stubs(folder, certificate) as stubs:
        endpoints = {
            f"AWS_ENDPOINT_URL_{variable}": f"https://127.0.0.1:{stubs.ports[service]:.0f}"
            for variable, service in _ENDPOINTS.items()
        }
        credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        place = {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "eu-west-1", "AWS_CA_BUNDLE": str(certificate)}
        yield stubs, endpoints | credentials | place


def write_pictures(folder: Path) -> None:
    """One of 100 KB and one of nearly 10 MB."""
    (folder / SMALL).write_bytes(_picture(1200, 800, 75, of_bytes=100_000))
    (folder / LARGE).write_bytes(_picture(4000, 3000, 95, of_bytes=LARGE_BYTES))


def _picture(width: int, height: int, quality: int, *, of_bytes: int) -> bytes:
    """A JPEG that is `of_bytes` long or a little less: bright, sharp, and within CTYun's limits."""
    rng = random.Random(1)
    plain = Image.new("RGB", (width, height), (150, 180, 200))
    draw = ImageDraw.Draw(plain)
    for _ in range(300):
        x, y = rng.randrange(width), rng.randrange(height)
        draw.rectangle((x, y, x + width // 20, y + height // 50), fill=(rng.randrange(256), 180, rng.randrange(256)))
    noise = Image.frombytes("RGB", (width, height), rng.randbytes(width * height * 3))
    low, high, best = 0.0, 1.0, b""
    for _ in range(10):
        share = (low + high) / 2
        encoded = io.BytesIO()
        Image.blend(plain, noise, share).save(encoded, "JPEG", quality=quality)
        if encoded.tell() <= of_bytes:
            best, low = encoded.getvalue(), share
        else:
            high = share
    if len(best) < 0.95 * of_bytes:
        raise AssertionError("no share of noise makes a picture of this size")
    return best
