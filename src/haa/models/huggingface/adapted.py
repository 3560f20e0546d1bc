"""What is trained of a pretrained model: all of it, its new parts alone, or low-rank adapters (LoRA)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from torch import nn

from haa.errors import InputError, needs, reason
from haa.models.huggingface.loading import digest


class Lora:
    r"""Low-rank adapters: :math:`W x + \frac{\alpha}{r} B A x` for :math:`W x`, of which A and B are trained.

    Args:
        rank: Rank r; 0 is no adapters.
        targets: Layers that get one: ends of their names, or one regular expression for the whole of it. None is every
            linear layer but the last.
        alpha: Scale; None is 2 r.
        dropout: Probability of dropout of what an adapter reads, in training.

    Raises:
        InputError: If ``rank`` is negative.

    Example:
        >>> Lora(rank=4).alpha
        8

    E. Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022, section 4.1; of every linear layer
    as in T. Dettmers et al., QLoRA, NeurIPS 2023, section 4.
    """

    def __init__(
        self,
        rank: int = 0,
        targets: Sequence[str] | str | None = None,
        alpha: float | None = None,
        dropout: float = 0.0,
    ) -> None:
        if rank < 0:
            raise InputError(f"lora.rank={rank}: give the rank of the adapters, or 0 for none")
        self.rank, self.dropout = rank, dropout
        self.targets = targets if targets is None or isinstance(targets, str) else list(targets)
        self.alpha = 2 * rank if alpha is None else alpha

    def inject(self, model: Any, new: Collection[str] = ()) -> None:
        """Put the adapters into a model, whose other parameters are left as they are.

        Args:
            model: Model of transformers'.
            new: Names of parameters that are trained anyway, whose layers need none.

        Raises:
            InputError: If peft is not installed, or no layer is named so.
        """
        needs("lora.rank", "haa[huggingface]", "peft")
        from peft import LoraConfig, inject_adapter_in_model

        targets = self._linear(model, new) if self.targets is None else self.targets
        if not targets:
            raise InputError("this model has no linear layers but its head: name its convolutions with lora.targets")
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,  # type: ignore[arg-type]  # peft divides it, whatever kind of number it is
            lora_dropout=self.dropout,
            target_modules=targets,
        )
        try:
            inject_adapter_in_model(config, model)
        except ValueError as error:
            ends = sorted({name.rpartition(".")[2] for name, _ in _linear_layers(model)})
            raise InputError(f"lora.targets={self.targets}: {reason(error)}; there are {', '.join(ends)}") from error

    @staticmethod
    def _linear(model: Any, new: Collection[str]) -> str:
        last = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
        layers = _linear_layers(model)
        names = [name for name, layer in layers if layer is not last and f"{name}.weight" not in new]
        return "|".join(map(re.escape, names))


def _linear_layers(model: nn.Module) -> list[tuple[str, nn.Module]]:
    return [(name, layer) for name, layer in model.named_modules() if isinstance(layer, nn.Linear)]


class Adapted(nn.Module):
    """Base of models that stand upon pretrained weights, which a checkpoint does not hold where they are fixed.

    It holds the SHA-256 of them instead, and is loaded only onto the same.

    A subclass sets ``body``, calls `choose` once it is built, and sets ``source``.

    Attributes:
        source: Attention source that watches ``body``; None where it has no map of its own.
        trained: How the weights that it was built with were trained, in words; None where they are random.
        frozen: Whether the pretrained weights are fixed.
        adapts: Whether there are adapters.
        fixed: Names of the parameters and buffers of ``body`` that are left out of a checkpoint.
    """

    body: Any
    source: Any
    name: str
    trained: str | None = None
    frozen: bool = False
    adapts: bool = False
    base_sha256: torch.Tensor

    def choose(self, new: Sequence[str], pretrained: bool, frozen: bool, lora: Lora) -> None:
        """Say what is trained: everything; of a frozen model, and one with adapters, only these and the ``new`` parts.

        Args:
            new: Names of parameters of ``body`` that came without weights.
            pretrained: Whether the others have weights that can be read again.
            frozen: Whether these are fixed.
            lora: Adapters.
        """
        self.fixed: set[str] = set()
        self.frozen, self.adapts = frozen or lora.rank > 0, lora.rank > 0
        if self.frozen:
            self._fix(new, pretrained, lora)
        self.train()

    def _fix(self, new: Sequence[str], pretrained: bool, lora: Lora) -> None:
        if not pretrained:
            raise InputError("weights that are random are not worth keeping fixed: give model.pretrained=true")
        untrained = set(new)
        for key, parameter in self.body.named_parameters():
            parameter.requires_grad_(key in untrained)
        named = _tensors(self.body)  # a state of quantised layers has more, which are no tensors of theirs
        sha = digest(self.body, [key for key in self.body.state_dict() if key in named and key not in untrained])
        if lora.rank:
            with torch.device("cpu"):
                lora.inject(self.body, untrained)
            for key, parameter in self.body.named_parameters():
                if key in untrained or "lora_" in key:
                    parameter.requires_grad_(True)
        learned = {key for key, p in self.body.named_parameters(remove_duplicate=False) if p.requires_grad}
        self.fixed = {key for key in self.body.state_dict() if key not in learned}
        self.register_buffer("base_sha256", sha)
        self.register_state_dict_post_hook(_leave_out)
        self.register_load_state_dict_pre_hook(_put_in)

    def own_map(self, read: Callable[[], torch.Tensor]) -> torch.Tensor | None:
        """Return what ``read`` gives of ``source``; None, with a warning the first time, where it has no map.

        Args:
            read: Function that reads the source after a forward pass.
        """
        if self.source is None:
            return None
        try:
            return read()
        except InputError as error:
            warnings.warn(f"{type(self.body).__name__} has no map of its own: {error}", stacklevel=3)
            self.source.detach()
            self.source = None
            return None

    def checkpoint_activations(self) -> None:
        """Compute activations again in the backward pass, in the place of keeping them."""
        enable = getattr(self.body, "activation_checkpointing_enable", None) or self.body.gradient_checkpointing_enable
        enable({"use_reentrant": False})  # a reentrant one would leave the maps without a gradient
        for config in (self.body.config, self.body.config.get_text_config(decoder=True)):
            config.use_cache = False  # of keys, in training
        if self.frozen:
            self.body.enable_input_require_grads()

    def train(self, mode: bool = True) -> Adapted:
        super().train(mode)
        for part in self.body.modules() if self.frozen else ():
            # no dropout in what is fixed, unless adapters learn beside it, and no statistics of batches in any case
            if not self.adapts or isinstance(part, nn.modules.batchnorm._NormBase):
                part.training = False
        return self


def _tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    return dict([*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)])


def _leave_out(module: Any, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    for key in module.fixed:
        state.pop(f"{prefix}body.{key}", None)


def _put_in(module: Any, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    kept, own = state.get(f"{prefix}base_sha256"), module.base_sha256
    if (
        kept is not None
        and "meta" not in (kept.device.type, own.device.type)
        and not torch.equal(kept.cpu(), own.cpu())
    ):
        raise InputError(
            f"it stands upon other weights than those of model.name={module.name}: give the ones that it was trained on"
        )
    present = module.body.state_dict()
    for key in module.fixed:
        if key in present:
            state.setdefault(f"{prefix}body.{key}", present[key])
