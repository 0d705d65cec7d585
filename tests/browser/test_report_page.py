"""report.html in a browser: it loads nothing, runs nothing of others, and does what a reader asks of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import report_fixture

from bakeoff.report import step

HOSTILE = "<img src=x onerror=alert(1)>"
LABELS = {"lenet5": "LeNet-5"}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of a study of two data sets in which somebody gave a model a hostile name."""
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(report_fixture.MODELS, HOSTILE, (5_000, 90_000, 0.11, 0.93, 0.004))
        report_fixture.draw_only(patch)

        def say(record: dict[str, Any]) -> None:
            for row in record["rows"]:
                row["sentence"] = f"This is said of {row['candidate']}."

        report_fixture.write_study(
            folder,
            datasets=("digits", "fashion"),
            models=tuple(report_fixture.MODELS),
            lost={("tiny_vit", "none"): (1, 1)},
            conditions=(report_fixture.CPU, report_fixture.GPU),
            body=say,
        )
        return step.run({"study": "demo", "labels": LABELS, "prints": []}, "0" * 16, folder).as_uri()


class Reader:
    """A page in a window, and whatever it complained of or asked for."""

    def __init__(self, browser: Any, address: str, width: int = 1200, **options: Any) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.heard: list[str] = []
        self.page.on("console", lambda message: self.heard.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.heard.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: (self.heard.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("request", self._asked)
        self.address = address
        self.page.goto(address)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith("data:") and request.url.split("#")[0] != self.address.split("#")[0]:
            self.heard.append(f"request: {request.url}")

    def column(self, number: int, table: str = "#tables table") -> list[str]:
        """The texts of a column of the first group of a table."""
        cells = self.page.locator(table).first.locator("tbody").first.locator(f"tr.row > :nth-child({number})")
        return [text.removeprefix("▸").strip() for text in cells.all_inner_texts()]

    def drawn(self) -> None:
        """Scroll to the plot and wait until its points are there."""
        self.page.locator(".plot").scroll_into_view_if_needed()
        self.page.wait_for_selector(".plot path[role=link]")


@pytest.fixture
def reader(chromium: Any, address: str) -> Iterator[Reader]:
    found = Reader(chromium, address)
    yield found
    found.context.close()
    assert found.heard == []


def test_the_whole_page_is_quiet(reader: Reader) -> None:
    reader.drawn()
    for section in reader.page.locator("main > section").all():
        section.scroll_into_view_if_needed()
    assert reader.page.locator("h1").inner_text() == "demo"
    assert reader.page.locator(".lead").inner_text().startswith("resnet18 has the highest mean accuracy")


def test_a_column_is_sorted_by_click_and_by_key(reader: Reader) -> None:
    order = reader.column(1)
    head = reader.page.locator("#tables table").first.locator("thead th").nth(1)
    assert head.inner_text().startswith("Params")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    numbers = list(map(float, reader.column(2)))
    assert numbers == sorted(numbers, reverse=True)
    head.locator("button").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert list(map(float, reader.column(2))) == numbers[::-1]
    head.locator("button").press("Enter")
    assert head.get_attribute("aria-sort") is None
    assert reader.column(1) == order


def test_what_is_said_of_a_row_goes_where_the_row_goes(reader: Reader) -> None:
    page = reader.page
    more = page.locator("#tables tr.row", has_text="tiny_cnn").first.locator("button.more")
    said = page.locator("#tables tr.said", has_text="This is said of tiny_cnn.").first
    assert not said.is_visible()
    more.click()
    assert said.is_visible()
    assert more.get_attribute("aria-expanded") == "true"
    page.locator("#tables table").first.locator("thead button").first.click()
    assert "tiny_cnn" in said.evaluate("row => row.previousElementSibling.textContent")


def test_rows_are_filtered_by_name_and_by_axis(reader: Reader) -> None:
    page = reader.page
    count, visible = page.locator("#tables output"), page.locator("#tables tr.row:visible")
    assert count.inner_text() == "20 rows"
    page.get_by_label("Find").fill("tiny")
    assert count.inner_text() == "8 of 20 rows"
    assert visible.count() == 8
    page.locator(".filter select[data-axis=dataset]").select_option("fashion")
    page.locator(".filter select[data-axis=augmentation]").select_option("crop-flip")
    assert count.inner_text() == "2 of 20 rows"
    assert page.locator("#tables .table:visible").count() == 1
    page.get_by_label("Find").fill("")
    assert visible.count() == 5


def test_the_axes_of_the_plot_are_chosen(reader: Reader) -> None:
    page, titles = reader.page, reader.page.locator(".plot .role-axis-title")
    reader.drawn()
    assert page.locator(".plot path[role=link]").count() == 10
    assert titles.all_text_contents() == ["Latency p50 (ms)", "Accuracy (%)"]
    page.locator(".axes [name=x]").select_option("macs")
    page.locator(".axes [name=y]").select_option("log_loss")
    page.wait_for_function("document.querySelector('.plot').textContent.includes('Log loss')")
    assert titles.all_text_contents() == ["Multiply-accumulates", "Log loss (nats)"]
    before = page.locator(".plot path[role=link]").first.get_attribute("transform")
    page.locator(".axes [name=log]").uncheck()
    page.wait_for_function(
        "old => document.querySelector('.plot path[role=link]')?.getAttribute('transform') !== old", arg=before
    )


def test_a_point_says_what_it_is_and_leads_to_its_page(reader: Reader) -> None:
    page = reader.page
    reader.drawn()
    point = page.locator(".plot path[aria-label^=resnet18]").first
    point.hover(force=True)
    assert page.locator(".tip").inner_text().startswith("resnet18\nnone\nAccuracy: 98.")
    point.click(force=True)
    page.wait_for_url("**#model/resnet18")
    shown = page.locator(".page:visible")
    assert shown.count() == 1
    assert shown.locator("h2").inner_text() == "resnet18"
    assert not page.locator("main").is_visible()
    assert not page.locator(".tip").is_visible()
    page.go_back()
    assert page.locator("main").is_visible()
    assert shown.count() == 0
    page.locator(".plot path[aria-label^=LeNet]").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**#model/lenet5")


def test_a_page_of_a_model_is_reached_from_the_table_and_by_its_address(reader: Reader) -> None:
    page = reader.page
    page.locator("#tables a", has_text="LeNet-5").first.click()
    opened = page.locator(".page.open")
    assert opened.locator("h2").inner_text() == "LeNet-5"
    assert "This is said of lenet5." in opened.inner_text()
    assert "snakemake --cores all results/runs/digits/lenet5/" in opened.inner_text()
    head = opened.locator("table").first.locator("thead th").nth(2)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    opened.get_by_text("All models").click()
    page.locator("main").wait_for(state="visible")  # the address changes first, the page when it is told
    page.goto(f"{reader.address}#model/tiny_vit")
    page.reload()
    assert page.locator(".page.open h2").inner_text() == "tiny_vit"


def test_a_hostile_name_is_text_everywhere(reader: Reader) -> None:
    page = reader.page
    reader.drawn()
    assert page.locator("img[src=x]").count() == 0
    link = page.locator("#tables a", has_text=HOSTILE).first
    assert link.inner_text() == HOSTILE
    point = page.locator(".plot path[aria-label*=onerror]").first
    point.focus()
    assert page.locator(".tip strong").inner_text() == HOSTILE
    assert HOSTILE[:20] in page.locator(".plot").text_content()  # the legend is cut
    link.click()
    assert page.url.endswith(f"#model/{quote(HOSTILE)}")
    assert page.locator(".page.open h2").inner_text() == HOSTILE
    assert page.locator("img[src=x]").count() == 0


@pytest.mark.parametrize("width", [360, 1600])
@pytest.mark.parametrize("place", ["", "#model/tiny_vit"])
def test_it_is_read_without_scrolling_aside(chromium: Any, address: str, width: int, place: str) -> None:
    reader = Reader(chromium, address + place, width)
    page = reader.page
    if not place:
        reader.drawn()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = page.evaluate(
        "[...document.querySelectorAll('p, li, td, th, figcaption')].filter(e => e.checkVisibility())"
        ".map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 12
    reader.context.close()
    assert reader.heard == []


def test_dark_and_light(chromium: Any, address: str) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    reader = Reader(chromium, address, color_scheme="dark")
    dark = reader.page.evaluate(background)
    reader.drawn()
    reader.page.emulate_media(color_scheme="light")
    light = reader.page.evaluate(background)
    assert sum(map(int, dark[4:-1].split(", "))) < 100 < 600 < sum(map(int, light[4:-1].split(", ")))
    for wanted in (light, dark, light):  # "light", "dark", and as the system is
        reader.page.locator(".theme").click()
        assert reader.page.evaluate(background) == wanted
    reader.context.close()
    assert reader.heard == []


def test_without_a_script_and_on_paper_all_of_it_is_there(chromium: Any, address: str) -> None:
    reader = Reader(chromium, address, java_script_enabled=False)
    page = reader.page
    assert page.locator(".page:visible").count() == 5
    assert page.locator("details:not([open])").filter(has_not_text="Settings").count() == 0
    assert page.locator(".said:visible").count() == 20
    assert page.locator("form:visible, .plot:visible, button:visible").count() == 0
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert page.locator("#fairness table").first.is_visible()
    reader.context.close()


BROKEN = r"""() => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const lines = [];
  for (let node; (node = texts.nextNode()); )
    for (const found of node.data.matchAll(/[\d.]+ ± [\d.]+/g)) {
      const range = document.createRange();
      range.setStart(node, found.index);
      range.setEnd(node, found.index + found[0].length);
      lines.push([found[0], new Set([...range.getClientRects()].map(({ top }) => top)).size]);
    }
  return [lines.length, lines.filter(([, n]) => n > 1).map(([text]) => text)];
}"""


def test_a_value_and_its_uncertainty_stand_on_one_line(chromium: Any, address: str) -> None:
    """In words and, on paper, where cells may break, in tables too."""
    reader = Reader(chromium, address, 390)
    for media in ("screen", "print"):
        reader.page.emulate_media(media=media)
        n, broken = reader.page.evaluate(BROKEN)
        assert n > 100
        assert broken == []
    reader.context.close()
