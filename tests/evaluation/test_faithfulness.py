"""Faithfulness of a module's maps: against loops over pixels, and the confidence of every task by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from haa.data.loading.collate import collate
from haa.data.shapes import Shapes
from haa.evaluation.faithfulness import STEPS, faithfulness
from haa.metrics import functional
from haa.models.backbone import Tiny
from haa.models.show_attend_tell import ShowAttendTell
from haa.reporting.arms import FAITHFULNESS
from haa.tasks.action import Action
from haa.tasks.captioning import Captioning
from haa.tasks.finegrained import FineGrained
from haa.tasks.saliency import Saliency
from haa.tasks.sos import SOS
from haa.text import BOS, EOS, Classes

WEIGHTS = torch.tensor([3.0, -1.0, 0.5, 2.0, -2.0, 1.0, 0.0, 4.0, -0.5, 1.5])
MAP = torch.tensor([0.1, 0.9, 0.3, 0.8, 0.2, 0.7, 0.0, 0.6, 0.5, 0.4])
SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)


class Weighing(nn.Module):
    """Two classes, told apart by a weighted sum of ten pixels; what it is told to have seen already is wrong."""

    def forward(self, image: Tensor, features: Tensor | None = None) -> tuple[Tensor, Tensor]:
        pixels = (image[:, 0] if features is None else features[:, 0]).flatten(1)
        logit = pixels @ WEIGHTS
        return torch.stack([logit, torch.zeros_like(logit)], 1), MAP.view(1, 1, 10).expand(len(image), -1, -1)


class WeighingClips(Weighing):
    """The same of clips whose two frames have five pixels each."""

    def forward(self, clip: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        logits, _ = super().forward(clip.transpose(1, 2).flatten(2, 3))
        return logits, MAP.view(1, 2, 1, 5).expand(len(clip), -1, -1, -1)


class Few:
    """Samples in the place of a DataModule."""

    eval_batch_size = 16

    def __init__(self, samples: list[dict]) -> None:
        self.samples = samples

    def dataset(self, split: str) -> list[dict]:
        return self.samples

    def some(self, split: str, indices: Sequence[int]) -> Iterator[dict]:
        yield from (self.samples[i] for i in indices)


def by_hand(pixels: np.ndarray, place: int) -> dict[str, float]:
    """Ten pixels, one after the other, less the same in four random orders, which the sample's place decides."""
    draws = torch.rand(4, 10, generator=torch.Generator().manual_seed(place))
    # a cell's rank is the one drawn for it
    own, *others = (plain(pixels, order) for order in [np.argsort(-MAP.numpy()), *draws.argsort(1).argsort(1).numpy()])
    return {name: own[name] - np.mean([other[name] for other in others]) for name in own}


def plain(pixels: np.ndarray, order: np.ndarray) -> dict[str, float]:
    """Ten pixels, one after the other."""
    weights = WEIGHTS.double().numpy()

    def probability(values: np.ndarray) -> float:
        first = 1 / (1 + np.exp(-values @ weights))
        return first if pixels @ weights > 0 else 1 - first

    def without(count: int, mark: bool) -> float:
        values = pixels.copy() if mark else np.full(10, pixels.mean())
        for place in order[:count]:
            values[place] = pixels.mean() if mark else pixels[place]
        return probability(values)

    counts = [int(np.floor(share * 10 + 0.5)) for share in SHARES]
    whole = probability(pixels)
    return {
        "attention_deletion": np.trapezoid([without(k, True) for k in range(11)], dx=0.1),
        "attention_insertion": np.trapezoid([without(k, False) for k in range(11)], dx=0.1),
        "attention_comprehensiveness": np.mean([whole - without(k, True) for k in counts]),
        "attention_sufficiency": np.mean([whole - without(k, False) for k in counts]),
    }


def pixels(seed: int) -> Tensor:
    return torch.rand(10, generator=torch.Generator().manual_seed(seed))


def test_stills_are_measured_as_pixel_by_pixel():
    assert STEPS == 10
    samples = []
    for seed in range(4):
        image = pixels(seed).view(1, 1, 1, 10).expand(1, 3, 1, 10)
        # features of the whole picture are in the batch, as with a cache: what they say does not change with the pixels
        samples.append({"id": [str(seed)], "image": image, "label": torch.tensor([0]), "features": image})
    module = FineGrained(Weighing(), vocabularies={"class": Classes(["one", "other"])}).train()
    found = faithfulness(module, Few(samples), "test", [0, 1, 3])
    assert list(found) == [0, 1, 3]
    assert module.training
    for place, values in found.items():
        assert values == pytest.approx(by_hand(pixels(place).double().numpy(), place), abs=1e-5)


def test_no_mask_is_scored_twice():
    seen: list[tuple[float, ...]] = []

    def score(images: Tensor) -> Tensor:
        seen.extend(tuple(image.flatten().tolist()) for image in images)
        return images.sum((1, 2, 3))

    # a hundred pixels, of which every share is a number of its own
    image = torch.arange(1.0, 101.0).view(1, 1, 10, 10)
    found = functional.faithfulness(score, image, image[:, 0], steps=STEPS)
    assert len(seen) == len(set(seen)) == 2 + 5 * 2 * 11 == 112  # as the docstring and conf/train.yaml say
    assert list(found) == [name.removeprefix("attention_") for name in FAITHFULNESS]


def test_the_pixels_of_a_clip_are_ranked_over_all_its_frames():
    clip = pixels(0).view(1, 2, 1, 1, 5).expand(1, 2, 3, 1, 5)
    data = Few([{"id": ["a"], "clip": clip, "label": torch.tensor([1])}])
    module = Action(WeighingClips(), vocabularies={"class": Classes(["one", "other"])})
    expected = by_hand(pixels(0).double().numpy(), 0)
    assert faithfulness(module, data, "test", [0]) == {0: pytest.approx(expected, abs=1e-5)}


def test_what_gives_no_answer_is_not_measured():
    class Peak(nn.Module):
        def forward(self, image: Tensor, features: Tensor | None = None) -> tuple[Tensor, Tensor]:
            flat = torch.zeros(len(image), 2, 2)
            return flat - np.log(4), flat

    few = Few([{"id": ["a"], "image": torch.rand(1, 3, 4, 4), "fixations": torch.rand(1, 2, 2)}])
    assert faithfulness(Saliency(Peak()), few, "test", [0]) == {}


def test_the_confidence_in_a_caption_is_the_geometric_mean_of_its_words_probabilities():
    torch.manual_seed(0)
    data = Shapes("train", task="captioning", train=2)
    vocabularies = Captioning.build_vocabularies(data)
    model = ShowAttendTell(Tiny(channels=16), caption_vocab=len(vocabularies["caption"]), hidden=16)
    module = Captioning(model, vocabularies=vocabularies, max_length=6).eval()
    one, other = (collate([data[i]]) for i in range(2))
    for batch in (one, other):
        batch["image"] = batch["image"].float() / 255
    with torch.no_grad():
        given = module.step(one)
        (tokens,) = given.prediction.tokens
        memory, state = model.begin(model.backbone(other["image"]))
        word, product, count = torch.tensor([BOS]), 1.0, 0
        for token in tokens.tolist():
            logits, _, state = model.next(word, memory, state)
            product, count, word = product * logits.softmax(1)[0, token].item(), count + 1, torch.tensor([token])
            if token == EOS:
                break
        two = {**other, "image": torch.cat([other["image"], one["image"]]), "id": ["b", "b"]}
        seen = module.confidence(two, given)
    assert seen[0].item() == pytest.approx(product ** (1 / count), abs=1e-6)
    assert seen[1].item() != pytest.approx(seen[0].item(), abs=1e-4)


def test_the_confidence_in_a_mask_is_the_mean_probability_of_its_pixels():
    class Copy(nn.Module):
        def forward(self, image: Tensor, features: Tensor | None = None) -> tuple[list[Tensor], Tensor]:
            return [image[:, 0].logit()], image[:, 0]

    def batch(*values: list[float]) -> dict:
        image = torch.tensor(values).view(len(values), 1, 2, 2).expand(-1, 3, -1, -1)
        return {"image": image, "mask": torch.zeros(len(values), 2, 2, dtype=torch.uint8), "id": ["a"] * len(values)}

    module = SOS(Copy())
    given = module.step(batch([0.9, 0.8, 0.3, 0.2]))
    changed = batch([0.9, 0.8, 0.3, 0.2], [0.1, 0.7, 0.9, 0.9])
    assert module.confidence(changed, given).tolist() == pytest.approx([0.85, 0.4], abs=1e-6)
    nothing = module.step(batch([0.4, 0.2, 0.3, 0.1]))
    assert module.confidence(changed, nothing).tolist() == pytest.approx([0.55, 0.65], abs=1e-6)


@pytest.mark.parametrize("given", ["-1", "true", "0.5"])
@pytest.mark.parametrize("command", [("train", "task=vqa"), ("evaluate", "checkpoint=best.ckpt")])
def test_what_is_no_number_of_samples_is_refused_before_any_work(haa, command, given):
    with pytest.raises(SystemExit, match=f"faithfulness={given.title()}: give a number of test samples, 0 for none"):
        haa(*command, f"faithfulness={given}")
