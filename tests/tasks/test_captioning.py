"""The captioning task: its loss against a loop over words, its maps, and that it learns to write what it was taught."""

import pytest
import torch

from haa.data.loading.collate import collate
from haa.data.shapes import Shapes
from haa.models.backbone import Tiny
from haa.models.caption_transformer import CaptionTransformer
from haa.models.show_attend_tell import ShowAttendTell, doubly_stochastic
from haa.tasks.captioning import Captioning, mean_over_words
from haa.text import BOS, EOS, PAD


def task(model=ShowAttendTell, **arguments) -> tuple[Captioning, dict]:
    torch.manual_seed(0)
    data = Shapes("train", task="captioning", train=8)
    vocabularies = Captioning.build_vocabularies(data)
    module = Captioning(
        model(Tiny(channels=16), caption_vocab=len(vocabularies["caption"]), hidden=32),
        vocabularies=vocabularies,
        **arguments,
    )
    batch = collate(list(data))
    batch["image"] = batch["image"].float() / 255
    return module, batch


@pytest.mark.parametrize("balance", [0.0, 1.0])
def test_the_loss_of_all_references_equals_a_loop_over_words(balance):
    module, batch = task(all_references=True, balance=balance)
    output = module.step(batch)
    words, rounds = [], []
    for b, references in enumerate(batch["captions"]):
        maps = []
        for reference in references:
            row = [BOS, *module.vocabularies["caption"].encode([reference])[0][0].tolist(), EOS]
            logits, attention = module.model(batch["image"][b : b + 1], torch.tensor([row[:-1]]))
            words += [-logits[0, t].log_softmax(0)[word] for t, word in enumerate(row[1:])]
            rounds.append(doubly_stochastic(attention))
            maps.append(attention[0, :-1].mean(0))
        torch.testing.assert_close(output.attention[b], torch.stack(maps).mean(0))
    expected = torch.stack(words).mean() + balance * torch.stack(rounds).mean()
    torch.testing.assert_close(output.loss, expected)


def test_one_reference_is_drawn_by_torchs_own_generator():
    module, batch = task()
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(module.step(batch).prediction.text)
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(text in references for text, references in zip(drawn[0], batch["captions"], strict=True))


def test_every_word_keeps_its_map():
    module, batch = task()
    for training in (True, False):
        prediction = module.train(training).step(batch).prediction
        assert prediction.attention.shape == (*prediction.tokens.shape, 8, 8)
        assert len(prediction.text) == 8


def test_evaluation_shows_where_the_model_looked_for_its_own_words():
    module, batch = task(max_length=6)
    output = module.eval().step(batch)
    tokens, maps = module.model.generate(batch["image"], max_length=6)
    assert torch.equal(output.prediction.tokens, tokens)
    torch.testing.assert_close(output.attention, mean_over_words(maps, tokens))


def test_padding_and_end_are_left_out_of_the_mean():
    maps = torch.rand(3, 4, 2, 2)
    tokens = torch.tensor([[5, 6, EOS, PAD], [EOS, PAD, PAD, PAD], [5, 5, 5, 5]])
    expected = [maps[0, :2].mean(0), maps[1, 0], maps[2].mean(0)]
    torch.testing.assert_close(mean_over_words(maps, tokens), torch.stack(expected))


@pytest.mark.parametrize("model", [ShowAttendTell, CaptionTransformer])
def test_it_learns_to_write_what_it_was_taught(model):
    module, batch = task(model, beam=2)
    batch["captions"] = [references[:1] for references in batch["captions"]]
    batch["features"] = torch.randn(8, 16, 2, 3)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    for _ in range(80):
        loss = module.step(batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    module.eval()
    output = module.step(batch)
    written = sum(text == given[0] for text, given in zip(output.prediction.text, batch["captions"], strict=True))
    assert written >= 6
    metrics = module.make_metrics()
    module.update_metrics(metrics, output, batch)
    assert metrics.compute()["bleu4"] > 0.7
