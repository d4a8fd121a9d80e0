"""The page in a real browser, in front of a shop whose right answers are known."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("fastapi", reason="fastapi is not installed")
pytest.importorskip("uvicorn", reason="uvicorn is not installed")

from fake_shop import PAGE, Piece, Shop, draw, png, serving, wardrobe
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE = 30_000  # milliseconds
SHIRT = "p027"  # yellow, plain, shirt
PHONE = {"width": 390, "height": 844}
HOSTILE = "<img src=x onerror=\"document.title='taken'\">"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: apt-get install chromium")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Shop, str]]:
    shop = Shop()
    with serving(shop) as address:
        yield shop, address


@pytest.fixture
def shop(running: tuple[Shop, str]) -> Shop:
    """The shop in its first mood."""
    shop = running[0]
    shop.uploads, shop.searches, shop.pieces = {}, [], wardrobe()
    shop.key, shop.busy, shop.broken, shop.delay, shop.upload_delay = "", 0, False, 0.0, 0.0
    return shop


Opener = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, running: tuple[Shop, str], shop: Shop) -> Iterator[Opener]:
    """Opens a path in a new context. At the end, no request left the shop and no script failed."""
    contexts, foreign, faults = [], [], []
    home = urlsplit(running[1]).netloc

    def opened(path: str = "", base: str = "", **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        own = urlsplit(base).netloc or home

        def requested(request: Any) -> None:
            parts = urlsplit(request.url)
            if parts.scheme not in ("data", "blob") and parts.netloc != own:
                foreign.append(request.url)

        page.on("request", requested)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "console",
            lambda line: faults.append(line.text) if "Content Security" in line.text else None,
        )
        page.goto((base or running[1]) + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert foreign == []
    assert faults == []


def has(page: Page, column: str) -> list[str]:
    """What the captions of a column say, in the order of the results."""
    cards = page.locator(f".column.{column} .card:not(.skeleton)")
    expect(cards.first).to_be_visible()
    return page.locator(f".column.{column} .has").all_inner_texts()


def wait(page: Page) -> None:
    """Until no search is running."""
    expect(page.locator('[aria-busy="true"]')).to_have_count(0)
    expect(page.locator(".card:not(.skeleton):visible").first).to_be_visible()


def choose(page: Page, attribute: str, name: str) -> None:
    page.get_by_role("button", name=re.compile(f"^{attribute}", re.I)).first.click()
    page.get_by_role("option", name=re.compile(f"^{name}$")).click()


def test_a_click_on_red_brings_red_ones_first(visit: Opener) -> None:
    page = visit(f"?id={SHIRT}")
    wait(page)
    assert not page.locator(".column.after").is_visible()
    before = has(page, "before")
    choose(page, "color", "red")
    expect(page.get_by_role("heading", name="After: red")).to_be_visible()
    wait(page)
    assert has(page, "before") == before
    after = page.locator(".column.after .card")
    met = [text.startswith("red") for text in has(page, "after")]
    assert met == [True] * 9 + [False] * 15  # the shop has nine red pieces
    for index in range(24):
        said = after.nth(index).locator(".verdict").inner_text()
        assert ("Not as asked" in said) != met[index]


def test_several_classes_of_one_attribute_can_be_wanted(visit: Opener) -> None:
    page = visit(f"?id={SHIRT}")
    wait(page)
    choose(page, "color", "red")
    page.get_by_role("button", name=re.compile("^color", re.I)).first.click()
    assert page.get_by_role("option", selected=True).all_inner_texts() == ["red"]
    page.get_by_role("checkbox", name="Several").check()
    page.get_by_role("option", name="green").click()
    expect(page.get_by_role("heading", name="After: red + green")).to_be_visible()
    assert len(page.get_by_role("option", selected=True).all()) == 2  # the menu is still open
    wait(page)
    assert {text.split()[0] for text in has(page, "after")[:10]} == {"red", "green"}
    page.get_by_role("option", name="red").click()
    expect(page.get_by_role("heading", name="After: green")).to_be_visible()
    page.get_by_role("checkbox", name="Several").uncheck()
    page.get_by_role("option", name=re.compile("^blue$")).click()
    expect(page.get_by_role("heading", name="After: blue")).to_be_visible()
    expect(page.get_by_role("option")).to_have_count(0)
    page.go_back()
    page.go_back()
    expect(page.get_by_role("heading", name="After: red + green")).to_be_visible()


def test_results_that_do_not_meet_the_edit_can_be_hidden_or_cut_off(
    visit: Opener, shop: Shop
) -> None:
    page = visit(f"?id={SHIRT}&edit=color:to:red")
    wait(page)
    page.get_by_label("Hide what is not as asked").check()
    expect(page.locator(".column.after .card")).to_have_count(9)
    expect(page.get_by_text("15 results hidden")).to_be_visible()
    page.get_by_label("Hide what is not as asked").uncheck()
    expect(page.locator(".column.after .card")).to_have_count(24)
    page.locator("#least").fill("50")
    expect(page.locator(".column.after .card")).to_have_count(9)
    assert shop.searches[-1]["least"] == 0.5
    assert "least=0.5" in page.url


def test_the_link_reproduces_the_state(visit: Opener) -> None:
    page = visit(f"?id={SHIRT}")
    wait(page)
    choose(page, "color", "blue")
    choose(page, "pattern", "striped")
    page.get_by_label("Strength of pattern").fill("60")
    page.locator("#tools summary", has_text="gender").click()
    page.locator("#tools").get_by_label("Women").check()
    page.keyboard.press("Escape")
    page.locator("#least").fill("5")
    expect(page).to_have_url(re.compile("least=0.05.*|.*pattern:to:striped:0.6.*least"))
    wait(page)
    other = visit(page.url.partition("/?")[2] and "?" + page.url.partition("?")[2])
    wait(other)
    for part in (".chips", ".column.before", ".column.after", "#tools"):
        expect(other.locator(part)).to_have_text(
            page.locator(part).inner_text(), use_inner_text=True
        )
    assert other.get_by_label("Strength of pattern").input_value() == "60"
    assert other.locator("#least").input_value() == "5"


def test_text_becomes_chips_and_an_unknown_word_is_named(visit: Opener) -> None:
    page = visit(f"?id={SHIRT}")
    wait(page)
    field = page.get_by_label("This one, but …")
    expect(field).to_have_attribute("placeholder", "red, plain")  # what this shop has
    field.fill("in red, striped")
    field.press("Enter")
    expect(page.get_by_role("heading", name="After: red, striped")).to_be_visible()
    expect(page.locator(".row.edited")).to_have_count(2)
    expect(field).to_have_value("")
    assert "edit=color:to:red&edit=pattern:to:striped" in page.url and "text=" not in page.url
    field.fill("in blue")  # in place of the edit in red
    field.press("Enter")
    expect(page.get_by_role("heading", name="After: blue, striped")).to_be_visible()
    field.fill("in crimsonish")
    field.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="'crimsonish'")).to_be_visible()
    expect(field).to_have_value("in crimsonish")
    expect(page.locator(".row.edited")).to_have_count(2)


def test_no_item_fits_and_the_nearest_offers(visit: Opener) -> None:
    page = visit(f"?id={SHIRT}&edit=color:to:red&filter=price:from:60")
    wait(page)
    expect(page.get_by_text("No item fits.")).to_be_visible()
    expect(page.get_by_text("Nothing here is red.")).to_be_visible()
    assert len(has(page, "after")) == 24
    expect(page.locator(".column.after .card.unmet")).to_have_count(24)


def test_a_click_on_a_result_goes_on_from_it_and_back_returns(visit: Opener) -> None:
    page = visit(f"?id={SHIRT}&edit=color:to:red")
    wait(page)
    first = page.url
    after = has(page, "after")
    page.locator(".column.after .open").first.click()
    expect(page).to_have_url(re.compile(r"\?id=p000$"))
    wait(page)
    expect(page.locator(".row.edited")).to_have_count(0)
    expect(page.locator(".chips")).to_contain_text("red")
    page.go_back()
    expect(page).to_have_url(first)
    expect(page.get_by_role("heading", name="After: red")).to_be_visible()
    wait(page)
    assert has(page, "after") == after
    page.go_forward()
    expect(page).to_have_url(re.compile(r"\?id=p000$"))
    expect(page.locator(".column.after")).to_be_hidden()


def photo() -> dict[str, Any]:
    picture = png(Image.new("RGB", (40, 50), (44, 84, 172)))
    return {"name": "mine.png", "mimeType": "image/png", "buffer": picture}


def test_an_upload_is_searched_and_its_expiry_is_said(visit: Opener, shop: Shop) -> None:
    page = visit()
    page.locator("#file").set_input_files(photo())
    expect(page).to_have_url(re.compile(r"\?photo=[0-9a-f]{64}$"))
    wait(page)
    expect(page.locator(".chips")).to_contain_text("blue")
    assert has(page, "before")[0].startswith("blue")
    choose(page, "color", "red")
    wait(page)
    link = "?" + page.url.partition("?")[2]
    shop.uploads.clear()
    late = visit(link)
    expect(late.get_by_role("alert").filter(has_text="expired")).to_be_visible()
    late.locator("#file").set_input_files(photo())  # its edits stay
    expect(late.get_by_role("heading", name="After: red")).to_be_visible()
    wait(late)
    assert has(late, "after")[0].startswith("red")


DROP = """([bytes, kind]) => {
  const files = new DataTransfer();
  files.items.add(new File([new Uint8Array(bytes)], "mine.png", { type: "image/png" }));
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: files, bubbles: true, cancelable: true })
    : new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true });
  document.body.dispatchEvent(event);
}"""


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_photo_can_be_dropped_and_pasted(visit: Opener, kind: str) -> None:
    page = visit()
    wait(page)
    page.evaluate(DROP, [list(photo()["buffer"]), kind])
    expect(page).to_have_url(re.compile(r"\?photo=[0-9a-f]{64}$"))
    wait(page)
    assert has(page, "before")[0].startswith("blue")


def test_a_refused_upload_says_why(visit: Opener) -> None:
    page = visit()
    wait(page)
    text = {"name": "mine.jpg", "mimeType": "image/jpeg", "buffer": b"not a photo"}
    page.locator("#file").set_input_files(text)
    alert = page.get_by_role("alert").filter(has_text="not a photo that can be read")
    expect(alert).to_be_visible()
    expect(page.locator("#toast")).to_have_text("this file is not a photo that can be read")
    expect(page.locator("#toast")).to_be_visible()
    expect(page.locator("#catalogue .card").first).to_be_visible()


def test_like_another_photo_from_the_catalogue_and_from_a_file(visit: Opener, shop: Shop) -> None:
    page = visit(f"?id={SHIRT}")
    wait(page)
    page.get_by_role("button", name=re.compile("^pattern", re.I)).click()
    page.get_by_role("button", name="Like another photo…").click()
    page.locator("#picker .open", has_text="Red dress, dotted").click()
    expect(page.get_by_role("heading", name="After: pattern like another photo")).to_be_visible()
    assert "edit=pattern:id:p007" in page.url
    wait(page)
    assert "dotted" in has(page, "after")[0]
    page.get_by_role("button", name=re.compile("^color", re.I)).click()
    page.get_by_role("button", name="Like another photo…").click()
    page.locator("#file").set_input_files(photo())
    expect(page.locator(".row.edited")).to_have_count(2)
    wait(page)
    first = has(page, "after")[0]
    assert first.startswith("blue") and "dotted" in first
    assert set(shop.searches[-1]["edits"][1]["like"]) == {"photo"}


@pytest.mark.parametrize("newer", ["Escape", "another picker", "another piece", "a class", "back"])
def test_a_late_upload_gives_way_to_a_newer_choice(visit: Opener, shop: Shop, newer: str) -> None:
    page = visit()
    wait(page)
    page.locator("#catalogue .open").first.click()
    wait(page)
    shop.upload_delay = 0.7

    def open_picker(attribute: str) -> None:
        page.get_by_role("button", name=re.compile(f"^{attribute}", re.I)).first.click()
        page.get_by_role("button", name="Like another photo…").click()

    with page.expect_request("**/v1/photos"):
        if newer in ("Escape", "another picker"):
            open_picker("color")
        page.locator("#file").set_input_files(photo())
    expect(page.locator("#toast")).to_have_text("Reading the photo …")
    if newer in ("Escape", "another picker"):
        page.keyboard.press("Escape")
        expect(page.locator("#picker")).to_be_hidden()
    if newer == "another picker":
        open_picker("pattern")
    elif newer == "another piece":
        page.locator(".column.before .open").first.click()
        expect(page).not_to_have_url(re.compile("id=p000"))
    elif newer == "a class":
        choose(page, "color", "blue")
        expect(page).to_have_url(re.compile("edit=color:to:blue$"))
    elif newer == "back":
        page.go_back()
    expect(page.locator("#toast")).to_be_hidden()
    address = page.url
    page.wait_for_timeout(1200)
    assert page.url == address and "photo" not in address
    assert page.locator("body.uploading").count() == 0


def test_the_strength_can_be_dragged_with_a_pause(visit: Opener) -> None:
    page = visit(f"?id={SHIRT}&edit=color:to:red")
    wait(page)
    slider = page.get_by_label("Strength of color")
    box = slider.bounding_box()
    assert box is not None
    left, middle = box["x"] + 8, box["y"] + box["height"] / 2
    width = box["width"] - 16
    page.mouse.move(left + width, middle)
    page.mouse.down()
    page.mouse.move(left + 0.8 * width, middle)
    expect(page).to_have_url(re.compile("color:to:red:0.8$"))
    wait(page)
    page.mouse.move(left + 0.3 * width, middle)
    page.mouse.up()
    expect(page).to_have_url(re.compile("color:to:red:0.3$"))
    wait(page)
    expect(slider).to_have_value("30")


def test_boxes_follow_the_back_button(visit: Opener) -> None:
    page = visit("?filter=price:to:20")
    wait(page)
    page.locator("#catalogue summary", has_text="price").click()
    most = page.get_by_label("price to").first
    most.press("Control+A")
    most.type("1e3")
    expect(page).to_have_url(re.compile("price:to:1000$"))
    wait(page)
    assert most.input_value() == "1e3"  # as typed
    page.go_back()
    expect(page).to_have_url(re.compile("price:to:20$"))
    expect(most).to_have_value("20")
    page = visit(f"?id={SHIRT}&edit=color:to:red&least=0.5")
    wait(page)
    choose(page, "color", "blue")
    page.locator("#least").fill("30")
    page.locator("#least").focus()
    expect(page).to_have_url(re.compile("least=0.3$"))
    page.go_back()
    expect(page.locator("#least")).to_have_value("50")


def test_filters_and_counts(visit: Opener) -> None:
    page = visit()
    wait(page)
    page.locator("#catalogue summary", has_text="gender").click()
    page.locator("#catalogue").get_by_label("Women").check()
    expect(page.locator("#catalogue .total")).to_have_text("30 pieces")
    expect(page.locator("#catalogue .card")).to_have_count(24)
    page.get_by_role("button", name="Show more").first.click()
    expect(page.locator("#catalogue .card")).to_have_count(30)
    page.keyboard.press("Escape")
    page.locator("#catalogue .open").first.click()
    expect(page).to_have_url(re.compile("id=p000&filter=gender:is:Women"))
    wait(page)
    page.locator("#tools summary", has_text="season").click()
    expect(page.locator("#tools label", has_text="Summer")).to_have_text(re.compile("15$"))
    page.get_by_role("button", name="Clear filters").last.click()
    expect(page.locator("#tools label", has_text="Summer")).to_have_text(re.compile("45$"))


def test_more_results_are_loaded_once_each(visit: Opener, shop: Shop) -> None:
    page = visit(f"?id={SHIRT}")
    wait(page)
    page.locator("#more").click()
    expect(page.locator(".column.before .card")).to_have_count(48)
    names = page.locator(".column.before .name").all_inner_texts()
    assert len(set(names)) == 48
    assert [body["offset"] for body in shop.searches] == [0, 24]
    assert "n=48" in page.url


def test_details_of_a_hit(visit: Opener) -> None:
    page = visit(f"?id={SHIRT}&edit=color:to:red")
    wait(page)
    page.locator(".column.after .more-about").first.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    for text in ("color: red 94%, wanted red", "gender", "Women", "p000", "94"):
        expect(dialog).to_contain_text(text)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator(".column.after .more-about").first).to_be_focused()


def test_hostile_names_are_shown_as_text(visit: Opener, shop: Shop) -> None:
    labels = {"color": "red", "pattern": "plain", "shape": "shirt"}
    columns = {"gender": HOSTILE, "season": "Summer", "price": 1, "name": f"name {HOSTILE}"}
    shop.pieces.insert(0, Piece(f"a/b?{HOSTILE}", labels, columns, draw(**labels)))
    page = visit()
    wait(page)
    expect(page.locator("#catalogue .name").first).to_contain_text(HOSTILE)
    page.locator("#catalogue summary", has_text="gender").click()
    expect(page.locator("#catalogue label", has_text=HOSTILE)).to_be_visible()
    page.locator("#catalogue summary", has_text="gender").click()
    page.locator("#catalogue .open").first.click()
    wait(page)
    expect(page.locator(".query img.there")).to_have_count(1)
    choose(page, "color", "blue")
    wait(page)
    page.goto(page.url)
    page.goto(page.url.partition("?")[0] + f"?id={SHIRT}&edit=color:to:red")
    wait(page)
    expect(page.locator(".column.after .name", has_text=HOSTILE)).to_have_count(1)
    page.locator(".column.after .card", has_text=HOSTILE).locator(".more-about").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text(f"a/b?{HOSTILE}")
    assert page.title() != "taken"
    assert page.locator("img[src='x']").count() == 0


def test_a_link_of_rubbish_does_no_harm(visit: Opener) -> None:
    page = visit(f"?id={SHIRT}&edit=%25E0&edit=a&filter=x&filter=price:from:a&least=9&n=-3&edit=::")
    wait(page)
    assert len(has(page, "before")) == 24
    page = visit(f"?id={SHIRT}&edit=color:to:nothing")
    alert = page.get_by_role("alert").filter(has_text="'nothing'")
    expect(alert).to_be_visible()
    alert.get_by_role("button", name="Clear the edits").click()
    wait(page)
    assert page.url.endswith(f"?id={SHIRT}")


def test_an_edit_by_keyboard_only(visit: Opener) -> None:
    page = visit(f"?id={SHIRT}")
    wait(page)

    def tab_to(pattern: str) -> None:
        script = "document.activeElement.innerText + document.activeElement.ariaLabel"
        for _ in range(40):
            page.keyboard.press("Tab")
            if re.search(pattern, page.evaluate(script) or "", re.I):
                return
        raise AssertionError(f"Tab never reached {pattern}")

    tab_to("^color")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"  # the focus is visible
    page.keyboard.press("Enter")
    expect(page.get_by_role("combobox")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("combobox")).to_have_count(0)
    expect(page.locator(".chip").first).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.type("gre")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="After: green")).to_be_visible()
    expect(page.locator(".chip").first).to_be_focused()
    tab_to("^pattern")
    page.keyboard.press("Enter")
    expect(page.get_by_role("listbox")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="After: green, dotted")).to_be_visible()
    expect(page.locator("#status")).to_contain_text("After: 24 results")


def test_a_busy_shop_is_asked_again(visit: Opener, shop: Shop) -> None:
    shop.busy = 2
    page = visit(f"?id={SHIRT}")
    expect(page.get_by_text("Trying again in 1 s")).to_be_visible()
    wait(page)
    assert shop.busy == 0 and len(has(page, "before")) == 24
    expect(page.locator("#toast")).to_be_hidden()


def test_a_failing_shop_can_be_tried_again(visit: Opener, shop: Shop) -> None:
    shop.broken = True
    page = visit(f"?id={SHIRT}")
    alert = page.get_by_role("alert").filter(has_text="something went wrong in the shop")
    expect(alert).to_be_visible()
    shop.broken = False
    alert.get_by_role("button", name="Try again").click()
    wait(page)
    assert len(has(page, "before")) == 24


def test_a_shop_that_is_gone(visit: Opener) -> None:
    page = visit(f"?id={SHIRT}")
    wait(page)
    page.context.set_offline(True)
    page.locator(".column.before .open").first.click()
    alert = page.get_by_role("alert").filter(has_text="The shop does not answer")
    expect(alert).to_be_visible()
    page.context.set_offline(False)
    alert.get_by_role("button", name="Try again").click()
    wait(page)


def test_a_stale_answer_is_not_shown(visit: Opener, shop: Shop) -> None:
    page = visit(f"?id={SHIRT}&edit=color:to:red")
    wait(page)
    shop.delay = 0.7
    choose(page, "color", "blue")
    choose(page, "color", "green")
    wait(page)
    page.wait_for_timeout(1000)
    assert has(page, "after")[0].startswith("green")


def test_the_key_is_asked_for_once(visit: Opener, shop: Shop) -> None:
    shop.key = "open sesame"
    page = visit(f"?id={SHIRT}")
    page.get_by_label("API key").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_text("does not accept this key")).to_be_visible()
    page.get_by_label("API key").fill("\u0441\u0435\u0437\u0430\u043c")  # no header can carry it
    page.keyboard.press("Enter")
    expect(page.get_by_label("API key")).to_have_value("")
    expect(page.get_by_text("does not accept this key")).to_be_visible()
    assert page.evaluate("sessionStorage.getItem('flam-key')") is None
    page.get_by_label("API key").fill("open sesame")
    page.keyboard.press("Enter")
    wait(page)
    expect(page.locator(".query img.there")).to_have_count(1)  # an <img> alone could send no key
    page.reload()
    wait(page)
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_it_works_behind_a_prefix(visit: Opener, shop: Shop) -> None:
    with serving(shop, prefix="/our/shop") as base:
        page = visit(base=base)
        wait(page)
        page.locator("#catalogue .open").first.click()
        wait(page)
        expect(page.locator(".column.before img.there").first).to_be_visible()
        assert "/our/shop/?id=p000" in page.url


def test_an_empty_catalogue(visit: Opener, shop: Shop) -> None:
    shop.pieces = []
    page = visit()
    expect(page.get_by_text("The catalogue is empty")).to_be_visible()


LOOKS = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": PHONE, "has_touch": True, "is_mobile": True},
}


SLOW_LOOKS = [pytest.param(look, marks=pytest.mark.slow) for look in LOOKS if look != "phone"]


@pytest.mark.parametrize("look", ["phone", *SLOW_LOOKS])
def test_axe_finds_nothing_serious(visit: Opener, look: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()

    def check(page: Page, place: str) -> None:
        page.wait_for_timeout(700)  # pictures and colors have faded in
        found = axe.run(page).response["violations"]
        serious = [
            (place, v["id"], [node["html"][:200] for node in v["nodes"]][:3])
            for v in found
            if v["impact"] in ("serious", "critical")
        ]
        assert serious == []

    page = visit(**LOOKS[look], reduced_motion="reduce")
    wait(page)
    check(page, "home")
    page = visit(f"?id={SHIRT}&edit=color:to:red&n=48", **LOOKS[look], reduced_motion="reduce")
    wait(page)
    check(page, "search")
    page.locator(".chip").first.click()
    expect(page.get_by_role("combobox")).to_be_focused()
    check(page, "menu")
    page.keyboard.press("Escape")
    page.locator("#tools summary").first.click()
    check(page, "filter")
    page.locator(".column.after .more-about").first.focus()
    page.keyboard.press("Enter")
    check(page, "details")


def test_a_phone_never_scrolls_sideways(visit: Opener, shop: Shop) -> None:
    shop.pieces[0].columns["name"] = "A" * 200
    paths = ("", f"?id={SHIRT}", f"?id={SHIRT}&edit=color:to:red&edit=pattern:to:striped:0.5")
    for path in paths:
        page = visit(path, viewport=PHONE, has_touch=True, is_mobile=True)
        wait(page)
        for target in (None, ".chip >> nth=1", "summary:visible >> nth=0", ".more-about >> nth=2"):
            if target and page.locator(target).count():
                page.locator(target).click()
            width, window = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert (width, window) == (390, 390), (path, target)
            for box in page.evaluate(
                "[...document.querySelectorAll('.after .card, dialog[open], .sheet, .panel')]"
                ".map(e => e.getBoundingClientRect()).filter(r => r.width)"
                ".map(r => [r.left, r.right])"
            ):
                assert box[0] >= 0 and box[1] <= 390, (path, target)


@pytest.mark.parametrize("width", [390, 720])
def test_details_have_room_for_class_names(visit: Opener, shop: Shop, width: int) -> None:
    shop.pieces[0].labels["pattern"] = "horizontal-stripes"
    page = visit(viewport={"width": width, "height": 844})
    wait(page)
    page.locator(".more-about").first.focus()
    page.keyboard.press("Enter")
    name = page.locator(".guesses span", has_text="horizontal-stripes")
    box = name.bounding_box()
    assert box is not None and box["height"] < 50  # it breaks at its hyphen at most


def test_the_script_is_small_and_safe() -> None:
    files = sorted(PAGE.glob("*.js"))
    assert sum(len(gzip.compress(file.read_bytes(), 9)) for file in files) <= 50_000
    for file in [*files, PAGE / "index.html"]:
        text = file.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
        assert not re.search(r"https?://(?!www\.w3\.org)", text), file.name
        assert len(text.splitlines()) <= 350
    markup = (PAGE / "index.html").read_text()
    assert not re.search(r"\son\w+=|\sstyle=|<style|<script(?![^>]*src=)", markup)
