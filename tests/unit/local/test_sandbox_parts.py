"""The sandbox's parts, each by itself: pictures, colours, portraits, forms, the reading desk, faults, addresses."""

import io
import json
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from local.cardprinter import KINDS, print_card
from local.kinds import Kind
from local.sandbox import server
from local.sandbox.__main__ import open_twins
from local.sandbox.faults import Fault, FaultOrder, FaultPlan
from local.sandbox.forms import MalformedFormError, read_arguments
from local.sandbox.photocopy import chroma_spread, is_photocopy
from local.sandbox.pictures import Defect, Limits, Picture, PictureRefused, admit
from local.sandbox.portrait import find_portrait, quarter_turns
from local.sandbox.reader import ReadCard
from local.sandbox.readings import ReadingDesk
from local.sandbox.twins import CredentialsError

LIMITS = Limits(frozenset({"JPEG", "PNG", "BMP"}), largest_bytes=100_000, smallest_side=10, largest_side=100)


def file_of(image: Image.Image, file_format: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, file_format)
    return file.getvalue()


def landmarks(width: int = 300, height: int = 200) -> Image.Image:
    image = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(image).rectangle((0, 0, width // 3, height // 4), fill="black")
    return image


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "BMP"])
@pytest.mark.parametrize(("width", "height", "taken"), [(10, 100, True), (9, 50, False), (50, 101, False)])
def test_limits_hold_for_each_format(file_format: str, width: int, height: int, taken: bool) -> None:
    data = file_of(Image.new("RGB", (width, height)), file_format)
    if taken:
        assert admit(data, LIMITS).decode().size == (width, height)
        return
    with pytest.raises(PictureRefused) as refused:
        admit(data, LIMITS)
    assert refused.value.defect is Defect.PIXELS


def test_bytes_count_inclusively() -> None:
    data = file_of(Image.new("RGB", (20, 20)))
    assert admit(data.ljust(100_000, b"\0"), LIMITS)
    with pytest.raises(PictureRefused) as refused:
        admit(data.ljust(100_001, b"\0"), LIMITS)
    assert refused.value.defect is Defect.BYTES


@given(st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM"]), st.binary(max_size=200))
def test_no_bytes_break_the_gate(start: bytes, rest: bytes) -> None:
    try:
        admit(start + rest, LIMITS).decode()
    except PictureRefused as refused:
        assert refused.defect in Defect  # noqa: PT017  both ends are right


@given(st.integers(0, 60), st.integers(0, 255))
def test_no_broken_byte_in_a_real_header_breaks_the_gate(place: int, byte: int) -> None:
    data = bytearray(file_of(Image.new("RGB", (30, 30), "red")))
    data[place] = byte
    try:
        admit(bytes(data), LIMITS).decode()
    except PictureRefused as refused:
        assert refused.defect in Defect  # noqa: PT017  both ends are right


def test_exif_turns_and_transparency_becomes_paper() -> None:
    image = Image.new("RGB", (60, 40), "white")
    exif = image.getexif()
    exif[0x0112] = 6
    file = io.BytesIO()
    image.save(file, "JPEG", exif=exif)
    assert admit(file.getvalue(), LIMITS).decode().size == (40, 60)
    clear = admit(file_of(Image.new("RGBA", (20, 20), (0, 0, 0, 0))), LIMITS).decode()
    assert clear.getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize("kind", KINDS)
def test_grey_copies_have_no_colour_even_under_a_lamp_and_cards_do(kind: Kind) -> None:
    card = print_card(kind, 5).picture
    box = (card.width // 5, card.height // 5, card.width * 4 // 5, card.height * 4 // 5)
    inside = card.crop(box)
    assert not is_photocopy(inside)
    grey = inside.convert("L")
    warm = Image.merge(
        "RGB",
        (grey, grey.point([round(v * 0.92) for v in range(256)]), grey.point([round(v * 0.75) for v in range(256)])),
    )
    assert not is_photocopy(inside.point([level // 5 for level in range(256)] * 3))
    assert is_photocopy(grey)
    assert is_photocopy(warm.point([level // 3 for level in range(256)] * 3))
    assert is_photocopy(warm)
    assert chroma_spread(warm) < chroma_spread(inside) / 2


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("scale", [1, 2])
def test_a_portrait_is_placed_in_the_picture_as_sent(turns: int, scale: int) -> None:
    upright = landmarks(600, 400)
    ImageDraw.Draw(upright).ellipse((400, 80, 540, 260), fill="grey")
    sent = upright.rotate(-90 * turns, expand=True).resize(
        (upright.height // scale, upright.width // scale)
        if turns % 2
        else (upright.width // scale, upright.height // scale)
    )
    assert quarter_turns(sent, upright) == turns
    portrait = find_portrait(ReadCard("cn_portrait", {}, (0, 0, 600, 400), upright), sent)
    assert portrait
    top_left, _, bottom_right, _ = portrait.corners
    box = (
        min(top_left[0], bottom_right[0]),
        min(top_left[1], bottom_right[1]),
        max(top_left[0], bottom_right[0]),
        max(top_left[1], bottom_right[1]),
    )
    back = sent.crop(box).rotate(90 * turns, expand=True)
    cut = Image.open(io.BytesIO(portrait.jpeg))
    assert abs(back.width * scale - cut.width) <= scale
    assert abs(back.height * scale - cut.height) <= scale
    middle = back.convert("L").getpixel((back.width // 2, back.height // 2))
    assert isinstance(middle, int)
    assert abs(middle - 128) < 20


def test_no_portrait_where_there_is_none() -> None:
    blank = Image.new("RGB", (600, 400), "white")
    assert find_portrait(ReadCard("cn_portrait", {}, (0, 0, 600, 400), blank), blank) is None
    assert find_portrait(ReadCard("cn_emblem", {}, (0, 0, 600, 400), landmarks(600, 400)), landmarks(600, 400)) is None


class CountingReader:
    """Finds one card in every picture, after `before` was called."""

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self.pictures: list[tuple[int, int]] = []
        self._before = before

    def read(self, picture: Image.Image) -> list[ReadCard]:
        self.pictures.append(picture.size)
        self._before()
        return [ReadCard("cn_emblem", {}, (0, 0, *picture.size), picture)]


def test_the_same_pixels_are_read_once_in_whatever_file() -> None:
    reader = CountingReader()
    desk = ReadingDesk(reader)
    image = landmarks()
    first = desk.read(Picture(file_of(image, "PNG"), "PNG"))
    assert desk.read(Picture(file_of(image, "BMP"), "BMP")) is first
    desk.read(Picture(file_of(landmarks(200, 300)), "PNG"))
    assert reader.pictures == [(300, 200), (200, 300)]
    assert desk.counts() == {"read": 2, "remembered": 1}


def test_the_same_pixels_at_the_same_moment_are_read_once() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert go_on.wait(10)

    reader = CountingReader(wait)
    desk = ReadingDesk(reader)
    picture = Picture(file_of(landmarks()), "PNG")
    with ThreadPoolExecutor(2) as callers:
        one, other = callers.submit(desk.read, picture), callers.submit(desk.read, picture)
        assert begun.wait(10)
        go_on.set()
        assert one.result(10) is other.result(10)
    assert len(reader.pictures) == 1


def test_a_failed_reading_is_not_remembered() -> None:
    failures = [RuntimeError("engine")]

    def fail_once() -> None:
        if failures:
            raise failures.pop()

    desk = ReadingDesk(CountingReader(fail_once))
    picture = Picture(file_of(landmarks()), "PNG")
    with pytest.raises(RuntimeError):
        desk.read(picture)
    assert len(desk.read(picture)) == 1


def test_forms_keep_binary_parts_and_decode_urlencoded_texts() -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n\x00\r\n--\xff\r\n--b\r\n'
    body += b'Content-Disposition: form-data; name="detect_face"\r\n\r\n1\r\n--b--\r\n'
    arguments = read_arguments("multipart/form-data; boundary=b", body)
    assert (arguments.files, arguments.texts) == ({"file": b"\x00\r\n--\xff"}, {"detect_face": "1"})
    form = read_arguments("application/x-www-form-urlencoded; charset=utf-8", b"a=%2F%2B+x&b=")
    assert form.texts == {"a": "/+ x", "b": ""}
    assert read_arguments("application/json", b'{"a": 1, "b": "x", "c": []}').texts == {"a": "1", "b": "x"}
    assert read_arguments(None, b"a=1").texts == {}


@given(st.sampled_from(["multipart/form-data; boundary=b", "application/json", "multipart/form-data"]), st.binary())
def test_no_body_breaks_the_forms(content_type: str, body: bytes) -> None:
    try:
        read_arguments(content_type, b"--b\r\n" + body)
    except MalformedFormError as error:
        assert str(error).startswith("body is not")  # noqa: PT017  both ends are right


def test_faults_are_used_up_in_order_for_each_provider() -> None:
    plan = FaultPlan()
    plan.add(FaultOrder(provider="a", fault=Fault.QUOTA, times=2))
    plan.add(FaultOrder(provider="a", fault=Fault.CUT))
    plan.add(FaultOrder(provider="b", fault=Fault.LIE))
    taken = [order.fault if order else None for order in (plan.take("a") for _ in range(4))]
    assert taken == [Fault.QUOTA, Fault.QUOTA, Fault.CUT, None]
    assert [order["provider"] for order in plan.pending()] == ["b"]
    plan.clear()
    assert plan.take("b") is None


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "192.0.2.1", "8.8.8.8", "172.17.0.1", "10.0.0.1", "example.invalid", ""],  # noqa: S104
)
def test_addresses_that_others_could_reach_are_refused(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "bridge_addresses", lambda: frozenset({"8.8.8.8", "172.18.0.1"}))
    with pytest.raises(server.AddressRefusedError):
        server.listen(host, 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_loopback_is_taken(host: str) -> None:
    with server.listen(host, 0) as listener:
        assert listener.getsockname()[0].startswith("127.")
        assert listener.proto == socket.IPPROTO_TCP  # else asyncio leaves Nagle's algorithm on


def test_only_bridge_devices_are_bridges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "eth0").mkdir()
    (tmp_path / "lo" / "bridge").mkdir(parents=True)
    monkeypatch.setattr(server, "NETWORK_DEVICES", tmp_path)
    assert server.bridge_addresses() == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"accuauth": {"api_id": "id-7c1f", "api_secret": ""}}', "accuauth.api_secret"),
        ('{"ctyun": {"service_code": "id-7c1f", "app_key": 5}}', "ctyun.app_key, ctyun.app_secret"),
        (
            '{"ctyun": {"service_code": "s", "app_key": "k", "app_secret": "s", "base64_alphabet": "x"}}',
            "base64_alphabet",
        ),
        ('{"ctyun": "id-7c1f"}', "credentials: ctyun"),
        ('{"nobody": {}}', "none of ctyun, accuauth"),
        ('["id-7c1f"]', "not a JSON object"),
        ("id-7c1f", "JSONDecodeError"),
    ],
)
def test_bad_credentials_are_named_by_field_never_by_value(tmp_path: Path, content: str, sentence: str) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(content)
    with pytest.raises(CredentialsError, match=sentence) as error:
        open_twins(file, ReadingDesk(CountingReader()))
    assert "id-7c1f" not in str(error.value)


def test_only_the_providers_in_the_credentials_are_played(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps({"accuauth": {"api_id": "i", "api_secret": "s", "options": {}}, "ihuyi": {}}))
    assert [twin.name for twin in open_twins(file, ReadingDesk(CountingReader()))] == ["accuauth"]
