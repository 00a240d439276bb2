"""The page in a real browser, with no other host in reach: every thing a person can do."""

from __future__ import annotations

import io
import json
import re
import urllib.parse
import zipfile

import numpy as np
import pytest
from PIL import Image

import seewhy
from seewhy.classifier.familiarity import ReferenceFeatures
from seewhy.photos.reading import read_photo
from tests.colour_network import GREEN, GREEN_SPOT, RED, RED_SPOT, colour_classifier, painted
from tests.serving.conftest import png, running

WAIT = 40_000


@pytest.fixture(scope="module")
def built_in():
    return seewhy.load("built-in")


@pytest.fixture(scope="module")
def explained(built_in):
    """What the library says about the sample photo: its best class, and the map of that class."""
    return seewhy.explain(built_in, sample(), top=1)


@pytest.fixture(scope="module")
def ranked(built_in):
    """The three best classes of the sample photo, as the library predicts them."""
    return seewhy.explain(built_in, sample(), top=3).predictions[0][:3]


@pytest.fixture(scope="module")
def server(tmp_path_factory, built_in):
    folder = tmp_path_factory.mktemp("photos")
    spots = {"red.png": (RED_SPOT, RED), "green.png": (GREEN_SPOT, GREEN)}
    for name, spot in spots.items():
        (folder / name).write_bytes(png(painted(spot).pixels))
    models = {"built-in": built_in, "colours": colour_classifier()}
    with running(models) as server:
        yield server


@pytest.fixture
def page(browser, server):
    """A page with the sample photo on it; an error in the page's script fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 860}, accept_downloads=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda said: errors.append(said.text) if "Content Security Policy" in said.text else None,
    )
    page.goto(server.address)
    page.wait_for_selector("html[data-ready]", timeout=WAIT)
    page.click("#sample")
    page.wait_for_selector("html[data-first]", timeout=WAIT)
    yield page
    context.close()
    assert errors == []


def pixels(page, index: int = 0) -> np.ndarray:
    """Return what a tile's canvas shows."""
    return np.array(
        page.evaluate(
            """(index) => {
              const canvas = document.querySelectorAll('.frame canvas:first-child')[index];
              const small = document.createElement('canvas');
              [small.width, small.height] = [48, 32];
              small.getContext('2d').drawImage(canvas, 0, 0, 48, 32);
              return [...small.getContext('2d').getImageData(0, 0, 48, 32).data];
            }""",
            index,
        ),
        int,
    ).reshape(32, 48, 4)[..., :3]


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).mean())


def slide(page, name: str, value: float) -> None:
    page.evaluate(
        """([name, value]) => {
          const slider = document.getElementById(name);
          slider.value = value;
          slider.dispatchEvent(new Event('input'));
          return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        }""",
        [name, value],
    )


def bars(page) -> list[str]:
    return [one.inner_text() for one in page.query_selector_all(".bar > span")]


def percent(probability: float) -> str:
    """Write a probability as the page does."""
    return f"{100 * probability:.{0 if probability >= 0.1 else 1}f} %"


def shown(prediction) -> str:
    """Return the title of a class's map: 'cat 97 %'."""
    return f"{prediction.label} {percent(prediction.probability)}"


def title_is(page, text: str) -> None:
    page.wait_for_function(
        "(text) => document.querySelector('figcaption b')?.textContent.startsWith(text)",
        arg=text,
        timeout=WAIT,
    )


def quiet(page) -> None:
    """Wait until nothing is on its way any more."""
    page.wait_for_function("() => !document.querySelector('.frame.busy')", timeout=WAIT)


def drop(page, content: bytes, name: str, *, event: str = "drop") -> None:
    """Drop or paste a file, as a person does."""
    page.evaluate(
        """([bytes, name, kind]) => {
          const carried = new DataTransfer();
          carried.items.add(new File([Uint8Array.from(bytes)], name, {type: 'image/png'}));
          const event = kind === 'drop'
            ? new DragEvent('drop', {dataTransfer: carried, cancelable: true})
            : new ClipboardEvent('paste', {clipboardData: carried});
          dispatchEvent(event);
        }""",
        [list(content), name, event],
    )


def test_a_photo_gives_predictions_and_the_heatmap_of_the_best_class_at_once(page, ranked):
    best = ranked[0]
    assert best.label == "cat"
    title_is(page, shown(best))
    assert bars(page)[:3] == [one.label for one in ranked]
    assert page.inner_text(".bar output") == percent(best.probability)
    heat = pixels(page)
    page.keyboard.press("Space")
    page.wait_for_timeout(100)
    bare = pixels(page)
    assert difference(heat, bare) > 3
    photo = Image.open(io.BytesIO(page.request.get(page.url.split("#")[0] + "api/sample").body()))
    small = np.asarray(photo.convert("RGB").resize((48, 32), Image.Resampling.BOX), int)
    assert np.corrcoef(bare.ravel(), small.ravel())[0, 1] > 0.97


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_photos_are_dropped_and_pasted_and_a_strip_shows_several(page, ranked, event):
    drop(page, png(painted((GREEN_SPOT, GREEN)).pixels), "green <b>spot.png", event=event)
    page.wait_for_selector("#strip button:nth-child(2)", timeout=WAIT)
    page.wait_for_function("() => location.hash.includes('green')", timeout=WAIT)
    assert page.eval_on_selector_all("#strip b", "found => found.length") == 0
    page.wait_for_function(
        "() => [...document.querySelectorAll('#strip span')]"
        ".every((one) => /%$/.test(one.textContent))",
        timeout=WAIT,
    )
    page.click("#strip button:first-child")
    title_is(page, shown(ranked[0]))


def test_a_photo_is_picked_by_the_file_dialog(page):
    page.set_input_files("#file", [{"name": "red.png", "mimeType": "image/png", "buffer": png()}])
    page.wait_for_function("() => location.hash.includes('red.png')", timeout=WAIT)
    page.wait_for_function(
        "() => document.querySelectorAll('#strip button').length === 2", timeout=WAIT
    )


def trust(page) -> str:
    """Return what the trust badge says, and press its button where this machine is slow."""
    page.wait_for_selector("#trust .badge, #trust button", timeout=WAIT)
    if page.query_selector("#trust button"):
        page.click("#trust button")
        page.wait_for_selector("#trust .badge", timeout=WAIT)
    return page.inner_text("#trust")


def test_looks_change_at_once_and_without_the_server(page):
    trust(page)
    page.wait_for_selector("html[data-fields]", timeout=WAIT)
    asked: list[str] = []
    page.on(
        "request", lambda request: asked.append(request.url) if "/api/" in request.url else None
    )
    shown = pixels(page)
    slide(page, "opacity", 0)
    bare = pixels(page)
    slide(page, "opacity", 1)
    full = pixels(page)
    assert difference(shown, bare) < difference(full, bare)
    page.click('[data-palette="viridis"]')
    page.wait_for_timeout(60)
    assert difference(pixels(page), full) > 3
    page.check("#cut")
    slide(page, "threshold", 0.9)
    assert difference(pixels(page), bare) < difference(full, bare) / 3
    page.uncheck("#heat-is-opacity")
    page.uncheck("#cut")
    page.wait_for_timeout(60)
    assert difference(pixels(page), full) > 3
    assert page.inner_text("#threshold-value").startswith("90 %")
    assert asked == []


def test_sliders_run_at_60_frames_per_second(page):
    """Painting and drawing one step take less than a frame, whatever else this machine does."""
    times = page.evaluate(
        """async () => {
          const {Tile} = await import('/static/tile.js');
          const {state} = await import('/static/state.js');
          const source = Object.assign(document.createElement('canvas'), {width: 900, height: 600});
          const tile = new Tile();
          tile.setPhoto({source, width: 900, height: 600}, 900, 600);
          const raw = {data: Float32Array.from({length: 56 * 56}, Math.random), h: 56, w: 56};
          tile.setMap({raw, shown: raw, placement: [0, 0, 900, 600], signed: false, empty: false,
            kind: 'heat', end: null, target: {label: 'cat'}});
          tile.paint(state.looks.heat);
          const times = [];
          for (let i = 0; i < 30; i++) {
            const began = performance.now();
            tile.paint({...state.looks.heat, opacity: i / 30});
            times.push(performance.now() - began);
          }
          return times;
        }"""
    )
    assert min(times) < 1000 / 60


def test_hovering_tells_the_value_the_cell_and_what_it_sees(page, explained):
    page.wait_for_selector("html[data-fields]", timeout=WAIT)
    page.wait_for_timeout(150)
    frame = page.locator(".frame").bounding_box()
    page.mouse.move(frame["x"] + 0.55 * frame["width"], frame["y"] + 0.35 * frame["height"])
    page.wait_for_function(
        "() => /sees/.test(document.querySelector('.readout').textContent)", timeout=WAIT
    )
    said = page.inner_text(".readout")
    raw = explained.maps[0, 0]
    row, column = int(0.35 * raw.shape[0]), int(0.55 * raw.shape[1])
    assert said.startswith(
        f"{float(raw[row, column]):#.3g} added to the score by this cell"
        f" · row {row + 1}, column {column + 1}"
    )
    assert re.search(r"sees \d+ × \d+ of the input$", said)
    marks = page.evaluate(
        """() => {
          const canvas = document.querySelector('.frame canvas:nth-child(2)');
          const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
          return data.filter((value, at) => at % 4 === 3 && value).length;
        }"""
    )
    assert marks > 200


def sample():
    from skimage import data

    return read_photo(data.chelsea(), name="chelsea.png")


def test_a_click_on_a_bar_shows_that_class_and_shift_the_contrast(page, ranked):
    cat, second, third = ranked
    best = pixels(page)
    page.click(".bar >> nth=1")
    title_is(page, shown(second))
    assert difference(pixels(page), best) > 1
    page.click(".bar >> nth=0")
    title_is(page, shown(cat))
    page.click(".bar >> nth=2", modifiers=["Shift"])
    title_is(page, f"{cat.label} rather than {third.label}")
    assert page.get_attribute("#palettes button", "data-palette") == "for-against"
    page.click("button.against[aria-pressed=true]")
    title_is(page, shown(cat))


def test_classes_are_searched_and_chosen_by_keyboard(page):
    page.fill("#search", "pan")
    assert [one.inner_text() for one in page.query_selector_all("#found li")] == ["panda"]
    page.press("#search", "Enter")
    title_is(page, "panda")
    page.fill("#search", "Snow_l")
    assert [one.inner_text() for one in page.query_selector_all("#found li")] == ["snow leopard"]
    page.fill("#search", "xyz")
    assert page.inner_text("#found") == "There is no class like “xyz”."


def test_keys_choose_classes_views_and_cells(page, ranked, explained):
    cat, second, _ = ranked
    rows, columns = explained.maps.shape[2:]
    page.keyboard.press("2")
    title_is(page, shown(second))
    page.keyboard.press("1")
    title_is(page, shown(cat))
    page.keyboard.press("Shift+Digit2")
    title_is(page, f"{cat.label} rather than {second.label}")
    page.keyboard.press("1")
    title_is(page, shown(cat))
    page.keyboard.press("ArrowRight")
    first = page.inner_text(".readout")
    page.keyboard.press("ArrowRight")
    after = page.inner_text(".readout")
    assert f"row {rows // 2 + 1}, column {columns // 2 + 1}" in first
    assert f"row {rows // 2 + 1}, column {columns // 2 + 2}" in after
    for key, mode in {
        "w": "swipe",
        "o": "cover",
        "i": "inside",
        "f": "features",
        "l": "look",
    }.items():
        page.keyboard.press(key)
        assert page.get_attribute('[role="tab"][aria-selected="true"]', "data-mode") == mode
    page.keyboard.press("?")
    assert page.is_visible("#help")


def test_methods_and_classes_are_compared_with_one_cursor(page):
    page.keyboard.press("c")
    page.click(".chip:text-is('occlusion')")
    page.wait_for_function("() => document.querySelectorAll('.tile').length === 6", timeout=WAIT)
    quiet(page)
    first, last = pixels(page, 0), pixels(page, 5)
    assert difference(first, last) > 1
    frame = page.locator(".frame").first.bounding_box()
    page.mouse.move(frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2)
    page.wait_for_function(
        "() => [...document.querySelectorAll('.tile .how')]"
        ".every((one) => /\\d/.test(one.textContent))",
        timeout=WAIT,
    )
    page.check("#shared")
    page.wait_for_timeout(80)
    assert difference(pixels(page, 5), last) > 0.2


def test_a_divider_swipes_between_two_views(page, ranked):
    third = ranked[2]
    page.keyboard.press("w")
    page.wait_for_selector(".divider", timeout=WAIT)
    page.select_option("#tools select", f"class {third.index}")
    page.wait_for_function(
        "(text) => document.querySelector('.side.right')?.textContent.startsWith(text)",
        arg=third.label,
        timeout=WAIT,
    )
    divider = page.locator(".divider").bounding_box()
    middle = divider["x"] + divider["width"] / 2, divider["y"] + divider["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] - 200, middle[1])
    page.mouse.up()
    at = int(page.get_attribute(".divider", "aria-valuenow"))
    assert 15 < at < 40
    page.keyboard.press("ArrowRight")
    assert int(page.get_attribute(".divider", "aria-valuenow")) == at + 2


def test_painting_over_the_photo_changes_the_probabilities_and_is_undone(page):
    page.keyboard.press("o")
    page.wait_for_selector("#tools button.main", timeout=WAIT)
    quiet(page)
    before = pixels(page)
    page.evaluate(
        """() => {
          const size = document.querySelector('#tools input');
          size.value = 0.5;
          size.dispatchEvent(new Event('input'));
        }"""
    )
    frame = page.locator(".frame").bounding_box()

    def at(across, down):
        return frame["x"] + across * frame["width"], frame["y"] + down * frame["height"]

    page.mouse.move(*at(0.4, 0.3))
    page.mouse.down()
    page.mouse.move(*at(0.7, 0.4), steps=4)
    page.mouse.move(*at(0.5, 0.75), steps=4)
    page.mouse.up()
    page.wait_for_selector("#bars em", timeout=WAIT)
    assert difference(pixels(page), before) > 10
    page.click("#tools button.main")
    quiet(page)
    page.wait_for_function("() => !document.querySelector('.frame.busy')", timeout=WAIT)
    covered = page.inner_text("figcaption b")
    page.keyboard.press("Control+z")
    page.wait_for_function("() => !document.querySelector('#bars em')", timeout=WAIT)
    assert covered != page.inner_text(".bar >> nth=0")
    page.click(".chip:text-is('Drag a patch')")
    page.mouse.move(*at(0.5, 0.4))
    page.wait_for_selector("#bars em", timeout=WAIT)


def test_layers_are_slid_through_and_feature_maps_sorted_under_the_cursor(page, explained):
    rows, columns = explained.maps.shape[2:]
    page.keyboard.press("i")
    page.wait_for_selector("#maps button", timeout=WAIT)
    assert "over the whole photo" in page.inner_text("#maps-title").lower()
    order = "found => found.map((one) => one.dataset.channel)"
    whole = page.eval_on_selector_all("#maps button", order)
    assert len(whole) == 24
    frame = page.locator(".frame").bounding_box()
    page.mouse.move(frame["x"] + frame["width"] * 0.95, frame["y"] + frame["height"] * 0.95)
    page.wait_for_function(
        "(cell) => document.getElementById('maps-title').textContent.toLowerCase().endsWith(cell)",
        arg=f"row {rows}, column {columns}",
        timeout=WAIT,
    )
    assert page.eval_on_selector_all("#maps button", order) != whole
    slide(page, "layer", 3)
    page.wait_for_function(
        "() => / of block/.test(document.getElementById('maps-title')?.textContent ?? '')",
        timeout=WAIT,
    )
    page.wait_for_function(
        "(sizes) => sizes.some("
        "(size) => document.querySelector('figcaption .how').textContent.includes(size))",
        arg=[f"{times * rows} × {times * columns}" for times in (2, 4)],
        timeout=WAIT,
    )


def test_features_are_coloured_and_likeness_follows_the_cursor(page, built_in):
    page.keyboard.press("f")
    page.wait_for_selector("#features canvas", timeout=WAIT)
    found = seewhy.features(built_in, sample())
    share = f"{100 * found.components()[1].sum():.0f}"
    assert share in page.inner_text("#maps-title")
    pixels = """() => {
        const canvas = document.querySelector('#features canvas');
        const {width, height} = canvas;
        return [...canvas.getContext('2d').getImageData(0, 0, width, height).data];
    }"""
    shape = (*found.maps.shape[1:3], 4)
    drawn = np.reshape(page.evaluate(pixels), shape)[..., :3]
    assert np.abs(drawn - 255 * found.colours()[0]).max() <= 1
    frame = page.locator(".frame").bounding_box()
    assert page.locator(".frame canvas").first.bounding_box()["width"] == pytest.approx(
        frame["width"], abs=2
    )
    page.mouse.move(frame["x"] + frame["width"] * 0.97, frame["y"] + frame["height"] * 0.97)
    page.wait_for_function(
        "(words) => document.querySelectorAll('#features figcaption')[1]?.textContent"
        ".startsWith(words)",
        arg=f"like row {shape[0]}, column {shape[1]}: cosine",
        timeout=WAIT,
    )


def test_methods_that_do_not_apply_are_hidden_and_the_page_says_why(page):
    said = page.inner_text("#method-unfit")
    assert said == "Not for this network: chefer, legrad, grad-eclip, attention-rollout."
    assert page.get_attribute("#method-unfit", "title").startswith("'built-in' shows no attention")
    assert page.query_selector("#method option[value=chefer]") is None


def test_a_feature_maps_picture_is_found_with_progress_and_cancelled(page, server):
    page.keyboard.press("i")
    page.wait_for_selector("#maps button", timeout=WAIT)
    page.click("#maps button >> nth=0")
    page.wait_for_function("() => document.getElementById('work-bar').value > 0", timeout=WAIT)
    page.click("#work-stop")
    worker = server.app.state.api.models["built-in"].worker
    page.wait_for_function("() => document.getElementById('work').hidden", timeout=WAIT)
    for _ in range(100):
        if worker.load == 0:
            break
        page.wait_for_timeout(50)
    assert worker.load == 0  # the work has stopped, not only its display
    assert page.query_selector("#maximized") is None


def test_boxes_are_those_of_locate_and_follow_the_threshold(page, built_in):
    page.check("#boxed")
    for threshold in (None, 0.8):
        if threshold is not None:
            slide(page, "threshold", threshold)
        (found,) = seewhy.locate(built_in, sample(), threshold=threshold).found
        said = " · ".join(
            f"box {', '.join(map(str, one.box))}: a second look says {shown(one.seen)}"
            for one in found
        )
        page.wait_for_function(
            "(text) => document.querySelector('.readout').textContent === text",
            arg=said,
            timeout=WAIT,
        )


def test_the_trust_badge_compares_with_random_cells_and_the_centre(page, ranked):
    said = trust(page)
    assert re.search(
        r"deletion 0\.\d\d · random cells 0\.\d\d · centre 0\.\d\d · low is good · "
        r"better than random cells by [+−]0\.\d\d ± 0\.\d\d",
        said,
    )
    runner_up = re.escape(ranked[1].label)
    assert re.search(rf"rank correlation −?-?[01]\.\d\d with the map of {runner_up}", said)


def test_what_is_slow_is_said_before_it_starts_and_stops_when_cancelled(page, server):
    page.select_option("#method", "rise")
    page.wait_for_selector("#work-start:visible", timeout=WAIT)
    assert re.match(r"rise asks the model 4,000 times: about \d", page.inner_text("#work-text"))
    page.click("#work-start")
    page.wait_for_function("() => document.getElementById('work-bar').value > 0.01", timeout=WAIT)
    assert re.match(r"rise: [\d,]+ of 4,0\d\d", page.inner_text("#work-text"))
    page.click("#work-stop")
    worker = server.app.state.api.models["built-in"].worker
    for _ in range(100):
        if worker.load == 0:
            break
        page.wait_for_timeout(50)
    assert worker.load == 0
    page.select_option("#method", "grad-cam")
    page.wait_for_function(
        "() => document.querySelector('.how').textContent.startsWith('grad-cam')", timeout=WAIT
    )


def share(page) -> None:
    """Open what is copied, and wait until the server has written it."""
    page.click("#share-open")
    page.wait_for_function(
        "() => document.getElementById('as-python').textContent.length > 1", timeout=WAIT
    )


def test_options_of_the_method_are_set_on_the_page(page, ranked):
    best = ranked[0].index
    page.click(".bar >> nth=0")
    page.select_option("#method", "smooth-grad")
    page.wait_for_selector("#options [name=noise]", timeout=WAIT)
    names = [one.get_attribute("name") for one in page.query_selector_all("#options [name]")]
    assert names == ["samples", "noise", "seed"]
    page.fill("#options [name=samples]", "2")
    with page.expect_request("**/api/explain") as asked:
        page.press("#options [name=samples]", "Tab")
    options = asked.value.post_data_json["request"]["options"]
    assert options == {"smooth-grad": {"samples": 2}}
    page.wait_for_function("() => location.hash.includes('samples')", timeout=WAIT)
    share(page)
    asked_again = f'method="smooth-grad", classes=[{best}], samples=2'
    assert asked_again in page.inner_text("#as-python")
    assert "--method smooth-grad --samples 2" in page.inner_text("#as-command")
    page.keyboard.press("Escape")
    page.select_option("#method", "cam")
    page.wait_for_function(
        "() => document.getElementById('options').children.length === 0", timeout=WAIT
    )


def test_the_view_is_copied_as_python_that_runs_and_as_a_command(page, ranked):
    second = ranked[1]
    page.select_option("#method", "hires-cam")
    page.click(".bar >> nth=1")
    title_is(page, shown(second))
    share(page)
    code = page.inner_text("#as-python")
    assert code.splitlines() == [
        "import seewhy",
        "",
        'classifier = seewhy.load("built-in")',
        'explanation = seewhy.explain(classifier, "chelsea.png", method="hires-cam", '
        f"classes=[{second.index}])",
        'explanation.save("why.png")',
    ]
    compile(code, "page", "exec")
    command = page.inner_text("#as-command")
    assert command == f"seewhy explain chelsea.png --method hires-cam --class {second.index}"
    page.click('[data-copy="as-command"]')
    assert page.evaluate("() => navigator.clipboard.readText()") == command


def saved(page, button: str):
    page.click("#share-open")
    with page.expect_download() as download:
        page.click(button)
    return download.value


def test_the_view_is_saved_as_picture_and_as_numbers(page, explained):
    picture = Image.open(saved(page, "#save-png").path())
    assert picture.size == (451, 300)
    style = dict(colormap="turbo", opacity=0.8, heat_is_opacity=True)  # noqa: C408
    from seewhy.rendering.colours import overlay

    expected = overlay(sample().pixels, explained.heatmap(), **style)
    off = np.abs(np.asarray(picture.convert("RGB"), int) - expected)
    assert off.max() <= 1
    page.keyboard.press("Escape")
    numbers = saved(page, "#save-npz")
    assert numbers.suggested_filename == "chelsea_why.npz"
    assert zipfile.is_zipfile(numbers.path())
    with np.load(numbers.path()) as arrays:
        np.testing.assert_array_equal(arrays["maps"], explained.maps)


def test_a_saved_page_needs_no_server(page, browser, tmp_path):
    file = tmp_path / "why.html"
    saved(page, "#save-html").save_as(file)
    assert "http:" not in file.read_text("utf-8")
    alone = browser.new_page()
    errors: list[str] = []
    alone.on("pageerror", lambda error: errors.append(str(error)))
    alone.goto(file.as_uri())
    alone.wait_for_selector("#maps button", timeout=WAIT)
    unit = "added to the score by this cell"
    assert alone.inner_text("#how") == f"cam of built-in, last_map · {unit}"
    assert alone.inner_text("#bars li").startswith("cat")
    low, high = (one.inner_text() for one in alone.query_selector_all(".scale span"))
    assert (low, float(high) > 0) == ("0", True)
    assert (
        alone.evaluate("() => getComputedStyle(document.querySelector('main')).display") == "grid"
    )
    painted_before = alone.evaluate("() => document.getElementById('canvas').toDataURL()")
    slide(alone, "opacity", 0)
    assert alone.evaluate("() => document.getElementById('canvas').toDataURL()") != painted_before
    assert errors == []
    alone.close()


def test_a_link_restores_the_view(page, browser, ranked):
    second = ranked[1]
    page.select_option("#method", "layer-cam")
    page.click(".bar >> nth=1")
    title_is(page, shown(second))
    slide(page, "opacity", 0.9)
    page.wait_for_function("() => /heat=turbo.0.9/.test(location.hash)", timeout=WAIT)
    expected = pixels(page)
    other = browser.new_page(viewport={"width": 1280, "height": 860})
    other.goto(page.url)
    title_is(other, shown(second))
    quiet(other)
    assert other.input_value("#method") == "layer-cam"
    assert difference(pixels(other), expected) < 2  # the photo comes back as JPEG
    other.goto(page.url.replace("photo=", "photo=0"))
    other.reload()
    other.wait_for_selector("#notice:visible", timeout=WAIT)
    assert "no longer in the server's memory" in other.inner_text("#notice")
    other.close()


def test_what_is_no_photo_is_said_and_the_page_goes_on(page, ranked):
    drop(page, b"hello, I am a text", "bad.png")
    page.wait_for_selector("#notice:visible", timeout=WAIT)
    assert "'bad.png' is not an image" in page.inner_text("#notice")
    page.keyboard.press("2")
    title_is(page, shown(ranked[1]))


def test_what_is_too_large_is_said_before_it_is_sent(page):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(
        """() => {
          const carried = new DataTransfer();
          carried.items.add(new File([new Uint8Array(300 * 2 ** 20)], 'large.png'));
          dispatchEvent(new DragEvent('drop', {dataTransfer: carried, cancelable: true}));
        }"""
    )
    page.wait_for_selector("#notice:visible", timeout=WAIT)
    assert "“large.png” has 300 MB. At most 25 MB fit" in page.inner_text("#notice")
    assert not any("/api/photos" in url for url in asked if "?side=" not in url)


def test_a_model_that_fails_is_said_and_the_page_goes_on(page):
    page.select_option("#model", "colours")
    page.wait_for_function(
        "() => document.querySelector('.how').textContent.includes('cells')", timeout=WAIT
    )
    # The page lists no method that the network cannot do, so one is added here.
    page.evaluate("() => document.querySelector('#method').add(new Option('grad-cam'))")
    page.select_option("#method", "grad-cam")
    page.wait_for_selector("#notice:visible", timeout=WAIT)
    assert "'colours' has no gradients at its layers" in page.inner_text("#notice")
    page.select_option("#method", "")
    page.wait_for_function(
        "() => document.querySelector('.how').textContent.startsWith('cam')", timeout=WAIT
    )


def test_a_phone_shows_everything_within_its_width(browser, server):
    phone = browser.new_page(viewport={"width": 390, "height": 844})
    phone.goto(server.address)
    phone.wait_for_selector("html[data-ready]", timeout=WAIT)
    phone.click("#sample")
    phone.wait_for_selector("html[data-first]", timeout=WAIT)
    for key in "lcwoi":
        phone.keyboard.press(key)
        # Not until all is quiet: on a slow machine the page asks before it starts occlusion.
        phone.wait_for_selector(".frame", timeout=WAIT)
        phone.wait_for_timeout(400)
        assert phone.evaluate("() => document.documentElement.scrollWidth") <= 390, key
    phone.close()


def test_light_and_dark_follow_the_system_and_the_button(browser, server):
    dark = browser.new_page(color_scheme="dark")
    dark.goto(server.address)
    dark.wait_for_selector("html[data-ready]", timeout=WAIT)
    ground = "() => getComputedStyle(document.body).backgroundColor"
    assert dark.evaluate(ground) == "rgb(21, 20, 18)"
    dark.click("#theme")
    assert dark.evaluate(ground) == "rgb(245, 243, 239)"
    dark.close()


def test_everything_has_a_name_for_screen_readers(page):
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, input, select, [role=img], [role=tab]')]
          .filter((one) => !one.closest('[hidden]') && !(one.getAttribute('aria-label')
            || one.textContent.trim() || one.labels?.length)).map((one) => one.outerHTML)"""
    )
    assert nameless == []
    assert page.get_attribute(".frame", "aria-label").startswith("Heatmap of cat over chelsea.png")
    assert "Heatmap by cam" in page.inner_text("#said")


def test_a_class_that_is_chosen_while_the_next_photo_loads_stays_with_its_photo(
    browser, built_in, tmp_path
):
    """What was asked of the photo before belongs to it; the next one comes whole, or not at all."""
    for name in ("a.png", "b.png"):
        Image.fromarray(sample().pixels[:: 1 if name == "a.png" else -1]).save(tmp_path / name)
    with running({"built-in": built_in}, sorted(tmp_path.iterdir())) as server:
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(server.address)
        page.wait_for_selector("figcaption b:text-matches('%')", timeout=WAIT)
        held = []
        page.route("**/api/photos/*?side=2048", lambda route: held.append(route))
        page.click("#strip button:nth-child(2)")
        page.wait_for_function("() => document.querySelector('#strip .coming')", timeout=WAIT)
        page.click(".bar >> nth=1")
        title_is(page, page.inner_text(".bar >> nth=1").split("\n")[1])
        assert "a.png" in page.get_attribute(".frame", "aria-label")
        for one in held:
            one.continue_()
        page.wait_for_function(
            "() => document.querySelector('.frame').ariaLabel?.includes('b.png')",
            timeout=WAIT,
        )
        quiet(page)
        (best,) = seewhy.explain(built_in, tmp_path / "b.png", top=1).targets[0]
        assert page.inner_text("figcaption b") == shown(best)
        sizes = page.evaluate(
            "() => { const one = document.querySelector('.frame canvas');"
            " return [one.width, one.height]; }"
        )
        assert min(sizes) > 100
        assert errors == []
        page.close()


def test_the_last_of_several_photos_that_are_picked_is_shown(browser, built_in, tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(sample().pixels + ord(name[0])).save(tmp_path / name)
    with running({"built-in": built_in}, sorted(tmp_path.iterdir())) as server:
        page = browser.new_page()
        page.goto(server.address)
        page.wait_for_selector("figcaption b:text-matches('%')", timeout=WAIT)
        held = []
        page.route("**/api/photos/*?side=2048", lambda route: held.append(route))
        page.click("#strip button:nth-child(2)")
        page.click("#strip button:nth-child(3)")
        while len(held) < 2:
            page.wait_for_timeout(50)
        for one in reversed(held):
            one.continue_()
            page.wait_for_timeout(400)
        page.wait_for_function("() => location.hash.includes('c.png')", timeout=WAIT)
        assert page.get_attribute("#strip button:nth-child(3)", "aria-pressed") == "true"
        page.close()


def test_the_value_under_the_cursor_is_that_of_the_map_that_is_shown(page, built_in, ranked):
    frame = page.locator(".frame").bounding_box()
    page.mouse.move(frame["x"] + 0.55 * frame["width"], frame["y"] + 0.35 * frame["height"])
    page.wait_for_function(
        "() => /row/.test(document.querySelector('.readout').textContent)", timeout=WAIT
    )
    page.select_option("#method", "layer-cam")
    page.wait_for_function(
        "() => document.querySelector('.how').textContent.startsWith('layer-cam')", timeout=WAIT
    )
    best = ranked[0].index
    raw = seewhy.explain(built_in, sample(), method="layer-cam", classes=[best]).maps[0, 0]
    value = raw[int(0.35 * raw.shape[0]), int(0.55 * raw.shape[1])]
    expected = f"{value:#.3g}" if abs(value) >= 0.01 else f"{value:.1e}".replace("e-0", "e-")
    assert page.inner_text(".readout").startswith(f"{expected} of the score, through the layer")


def test_a_contrast_is_read_at_both_ends_and_drawn_as_the_library_draws_it(page, built_in, ranked):
    cat, second, _ = ranked
    page.click(".bar >> nth=0")
    title_is(page, shown(cat))
    page.click(".bar >> nth=1", modifiers=["Shift"])
    title_is(page, f"{cat.label} rather than {second.label}")
    low, high = (one.inner_text() for one in page.query_selector_all(".scale span"))
    assert low.startswith(f"for {second.label} −")
    assert high.startswith(f"for {cat.label} ")
    bare = sample().pixels.astype(int)
    picture = np.asarray(Image.open(saved(page, "#save-png").path()).convert("RGB"), int)
    contrast = seewhy.explain(built_in, sample(), classes=[cat.index], contrast=second.index)
    assert contrast.signed
    assert np.abs(picture - contrast.overlays()[0]).max() <= 1
    moved = np.abs(picture - bare).max(axis=2) > 24
    assert moved.mean() > 0.25  # a quarter of the photo is coloured for the eye


def test_pixel_level_maps_are_pictures_of_their_own_as_on_the_command_line(page, built_in, ranked):
    best = ranked[0].index
    page.click(".bar >> nth=0")
    for method in ("saliency", "gradient-x-input"):
        page.select_option("#method", method)
        page.wait_for_function(
            "(name) => document.querySelector('.how').textContent.startsWith(name)",
            arg=method,
            timeout=WAIT,
        )
        picture = np.asarray(Image.open(saved(page, "#save-png").path()).convert("RGB"), int)
        page.keyboard.press("Escape")
        expected = seewhy.explain(built_in, sample(), method=method, classes=[best]).overlays()[0]
        assert np.abs(picture - expected).max() <= 1


def test_a_link_cannot_plant_options_classes_or_methods(page, ranked):
    page.select_option("#method", "smooth-grad")
    page.wait_for_function("() => location.hash.includes('smooth-grad')", timeout=WAIT)
    planted = {"x; rm -rf ~ #": 1, "samples": 3, "noise": "0.1; rm", "seed": -1, "__proto__": 1}
    address = page.url.split("#")
    parts = dict(urllib.parse.parse_qsl(address[1]))
    parts |= {"options": json.dumps(planted), "class": "1e3", "layer": "nowhere", "mode": "evil"}
    other = page.context.new_page()
    other.goto(f"{address[0]}#{urllib.parse.urlencode(parts)}")
    other.wait_for_selector("figcaption b:text-matches('%')", timeout=WAIT)
    share(other)
    name = "chelsea.png"
    assert other.inner_text("#as-command") == (
        f"seewhy explain {name} --method smooth-grad --samples 3 --top 1"
    )
    other.close()


def test_a_photo_that_is_on_its_way_is_said_and_shown_as_a_place(browser, server):
    page = browser.new_page()
    page.goto(server.address)
    page.wait_for_selector("html[data-ready]", timeout=WAIT)
    held = []
    page.route("**/api/photos?model=*", lambda route: held.append(route))
    page.click("#sample")
    page.wait_for_selector(".frame.waiting", timeout=WAIT)
    assert page.inner_text("figcaption b") == "Reading chelsea.png …"
    assert len(page.query_selector_all("#bars .waiting")) == 3
    assert not page.is_visible("#welcome")
    while not held:
        page.wait_for_timeout(20)
    held[0].continue_()
    page.wait_for_selector("html[data-first]", timeout=WAIT)
    page.wait_for_selector(".bar", timeout=WAIT)
    page.close()


def test_every_mode_says_in_words_what_it_is_for(page):
    said = []
    for key in "lcwoi":
        page.keyboard.press(key)
        said.append(page.inner_text("#mode-says"))
    assert len({one for one in said if one.endswith(".")}) == 5


def test_display_stays_beside_the_photo_and_the_panel_scrolls_by_itself(page):
    page.set_viewport_size({"width": 1280, "height": 560})
    page.keyboard.press("i")
    page.wait_for_selector("#maps button", timeout=WAIT)
    page.evaluate("() => scrollTo(0, 500)")
    page.wait_for_timeout(200)
    assert page.evaluate("() => scrollY") > 100
    panel, display = (page.locator(name).bounding_box() for name in ("#panel", "#display"))
    assert 0 <= display["y"] < 60
    assert panel["y"] + panel["height"] <= 560
    overflow = page.evaluate(
        "() => { const one = document.getElementById('panel');"
        " return one.scrollHeight > one.clientHeight; }"
    )
    assert overflow


def test_two_models_of_long_names_do_not_scroll_sideways_on_a_phone(browser):
    names = [f"a-very-long-name-of-a-model-that-somebody-trained-{one}.keras" for one in "ab"]
    with running({name: colour_classifier() for name in names}) as server:
        phone = browser.new_page(viewport={"width": 390, "height": 844})
        phone.goto(server.address)
        phone.wait_for_selector("html[data-ready]", timeout=WAIT)
        phone.click("#sample")
        phone.wait_for_selector("html[data-first]", timeout=WAIT)
        assert phone.evaluate("() => document.documentElement.scrollWidth") <= 390
        phone.close()


def test_a_photo_unlike_the_training_photos_is_marked_on_bars_and_strip_at_once(browser):
    references = ReferenceFeatures("cells", np.eye(6, dtype=np.int8), 1.0, 1)
    knows = seewhy.Classifier(colour_classifier().network, preprocess="unit", references=references)
    with running({"colours": knows}) as server:
        page = browser.new_page()
        page.goto(server.address)
        page.wait_for_selector("html[data-ready]", timeout=WAIT)
        for name in ("one.png", "two.png"):
            drop(page, png(painted((RED_SPOT, RED if name == "one.png" else GREEN)).pixels), name)
            page.wait_for_function("(name) => location.hash.includes(name)", arg=name, timeout=WAIT)
        page.wait_for_selector("#remarks .unlike", timeout=WAIT)
        page.wait_for_function(
            "() => document.querySelectorAll('#strip .unlike').length === 2", timeout=WAIT
        )
        page.close()
