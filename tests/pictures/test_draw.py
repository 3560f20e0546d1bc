from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from haa.pictures.draw import draw_sample, side_by_side, word_strips
from haa.pictures.show import figure as show_figure

IMAGE = torch.rand(3, 2, 3, generator=torch.Generator().manual_seed(0))
HUMAN = torch.tensor([[4.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
MACHINE = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])


def heads(axes):
    return [axis.get_title() for axis in axes]


def test_the_difference_is_that_of_the_densities():
    """Densities 1 and 0.5, 0.5: -0.5 and 0.5 of a largest 0.5, whatever the scales of the maps were."""
    figure = draw_sample(IMAGE, 7 * MACHINE, HUMAN)
    shown = figure.axes[3].images[-1]
    np.testing.assert_allclose(shown.get_array(), [[-1, 1, 0], [0, 0, 0]], atol=1e-6)
    assert (shown.norm.vmin, shown.norm.vmax) == (-1, 1)
    machine = torch.tensor([[2.0, 1.0, 1.0], [0.0, 0.0, 0.0]])  # 1/2, 1/4, 1/4: -1/2, 1/4, 1/4
    shown = draw_sample(IMAGE, machine, HUMAN).axes[3].images[-1].get_array()
    np.testing.assert_allclose(shown[0], [-1, np.sqrt(0.5), np.sqrt(0.5)], atol=1e-6)


def test_what_the_human_map_is_is_said():
    assert heads(draw_sample(IMAGE, MACHINE, HUMAN).axes)[1] == "human map"
    assert heads(draw_sample(IMAGE, MACHINE, HUMAN, origin="predicted").axes)[1] == "predicted human map"
    batch = {"image": IMAGE[None], "id": ["one"]}
    figure = side_by_side(batch, HUMAN[None], torch.tensor([True]), MACHINE[None], simulated=True)
    assert heads(figure.axes)[1] == "simulated human map"


def test_a_sample_without_gaze_says_so_and_shows_no_difference():
    batch = {"image": IMAGE.expand(2, 3, 2, 3), "id": ["one", "two"], "fixations": torch.full((2, 1, 2), torch.nan)}
    figure = side_by_side(batch, torch.stack([HUMAN] * 2), torch.tensor([True, False]), torch.stack([MACHINE] * 2))
    labels = [axis.get_xlabel() for axis in figure.axes]
    assert labels == ["", "", "", "", "", "no gaze recorded", "", "no gaze recorded"]
    assert [len(axis.images) for axis in figure.axes] == [1, 2, 2, 2, 1, 1, 2, 1]


def test_pictures_of_different_sizes_keep_their_shapes_and_say_whose_map_is_shown():
    images = [torch.rand(3, 4, 4), torch.rand(3, 6, 3)]
    batch = {"image": images, "id": ["one", "two"], "native_size": [(48, 96), (60, 30)]}  # the first was stretched
    maps = [torch.rand(2, 2), torch.rand(3, 2)]
    human = [torch.rand(4, 4), torch.rand(6, 3)]
    figure = side_by_side(batch, human, [True, True], maps, whose="inserted map")
    figure.savefig(io.BytesIO())
    boxes = [axis.bbox for axis in figure.axes]
    shapes = [box.height / box.width for box in boxes]
    np.testing.assert_allclose(shapes, [0.5] * 4 + [2.0] * 4, rtol=0.02)
    assert heads(figure.axes)[:3] == ["image, fixations", "human map", "inserted map"]
    published = {"image": images, "id": ["one", "two"], "density": human}
    assert heads(side_by_side(published, human, [True, True], maps).axes)[:2] == ["image", "human map, as published"]
    strips = word_strips(batch, [["a"], ["b", "c"]], [torch.rand(1, 2, 2), torch.rand(2, 3, 2)])
    strips.savefig(io.BytesIO())
    drawn = [axis.bbox for axis in strips.axes if axis.images]
    np.testing.assert_allclose([box.height / box.width for box in drawn], [0.5, 2.0, 2.0], rtol=0.02)


@pytest.mark.parametrize(("words", "lines"), [(3, 1), (8, 1), (11, 2)])
def test_each_word_stands_over_its_map(words, lines):
    text = [str(k) for k in range(words)]
    maps = torch.eye(12).view(12, 3, 4)[:words]
    figure = draw_sample(IMAGE, MACHINE, HUMAN, words=(text, maps))
    strip = figure.axes[4:]
    assert heads(strip) == text + [""] * (8 * lines - words)
    batch = {"image": IMAGE[None], "id": ["one"]}
    figure = word_strips(batch, [text[:2]], torch.stack([torch.eye(2), torch.eye(2).flip(0), torch.zeros(2, 2)])[None])
    assert heads(figure.axes)[:3] == ["0", "1", ""]
    first, second = (axis.images[1].get_array() for axis in figure.axes[:2])
    assert first[0, 0] == second[0, 2] == 1 > first[0, 2] == second[0, 0]


@pytest.mark.slow
def test_a_run_draws_samples_and_words(haa):
    small = ("epochs=1", "data.train=8", "data.val=8", "data.test=8", "loader.batch_size=8")
    run = haa("train", "task=captioning", "align_weight=0.5", "callbacks.pictures.samples=2", *small)
    for name in ("val", "val_words"):
        with Image.open(run / "pictures" / f"{name}.png") as picture:
            assert picture.width > 600


TEXTS = ["$5 or 10% and $6_", "$\\undefined{$", "^_\\ {", "a" * 5000, "two\nlines\r\x00\x1b[0m", "שלום", "", "  "]


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("text", TEXTS)
def test_texts_are_drawn_as_texts(text, tmp_path):
    """A dollar is no mathematics, also where the figure is saved later, and a long text makes no larger picture."""
    batch = {"image": IMAGE[None], "id": [text], "question": [text], "answers": [[text]]}
    figures = [
        side_by_side(batch, HUMAN[None], torch.tensor([True]), MACHINE[None]),
        draw_sample(IMAGE, MACHINE, HUMAN, words=([text], MACHINE[None]), title=text),
        word_strips(batch, [[text]], MACHINE[None, None]),
        show_figure([(batch, [(text, None, HUMAN), ("human", None, None)])]),
    ]
    for number, figure in enumerate(figures):
        figure.savefig(tmp_path / f"{number}.png", bbox_inches="tight")
        with Image.open(tmp_path / f"{number}.png") as picture:
            assert max(picture.size) < 2500
    drawn = figures[1].get_suptitle()
    assert drawn.startswith(text.strip()[:9].split("\n")[0])
    assert not set(drawn) & {"\r", "\x00", "\x1b"}
