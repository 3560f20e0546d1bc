from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from benchmarks.support_tokens import (
    BEGIN,
    IMAGE,
    TEXT,
    VISION,
    TokenFamily,
    answered,
    combined,
    families,
    lively,
    on_grid,
    prompts,
    unfused,
)
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import haa
from haa.attention import SelfAttention, TokenAttention, measure
from haa.errors import InputError

FAMILIES = {family.name: family for family in families()}
LLAVA, QWEN = FAMILIES["LLaVA (CLIP, Llama)"], FAMILIES["Qwen2-VL"]
every = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


def read(source: TokenAttention, model: nn.Module, inputs: dict[str, Tensor]) -> list[Tensor]:
    source.attach(model)
    try:
        model(**inputs)
        return source.read_each()
    finally:
        source.detach()


def words(inputs: dict[str, Tensor], sample: int, query: str) -> list[int]:
    """Which tokens of a sample look, told token by token."""
    ids, real = inputs["input_ids"][sample].tolist(), inputs["attention_mask"][sample].tolist()
    labels = inputs["labels"][sample].tolist()
    begin = next(place for place, label in enumerate(labels) if label != -100)
    if query == "answer":
        return [place for place in range(len(ids) - 1) if labels[place + 1] != -100]
    if query == "question":
        return [p for p in range(begin) if real[p] and ids[p] not in (0, BEGIN, 2, IMAGE, 91, 92, 93)]
    return [max(place for place in range(len(ids)) if real[place])]


def expected(weights: Tensor, inputs: dict[str, Tensor], family: TokenFamily, query: str) -> list[Tensor]:
    """The maps of attention (b, n, n), worked out without haa."""
    image = inputs["input_ids"] == IMAGE
    return [
        on_grid(weights[sample, words(inputs, sample, query)].mean(0), image[sample], family, sample)
        for sample in range(len(image))
    ]


def same(maps: list[Tensor], others: list[Tensor], tolerance: float = 1e-6) -> None:
    for one, other in zip(maps, others, strict=True):
        torch.testing.assert_close(one, other, atol=tolerance, rtol=0)
        assert other.std() > 0.02 * other.mean(), "a flat map proves little"


@every
@pytest.mark.parametrize("side", ["left", "right"])
def test_values(family: TokenFamily, side: str) -> None:
    model, inputs = family.build("sdpa"), prompts(family, side)
    plain = model(**inputs).logits
    weights = torch.stack(unfused(model, family, inputs)).mean((0, 2))
    for query in ("answer", "question", "last"):
        source = TokenAttention(query=query)
        source.attach(model)
        assert torch.equal(model(**inputs).logits, plain), "the forward pass changed"
        same(source.read_each(), expected(weights, inputs, family, query))
        source.detach()


@pytest.mark.parametrize("name", ["LLaVA (CLIP, Llama)", "PaliGemma", "Qwen2.5-VL"])
def test_rollout_is_the_product_of_whole_matrices(name: str) -> None:
    family = FAMILIES[name]
    model, inputs = family.build("sdpa"), prompts(family)
    product = combined(unfused(model, family, inputs), rollout=True, residual=0.3)
    same(read(TokenAttention(rollout=True, residual=0.3), model, inputs), expected(product, inputs, family, "answer"))


def test_layers_and_heads() -> None:
    model, inputs = QWEN.build("sdpa"), prompts(QWEN)
    weights = unfused(model, QWEN, inputs)
    source = TokenAttention("model.language_model.layers.1.self_attn", heads=[0, -1])
    same(read(source, model, inputs), expected(weights[1][:, [0, 3]].mean(1), inputs, QWEN, "answer"))
    with pytest.raises(InputError, match="it has heads 0 to 3"):
        read(TokenAttention(heads=[4]), model, inputs)


@every
@pytest.mark.parametrize("rollout", [False, True])
def test_generation_is_one_pass_over_what_was_generated(family: TokenFamily, rollout: bool) -> None:
    model, inputs = family.build("sdpa"), prompts(family, answers=False)
    source = TokenAttention(rollout=rollout)
    source.attach(model)
    with source.recording():
        ids = model.generate(**inputs, max_new_tokens=4, min_new_tokens=4, do_sample=False)
    at_once = answered(inputs, ids)
    weights = combined(unfused(model, family, at_once), rollout)
    same(source.read_each(), expected(weights, at_once, family, "answer"))
    image, length = at_once["input_ids"] == IMAGE, inputs["input_ids"].shape[1]
    generated = source.read_words()
    assert generated.shape[:2] == (2, 4)
    for word in range(4):
        first = on_grid(weights[0, length - 1 + word], image[0], family, 0)
        assert tuple(first.shape) == family.grids[0]
        torch.testing.assert_close(generated[0, word].sum(), first.sum(), atol=1e-6, rtol=0)
        if family.grids[0] == tuple(generated.shape[2:]):
            torch.testing.assert_close(generated[0, word], first, atol=1e-6, rtol=0)


@pytest.mark.parametrize("query", ["question", "last"])
def test_generation_looks_from_the_prompt(query: str) -> None:
    model, inputs = LLAVA.build("sdpa"), prompts(LLAVA, answers=False)
    source = TokenAttention(query=query)
    source.attach(model)
    with source.recording():
        model.generate(**inputs, max_new_tokens=3, do_sample=False)
    generated = source.read()
    with torch.no_grad():
        model(**inputs)
    torch.testing.assert_close(generated, source.read(), atol=1e-6, rtol=0)


def test_sliding_windows() -> None:
    import transformers as hf

    torch.manual_seed(0)
    config = hf.Gemma3Config(
        vision_config={**VISION, "image_size": 24, "patch_size": 3, "vision_use_head": False},
        text_config={
            **{**TEXT, "head_dim": 8, "sliding_window": 8},
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        },
        **{"mm_tokens_per_image": 16, "image_token_index": IMAGE, "boi_token_index": 91, "eoi_token_index": 92},
    )

    def build(attention: str) -> nn.Module:
        kind = hf.Gemma3ForConditionalGeneration
        return lively(kind._from_config(copy.deepcopy(config), attn_implementation=attention).eval())

    family = TokenFamily(
        "Gemma 3", build, [[91, *[IMAGE] * 16, 92]] * 2, {"pixel_values": torch.rand(2, 3, 24, 24)}, [(4, 4)] * 2
    )
    model, inputs = build("sdpa"), prompts(family, answers=False)
    inputs["token_type_ids"] = (inputs["input_ids"] == IMAGE).int()
    source = TokenAttention()
    source.attach(model)
    with source.recording():
        ids = model.generate(**inputs, max_new_tokens=6, min_new_tokens=6, do_sample=False)
    at_once = {**answered(inputs, ids), "token_type_ids": (ids == IMAGE).int()}
    weights = torch.stack(unfused(model, family, at_once)).mean((0, 2))
    same(source.read_each(), expected(weights, at_once, family, "answer"))


def test_what_comes_after_the_end_does_not_count() -> None:
    model, inputs = LLAVA.build("sdpa"), prompts(LLAVA, answers=False)
    length = inputs["input_ids"].shape[1]
    words = model.generate(**inputs, max_new_tokens=4, min_new_tokens=4, do_sample=False)[:, length:]
    assert words[1, 1] not in words[0, :3]
    model.generation_config.eos_token_id = int(words[1, 1])
    source = TokenAttention()
    source.attach(model)
    with source.recording():
        model.generate(**inputs, max_new_tokens=4, do_sample=False)
    maps = source.read_words()
    assert maps[0].flatten(1).sum(1).gt(0).all()
    assert not maps[1, 2:].any()
    torch.testing.assert_close(source.read()[1], maps[1, :2].mean(0))


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"num_beams": 2}, "num_beams=1"),
        ({"use_cache": False}, "use_cache=True"),
        ({"cache_implementation": "static"}, "of fixed size"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_other_generation_is_refused(options: dict[str, Any], cause: str) -> None:
    model, inputs = LLAVA.build("sdpa"), prompts(LLAVA, answers=False)
    source = TokenAttention()
    source.attach(model)
    with source.recording():
        model.generate(**inputs, max_new_tokens=3, min_new_tokens=3, do_sample=False, **options)
    with pytest.raises(InputError, match=cause):
        source.read()


@pytest.mark.parametrize("family", [LLAVA, FAMILIES["PaliGemma"], QWEN], ids=lambda family: family.name)
@pytest.mark.parametrize("checkpointed", [False, True])
def test_gradients_are_those_of_eager_attention(family: TokenFamily, checkpointed: bool) -> None:
    inputs = prompts(family)
    gaze = torch.tensor([[[3.0, 4.0], [20.0, 10.0]], [[9.0, 9.0], [1.0, 22.0]]])
    batch = {"image": torch.zeros(2, 3, 24, 24), "fixations": gaze}
    eager = family.build("eager").train()
    output = eager(**inputs, output_attentions=True)
    maps = expected(torch.stack(output.attentions).mean((0, 2)), inputs, family, "answer")
    on_one = torch.stack([nn.functional.interpolate(m[None, None], (4, 12), mode="nearest")[0, 0] for m in maps])
    with haa.align(eager, lambda _: on_one, weight=0.7) as aligned:
        aligned(output.loss, batch).backward()
    model = family.build("sdpa").train()
    if checkpointed:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    with haa.align(model, TokenAttention(size=(4, 12)), weight=0.7, stretched=True) as aligned:
        aligned(model(**inputs).loss, batch).backward()
    gradients = {name: p.grad for name, p in eager.named_parameters() if p.grad is not None}
    assert len(gradients) > 50
    for name, parameter in model.named_parameters():
        if name in gradients:
            torch.testing.assert_close(parameter.grad, gradients[name], atol=1e-5, rtol=1e-4)


def test_a_reentrant_checkpoint_is_refused() -> None:
    model, inputs = LLAVA.build("sdpa").train(), prompts(LLAVA)
    model.gradient_checkpointing_enable({"use_reentrant": True})
    model.enable_input_require_grads()
    with pytest.raises(InputError, match="'use_reentrant': False"):
        read(TokenAttention(), model, inputs)


def test_a_plain_loop_is_aligned() -> None:
    model, inputs = LLAVA.build("sdpa").train(), prompts(LLAVA)
    batch = {**inputs, "image": inputs["pixel_values"], "fixations": torch.tensor([[[3.0, 3.0]], [[21.0, 3.0]]])}
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    with haa.align(model, TokenAttention(), weight=1.0) as aligned:
        for _ in range(12):
            loss = aligned(model(**inputs).loss, batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(aligned.log["align_loss"].item())
        maps = measure(TokenAttention(), model, **inputs)
    assert losses[-1] < 0.5 * losses[0]
    assert [int(one.argmax()) for one in maps] == [0, 3], "it looks at the corners where people looked"


def test_precision() -> None:
    model, inputs = LLAVA.build("sdpa"), prompts(LLAVA)
    exact = read(TokenAttention(), model, inputs)
    source = TokenAttention()
    source.attach(model)
    with torch.autocast("cpu", torch.bfloat16):
        model(**inputs)
        half = source.read()
    source.detach()
    halves = {name: x.bfloat16() if x.is_floating_point() else x for name, x in inputs.items()}
    for maps in (half, torch.stack(read(TokenAttention(), model.bfloat16(), halves))):
        assert maps.dtype == torch.float32
        torch.testing.assert_close(maps, torch.stack(exact), atol=1e-2 * float(exact[0].max()), rtol=0.02)


class Largest(TorchDispatchMode):
    """The largest tensor that is made while it is active."""

    def __init__(self) -> None:
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        self.numel = max([self.numel, *(x.numel() for x in tree_leaves(output) if isinstance(x, Tensor))])
        return output


@pytest.mark.parametrize("with_graph", [False, True])
def test_nothing_larger_than_the_rows_is_computed(with_graph: bool) -> None:
    model = LLAVA.build("sdpa")
    ids = torch.cat([torch.full((1, 16), IMAGE), torch.arange(3, 80).repeat(1, 5)], 1)
    labels = torch.full_like(ids, -100)
    labels[0, -2:] = 5
    source = TokenAttention()
    source.attach(model)
    with torch.set_grad_enabled(with_graph):
        model(input_ids=ids, labels=labels, pixel_values=torch.rand(1, 3, 24, 24))
        with Largest() as largest:
            source.read()
    heads, keys, width = 4, ids.shape[1], 8
    assert largest.numel <= heads * keys * max(2, width) < keys**2 / 4


def test_images_are_chosen_or_all_read() -> None:
    model = LLAVA.build("sdpa")
    one, other = [IMAGE] * 16, [7, *[IMAGE] * 16]
    ids = torch.tensor([[BEGIN, *one, *other, 20, 21], [BEGIN, *one, *other, 22, 23]])
    inputs = {"input_ids": ids, "pixel_values": torch.rand(4, 3, 24, 24)}
    weights = torch.stack(unfused(model, LLAVA, inputs)).mean((0, 2))[:, -1]
    maps = [weights[sample, start : start + 16].view(4, 4) for sample in (0, 1) for start in (1, 18)]
    same(read(TokenAttention(query="last"), model, inputs), maps)
    same(read(TokenAttention(query="last", image=-1), model, inputs), maps[1::2])
    with pytest.raises(InputError, match="image=2: sample 0 has 2 images"):
        read(TokenAttention(query="last", image=2), model, inputs)


def test_grids_of_different_sizes_are_put_on_one() -> None:
    model, inputs = QWEN.build("sdpa"), prompts(QWEN)
    source = TokenAttention()
    source.attach(model)
    model(**inputs)
    each, maps, words = source.read_each(), source.read(), source.read_words()
    assert [tuple(one.shape) for one in each] == [(2, 3), (4, 2)]
    assert maps.shape == (2, 4, 3)
    torch.testing.assert_close(maps.sum((1, 2)), torch.stack([one.sum() for one in each]))
    torch.testing.assert_close(maps[0], each[0].repeat_interleave(2, 0) / 2)
    torch.testing.assert_close(words[0, :2].mean(0), maps[0])
    assert not words[0, 2:].any(), "its answer has two tokens, the other's four"
    torch.testing.assert_close(source.read(torch.tensor([[True] + [False] * 3] * 2)), words[:, 0])
    with pytest.raises(InputError, match="words has shape"):
        source.read(torch.ones(2, 3, dtype=torch.bool))
    source.detach()
    sized = TokenAttention(size=(1, 1))
    torch.testing.assert_close(torch.stack(read(sized, model, inputs)[:1]).sum((1, 2)), maps[:1].sum((1, 2)))
    sized.attach(model)
    model(**inputs)
    assert sized.read().shape == (2, 1, 1)


def test_a_grid_that_does_not_lie_on_the_picture_is_refused() -> None:
    model, inputs = LLAVA.build("sdpa"), prompts(LLAVA)
    with pytest.raises(InputError, match="cells elsewhere change"):
        read(TokenAttention(grid=(2, 8)), model, inputs)
    same(read(TokenAttention(grid=(4, 4)), model, inputs), read(TokenAttention(), model, inputs))


def test_a_class_token_needs_to_be_told() -> None:
    import transformers as hf

    torch.manual_seed(0)
    config = LLAVA.build("sdpa").config
    config.vision_feature_select_strategy = "full"
    model = lively(hf.LlavaForConditionalGeneration._from_config(config, attn_implementation="sdpa").eval())
    ids = torch.tensor([[BEGIN, *[IMAGE] * 17, 20, 21]])
    inputs = {"input_ids": ids, "pixel_values": torch.rand(1, 3, 24, 24)}
    with pytest.raises(InputError, match="17 image tokens of Llava stand side by side"):
        read(TokenAttention(query="last"), model, inputs)
    family = TokenFamily(
        "",
        lambda attention: hf.LlavaForConditionalGeneration._from_config(
            copy.deepcopy(config), attn_implementation=attention
        ).eval(),
        [],
        {},
        [],
    )
    weights = torch.stack(unfused(model, family, inputs)).mean((0, 2))[0, -1]
    same(read(TokenAttention(query="last", prefix=1), model, inputs), [weights[2:18].view(4, 4)])


def test_kernels_without_weights_are_refused() -> None:
    model = LLAVA.build("sdpa")
    for kernel in ("flash_attention_2", "flex_attention"):
        model.model.language_model.config._attn_implementation = kernel
        with pytest.raises(InputError, match=f"attends with {kernel}.*attn_implementation='sdpa'"):
            TokenAttention().attach(model)
    assert not model._forward_hooks
    assert not model.model.language_model.layers[0].self_attn._forward_hooks


@pytest.mark.parametrize("name", ["Qwen2-VL", "Qwen2.5-VL"])
def test_packed_patches_are_refused(name: str) -> None:
    model, inputs = FAMILIES[name].build("sdpa"), prompts(FAMILIES[name])
    source = SelfAttention("model.visual.blocks.1.attn", query="mean", grid=(4, 6), prefix=0)
    source.attach(model)
    model(**inputs)
    with pytest.raises(InputError, match=r"packs the patches of all images.*TokenAttention"):
        source.read()


def test_adapters_and_models_around_it() -> None:
    import peft

    class Around(nn.Module):
        def __init__(self, net: nn.Module) -> None:
            super().__init__()
            self.net = net

        def forward(self, batch: dict[str, Tensor]) -> Tensor:
            return self.net(**batch).logits

    model, inputs = LLAVA.build("sdpa"), prompts(LLAVA)
    maps = read(TokenAttention(), model, inputs)
    around, source = Around(model), TokenAttention()
    source.attach(around)
    around(inputs)
    same(source.read_each(), maps)
    source.detach()
    adapted = peft.get_peft_model(copy.deepcopy(model), peft.LoraConfig(target_modules=["q_proj"]))
    same(read(TokenAttention(), adapted, inputs), maps)
    prompt = prompts(LLAVA, answers=False)
    generated = []
    for either in (model, adapted):
        source.attach(either)
        with source.recording():
            either.generate(**prompt, max_new_tokens=3, min_new_tokens=3, do_sample=False)
        generated.append(source.read_words())
        source.detach()
    torch.testing.assert_close(*generated)


def test_a_copy_of_a_watched_model_runs_by_itself() -> None:
    model, inputs = LLAVA.build("sdpa"), prompts(LLAVA)
    source = TokenAttention()
    source.attach(model)
    logits = model(**inputs).logits
    maps = source.read()
    twin = copy.deepcopy(model)  # as averaging of weights makes them
    assert torch.equal(twin(**inputs).logits, logits)
    twin(**{**inputs, "pixel_values": torch.rand(2, 3, 24, 24)})
    assert torch.equal(source.read(), maps), "the copy's pass was read"


def test_errors() -> None:
    model, inputs = LLAVA.build("sdpa"), prompts(LLAVA)
    with pytest.raises(InputError, match="residual=1"):
        TokenAttention(residual=1)
    with pytest.raises(InputError, match="query=answers is not known: take answer, question, last"):
        TokenAttention(query="answers")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="grid=patch_embed: give rows and columns"):
        TokenAttention(grid="patch_embed")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="Linear has no config with image_token_id"):
        TokenAttention().attach(nn.Linear(2, 2))
    source = TokenAttention(query="last")
    with pytest.raises(InputError, match="attach"):
        source.read()
    source.attach(model)
    with pytest.raises(InputError, match="run the model first"):
        source.read()
    model(input_ids=torch.tensor([[BEGIN, 20, 21]]))
    with pytest.raises(InputError, match="sample 0 has no image token"):
        source.read()
    model(inputs_embeds=torch.rand(1, 4, 32))
    with pytest.raises(InputError, match="without input_ids"):
        source.read()
    source.detach()
    with pytest.raises(InputError, match="attends with 17 queries"):
        read(TokenAttention("model.vision_tower.*self_attn", query="last"), model, inputs)
