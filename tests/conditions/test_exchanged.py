"""Controls for data sets that haa has never seen: the same gaze that haa's own conditions give."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from haa import conditions
from haa.conditions.exchanged import CONDITIONS, Exchanged
from haa.data.dataset import GazeDataset
from haa.errors import InputError
from haa.gaze import Gaze


def samples(count: int = 12) -> list[dict]:
    rng = torch.Generator().manual_seed(0)
    out = []
    for k in range(count):
        points = torch.rand(5, 2, generator=rng) * 20
        points[5 - k % 3 :] = torch.nan
        if k == 4:
            points[:] = torch.nan
        out.append({"image": torch.full((3, 20, 24), float(k)), "fixations": points, "label": k})
    return out


class Same(GazeDataset):
    """The same samples as one of haa's data sets."""

    def __init__(self):
        self.own = samples()

    def __len__(self):
        return len(self.own)

    def gaze(self, index):
        points = self.own[index]["fixations"]
        points = points[points.isfinite().all(1)]
        return Gaze(points, (20, 24)) if len(points) else None


@pytest.mark.parametrize("condition", ["shuffled", "random", "center", "inverted", "corrupted"])
def test_the_gaze_is_that_of_haas_own_condition(condition):
    own, made = Exchanged(samples(), condition, seed=3), getattr(conditions, condition.capitalize())(seed=3)
    for index in range(12):
        expected, found = made.gaze(Same(), index), own[index]["fixations"]
        points = found[found.isfinite().all(1)]
        torch.testing.assert_close(points, torch.zeros(0, 2) if expected is None else expected.points)
        assert len(found) >= 5
        assert own[index]["label"] == index
        assert torch.equal(own[index]["image"], samples()[index]["image"])


def test_human_gaze_stays_as_it_is():
    for mine, theirs in zip(samples(), Exchanged(samples(), "human"), strict=True):
        torch.testing.assert_close(mine["fixations"], theirs["fixations"], equal_nan=True)
    assert len(list(Exchanged(samples(), conditions.Human()))) == 12


def test_no_image_is_read_where_fixations_are_to_be_had_without():
    read = []

    class Counts(list):
        def __getitem__(self, index):
            read.append(index)
            return super().__getitem__(index)

    data = Counts(samples())
    plain = [(sample["fixations"], (20, 24)) for sample in samples()]
    given = Exchanged(data, "center", fixations=plain.__getitem__)[2]["fixations"]
    assert read == [2]
    torch.testing.assert_close(given, Exchanged(samples(), "center")[2]["fixations"], equal_nan=True)


@pytest.mark.parametrize(
    ("data", "condition", "message"),
    [
        (samples(), "shufled", "condition=shufled: did you mean shuffled"),
        (samples(), "oracle", "condition=oracle"),
        ([torch.zeros(3)], "shuffled", "sample 0: the sample is a Tensor: give a mapping with image"),
        (
            [{"image": torch.zeros(3, 4, 4)}],
            "shuffled",
            r'sample 0 has image: give sample=lambda s: {"image": s\["image"\], "fixations"',
        ),
        ([{"image": torch.zeros(3, 4, 4), "fixations": torch.zeros(3)}], "shuffled", r"shape \(3,\): give \(n, 2\)"),
    ],
)
def test_what_cannot_be_exchanged_is_said(data, condition, message):
    with pytest.raises(InputError, match=message):
        _ = Exchanged(data, condition)[0]


def test_every_condition_of_the_list_can_be_made():
    for condition in CONDITIONS:
        assert len(Exchanged(samples(), condition)[0]["fixations"]) >= 5


@dataclass
class Record:
    picture: torch.Tensor
    label: int
    looks: torch.Tensor


FORMS = {
    "tuple": (
        lambda s: (s["image"], s["label"], s["fixations"]),
        lambda s: {"image": s[0], "fixations": s[2]},
        lambda s: s[2],
    ),
    "dataclass": (
        lambda s: Record(s["image"], s["label"], s["fixations"]),
        lambda s: {"image": s.picture, "fixations": s.looks},
        lambda s: s.looks,
    ),
}


@pytest.mark.parametrize("condition", ["human", "shuffled", "center"])
@pytest.mark.parametrize("form", FORMS)
def test_samples_of_another_form_keep_it(form, condition):
    make, parts, looks = FORMS[form]
    own = [make(sample) for sample in samples()]
    for given, plain in zip(Exchanged(own, condition, sample=parts), Exchanged(samples(), condition), strict=True):
        assert type(given) is type(own[0])
        torch.testing.assert_close(looks(given), plain["fixations"], equal_nan=True)
    for before, sample in zip(own, samples(), strict=True):  # the data set's own are left alone
        torch.testing.assert_close(looks(before), sample["fixations"], equal_nan=True)


def test_the_function_for_a_sample_is_shown():
    own = [FORMS["dataclass"][0](sample) for sample in samples()]
    with pytest.raises(
        InputError, match=r'give sample=lambda s: {"image": s\.picture, "fixations": s\.looks}$'
    ) as error:
        _ = Exchanged(own, "shuffled")[0]
    function = eval(str(error.value).partition("sample=")[2])
    assert function(own[0])["fixations"] is own[0].looks
