"""Text that vision-language models write: what is taught, what is written, and where they looked."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from benchmarks.huggingface_families import T, writer

from haa.attention.prompt import IGNORED
from haa.errors import InputError
from haa.models.huggingface import Writer
from haa.models.huggingface.adapted import Lora

PROMPTS = ["what colour is the star ?", "what is"]
TEXTS = ["red circle", "blue"]


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    made: dict[str, Any] = {}

    def folder(family: str) -> str:
        if family not in made:
            made[family] = tmp_path_factory.mktemp("family")
            writer(family, made[family])
        return str(made[family])

    return folder


def prompts_for(model: Writer) -> list[str]:
    return PROMPTS if model.inputs.asked else ["", ""]


@pytest.mark.parametrize("family", ["LLaVA", "Qwen2-VL", "Idefics3", "GIT", "ViT and GPT-2"])
def test_the_loss_is_transformers_own(folders, family):
    """One sample, whose inputs need no padding, with transformers' loss of labels."""
    model, image = Writer(folders(family)).eval(), torch.rand(1, 3, 32, 32)
    prompts = prompts_for(model)[:1]
    own = type(model.body).from_pretrained(folders(family)).eval()
    with torch.no_grad():
        ours = -model(image, prompts, TEXTS[:1]).log_probability()[0]
        given = model.inputs.ask(image, prompts)
        text = torch.tensor([model.inputs.tokens(TEXTS[0])])
        if family == "ViT and GPT-2":
            theirs = own(**given, labels=text).loss
        else:
            whole = torch.cat([given["input_ids"], text], 1)
            labels = torch.cat([torch.full_like(given["input_ids"], -100), text], 1)
            given |= {"input_ids": whole, "attention_mask": torch.ones_like(whole)}
            if "mm_token_type_ids" in given:
                given["mm_token_type_ids"] = torch.cat([given["mm_token_type_ids"], torch.zeros_like(text)], 1)
            theirs = own(**given, labels=labels).loss
    assert ours.item() == pytest.approx(theirs.item() * text.shape[1], rel=1e-5)


# not BLIP's question answering, whose answers transformers 5.24 lets see the padding of shorter questions
@pytest.mark.parametrize("family", ["LLaVA", "Qwen2-VL", "PaliGemma", "BLIP"])
def test_a_sample_does_not_depend_on_its_batch(folders, family):
    """Prompts of other lengths pad it, on the left and on the right."""
    model, image = Writer(folders(family)).eval(), torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        together = model(image, PROMPTS, TEXTS).log_probability()
        alone = torch.cat([model(image[k : k + 1], [PROMPTS[k]], [TEXTS[k]]).log_probability() for k in range(2)])
        texts = model.write(image, PROMPTS)
        each = [model.write(image[k : k + 1], [PROMPTS[k]])[0] for k in range(2)]
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)
    assert texts == each


@pytest.mark.parametrize("family", ["BLIP", "ViT and GPT-2"])
def test_looks_where_transformers_cross_attention_does(folders, family):
    folder = folders(family)
    model, image = Writer(folder).eval(), torch.rand(2, 3, 32, 32)
    eager = type(model.body).from_pretrained(folder, attn_implementation="eager").eval()
    prompts = prompts_for(model)
    with torch.no_grad():
        written = model(image, prompts, TEXTS)
        ours = model.look(model.looking(written))
        arguments, targets = model.inputs.teach(image, prompts, TEXTS)
        seen: list[Any] = []
        for layer in (eager.text_decoder if family == "BLIP" else eager.decoder).modules():
            if type(layer).__name__ in ("BlipTextAttention", "GPT2Attention") and "Self" not in type(layer).__name__:
                layer.register_forward_hook(lambda layer, args, output: seen.append(output[1]))
        eager(**arguments, output_attentions=True)
    layers = [weights for weights in seen if weights is not None and weights.shape[-1] == 17]
    theirs = torch.stack(layers).mean((0, 2))[:, :, 1:]
    words = (targets != IGNORED).float()
    expected = torch.einsum("bt,btn->bn", words / words.sum(1, keepdim=True), theirs[:, -words.shape[1] :])
    torch.testing.assert_close(ours.flatten(1), expected, atol=1e-6, rtol=1e-4)


def test_the_text_that_transformers_would_have_read(folders):
    """The prompt is that of the processor's own chat template, and the answer stands behind it."""
    model = Writer(folders("LLaVA"))
    arguments, targets = model.inputs.teach(torch.rand(1, 3, 32, 32), ["what colour is the star ?"], ["red"])
    words = model.inputs.tokenizer.convert_ids_to_tokens(arguments["input_ids"][0])
    assert words[:1] + words[17:] == ["user", "what", "colour", "is", "the", "star", "?", "assistant", "red", "</s>"]
    assert words[1:17] == ["<image>"] * 16
    assert model.inputs.tokenizer.convert_ids_to_tokens(targets[0, -2:]) == ["red", "</s>"]


def test_a_captioner_reads_no_question(folders):
    model = Writer(folders("ViT and GPT-2"))
    with pytest.raises(InputError, match="reads no question"):
        model.write(torch.rand(1, 3, 32, 32), ["what is"])


def test_refuses_what_does_not_write(tmp_path):
    T.ViTModel(T.ViTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1)).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="is a vit, which writes nothing about pictures"):
        Writer(str(tmp_path))


def test_gradients_through_checkpointed_layers_are_the_same(folders):
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        model = Writer(folders("LLaVA"), lora=Lora(rank=2), gradient_checkpointing=checkpointing)
        (-model(torch.ones(1, 3, 32, 32), ["what is"], ["red"]).log_probability().sum()).backward()
        found = {name: p.grad for name, p in model.named_parameters() if p.requires_grad and "lora_B" in name}
        gradients.append(found)
    plain, again = gradients
    used = {
        name: value for name, value in plain.items() if value is not None
    }  # LLaVA reads the last vision layer but one
    assert len(used) > len(plain) / 2
    assert max(value.abs().max() for value in used.values()) > 0
    for name, value in used.items():
        torch.testing.assert_close(again[name], value, atol=1e-6, rtol=1e-4)
