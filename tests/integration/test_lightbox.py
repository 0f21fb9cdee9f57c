"""The lightbox as `make up` serves it, in a real Chromium: drop, watch, find; by eye, ear and keyboard."""

import base64
import io
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from cardintake.reasons import Reason
from local import background
from local.background import Place
from local.cardprinter import SPOILS, encode, print_card
from local.demo.providers import Choice
from local.environment import REPOSITORY, closed_environment
from local.lightbox.texts import texts
from local.processes import GuardedProcess

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
PATIENCE_MS = 90_000
"""Until a scan has come to its end, on a busy machine."""
START_SECONDS = 180.0
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
# Writes docs/images/lightbox.png anew: LIGHTBOX_PICTURE=docs/images/lightbox.png
PICTURE = os.environ.get("LIGHTBOX_PICTURE")
ENGLISH, CHINESE = texts("en"), texts("zh")

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.ocr,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: `apt-get install chromium`, or any Chrome"),
]

type Open = Callable[..., Page]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """What `make up` runs in the background, in a folder of its own; stopped as `make down` does."""
    place = Place(tmp_path_factory.mktemp("up"))
    choice = Choice.of(None)
    command = [
        sys.executable,
        "-m",
        "local.background",
        str(place.directory),
        choice.all_routes,
        ",".join(choice.names),
    ]
    with GuardedProcess("up", command, closed_environment() | {"PYTHONPATH": str(REPOSITORY)}, cwd=REPOSITORY) as up:
        up.wait_until_ready(place.state.is_file, START_SECONDS)
        address = background.lightbox_address(place)
        yield place
        background.stop(place)
        with pytest.raises(httpx.ConnectError):
            httpx.get(address, trust_env=False)
        assert up.output() == ""


@pytest.fixture(scope="module")
def address(place: Place) -> str:
    return background.lightbox_address(place)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def opened(address: str, browser: Browser) -> Iterator[Open]:
    """Opens the page; at the end nothing has gone wrong in it, and it has asked nobody else."""
    troubles: list[str] = []
    contexts = []

    def open_page(**how: Any) -> Page:
        context = browser.new_context(**{"locale": "en-GB", "viewport": {"width": 1180, "height": 900}} | how)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on(
            "console", lambda message: troubles.append(message.text) if "Content Security" in message.text else None
        )
        page.on("request", lambda request: troubles.append(request.url) if _is_foreign(request.url, address) else None)
        page.goto(address)
        page.locator("body[data-ready]").wait_for()
        return page

    expect.set_options(timeout=PATIENCE_MS)
    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def _is_foreign(url: str, address: str) -> bool:
    return urlsplit(url).scheme not in ("blob", "data") and urlsplit(url).netloc != urlsplit(address).netloc


def drop(page: Page, data: bytes) -> None:
    """A file is dropped on the box, as a file manager does it."""
    files = page.evaluate_handle(
        """data => {
            const transfer = new DataTransfer();
            const bytes = Uint8Array.from(atob(data), character => character.charCodeAt(0));
            transfer.items.add(new File([bytes], "张样例 990105199003070037.jpg", {type: "image/jpeg"}));
            return transfer;
        }""",
        base64.b64encode(data).decode(),
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": files})


def print_and_send(page: Page, kind: str = "cn_portrait", change: str = "none") -> None:
    page.select_option("#kind", kind)
    page.select_option("#change", change)
    page.click("#sample button")


def over(page: Page) -> Locator:
    """The scan that is shown, once nothing more is to come. Fails at once when the page has a problem."""
    page.locator("#shown[data-over=true], #problem:not([hidden])").first.wait_for()
    assert page.inner_text("#problem") == ""
    return page.locator("#shown")


def way(page: Page) -> dict[str, str]:
    """The state of every step."""
    found: dict[str, str] = page.eval_on_selector_all(
        "#way li", "steps => Object.fromEntries(steps.map(step => [step.dataset.step, step.className]))"
    )
    return found


def fields(page: Page) -> dict[str, str]:
    rows: dict[str, str] = page.eval_on_selector_all(
        "#told tr", "rows => Object.fromEntries(rows.map(row => [row.dataset.field, row.cells[1].textContent]))"
    )
    return rows


def flaws(page: Page) -> list[str]:
    """What axe's rules have against the page as it is now."""
    violations = Axe().run(page).response["violations"]
    return [f"{each['id']}: {node['html'][:120]}" for each in violations for node in each["nodes"]]


def test_a_dropped_card_is_followed_to_its_record(opened: Open) -> None:
    page = opened()
    card = print_card("cn_portrait", 21)
    page.select_option("#claim", "cn_resident_id,portrait")
    drop(page, encode(card.picture))
    shown = over(page)
    assert way(page) == dict.fromkeys(("uploaded", "queued", "claimed", "asked", "verdict"), "done") | {
        "announced": "skipped"
    }
    expect(shown.locator(".pill").first).to_have_text("RECOGNIZED")
    assert fields(page) == {
        name: value for name, value in card.card.items() if name not in ("country", "document_type", "side")
    }
    assert page.evaluate("document.querySelector('#picture').naturalWidth") == card.picture.width
    page.click("summary:has-text('as stored')")
    record = page.inner_text("[data-part=record] pre")
    assert '"key": "cn/lightbox/' in record
    assert "990105199003070037" not in record, "a file's name is nobody's business"
    expect(page.locator("#earlier button[aria-current=true]")).to_have_count(1)


def test_a_spoiled_card_shows_what_was_found_and_what_went_out(opened: Open) -> None:
    page = opened()
    print_and_send(page, change="blur")
    finding = over(page).locator("[data-reason=IMAGE_BLURRED]")
    expect(finding).to_contain_text(ENGLISH["reason"]["IMAGE_BLURRED"]["meaning"])
    expect(finding).to_contain_text(ENGLISH["reason"]["IMAGE_BLURRED"]["advice"])
    expect(finding).to_contain_text("wanted at least 100")
    value, limit = (finding.locator(f"svg .{part}") for part in ("value", "limit"))
    assert float(value.get_attribute("width") or 0) < float(limit.get_attribute("x1") or 0)
    assert [event.get_attribute("data-event") for event in page.locator("#told [data-event]").all()] == [
        "Card Low Quality"
    ]
    page.click("#told [data-event] summary")
    expect(page.locator("#told [data-event] pre")).to_contain_text('"IMAGE_BLURRED"')
    assert flaws(page) == []
    if PICTURE:
        page.click("#told [data-event] summary")
        height = page.evaluate("document.querySelector('#shown').getBoundingClientRect().bottom + scrollY + 20")
        page.set_viewport_size({"width": 1180, "height": math.ceil(height)})
        page.evaluate("scrollTo(0, 0)")
        file = io.BytesIO(page.screenshot())
        with Image.open(file) as image:
            image.convert("RGB").quantize(192).save(REPOSITORY / PICTURE, optimize=True)


def test_a_provider_that_misbehaves_is_waited_for_in_chinese(opened: Open) -> None:
    page = opened(locale="zh-CN")
    assert (page.title(), page.get_attribute("html", "lang")) == (CHINESE["page"]["title"], "zh-CN")
    page.evaluate(
        """() => {
            window.heard = [];
            const place = document.querySelector("#progress");
            new MutationObserver(() => window.heard.push(place.textContent)).observe(place, {childList: true});
        }"""
    )
    page.select_option("#reader", "huaweicloud/")
    page.select_option("#fault", "throttle")
    print_and_send(page, change="photocopy")
    page.locator("#way li.waiting[data-step=asked]").wait_for()
    assert way(page)["verdict"] == "next"
    expect(page.locator("#told .pill").first).to_have_text("PROCESSING")
    shown = over(page)
    throttled = CHINESE["reason"]["PROVIDER_THROTTLED"]["meaning"]
    expect(shown.locator("#way li[data-step=asked]")).to_contain_text(throttled)
    expect(shown.locator("#way li[data-step=asked]")).to_contain_text("huaweicloud 已回答")
    expect(shown.locator("[data-reason=PHOTOCOPY]")).to_contain_text(CHINESE["reason"]["PHOTOCOPY"]["meaning"])
    expect(page.locator("#pending")).to_be_hidden()
    heard = page.evaluate("window.heard")
    assert any(throttled in words and CHINESE["state"]["waiting"] in words for words in heard)
    assert CHINESE["status"]["RECOGNIZED"] in heard[-1]
    assert flaws(page) == []
    page.click("[data-language=en]")
    expect(shown.locator("[data-reason=PHOTOCOPY]")).to_contain_text(ENGLISH["reason"]["PHOTOCOPY"]["meaning"])
    assert page.evaluate("Object.entries(localStorage)") == [["lightbox-language", "en"]]
    assert page.context.cookies() == []


def test_whoever_reads_such_cards_is_chosen(opened: Open) -> None:
    page = opened()
    assert page.input_value("#reader") == "cn/"
    for select, value, reader in (
        ("#kind", "pe_dni_new_front", "pe/"),
        ("#kind", "cn_emblem", "cn/"),
        ("#claim", "pe_foreigner_card,front", "pe/"),
        ("#claim", "", "pe/"),
        ("#claim", "cn_resident_id,portrait", "cn/"),
    ):
        page.select_option(select, value)
        assert page.input_value("#reader") == reader
    page.select_option("#reader", "huaweicloud/")
    page.select_option("#claim", "cn_resident_id,emblem")
    assert page.input_value("#reader") == "huaweicloud/", "who reads such cards already, stays"


def test_a_sample_claims_what_it_is_unless_something_else_is_claimed(opened: Open) -> None:
    page = opened()
    print_and_send(page, kind="pe_dni_old_back")
    assert "SIDE_REVERSED" not in over(page).inner_text()
    page.select_option("#claim", "pe_dni,front")
    print_and_send(page, kind="pe_dni_old_back")
    expect(over(page).locator("[data-reason=SIDE_REVERSED]")).to_contain_text("claimed front")


def test_an_earlier_scan_is_shown_with_its_picture_and_what_was_cut_out(opened: Open, place: Place) -> None:
    page = opened()
    print_and_send(page, kind="pe_dni_new_front", change="turn")
    expect(over(page).locator("#way li[data-step=asked]")).to_contain_text("accuauth has answered; paid calls: 1")
    record_id = str(page.get_attribute("#shown", "data-scan"))
    stack, portrait = background.attach(place), encode(Image.new("RGB", (60, 80), "grey"))
    # As the application leaves it where the provider's options ask for portraits.
    stack.client("s3").put_object(Bucket=stack.outputs.answers_bucket, Key="answers/portrait", Body=portrait)
    stack.client("dynamodb").update_item(
        TableName=stack.outputs.cards_table,
        Key={"record_id": {"S": record_id}},
        UpdateExpression="SET portrait_key = :key",
        ExpressionAttributeValues={":key": {"S": "answers/portrait"}},
    )
    page.reload()
    page.click(f"#earlier [data-scan={record_id}]")
    shown = over(page)
    assert way(page)["uploaded"] == "done"
    for words, width in ((ENGLISH["page"]["picture"], 100), (ENGLISH["page"]["crop_portrait"], 60)):
        image = shown.get_by_alt_text(words)
        expect(image).to_be_visible()
        page.wait_for_function("([one, width]) => one.naturalWidth >= width", arg=[image.element_handle(), width])


def test_a_fault_that_nobody_met_can_be_taken_back(opened: Open) -> None:
    page = opened()
    page.select_option("#fault", "stall")
    page.fill("#times", "3")
    page.select_option("#reader", "ihuyi/")
    print_and_send(page, change="tiny")
    over(page)
    expect(page.locator("#pending")).to_contain_text("ihuyi stall × 3")
    page.click("#pending button")
    expect(page.locator("#pending")).to_be_hidden()


def test_earlier_scans_are_found_by_what_came_of_them(opened: Open) -> None:
    page = opened()
    drop(page, encode(print_card("cn_portrait", 22).picture)[:9000])
    over(page)
    broken = page.get_attribute("#shown", "data-scan")
    print_and_send(page, change="tiny")
    page.locator(f"#shown[data-over=true]:not([data-scan={broken}])").wait_for()
    tiny = page.get_attribute("#shown", "data-scan")
    rows = page.locator("#earlier button")
    page.select_option("#filter-reason", Reason.IMAGE_CORRUPT)
    expect(rows).to_have_count(1)
    expect(rows).to_have_attribute("data-scan", str(broken))
    page.select_option("#filter-quality", "good")
    expect(rows).to_have_count(0)
    expect(page.locator("#found")).to_have_text(ENGLISH["page"]["none_found"])
    page.click("#filter [type=reset]")
    expect(page.locator(f"#earlier [data-scan={tiny}]")).to_be_visible()
    page.select_option("#filter-status", "REJECTED")
    page.select_option("#filter-risk", "unknown")
    expect(page.locator("#earlier button:not(:has-text('REJECTED'))")).to_have_count(0)
    page.click(f"#earlier [data-scan={broken}]")
    expect(page.locator("[data-reason=IMAGE_CORRUPT]")).to_be_visible()
    assert page.get_attribute("#shown", "data-scan") == broken


def test_everything_can_be_done_with_the_keyboard_alone(opened: Open) -> None:
    page = opened()
    order = ["", "English", "中文", "file", "kind", "change", "Print and send", "claim", "reader", "fault", "times"]
    order += [f"filter-{name}" for name in ("status", "quality", "risk", "reason")] + ["Show all", "Refresh"]
    visited = []
    for _ in order:
        page.keyboard.press("Tab")
        name, visible = page.evaluate(
            """() => {
                const at = document.activeElement;
                const marked = at.type === "file" ? at.parentElement : at;
                const style = getComputedStyle(marked);
                return [at.id || (at.matches(".skip") ? "" : at.textContent),
                        style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2];
            }"""
        )
        visited.append(name)
        assert visible, f"nobody sees that {name} has the focus"
    assert visited == order
    page.locator("#change").focus()
    page.keyboard.type(ENGLISH["change"]["tiny"])
    assert page.input_value("#change") == "tiny"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    over(page)
    expect(page.locator("#progress")).to_contain_text(ENGLISH["reason"]["IMAGE_TOO_SMALL"]["meaning"])
    expect(page.locator("#told [data-reason]")).to_have_attribute("data-reason", *SPOILS["tiny"].reasons)
    page.locator("#earlier button").last.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#scan")).to_be_focused()
    over(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_at_every_width_and_in_either_light(opened: Open, scheme: str) -> None:
    page = opened(color_scheme=scheme, viewport={"width": 390, "height": 844}, has_touch=True)
    page.locator("#file").set_input_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"})
    over(page)
    expect(page.locator("#no-picture")).to_be_visible()
    page.click("summary:has-text('as stored')")
    background_colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, background_colour.removeprefix("rgb(").removesuffix(")").split(", "))) / 3
    assert (brightness > 200) == (scheme == "light")
    for language in ("zh", "en"):
        page.click(f"[data-language={language}]")
        expect(page.locator("h1")).to_have_text(texts(language)["page"]["title"])
        for width in (360, 390, 768, 1440):
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            cut_off = page.eval_on_selector_all(
                "main *",
                "all => all.filter(one => one.getBoundingClientRect().right > innerWidth + 1).map(one => one.id)",
            )
            assert cut_off == []
        assert flaws(page) == []


def test_what_make_up_writes_for_its_readers_names_the_page(address: str) -> None:
    answer = httpx.get(address, trust_env=False)
    assert "Lightbox" in answer.text
    assert Path(REPOSITORY / "local" / "lightbox" / "page" / "index.html").read_text(encoding="utf-8") == answer.text
