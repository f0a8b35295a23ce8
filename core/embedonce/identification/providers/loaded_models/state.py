"""The state of a loaded model: what may change after loading, read in each call."""

from __future__ import annotations

import sys
import weakref
from functools import cache
from typing import Any, NamedTuple

from embedonce.identification.fields.frozen import Same, Snapshot, frozen
from embedonce.identification.providers.loaded_models.comparing.changes import structure
from embedonce.identification.providers.loaded_models.comparing.tokenizer import tokenizer_state
from embedonce.identification.providers.loaded_models.comparing.weights import times_overwritten
from embedonce.identification.providers.loaded_models.shown import Shown
from embedonce.identification.settings.paths import Paths

# Numbers of a tensor that are looked at in each call, as changes through `.data` leave its version as it is.
_SAMPLES = 3


def is_module(model: Any) -> bool:
    """Return whether a model is made of modules of torch, which show their weights."""
    return isinstance(getattr(model, "_modules", None), dict) and hasattr(model, "named_parameters")


@cache
def _paths() -> Paths:
    return Paths(Shown)


def shown_by(model: Any) -> Shown:
    """Return what a loaded model shows of what it was loaded with."""
    shown: Shown = _paths().called_with(_paths().values(model))
    return shown


def snapshot_of(model: Any) -> Any:
    """Return a model in its present state; None if it is not loaded yet.

    States are equal as long as the model computes the same, with one exception: a program may write single numbers into
    a tensor through `.data`, of which only some are looked at.
    """
    if model is None:
        return None
    shown = tuple(map(frozen, _paths().values(model).values()))
    if not is_module(model):
        return Snapshot(model, shown)
    modules = model._modules
    config = getattr(getattr(next(iter(modules.values()), None), "auto_model", None), "config", None)
    state = (
        shown,
        frozen(structure(modules)),
        tokenizer_state(modules),
        frozen(getattr(config, "__dict__", None)),
        Same(model.__dict__.get("encode")),
        [value for each in all_modules(model) for value in each.__dict__.values() if type(value) is float],
        weights_state(model),
    )
    return Snapshot(model, state)


def all_modules(model: Any) -> list[Any]:
    """Return a model and all modules inside."""
    found = [model]
    for each in found:
        found.extend(inside for inside in each._modules.values() if inside is not None)
    return found


class _Tensors:
    """The tensors of a model, prepared for looking at them in each call."""

    def __init__(self, where: tuple[Any, ...], tensors: list[Any]) -> None:
        self.where = where
        # Those that were made for inference alone are not counted, and cannot be trained.
        self._counted = [each for each in tensors if not each.is_inference()]
        samples: dict[tuple[Any, Any], list[Any]] = {}
        for each in tensors:
            if each.is_contiguous() and each.numel() and not each.is_meta:
                flat = each.detach().view(-1)
                places = {each.numel() * part // _SAMPLES for part in range(_SAMPLES)} | {each.numel() - 1}
                samples.setdefault((each.dtype, each.device), []).extend(flat[place : place + 1] for place in places)
        self._samples = list(samples.values())

    def version(self) -> int:
        return sum(int(each._version) for each in self._counted)

    def sampled(self) -> tuple[object, ...]:
        torch: Any = sys.modules["torch"]
        with torch.no_grad():
            return tuple(torch.cat(each).cpu().view(torch.uint8).numpy().tobytes() for each in self._samples)


_known: weakref.WeakKeyDictionary[Any, _Tensors] = weakref.WeakKeyDictionary()


class Weights(NamedTuple):
    """The weights of a model at some time.

    Attributes:
        tensors: Which tensors there are, and where.
        version: How often they were changed in place.
        samples: Some of their numbers.
    """

    tensors: object
    version: int
    samples: tuple[object, ...]

    def were_trained_since(self, before: Weights) -> bool:
        """Return whether numbers were changed in place; what else may become of tensors is another type or device."""
        is_same = self.tensors == before.tensors
        return self.version != before.version or (is_same and self.samples != before.samples)


def weights_state(model: Any) -> Weights:
    """Return a value that changes with the modules and the weights of a model."""
    modules = all_modules(model)
    hooks = [(place, *each._forward_hooks, *each._forward_pre_hooks) for place, each in enumerate(modules)]
    tensors = [each for module in modules for each in module._parameters.values() if each is not None]
    where = (
        tuple(map(id, modules)),
        tuple([each for each in hooks if len(each) > 1]),
        tuple([(id(each), each.data_ptr()) for each in tensors]),
    )
    known = _known.get(model)
    if known is None or known.where != where:
        known = _known[model] = _Tensors(where, tensors)
    buffers = [each for module in modules for each in module._buffers.values() if each is not None]
    return Weights(Same(known), known.version() + sum(map(times_overwritten, buffers)), known.sampled())
