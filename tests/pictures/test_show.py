from __future__ import annotations

from pathlib import Path

import pytest
import torch

from haa.batch import human_maps
from haa.conditions import Center
from haa.data.loading.samples import Samples
from haa.data.loading.transforms import Transform
from haa.data.shapes import Shapes
from haa.pictures import show

SMALL = ("data=shapes", "data.train=8", "data.test=8")


def size(path: Path) -> tuple[int, int]:
    from PIL import Image

    with Image.open(path) as picture:
        return picture.size


def test_a_picture_has_a_row_per_sample_and_a_column_more_for_a_condition(haa, capsys):
    one = haa("show", *SMALL, name="one") / "show.png"
    assert capsys.readouterr().out.strip() == str(one)
    two = haa("show", *SMALL, "index=0,1", "task=captioning", name="two") / "show.png"
    control = haa("show", *SMALL, "condition=shuffled", "index=7", name="control") / "show.png"
    assert size(two)[1] > 1.7 * size(one)[1]
    assert size(control)[0] > 1.3 * size(one)[0]


def test_what_is_drawn_is_what_is_in_the_data():
    dataset = Shapes("test", test=8)
    plain = Samples(dataset, Transform())
    control = Samples(dataset, Transform(), condition=Center())
    batch, columns = show._row(plain, control, None, 3, simulated=True, sigma=0.05)
    (image, points, _), (human, _, density), (other, _, centred) = columns
    assert (image, human, other) == ("image, fixations", "simulated human map", "condition=center")
    assert torch.equal(points, dataset.gaze(3).points)
    expected = human_maps(batch, (64, 64), 0.05)[0][0]
    assert torch.equal(density, expected)
    assert density.sum().item() == pytest.approx(1, abs=1e-3)
    theirs = {**batch, "fixations": Center().gaze(dataset, 3).points[None]}
    torch.testing.assert_close(centred, human_maps(theirs, (64, 64), 0.05)[0][0])
    assert not torch.equal(centred, density)


def test_a_sample_without_gaze_is_drawn_as_one(haa):
    dataset = Shapes("test", test=8, share_with_gaze=0)
    _, columns = show._row(Samples(dataset, Transform()), None, None, 0, simulated=True, sigma=0.05)
    assert [column[1:] for column in columns] == [(None, None), (None, None)]
    assert (haa("show", *SMALL, "data.share_with_gaze=0") / "show.png").is_file()


def test_a_checkpoint_adds_the_machines_map_on_its_own_data(haa):
    run = haa("train", "task=vqa", "trainer=debug", "data.train=8", "data.val=8", "data.test=9", name="trained")
    words = [f"checkpoint={run}/checkpoints/best.ckpt", "index=8"]
    plain = haa("show", *SMALL, "data.test=9", "index=8", name="plain") / "show.png"
    machine = haa("show", *words, name="machine") / "show.png"
    assert size(machine)[0] > 1.3 * size(plain)[0]
    with pytest.raises(SystemExit, match="index=9: the test split has samples 0 to 8"):
        haa("show", *words[:1], "index=9")


@pytest.mark.parametrize(
    ("words", "message"),
    [(["index=99999"], "has samples 0 to 499"), (["split=tset"], "split=tset"), (["indx=3"], "did you mean index")],
)
def test_what_cannot_be_shown_is_named(haa, words, message):
    with pytest.raises(SystemExit, match=message):
        haa("show", *words)


def test_real_gaze(haa, real_data):
    path = haa("show", "data=osie", f"data.root={real_data}/osie/data", "index=5,6") / "show.png"
    assert path.stat().st_size > 100_000
