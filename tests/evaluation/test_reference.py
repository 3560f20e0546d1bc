"""Reference rows against cases whose scores are known, and against scipy's filter."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import torch
from torchmetrics import MetricCollection

from haa.data.dataset import GazeDataset
from haa.disk.stored import write_json
from haa.errors import InputError
from haa.evaluation.reference import cached_reference_rows, centre_prior, reference_rows, split_people
from haa.gaze import Gaze
from haa.metrics import NSS


class Points(GazeDataset):
    def __init__(self, *gaze: Gaze | None):
        self.all = gaze

    def __len__(self):
        return len(self.all)

    def gaze(self, index):
        return self.all[index]


def seen(x: float, y: float, people: int = 1, size=(40, 60)) -> Gaze:
    return Gaze(torch.tensor([[x, y]] * people), size, subject=torch.arange(people))


def nss(prediction: np.ndarray, x: int, y: int) -> float:
    return (prediction[y, x] - prediction.mean()) / prediction.std()


def blurred(x: int, y: int, sigma: float, size=(40, 60)) -> np.ndarray:
    out = np.zeros(size)
    out[y, x] = 1
    return scipy.ndimage.gaussian_filter(out, sigma, mode="constant", truncate=30)


def test_rows_of_hand_made_gaze():
    """Everybody agrees within an image, and the two images have nothing in common."""
    test = Points(seen(10, 10, people=4), None, seen(45, 30, people=4))
    rows = reference_rows(Points(seen(30, 20)), test, sigma=0.05)
    assert list(rows) == ["centre prior", "another image", "human ceiling"]
    prior, left, right = blurred(30, 20, 3.0), blurred(10, 10, 3.0), blurred(45, 30, 3.0)
    assert rows["centre prior"]["nss"] == pytest.approx((nss(prior, 10, 10) + nss(prior, 45, 30)) / 2, abs=2e-3)
    assert rows["another image"]["nss"] == pytest.approx((nss(right, 10, 10) + nss(left, 45, 30)) / 2, abs=2e-3)
    assert rows["human ceiling"]["nss"] == pytest.approx((nss(left, 10, 10) + nss(right, 45, 30)) / 2, abs=2e-3)
    assert rows["human ceiling"]["cc"] == pytest.approx(1, abs=1e-5)
    assert rows["human ceiling"]["kl"] == pytest.approx(0, abs=1e-5)
    assert rows["human ceiling"]["auc_judd"] == pytest.approx(1, abs=1e-5)


def test_one_process_among_several_computes_the_rows_without_waiting_for_the_others():
    def alone(*_, **__):
        raise AssertionError("waits for the other processes")

    def metrics():
        return MetricCollection({"nss": NSS(dist_sync_fn=alone, distributed_available_fn=lambda: True)})

    waiting = metrics()
    waiting.update(torch.rand(1, 40, 60), torch.tensor([[[3.0, 3.0]]]))
    with pytest.raises(AssertionError, match="waits"):
        waiting.compute()
    gaze = Points(seen(10, 10, people=4), seen(45, 30, people=4))
    assert "centre prior" in reference_rows(gaze, gaze, sigma=0.05, metrics=metrics)


def test_rows_that_the_data_do_not_allow_are_left_out():
    nobody_told_apart = Gaze(torch.tensor([[3.0, 3.0]]), (40, 60))
    rows = reference_rows(Points(seen(30, 20)), Points(nobody_told_apart))
    assert list(rows) == ["centre prior"]
    with pytest.raises(InputError, match="no training image of Points has gaze"):
        reference_rows(Points(None), Points(nobody_told_apart))


def test_prior_is_the_mean_density_whatever_the_images_sizes():
    """One fixation at the middle of a large image, two at those of small ones: the same place."""
    prior = centre_prior(Points(seen(60.5, 40.5, size=(80, 120)), *[seen(30, 20)] * 2), sigma=0.05)
    assert prior.shape == (1, 40, 60)
    expected = blurred(30, 20, (3.0**2 + 1 / 12) ** 0.5)  # the mass of a cell is that of a Gaussian and a box
    np.testing.assert_allclose(prior[0], expected, atol=2e-4)
    assert prior.sum().item() == pytest.approx(1, abs=1e-5)


def test_prior_of_a_subset_of_the_images():
    gaze = [seen(x, 20) for x in range(60)]
    assert centre_prior(Points(*gaze), points=30).sum().item() == pytest.approx(1, abs=1e-5)


def test_large_images_are_taken_at_256_cells():
    assert centre_prior(Points(seen(500, 300, size=(600, 800)))).shape == (1, 192, 256)


def test_people_are_split_into_8_and_7():
    gaze = Gaze(torch.rand(45, 2), (9, 9), subject=torch.arange(15).repeat(3))
    first, second = split_people(gaze, torch.Generator().manual_seed(3))
    assert (len(first.subject.unique()), len(second.subject.unique())) == (8, 7)
    assert not set(first.subject.tolist()) & set(second.subject.tolist())
    assert split_people(gaze.of(3), torch.Generator()) is None


@pytest.mark.slow
def test_published_values(real_data):
    """OSIE: the centre prior at 0.86 to 0.89, people among themselves at 3.55, far above any other image's map."""
    from haa.data.readers.osie import OSIE

    root = real_data / "osie" / "data"
    test = OSIE(root, "test")
    rows = reference_rows(OSIE(root, "train"), Points(*map(test.gaze, range(0, len(test), 5))))
    assert rows["centre prior"]["nss"] == pytest.approx(0.88, abs=0.08)
    assert rows["human ceiling"]["nss"] == pytest.approx(3.55, abs=0.25)
    assert rows["another image"]["nss"] == pytest.approx(0.34, abs=0.25)


def test_rows_are_computed_once_for_the_same_gaze_and_rules(tmp_path, monkeypatch):
    def metrics():
        return MetricCollection({"nss": NSS()})

    train, test = Points(seen(30, 20)), Points(seen(10, 10, people=4), seen(45, 30, people=4))
    first = cached_reference_rows(tmp_path, train, test, 0.05, metrics)
    (file,) = tmp_path.glob("references/*/rows.json")
    expected = {name: {"nss": row["nss"]} for name, row in reference_rows(train, test, 0.05).items()}
    assert first == expected
    write_json(file, {"kept": {"nss": 1.0}})
    assert cached_reference_rows(tmp_path, train, test, 0.05, metrics) == {"kept": {"nss": 1.0}}
    other = Points(seen(10, 11, people=4), seen(45, 30, people=4))
    assert cached_reference_rows(tmp_path, train, other, 0.05, metrics) != {"kept": {"nss": 1.0}}
    monkeypatch.setattr("haa.evaluation.reference.RULES", "of another version of haa")
    assert cached_reference_rows(tmp_path, train, test, 0.05, metrics) == expected


@pytest.mark.parametrize("content", ["", "[]", '{"kept": {"nss": 1.0}}', '{"kept": {"nss": 1.5}, "crc32": 17}', "nul"])
def test_damaged_rows_are_an_error_that_names_the_file(tmp_path, content):
    gaze = Points(seen(10, 10, people=4), seen(45, 30, people=4))

    def rows():
        return cached_reference_rows(tmp_path, gaze, gaze, 0.05, lambda: MetricCollection({"nss": NSS()}))

    first = rows()
    (file,) = tmp_path.glob("references/*/rows.json")
    file.write_text(content)
    with pytest.raises(InputError, match=rf"^{file} .*: delete the folder {file.parent}, it is made again$"):
        rows()
    file.unlink()
    file.parent.rmdir()
    assert rows() == first


def test_at_most_so_many_samples_are_scored():
    test = Points(*(seen(10 + i, 10) for i in range(9)))
    some = reference_rows(Points(seen(30, 20)), test, samples=3)
    assert (
        some["centre prior"]
        == reference_rows(Points(seen(30, 20)), Points(*(test.all[i] for i in (0, 3, 6))))["centre prior"]
    )
