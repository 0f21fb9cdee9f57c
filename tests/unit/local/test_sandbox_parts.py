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
from PIL import Image, ImageChops, ImageDraw, ImageStat
from pypdf import PdfWriter

from local.cardprinter import KINDS, print_card
from local.kinds import Kind
from local.sandbox import server
from local.sandbox.__main__ import open_twins
from local.sandbox.faults import Fault, FaultOrder, FaultPlan
from local.sandbox.forms import MalformedFormError, read_arguments
from local.sandbox.photocopy import GREY_BELOW, chroma_spread
from local.sandbox.pictures import Defect, Limits, Picture, PictureRefused, admit
from local.sandbox.portrait import find_portrait, quarter_turns
from local.sandbox.reader import OtherDocumentError, ReadCard
from local.sandbox.reader.outline import straighten
from local.sandbox.readings import ReadingDesk
from local.sandbox.twins import CredentialsError

EVERY_FORMAT = Limits(
    frozenset({"JPEG", "PNG", "BMP", "TIFF", "PDF"}), largest_bytes=100_000, smallest_side=10, largest_side=100
)
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


@pytest.mark.parametrize("file_format", ["TIFF", "PDF"])
def test_documents_are_taken_only_where_the_limits_list_them(file_format: str) -> None:
    image = Image.linear_gradient("L").resize((60, 40)).convert("RGB")
    data = file_of(image, file_format)
    decoded = admit(data, EVERY_FORMAT).decode()
    assert (decoded.size, decoded.mode) == ((60, 40), "RGB")
    assert max(ImageStat.Stat(ImageChops.difference(decoded, image)).mean) < 4
    with pytest.raises(PictureRefused) as refused:
        admit(data, LIMITS)
    assert refused.value.defect is Defect.FORMAT


@pytest.mark.parametrize("file_format", ["TIFF", "PDF"])
def test_the_first_of_several_pages_counts(file_format: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (50, 30)).save(file, file_format, save_all=True, append_images=[Image.new("RGB", (20, 90))])
    assert admit(file.getvalue(), EVERY_FORMAT).decode().size == (50, 30)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_a_tiff_of_the_other_byte_order_and_its_sides_are_looked_at() -> None:
    small = b"MM\0*" + b"\0\0\0\x08\0\0"
    with pytest.raises(PictureRefused) as refused:
        admit(small, EVERY_FORMAT)
    assert refused.value.defect is Defect.UNREADABLE
    with pytest.raises(PictureRefused) as refused:
        admit(file_of(Image.new("RGB", (101, 50)), "TIFF"), EVERY_FORMAT)
    assert refused.value.defect is Defect.PIXELS


def test_a_pdf_without_a_picture_cannot_be_read() -> None:
    file = io.BytesIO()
    with PdfWriter() as writer:
        writer.add_blank_page(200, 100)
        writer.write(file)
    for data in (file.getvalue(), b"%PDF-1.7\n", file_of(Image.new("RGB", (50, 50)), "PDF")[:300]):
        with pytest.raises(PictureRefused) as refused:
            admit(data, EVERY_FORMAT).decode()
        assert refused.value.defect is Defect.UNREADABLE


STARTS = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"%PDF-1.4\n"]


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@given(st.sampled_from(STARTS), st.binary(max_size=200))
def test_no_bytes_break_the_gate(start: bytes, rest: bytes) -> None:
    try:
        admit(start + rest, EVERY_FORMAT).decode()
    except PictureRefused as refused:
        assert refused.defect in Defect  # noqa: PT017  both ends are right


WHOLE_FILES = {name: file_of(Image.new("RGB", (30, 30), "red"), name) for name in ("PNG", "TIFF", "PDF")}


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@given(st.sampled_from(sorted(WHOLE_FILES)), st.integers(0, 1500), st.integers(0, 255))
def test_no_broken_byte_in_a_whole_file_breaks_the_gate(name: str, place: int, byte: int) -> None:
    data = bytearray(WHOLE_FILES[name])
    data[place % len(data)] = byte
    try:
        admit(bytes(data), EVERY_FORMAT).decode()
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
    assert chroma_spread(inside) > 2 * GREY_BELOW
    grey = inside.convert("L")
    warm = Image.merge(
        "RGB",
        (grey, grey.point([round(v * 0.92) for v in range(256)]), grey.point([round(v * 0.75) for v in range(256)])),
    )
    assert chroma_spread(inside.point([level // 5 for level in range(256)] * 3)) > GREY_BELOW
    assert chroma_spread(grey) < GREY_BELOW
    assert chroma_spread(warm.point([level // 3 for level in range(256)] * 3)) < GREY_BELOW
    assert chroma_spread(warm) < GREY_BELOW
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
    card = ReadCard("cn_portrait", {}, (0, 0, 600, 400), upright)
    portrait = find_portrait(card, straighten(card), sent, turns)
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


@pytest.mark.parametrize(
    ("kind", "picture"), [("cn_portrait", Image.new("RGB", (600, 400), "white")), ("cn_emblem", landmarks(600, 400))]
)
def test_no_portrait_where_there_is_none(kind: Kind, picture: Image.Image) -> None:
    card = ReadCard(kind, {}, (0, 0, 600, 400), picture)
    assert find_portrait(card, straighten(card), picture, 0) is None


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


def test_a_picture_is_inspected_without_a_second_reading() -> None:
    reader = CountingReader()
    desk = ReadingDesk(reader)
    dark = Picture(file_of(landmarks().point([level // 20 for level in range(256)] * 3)), "PNG")
    assert desk.inspect(dark).darkness == 100
    (card,) = desk.read(dark)
    assert card.inspection.darkness == 100
    assert desk.inspect(dark).other_document is False
    assert len(reader.pictures) == 1
    assert desk.counts() == {"read": 1, "remembered": 1}


def test_another_document_is_no_card_and_told_by_the_inspection() -> None:
    def see() -> None:
        raise OtherDocumentError

    reader = CountingReader(see)
    desk = ReadingDesk(reader)
    picture = Picture(file_of(landmarks()), "PNG")
    assert desk.read(picture) == ()
    assert desk.inspect(picture).other_document is True
    assert len(reader.pictures) == 1


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_card_and_its_texts_are_placed_in_the_picture_as_sent(turns: int) -> None:
    upright = landmarks(600, 400)
    sent = upright.rotate(-90 * turns, expand=True)
    text = ((200, 100), (400, 100), (400, 140), (200, 140))

    class PlacingReader:
        def read(self, picture: Image.Image) -> list[ReadCard]:
            return [ReadCard("cn_emblem", {"validity": "x"}, (0, 0, 600, 400), upright, places={"validity": text})]

    (card,) = ReadingDesk(PlacingReader()).read(Picture(file_of(sent), "PNG"))
    assert card.turns == turns
    width, height = sent.size
    clockwise = [(0, 0), (width, 0), (width, height), (0, height)]
    assert list(card.crop.corners) == clockwise[turns:] + clockwise[:turns]
    with Image.open(io.BytesIO(card.crop.jpeg)) as cut:
        assert cut.size == (600, 400)
        assert ImageStat.Stat(ImageChops.difference(cut, upright)).mean[0] < 3
    mark = sent.copy()
    ImageDraw.Draw(mark).polygon(card.places["validity"], fill="red")
    red = mark.rotate(90 * turns, expand=True).getchannel("G").crop((202, 102, 398, 138))
    assert red.getextrema() == (0, 0)


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
        ('{"nobody": {}}', "hold none of ctyun, "),
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
    file.write_text(json.dumps({"accuauth": {"api_id": "i", "api_secret": "s", "options": {}}, "nobody": {}}))
    assert [twin.name for twin in open_twins(file, ReadingDesk(CountingReader()))] == ["accuauth"]
