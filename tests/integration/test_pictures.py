# SPDX-License-Identifier: MIT
"""Flame graphs as people use them: opened in a browser, clicked, searched, and looked through."""

import json
import random
import re
import subprocess
import time
import xml.etree.ElementTree as ElementTree

import pytest

import pprof
from browser import Browser
from profd import PROFCTL, Program
from made_up import HARD_NAMES, STACKS, write_profile

SVG = "{http://www.w3.org/2000/svg}"
CONTROL = "bell\x07and\x7f"


def flame(*arguments, check=True):
    command = [PROFCTL, "flame", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if check:
        assert result.returncode == 0, result.stderr
    return result


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder with pictures of profiles whose stacks are known."""
    folder = tmp_path_factory.mktemp("pictures")
    plain = write_profile(folder / "plain.pb.gz", STACKS)
    hard = {("main", name): 10 + i for i, name in enumerate([*HARD_NAMES, CONTROL])}
    hard = write_profile(folder / "hard.pb.gz", hard, "/memfd:a (1.00%)\nb (deleted)")
    base = {("main", "parse"): 60, ("main", "old"): 30, ("main", "draw"): 10}
    base = write_profile(folder / "base.pb.gz", base)
    empty = write_profile(folder / "empty.pb.gz", {})
    for ending in ("svg", "html"):
        flame("-o", folder / f"plain.{ending}", plain)
        flame("-o", folder / f"icicle.{ending}", "--inverted", plain)
        flame("-o", folder / f"hard.{ending}", hard)
        flame("-o", folder / f"diff.{ending}", "-diff_base", base, plain)
        flame("-o", folder / f"empty.{ending}", empty)
    return folder


def frames(path):
    """[(title, x, y, width)] of an SVG."""
    root = ElementTree.parse(path).getroot()
    found = []
    for group in root.iter(f"{SVG}g"):
        rect = group.find(f"{SVG}rect")
        place = [float(rect.get(key)) for key in ("x", "y", "width")]
        found.append((group.find(f"{SVG}title").text, *place))
    return found


def page_data(path):
    text = path.read_text()
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])


# ---- what is in the files -------------------------------------------------------------------


def test_svg_shows_all_without_its_script(pictures):
    found = frames(pictures / "plain.svg")
    titles = [title for title, *_ in found]
    assert titles[0] == "all (100 samples, 100.00%)"
    assert "parse (40 samples, 40.00%)" in titles
    assert "draw (15 samples, 15.00%)" in titles and "draw (35 samples, 35.00%)" in titles
    whole = found[0][3]
    for title, x, y, width in found:
        count = int(re.search(r"\(([\d,]+) sample", title)[1])
        assert width == pytest.approx(whole * count / 100, abs=0.02)
        # Flames rise, and nothing leaves the picture.
        assert y <= found[0][2] and x >= found[0][1] - 0.01
        assert x + width <= found[0][1] + whole + 0.01
    text = (pictures / "plain.svg").read_text()
    assert ">main</text>" in text and "prefers-color-scheme: dark" in text
    assert not re.search(r'(href|src|url\()\s*=?\s*"?https?:', text)
    icicle = frames(pictures / "icicle.svg")
    assert all(y >= icicle[0][2] for _, _, y, _ in icicle)


def test_names_stay_intact(pictures):
    titles = [title for title, *_ in frames(pictures / "hard.svg")]
    for i, name in enumerate(HARD_NAMES):
        assert any(title.startswith(f"{name} ({10 + i} samples, ") for title in titles), name
    assert any(title.startswith("bell␇and␡ (17 samples") for title in titles)
    data = page_data(pictures / "hard.html")
    assert set(data["functions"]["name"]) == {"all", "main", CONTROL, *HARD_NAMES}


def test_a_name_keeps_its_colour(pictures, tmp_path):
    def colours(path):
        groups = ElementTree.parse(path).getroot().iter(f"{SVG}g")
        return {
            g.find(f"{SVG}title").text.split(" (")[0]: g.find(f"{SVG}rect").get("class")
            for g in groups
        }

    other = write_profile(tmp_path / "other.pb.gz", {("start", "main", "draw", "new"): 3})
    flame("-o", tmp_path / "other.svg", other)
    before, after = colours(pictures / "plain.svg"), colours(tmp_path / "other.svg")
    assert before["draw"] == after["draw"] and before["main"] == after["main"]
    assert len(set(before.values())) > 3


def test_options_of_the_picture(pictures, tmp_path):
    out = tmp_path / "out.svg"
    plain = pictures / "plain.pb.gz"
    flame("-o", out, "--title=A <b> & c", "--width=800", "--minwidth=10%", "--colors=mem", plain)
    text = out.read_text()
    assert "A &lt;b&gt; &amp; c</text>" in text and 'width="800"' in text
    titles = [title for title, *_ in frames(out)]
    assert "wait (5 samples, 5.00%)" not in titles and "1 narrow frame is left out" in text
    assert ElementTree.fromstring(flame(plain).stdout).tag == f"{SVG}svg"
    assert flame("--format=html", plain).stdout.startswith("<!DOCTYPE html>")
    exported = subprocess.run(
        [PROFCTL, "export", "--format=svg", plain], capture_output=True, text=True, check=True
    )
    assert exported.stdout == flame(plain).stdout
    for wrong in (
        ["--colors=pink"],
        ["--colors=diff"],
        ["--minwidth=wide"],
        ["--format=png"],
        ["--width=3"],
        ["--normalize"],
    ):
        result = flame(*wrong, plain, check=False)
        assert result.returncode == 2 and wrong[0].split("=")[0] in result.stderr


def test_differential(pictures, tmp_path):
    titles = [title for title, *_ in frames(pictures / "diff.svg")]
    assert "parse (40 samples, 40.00%; base 60 samples, 60.00%)" in titles
    assert "old (0 samples, 0.00%; base 30 samples, 30.00%)" in titles
    data = page_data(pictures / "diff.html")
    assert data["palette"] == "diff"
    names = [data["functions"]["name"][f] for f in data["frames"]["function"]]
    middle = (len(data["palettes"]["diff"]["light"]) - 1) // 2
    shade = {name: data["frames"]["shade"][i] for i, name in enumerate(names)}
    assert shade["old"] < middle < shade["draw"]
    # Against itself, scaled: no difference at all.
    double = tmp_path / "double.pb.gz"
    write_profile(double, {stack: 2 * count for stack, count in STACKS.items()})
    out = tmp_path / "same.html"
    flame("-o", out, "--normalize", "--diff-base", double, pictures / "plain.pb.gz")
    assert set(page_data(out)["frames"]["shade"]) == {middle}


@pytest.fixture(scope="module")
def huge(tmp_path_factory):
    """100,000 stacks of thousands of functions, some with long names."""
    chance = random.Random(7)
    folder = tmp_path_factory.mktemp("huge")
    names = [f"ns{i % 9}::Class{i % 31}<int, std::less<int>>::method_{i}(int)" for i in range(3000)]
    names[::400] = [name + "T" * 4000 for name in names[::400]]
    stacks = {}
    while len(stacks) < 100_000:
        at, stack = 1, []
        for _ in range(chance.randint(5, 25)):
            at = (at * 7 + chance.choice((1, 1, 1, 2, 3, 5))) % len(names)
            stack.append(names[at])
        stacks[tuple(stack)] = chance.randint(1, 9)
    return write_profile(folder / "huge.pb.gz", stacks)


@pytest.mark.parametrize("ending", ["svg", "html"])
def test_pictures_of_100000_stacks(huge, browser, tmp_path, ending):
    out = tmp_path / f"huge.{ending}"
    flame("-o", out, huge)
    assert 100_000 < out.stat().st_size < 2_000_000
    assert re.search(r"[\d,]+ narrow frames are left out", out.read_text())
    browser.open(out)
    assert browser.problems() == []
    if ending == "svg":
        assert len(frames(out)) > 1000
        assert browser.run("return document.querySelectorAll('g.frame').length") > 1000


# ---- in the browser -------------------------------------------------------------------------


def box(browser, name):
    """Left, top, width, height of the first frame with that name that is to be seen."""
    return browser.run(
        """for (const g of document.querySelectorAll("g.frame")) {
            const r = g.querySelector("rect").getBoundingClientRect();
            if (g.querySelector("title").textContent.startsWith(arguments[0] + " (") && r.width)
                return [r.x, r.y, r.width, r.height];
        }""",
        name,
    )


def click_frame(browser, name):
    x, y, width, height = box(browser, name)
    browser.point(x + width / 2, y + height / 2, click=True)


def test_svg_zooms_and_resets(pictures, browser):
    browser.open(pictures / "plain.svg")
    before, whole = box(browser, "draw"), box(browser, "all")
    click_frame(browser, "draw")
    assert box(browser, "draw")[2] == pytest.approx(whole[2], abs=1)
    assert box(browser, "parse") is None and box(browser, "helper") is None
    faded = browser.run("return [...document.querySelectorAll('.faded title')].map(t=>t.textContent)")
    assert [text.split(" ")[0] for text in faded] == ["all", "main"]
    assert browser.state().startswith("zoom=")
    assert box(browser, "paint")[2] == pytest.approx(whole[2] * 15 / 35, abs=1)
    browser.back()
    browser.wait("return location.hash === ''")
    assert box(browser, "draw") == before
    click_frame(browser, "draw")
    browser.click("#reset")
    assert box(browser, "draw") == before and box(browser, "parse")
    assert browser.problems() == []


def test_svg_searches(pictures, browser):
    browser.open(pictures / "plain.svg")
    browser.keys("f", held="Control")
    browser.type("draw")
    # The draw within draw counts once.
    assert browser.text("#matched") == "Matched: 35.00%"
    assert browser.run("return document.querySelectorAll('.match').length") == 2
    assert browser.state() == "search=draw"
    browser.keys("Escape")
    assert browser.text("#matched") == "" and browser.state() == ""
    browser.click("#search")
    browser.type("^(read_file|parse)$")
    assert browser.text("#matched") == "Matched: 60.00%"
    browser.type("(")
    assert browser.text("#matched") == "Not a regular expression"
    assert browser.run("return document.querySelectorAll('.match').length") == 0
    assert browser.problems() == []


def test_svg_state_in_the_url(pictures, browser):
    browser.open(pictures / "plain.svg")
    click_frame(browser, "parse")
    zoom = browser.state()
    browser.open(pictures / "plain.svg", f"{zoom}&search=READ")
    assert box(browser, "draw") is None
    # Capitals count if there are any.
    assert browser.text("#matched") == "Matched: 0.00%"
    browser.open(pictures / "plain.svg", f"{zoom}&search=read")
    assert browser.text("#matched") == "Matched: 30.00%"


def test_svg_by_keyboard(pictures, browser):
    browser.open(pictures / "plain.svg")
    browser.keys("Up", "Up", "Left", "Right")
    assert browser.text("#details") == "parse (40 samples, 40.00%)"
    browser.keys("Enter")
    assert box(browser, "wait") is None and box(browser, "parse")
    browser.keys("Home")
    assert box(browser, "wait")


def test_svg_tells_what_is_below_the_pointer(pictures, browser):
    browser.open(pictures / "plain.svg")
    x, y, width, height = box(browser, "paint")
    browser.point(x + width / 2, y + height / 2)
    assert browser.text("#details") == "paint (15 samples, 15.00%)"


def page_frame(browser, pictures, name, picture="plain"):
    """Where the first frame with that name is, while nothing is zoomed."""
    data = page_data(pictures / f"{picture}.html")["frames"]
    names = page_data(pictures / f"{picture}.html")["functions"]["name"]
    index = [names[f] for f in data["function"]].index(name)
    left = {-1: 0}
    ends = {}
    for i, depth in enumerate(data["depth"]):
        left[i] = ends.get(depth, 0) if depth in ends else left.get(i - 1, 0)
        ends = {d: end for d, end in ends.items() if d < depth}
        ends[depth] = left[i] + data["value"][i]
        ends[depth + 1] = left[i]
    levels = max(data["depth"]) + 1
    x, y, width = browser.run(
        "const r = document.querySelector('#picture').getBoundingClientRect();"
        "return [r.x, r.y - document.querySelector('#scroll').scrollTop, r.width]"
    )
    middle = (left[index] + data["value"][index] / 2) / data["value"][0]
    return x + 10 + middle * (width - 20), y + 10 + (levels - 1 - data["depth"][index]) * 19 + 9


def test_page_zooms_and_resets(pictures, browser):
    browser.open(pictures / "plain.html")
    browser.point(*page_frame(browser, pictures, "paint"))
    assert browser.text("#details").startswith("paint (15 samples, 15.00%)")
    assert browser.text("#tip b") == "paint"
    browser.point(*page_frame(browser, pictures, "draw"), click=True)
    assert browser.state().startswith("zoom=")
    assert not browser.run("return document.querySelector('#reset').disabled")
    # What was elsewhere is now filled by the one that was clicked.
    browser.point(*page_frame(browser, pictures, "parse"))
    assert browser.text("#details").startswith("draw (35 samples")
    browser.click("#reset")
    browser.point(*page_frame(browser, pictures, "parse"))
    assert browser.text("#details").startswith("parse (40 samples")
    assert browser.problems() == []


def test_page_searches(pictures, browser):
    browser.open(pictures / "plain.html")
    browser.keys("f", held="Control")
    browser.type("draw")
    assert browser.text("#matched") == "Matched: 35.00%"
    browser.click("#list")
    rows = "return [...document.querySelectorAll('tbody tr')].map(r => r.innerText.split('\\t'))"
    assert browser.run(rows) == [["draw", "35", "35"]]
    browser.keys("Escape")
    assert browser.text("#matched") == "" and browser.state() == ""
    found = browser.run(rows)
    assert ["read_file", "30", "30"] in found and ["main", "0", "80"] in found
    assert browser.problems() == []


def test_page_keeps_its_state_in_the_url(pictures, browser):
    browser.open(pictures / "plain.html", "search=read&colors=io&inverted=true&theme=dark")
    assert browser.text("#matched") == "Matched: 30.00%"
    look = "return ['#palette','#theme'].map(s => document.querySelector(s).value)"
    assert browser.run(look) == ["io", "dark"]
    ground = "return getComputedStyle(document.body).backgroundColor"
    assert browser.run(ground) == "rgb(22, 24, 28)"
    browser.keys("Down", "Down", "Left", "Right")
    assert browser.text("#details").startswith("parse (40 samples")


@pytest.mark.parametrize("name", ["hard", "diff", "icicle", "empty"])
@pytest.mark.parametrize("ending", ["svg", "html"])
def test_other_pictures_open(pictures, browser, name, ending):
    browser.open(pictures / f"{name}.{ending}")
    assert browser.problems() == []
    browser.keys("Home")
    browser.keys("/")
    browser.type("operator")
    wanted = "Matched: 0.00%" if name != "hard" else "Matched: 23.15%"
    assert browser.text("#matched") == wanted


def test_light_and_dark(pictures, browser):
    ground = {
        "svg": "return getComputedStyle(document.documentElement).backgroundColor",
        "html": "return getComputedStyle(document.body).backgroundColor",
    }
    try:
        for ending, script in ground.items():
            browser.open(pictures / f"plain.{ending}")
            browser.prefer("light")
            assert browser.run(script) == "rgb(251, 250, 248)"
            browser.prefer("dark")
            assert browser.run(script) == "rgb(22, 24, 28)"
    finally:
        browser.prefer("light")


def test_pictures_of_a_recording(quiet_daemon, tmp_path):
    recording = tmp_path / "own.pb.gz"
    quiet_daemon.ctl("record", "--frequency", 499, "-o", recording, "--", "sh", "-c",
                     "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done")
    profile = pprof.read(recording)
    out = tmp_path / "own.svg"
    flame("-o", out, recording)
    titles = [title for title, *_ in frames(out)]
    assert titles[0].startswith(f"all ({profile.total():,} samples, 100.00%)\n")
    assert any(re.match(r"sh-\d+ \([\d,]+ samples, [\d.]+%\)", title) for title in titles)


def test_differential_between_two_times(daemon, tmp_path):
    with Program("burn3", 60) as burn:
        time.sleep(2.5)
    # Where the one window ends and the other begins; they are known by whole seconds.
    middle = int(time.time())
    daemon.close_window()
    time.sleep(2)
    with Program("kernelwork", 60) as work:
        time.sleep(2.5)
    daemon.close_window()
    out = tmp_path / "times.svg"
    daemon.ctl(
        "flame", "-o", out, f"--since=@{middle + 2}", "--until=now",
        "--diff_since=10m ago", f"--diff_until=@{middle - 1}", "--normalize",
        f"--pid={burn.pid},{work.pid}",
    )
    titles = [title for title, *_ in frames(out)]
    gone = next(title for title in titles if title.startswith("burn3 ("))
    new = next(title for title in titles if title.startswith("kernelwork ("))
    assert re.match(r"burn3 \(0 samples, 0.00%; base [1-9][\d,]* samples, ", gone)
    assert re.match(r"kernelwork \([1-9][\d,]* samples, [\d.]+%; base 0 samples, 0.00%\)", new)
    for wrong in (["--diff_until=now"], ["--diff_since=1h ago", "--diff_base=x"]):
        result = daemon.ctl("flame", *wrong, check=False)
        assert result.returncode == 2 and "--diff_since" in result.stderr
