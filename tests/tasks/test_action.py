"""The action task: its loss and scores by hand, the oracle frame by frame, that it learns and alignment pulls."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tests.tasks.taught import taught

from haa.alignment import Alignment
from haa.batch import in_unit_range
from haa.data.loading.collate import collate
from haa.data.shapes import Shapes
from haa.errors import InputError
from haa.gaze import density
from haa.models.backbone import Tiny
from haa.models.recurrent_attention import RecurrentAttention
from haa.models.two_stream import TwoStream
from haa.tasks.action import Action


def task(model=TwoStream, **options) -> tuple[Action, dict]:
    torch.manual_seed(0)
    data = Shapes("train", task="action", train=8, frames=4)
    words = Action.build_vocabularies(data)
    module = Action(model(Tiny(channels=16), class_vocab=len(words["class"])), vocabularies=words, **options)
    return module, in_unit_range(collate(list(data)))


def test_loss_and_scores_are_the_counted_ones():
    module, batch = task()
    output, metrics = module.step(batch), module.make_metrics()
    p = module.model(batch["clip"])[0].exp()
    torch.testing.assert_close(output.loss, -p.log().gather(1, batch["label"][:, None]).mean())
    module.update_metrics(metrics, output, batch)
    right = p.argmax(1) == batch["label"]
    of_videos = p.view(4, 2, -1).mean(1).argmax(1) == batch["label"][::2]
    assert batch["video"][0] == batch["video"][1] != batch["video"][2]
    got = metrics.compute()
    assert got["clip_accuracy"].item() == pytest.approx(right.float().mean().item())
    assert got["video_accuracy"].item() == pytest.approx(of_videos.float().mean().item())
    assert metrics["clip_accuracy"].values.tolist() == right.float().tolist()


@pytest.mark.parametrize("model", [TwoStream, RecurrentAttention])
def test_it_learns_and_alignment_pulls_the_attention_of_every_frame(model):
    module, batch = task(model, alignment=Alignment(weight=0.5))
    loss, alignment = taught(module, batch, steps=50)
    assert loss < 0.7
    assert alignment < 0.6


def test_the_oracle_looks_by_the_human_map_of_each_frame():
    module, batch = task()
    module.stretched = True
    batch["fixations"][0, 2] = torch.nan
    batch["has_human"][0, 2] = False
    own = module.step(batch).attention
    module.insert_human_maps()
    attention = module.step(batch).attention
    human = density(batch["fixations"][0], (48, 48), sigma=0.03 * 48, grid=(48, 48))
    expected = F.adaptive_avg_pool2d(human[:, None], (6, 6))[:, 0]
    for frame in (0, 1, 3):
        torch.testing.assert_close(attention[0, frame], expected[frame] / expected[frame].sum())
    torch.testing.assert_close(attention[0, 2], own[0, 2])


def test_data_without_clips_is_refused():
    module, batch = task()
    with pytest.raises(InputError, match="clips"):
        module.step({"image": batch["clip"][:, 0], "label": batch["label"], "id": batch["id"]})
