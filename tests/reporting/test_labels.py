"""Labels in figures: none lies on another, on a tick, a title or the figure's edge; held against scipy and by boxes."""

from __future__ import annotations

import io
import itertools
import re
import zlib

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy.optimize import minimize
from tests.reporting.simulated import study_runs

from haa.reporting import figures
from haa.reporting.across import _named, gains
from haa.reporting.arms import studies
from haa.reporting.compare import rows
from haa.reporting.labels import Label, spread
from haa.reporting.style import COLOURS, COLUMN, DARK, PAGE, STYLE, save

CONDITIONS = ("human", "shuffled", "center", "inverted", "random", "corrupted p=0.25")
LONG = "a condition of my own with a name that goes on and on, and is told in full"


def study(weights=(0.25, 0.5, 1.0), label: str | None = None, same: bool = False):
    effects = {(weight, condition): 0.0 for weight in weights for condition in CONDITIONS}
    spreads = {"sd_seed": 0.0, "sd_arm": 0.0} if same else {}
    runs = study_runs(np.random.default_rng(0), effects, 3, samples=40, **spreads)
    for run in runs:
        run.summary["references"] = {"centre prior": {"attention_nss": 0.01}, "human ceiling": {"attention_nss": 0.012}}
        if label is not None and run.summary["label"] == "shuffled":
            run.summary["label"] = label
        if same:
            run.summary["metrics"]["accuracy"] = 0.3 + 1e-4 * run.seed
    (found,) = studies(runs)
    return found


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts whose boxes overlap, and texts that stand out beyond the figure."""
    figure.draw_without_rendering()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    texts = [text for text in texts if id(text) not in _undrawn(figure)]
    # an annotation's own box would hold its arrow
    boxes = {id(text): Text.get_window_extent(text) for text in texts}
    edge = figure.bbox.padded(1.5)
    out = [(text.get_text(), "the edge") for text in texts if not _within(boxes[id(text)], edge)]
    for a, b in itertools.combinations(texts, 2):
        mine, other = boxes[id(a)], boxes[id(b)]
        wide = min(mine.x1, other.x1) - max(mine.x0, other.x0)
        high = min(mine.y1, other.y1) - max(mine.y0, other.y0)
        if wide > 1 and high > 1:
            out.append((a.get_text(), b.get_text()))
    return out


def _undrawn(figure: Figure) -> set[int]:
    """Labels of ticks beyond an axis' ends, which matplotlib keeps and does not draw."""
    sides = [side for axis in figure.axes for side in (axis.xaxis, axis.yaxis)]
    ends = [sorted(side.get_view_interval()) for side in sides]
    return {
        id(tick.label1)
        for side, (low, high) in zip(sides, ends, strict=True)
        for tick in side.get_major_ticks()
        if not low - 1e-9 <= tick.get_loc() <= high + 1e-9
    }


def _within(box, edge) -> bool:
    return edge.x0 <= box.x0 and box.x1 <= edge.x1 and edge.y0 <= box.y0 and box.y1 <= edge.y1


@pytest.mark.parametrize("width", [COLUMN, PAGE])
@pytest.mark.parametrize("given", [{}, {"label": LONG}, {"same": True}, {"weights": (0.5,)}], ids=str)
def test_no_text_lies_on_another(width, given):
    found = study(**given)
    metrics = [found.metric, found.attention]
    drawn = {
        "differences": figures.differences(found, rows(found, found.metric), width),
        "dose": figures.dose(found, metrics, found.references, width),
        "consistency": figures.consistency(found, width),
    }
    for name, figure in drawn.items():
        assert figure.get_figwidth() == width
        assert overlapping(figure) == [], name


@pytest.mark.parametrize("width", [COLUMN, PAGE])
@pytest.mark.parametrize(("count", "apart"), [(3, 1.0), (12, 0.3), (9, 0.0), (30, 0.02)])
def test_nor_do_names_of_points(width, count, apart):
    rng = np.random.default_rng(count)
    points = apart * rng.random((count, 2))

    def draw(figure):
        axis = figure.subplots()
        labels = []
        for k, (x, y) in enumerate(points):
            axis.plot(x, y, "o", label=f"study number {k} of many")
            labels.append(Label(x, y, f"study number {k}\nof many", "#797979"))
        axis.set_xlim(-0.5, 1.5)
        axis.set_ylim(-0.5, 1.5)
        return [(axis, labels, [])]

    figure = _named(draw, width, 0.8 * width)
    assert overlapping(figure) == []
    # every name is there once, beside its point or in the legend
    told = [text.get_text() for text in figure.findobj(Text) if "study number" in text.get_text()]
    assert len(told) == count


def test_gains_of_none_are_no_figure():
    assert gains([]) is None


@pytest.mark.parametrize("seed", range(4))
def test_places_are_as_near_as_can_be(seed):
    rng = np.random.default_rng(seed)
    wanted, heights = rng.uniform(0, 10, 6), rng.uniform(0.5, 1.5, 6)
    places = np.array(spread(wanted.tolist(), heights.tolist(), 0.0, 20.0))
    order = np.argsort(wanted)
    gaps = (heights[order][1:] + heights[order][:-1]) / 2
    assert (np.diff(places[order]) >= gaps - 1e-9).all()
    best = minimize(
        lambda x: ((x - wanted[order]) ** 2).sum(),
        np.arange(6) * 2.0,
        constraints=[{"type": "ineq", "fun": lambda x: np.diff(x) - gaps}],
        bounds=[(0.0, 20.0)] * 6,
        method="SLSQP",
    )
    assert ((places[order] - wanted[order]) ** 2).sum() == pytest.approx(best.fun, abs=1e-5)


def test_pdfs_hold_their_fonts_as_truetype_at_the_width_of_a_column_and_a_page(tmp_path):
    def draw(width):
        with matplotlib.rc_context(STYLE):
            figure = Figure(figsize=(width, 1.0))
            figure.text(0.1, 0.5, "δ = −0.1, Jégou")
        return figure

    save(draw, tmp_path, "f")
    for name, inches in (("f", 3.35), ("f_wide", 6.9)):
        content = (tmp_path / f"{name}.pdf").read_bytes()
        content += b"".join(_inflated(part) for part in re.findall(rb"stream\r?\n(.*?)endstream", content, re.S))
        assert b"/Type3" not in content
        assert b"/CIDFontType2" in content  # what Type 42 is in a PDF
        assert b"/FontFile2" in content
        box = re.search(rb"/MediaBox \[ ?([\d. ]+)\]", content)[1].split()
        assert float(box[2]) == pytest.approx(72 * inches, abs=0.1)


def _inflated(part: bytes) -> bytes:
    try:
        return zlib.decompress(part)
    except zlib.error:
        return b""


def test_nothing_in_a_figure_is_smaller_than_seven_points():
    sizes = [STYLE[key] for key in STYLE if key.endswith("size") and key != "lines.markersize"]
    assert min(sizes) == 7
    figure = figures.dose(study(weights=(0.5,)), ["accuracy"], {})
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text().strip()) == 7


# Machado, Oliveira and Fernandes, A physiologically-based model for simulation of color vision deficiency (2009), at
# its full severity
SIGHT = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "all": np.eye(3).tolist(),
}
XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]


def lab(colour: str, sight: str = "all") -> np.ndarray:
    share = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(SIGHT[sight]) @ linear, 0, 1)
    x = np.array(XYZ) @ seen / np.array([0.95047, 1, 1.08883])
    f = np.where(x > 216 / 24389, np.cbrt(x), (24389 / 27 * x + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIGHT)
def test_the_first_four_colours_are_told_apart_by_everybody(sight):
    for palette, least in ((COLOURS, 27), (DARK, 20)):
        seen = [lab(colour, sight) for colour in palette[:4]]
        assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > least - 0.5


def test_they_are_told_apart_in_grey():
    light = sorted(lab(colour)[0] for colour in COLOURS[:4])
    assert min(np.diff(light)) > 8.5


def test_a_figure_for_the_page_takes_its_colours():
    from haa.reporting.style import inline

    figure = figures.differences(study(weights=(0.5,)), rows(study(weights=(0.5,)), "accuracy"))
    markup = inline(figure, "f", "words")
    assert "var(--c1)" in markup
    assert not any(colour in markup for colour in COLOURS)
    file = io.StringIO()
    figure.savefig(file, format="svg")
    assert COLOURS[1] in file.getvalue()
