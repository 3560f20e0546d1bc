"""Maps are aligned, scored and drawn where their cells look, unless geometry=stretched."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from haa import align
from haa.alignment import Alignment
from haa.attention import FeatureNorm, GradCAM, InputGradient, SelfAttention
from haa.attention.host import placed, watching
from haa.data.loading.collate import collate
from haa.data.shapes import Shapes
from haa.geometry.extent import WHOLE, Extent, on_picture
from haa.models.backbone import Timm, Tiny
from haa.models.caption_transformer import CaptionTransformer
from haa.models.saliency import SaliencyReadout
from haa.models.stacked_attention import StackedAttention
from haa.models.unet import UNet
from haa.run_folder import modern
from haa.tasks.captioning import Captioning
from haa.tasks.saliency import Saliency
from haa.tasks.vqa import VQA

SMALL = ("trainer=debug", "data.train=8", "data.val=4", "data.test=4", "loader.batch_size=4", "callbacks.pictures=null")
TINY = Extent(-3.5 / 64, -3.5 / 64, 60.5 / 64, 60.5 / 64)
"""Eight cells about the pixels 0, 8 ... 56, as three convolutions 3 x 3 of stride 2 and padding 1 make them."""
CHANCE = 0.5 / 64
"""How far, at most, the middles of random weights are from those of their kernels here: half a pixel."""


def bright() -> tuple[nn.Module, dict]:
    """A network that sees brightness, with pictures of a square each, at whose middle somebody looked."""
    net = nn.Sequential(*(nn.Conv2d(3, 3, 3, 2, 1, bias=False) for _ in range(3)))
    for part in net:
        nn.init.constant_(part.weight, 1 / 27)
    image, points = torch.zeros(4, 3, 64, 64), torch.tensor([[28.0, 30.0], [33.0, 20.0], [21.0, 40.0], [39.0, 37.0]])
    for picture, (x, y) in zip(image, points.int().tolist(), strict=True):
        picture[:, y - 4 : y + 5, x - 4 : x + 5] = 1
    return net, {"image": image, "fixations": points[:, None], "id": list("abcd")}


def middle(maps: torch.Tensor) -> torch.Tensor:
    weight = maps / maps.sum((1, 2), keepdim=True)
    y, x = torch.arange(maps.shape[1]).float(), torch.arange(maps.shape[2]).float()
    return torch.stack([(weight.sum(1) * x).sum(1), (weight.sum(2) * y).sum(1)], 1)


def test_a_map_lies_where_the_picture_is_bright():
    net, batch = bright()
    source = FeatureNorm("2")
    for source.stretched in (False, True):
        with watching(source, net), torch.no_grad():
            net(batch["image"])
            maps, extent = placed(source)
        off = middle(on_picture(maps, (64, 64), extent)) - batch["fixations"][:, 0]
        assert extent == (WHOLE if source.stretched else TINY)
        # down and right by 3.5 pixels, where the map is stretched
        assert off.mean() == pytest.approx(3.5 if source.stretched else 0.0, abs=0.2)


def test_the_loss_of_a_map_that_looks_where_people_do_is_less():
    net, batch = bright()
    losses = {}
    for stretched in (False, True):
        with align(net, FeatureNorm("2"), sigma=0.07, stretched=stretched) as aligned:
            net(batch["image"])
            aligned(torch.zeros(()), batch)
        losses[stretched] = aligned.log["align_loss"].item()
    assert losses[False] < 0.5 * losses[True]


def test_the_place_is_found_in_the_first_pass_and_kept():
    net, batch = bright()
    source = GradCAM("2")
    model = nn.Sequential(net, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    source.layer = "0.2"
    found = []
    for side in (64, 64, 48):
        with watching(source, model):
            model(batch["image"][..., :side])
            found.append(placed(source)[1])
    assert found[0] == found[1] == pytest.approx(TINY)
    assert found[2] == pytest.approx(Extent(TINY.top, -3.5 / 48, TINY.bottom, 44.5 / 48))


def test_sources_of_pixels_and_of_patches():
    model = nn.Sequential(Timm("test_vit"), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    image = torch.rand(2, 3, 100, 96)  # padded to 7 rows of 16 pixels
    for source, expected in (
        (SelfAttention(), Extent(0.0, 0.0, 1.12, 1.0)),
        (InputGradient(), WHOLE),
    ):
        with watching(source, model):
            model(image)
            assert tuple(placed(source)[1]) == pytest.approx(tuple(expected), abs=CHANCE), type(source).__name__


def vqa(stretched: bool) -> VQA:
    words = VQA.build_vocabularies(Shapes("train", train=8))
    torch.manual_seed(0)
    sizes = {"question_vocab": len(words["question"]), "answer_vocab": len(words["answer"])}
    module = VQA(StackedAttention(Tiny(channels=16), **sizes), Alignment(weight=1.0), vocabularies=words)
    module.stretched = stretched
    return module


def test_a_models_own_map_is_placed_and_its_prediction_is_the_same():
    batch = collate(list(Shapes("val", val=4)))
    outputs = {stretched: vqa(stretched).probe(batch)[1] for stretched in (True, False)}
    assert outputs[True].extent == WHOLE
    assert outputs[False].extent == pytest.approx(TINY, abs=CHANCE)
    assert torch.equal(outputs[True].prediction, outputs[False].prediction)
    assert torch.equal(outputs[True].attention, outputs[False].attention)


def test_an_inserted_map_falls_into_the_cells_that_look_there():
    batch = collate(list(Shapes("val", val=1)))
    batch["fixations"] = torch.full((1, 1, 2), 31.0)
    cells = {}
    for stretched in (True, False):
        module = vqa(stretched)
        module.alignment.sigma = 0.01
        module.insert_human_maps()
        cells[stretched] = module.probe(batch)[1].attention[0].flatten().argmax().item()
        assert module.oracle
    assert cells == {True: 3 * 8 + 3, False: 4 * 8 + 4}


def test_words_are_read_where_they_look():
    words = Captioning.build_vocabularies(Shapes("train", task="captioning", train=8))
    module = Captioning(CaptionTransformer(Tiny(channels=16), caption_vocab=len(words["caption"])), vocabularies=words)
    extent = module.probe(collate(list(Shapes("val", task="captioning", val=2))))[1].extent
    assert extent == pytest.approx(TINY, abs=CHANCE)


class First(nn.Module):
    def forward(self, x):
        return x[:, :1]


def test_a_saliency_models_density_covers_the_picture():
    """Of features that are bright at a place, the density is greatest there."""
    backbone = Tiny(channels=16)
    module = Saliency(SaliencyReadout(backbone, scale=8, blur=0.01))
    nn.init.zeros_(module.model.gate[-1].weight)
    features = torch.zeros(1, 16, 8, 8)
    features[0, 0, 4, 2] = 100.0  # the cell about row 32, column 16
    module.model.normalise, module.model.readout = nn.Identity(), First()
    peaks = {}
    for backbone.stretched in (True, False):
        with torch.no_grad():
            density, _ = module.model(torch.zeros(1, 3, 64, 64), features)
        peaks[backbone.stretched] = middle(density.exp())[0].tolist()
    assert peaks[False] == pytest.approx([16.0, 32.0], abs=0.1)
    assert peaks[True] == pytest.approx([19.5, 35.5], abs=0.1)


class Below(nn.Module):
    """What comes from the coarser scale."""

    def forward(self, x, attention=None):
        return x[:, :8]


class Open(nn.Module):
    def forward(self, x, attention=None):
        return x, x[:, 0]


def test_every_scale_of_a_unet_lies_upon_the_picture():
    """Of features that are bright at a place, the mask is, at every scale."""
    backbone = Tiny(channels=16, frozen=True)
    model = UNet(backbone, hidden=8, detail=8)
    model.enter, model.gate, model.blocks, model.sides = (
        Below(),
        Open(),
        nn.ModuleList([Below()]),
        nn.ModuleList([First(), First()]),
    )
    features = torch.zeros(1, 16, 8, 8)
    features[0, :, 4, 2] = 1.0  # the cell about row 32, column 16
    for backbone.stretched, expected in ((False, [16.0, 32.0]), (True, [19.5, 35.5])):
        with torch.no_grad():
            sides, _ = model(torch.zeros(1, 3, 64, 64), features)
        assert [side.shape[1:] for side in sides] == [(8, 8), (16, 16)]
        for side in sides:
            mask = on_picture(side, (64, 64))
            assert middle(mask)[0].tolist() == pytest.approx(expected, abs=0.1)


def test_a_run_and_its_evaluation(haa):
    run = haa("train", "task=vqa", "align_weight=0.5", *SMALL)
    again = haa("evaluate", f"checkpoint={run}/checkpoints/best.ckpt", "trainer=debug", "reference=false", name="again")
    summaries = [json.loads((folder / "metrics.json").read_text())["metrics"] for folder in (run, again)]
    assert summaries[0] == pytest.approx(summaries[1], abs=1e-5, nan_ok=True)
    stretched = haa("train", "task=vqa", "geometry=stretched", "align_weight=0", *SMALL, name="stretched")
    placed = haa("train", "task=vqa", "align_weight=0", *SMALL, name="placed")
    one, other = (json.loads((folder / "metrics.json").read_text())["metrics"] for folder in (stretched, placed))
    assert one["accuracy"] == other["accuracy"]
    assert one["attention_nss"] != other["attention_nss"]


def test_another_word_is_refused(haa, capsys):
    with pytest.raises(SystemExit) as stop:
        haa("train", "task=vqa", "geometry=round", *SMALL)
    assert "geometry=round: give receptive_field or stretched" in str(stop.value)


def test_a_config_from_before_there_was_a_choice_is_stretched():
    old = {"task": {"name": "vqa"}, "model": {"_target_": "haa.models.unet.UNet"}}
    assert modern(old) == {**old, "geometry": "stretched"}
    assert modern({**old, "geometry": "receptive_field"})["geometry"] == "receptive_field"
