"""Names of results and of samples, whatever folders lie around them."""

from __future__ import annotations

import pytest

from haa.errors import InputError
from haa.scoring.matching import match

SAMPLES = [["train/1", "images/train/1"], ["test/1", "images/test/1"], ["test/2", "images/test/2"]]


@pytest.mark.parametrize(
    ("found", "by_sample", "extra"),
    [
        (["train/1", "test/1", "test/2"], {0: "train/1", 1: "test/1", 2: "test/2"}, []),
        (["out/images/train/1", "x/test/1"], {0: "out/images/train/1", 1: "x/test/1"}, []),
        (["2", "3"], {2: "2"}, ["3"]),
    ],
)
def test_results_are_found_by_the_end_of_their_path(found, by_sample, extra):
    matched = match(SAMPLES, ["a", "b", "c"], dict.fromkeys(found, "file"))
    assert matched.by_sample == by_sample
    assert matched.missing == [place for place in range(3) if place not in by_sample]
    assert matched.extra == extra


def test_what_may_mean_two_is_refused():
    with pytest.raises(InputError, match="may be of train/1 or of test/1"):
        match(SAMPLES, ["a", "b", "c"], {"1": "1.png"})
    with pytest.raises(InputError, match="may both be of test/2"):
        match(SAMPLES, ["a", "b", "c"], {"a/test/2": "a", "b/test/2": "b"})


def test_one_map_serves_all_samples_of_its_picture():
    matched = match([["q1", "9"], ["q2", "9"]], ["9", "9"], {"9": "9.png"})
    assert matched.by_sample == {0: "9", 1: "9"}
