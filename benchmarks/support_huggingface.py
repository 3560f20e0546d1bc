"""Trains, adapts, reads and restores tiny models of many families and writes docs/support_huggingface.md.

python -m benchmarks.support_huggingface
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.huggingface_families import SEERS, WRITERS, T, seer, writer
from haa.alignment import Alignment
from haa.errors import InputError
from haa.models.backbone import HuggingFace
from haa.models.huggingface import Classifier, Writer
from haa.models.huggingface.adapted import Lora
from haa.tasks.finegrained import FineGrained
from haa.tasks.writing import Captions, Questions
from haa.text import Answers, Classes

PAGE = Path(__file__).parent.parent / "docs" / "support_huggingface.md"
PROMPTS, TEXTS = ["what colour is the star ?", "what is"], ["red circle", "blue"]
COLUMNS = ("vqa", "captioning", "train", "LoRA", "write", "map", "aligned", "checkpoint")
SEEING = ("train", "LoRA", "map", "aligned", "checkpoint", "backbone")
NO = "–"


def of_writer(family: str) -> dict[str, str]:
    """What works for a family that writes, by column: yes, or what it is, or that it is refused."""
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings(action="ignore"):
        writer(family, Path(place))
        torch.manual_seed(1)
        model, image = Writer(place), torch.rand(2, 3, 48, 64)
        prompts = PROMPTS if model.inputs.asked else ["", ""]
        found = {"vqa": "yes" if model.inputs.asked else "refused", "captioning": "yes"}
        found["train"] = _yes(by_heart(model, lambda: model(image, prompts, TEXTS)))
        model.eval()
        found["write"] = _yes(model.write(image, prompts) == model.write(image, prompts, beam=3) == TEXTS)
        module = _task(model, found)
        batch = {"id": ["a", "b"], "image": image, "question": prompts, "answers": [[text] for text in TEXTS]}
        batch |= {"captions": [[text] for text in TEXTS], "fixations": torch.tensor([[[9.0, 9.0]], [[50.0, 40.0]]])}
        output = module.look(batch)
        found["map"] = NO if output.attention is None else type(model.source).__name__
        found["aligned"] = NO if output.attention is None else _yes(aligns(module, batch))
        small = Writer(place, lora=Lora(rank=4))
        found["LoRA"] = _yes(falls(small, lambda: small(image, prompts, TEXTS)))
        again = Writer(place, lora=Lora(rank=4))
        again.load_state_dict(small.state_dict())
        with torch.no_grad():
            before, after = (m.eval()(image, prompts, TEXTS).log_probability() for m in (small, again))
        found["checkpoint"] = _yes(torch.equal(before, after))
    return {column: found[column] for column in COLUMNS}


def of_seer(family: str) -> dict[str, str]:
    """What works for a family that sees, by column."""
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings(action="ignore"):
        seer(family, Path(place))
        image, label = torch.rand(4, 3, 64, 64), torch.tensor([0, 1, 2, 1])
        backbone = HuggingFace(place, stages=(-1,)).eval()
        found = {"backbone": _yes(backbone(image).shape[:2] == (4, backbone.channels))}
        try:
            model = Classifier(place, class_vocab=3)
        except InputError:
            return {column: found.get(column, "refused") for column in SEEING}
        module = FineGrained(model, Alignment(weight=1.0), vocabularies={"class": Classes(["a", "b", "c"])})
        found["train"] = _yes(learns(module, {"id": list("abcd"), "image": image, "label": label}))
        module.eval()
        looks = torch.tensor([[[9.0, 9.0]], [[50.0, 40.0]], [[9.0, 40.0]], [[40.0, 9.0]]])
        batch: Any = {"id": list("abcd"), "image": image, "label": label, "fixations": looks}
        output = module.look(batch)
        found["map"] = NO if output.attention is None else type(model.source).__name__
        found["aligned"] = NO if output.attention is None else _yes(aligns(module, batch))
        lora = Lora(rank=4, targets=["convolution"] if family == "ResNet" else None)
        small, again = (Classifier(place, class_vocab=3, lora=lora) for _ in range(2))
        adapters = FineGrained(small, vocabularies={"class": Classes(["a", "b", "c"])})
        found["LoRA"] = _yes(learns(adapters, {"id": list("abcd"), "image": image, "label": label}))
        again.load_state_dict(small.state_dict())
        with torch.no_grad():
            found["checkpoint"] = _yes(torch.equal(small.eval()(image)[0], again.eval()(image)[0]))
    return {column: found[column] for column in SEEING}


def by_heart(model: Writer, run: Callable[[], Any], steps: int = 40, lr: float = 5e-3) -> bool:
    """Train until two texts are known, and return whether each of their tokens is the most probable one."""
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=lr)
    for _ in range(steps):
        loss = -run().log_probability().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    written = run()
    return bool((written.logits.argmax(2) == written.targets)[written.words].all())


def falls(model: Writer, run: Callable[[], Any], steps: int = 15) -> bool:
    """Train the adapters, and return whether the loss falls by a tenth of a nat while the rest stays as it was."""
    fixed = {name: p.clone() for name, p in model.named_parameters() if not p.requires_grad}
    first = -run().log_probability().mean().item()
    by_heart(model, run, steps, lr=0.03)
    last = -run().log_probability().mean().item()
    stays = all(torch.equal(p, fixed[name]) for name, p in model.named_parameters() if name in fixed)
    return last < first - 0.1 and stays


def learns(module: FineGrained, batch: Any, steps: int = 30) -> bool:
    """Return whether a classifier's loss falls to less than a half."""
    optimizer = torch.optim.Adam([p for p in module.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(steps):
        loss = module.step(batch).loss
        assert loss is not None
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return min(losses[-5:]) < 0.5 * losses[0]


def aligns(module: Any, batch: Any, steps: int = 10) -> bool:
    """Return whether the alignment loss falls where it is all that is trained."""
    module.train()
    optimizer = torch.optim.Adam([p for p in module.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(steps):
        output = module.look(batch)
        loss = module.alignment(output.attention, batch, output.extent)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return min(losses[1:]) < losses[0]


def _task(model: Writer, found: dict[str, str]) -> Questions | Captions:
    alignment = Alignment(weight=1.0)
    if found["vqa"] == "yes":
        module: Any = Questions(model, alignment, vocabularies={"answer": Answers(TEXTS)})
    else:
        module = Captions(model, alignment)
    return module.eval()


def _yes(works: bool) -> str:
    return "yes" if works else "NO"


def table(columns: tuple[str, ...], rows: dict[str, dict[str, str]]) -> str:
    lines = [f"| family | {' | '.join(columns)} |", "| --- |" + " --- |" * len(columns)]
    lines += [f"| {family} | {' | '.join(row[column] for column in columns)} |" for family, row in rows.items()]
    return "\n".join(lines)


def main() -> None:
    writers = {family: of_writer(family) for family in WRITERS}
    seers = {family: of_seer(family) for family in SEERS}
    versions = f"torch {torch.__version__.split('+')[0]}, transformers {T.__version__}"
    PAGE.write_text(f"""# Which model of the Hugging Face hub's does what

Written by `python -m benchmarks.support_huggingface` ({versions}): tiny models with random weights of
each family, without downloads; the tests run it again and compare. [huggingface.md](huggingface.md) says how they
are used.

## What writes about pictures: `task=vqa`, `task=captioning`

{table(COLUMNS, writers)}

- **train**: two texts are learned by heart; **write**: transformers' own `generate` then writes them, greedily and
  with beams.
- **LoRA**: adapters learn, and all else stays as it was. **checkpoint**: a fresh model with these adapters gives the
  same, bit for bit.
- **map**: what reads where the words look; – where nothing that the model computes lies on the picture as words'
  attention: BLIP-2's words look at queries of its Q-Former, LLaVA-NeXT's at tiles whose layout is not in its call, and
  GIT's image has no tokens of its own. There `attention=gradcam` and the gradients are left. **aligned**: the map can
  be trained towards gaze.
- BLIP's question answering, in this version of transformers, lets its answers see the padding of shorter questions in
  a batch.

## What sees: `task=finegrained model=huggingface`, and `backbone=huggingface` in any task

{table(SEEING, seers)}

- **map** – : no attention, or attention within windows; `attention=gradcam` is for these. DINOv3 has no classifier in
  transformers: take it as a backbone.
""")


if __name__ == "__main__":
    main()
