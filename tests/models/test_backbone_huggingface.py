"""Backbones of the hub's: their features beside the hidden states of transformers' models."""

from __future__ import annotations

import pytest
import torch
from benchmarks.huggingface_families import SEERS, T, seer

from haa.errors import InputError
from haa.geometry.receptive_field import extents
from haa.models.backbone import HuggingFace


@pytest.mark.parametrize("family", SEERS)
def test_features_are_the_models_hidden_states(tmp_path, family):
    seer(family, tmp_path)
    theirs = T.AutoModel.from_pretrained(tmp_path).eval()
    theirs = getattr(theirs, "vision_model", theirs)
    image = torch.rand(2, 3, 64, 64)
    backbone = HuggingFace(str(tmp_path), stages=(0, -1)).eval()
    with torch.no_grad():
        first, last = backbone.pyramid(image)
        arguments = {"pixel_values": (image - backbone.mean) / backbone.std, "output_hidden_states": True}
        if family in ("ViT", "DeiT", "BEiT", "DINOv2", "CLIP", "SigLIP", "Swin"):
            arguments["interpolate_pos_encoding"] = True
        if family in ("BEiT", "DINOv2"):
            del arguments["interpolate_pos_encoding"]
        output = theirs(**arguments)
    for ours, state in ((first, output.hidden_states[1]), (last, output.last_hidden_state)):
        if state.ndim == 3:
            rows, columns = ours.shape[2:]
            state = state[:, state.shape[1] - rows * columns :].mT.unflatten(2, (rows, columns))
        if family == "Swin" and ours is first:
            state = output.reshaped_hidden_states[1]
        torch.testing.assert_close(ours, state)


def test_patches_lie_where_they_were_cut(tmp_path):
    """Patches cover the whole picture; the middles of random kernels lie off theirs by less than a hundredth."""
    seer("ViT", tmp_path)
    (extent,) = extents(HuggingFace(str(tmp_path)).eval(), torch.rand(1, 3, 64, 64))
    assert (extent.top, extent.left, extent.bottom, extent.right) == pytest.approx((0, 0, 1, 1), abs=0.01)


def test_says_what_its_weights_are(tmp_path):
    seer("ViT", tmp_path)
    assert HuggingFace(str(tmp_path)).trained == f"as {tmp_path} holds them"
    random = HuggingFace(str(tmp_path), pretrained=False)
    assert random.trained is None
    assert not torch.equal(next(random.body.parameters()), next(HuggingFace(str(tmp_path)).body.parameters()))


def test_stages_that_are_not_there(tmp_path):
    seer("ViT", tmp_path)
    with pytest.raises(InputError, match="it has 2, from 0 to 1"):
        HuggingFace(str(tmp_path), stages=(2,))
