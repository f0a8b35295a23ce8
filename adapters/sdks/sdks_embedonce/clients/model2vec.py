"""Model2Vec: `encode` of a StaticModel, which runs on this machine."""

from __future__ import annotations

import hashlib
import json
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from model2vec import StaticModel

from embedonce import Identity
from sdks_embedonce.calls import Asked, Method, Paid
from sdks_embedonce.twins import Attribute, Sdk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_ARRAYS = ("embedding", "weights", "token_mapping")
_STEPS = ("normalizer", "pre_tokenizer", "post_processor")
# Numbers of each array that are looked at in each call.
_SAMPLES = 64


class Encode(Method):
    """`encode` of a model."""

    texts = "sentences"
    known = frozenset(
        (
            *("batch_size", "max_length", "multiprocessing_threshold", "normalize", "show_progress_bar"),
            "use_multiprocessing",
        )
    )
    names_model = False

    def identity(self, owner: Any, given: Mapping[str, Any]) -> Identity:
        """Return what decides the vectors: all that the model holds, wherever it was loaded from."""
        # None is a length of its own, unlike an argument that is left out.
        length = given.get("max_length") if given else owner.max_length
        if type(length).__name__ == "_UnsetType":
            length = owner.max_length
        normalize = given.get("normalize")
        return Identity.of(
            "model2vec",
            "local",
            symmetric=True,
            content=_content(owner),
            max_length="none" if length is None else length,
            normalize=bool(owner.normalize if normalize is None else normalize) or None,
        )

    def vectors(self, response: Any, given: Mapping[str, Any]) -> Any:
        """Return the vectors, of which there is one for one text."""
        del given
        return np.atleast_2d(response)

    def response(self, vectors: NDArray[Any], asked: Asked, paid: list[Paid]) -> NDArray[Any]:
        """Return an array, as the model does."""
        del paid
        return vectors[0].copy() if asked.is_one else vectors


_known: weakref.WeakKeyDictionary[Any, tuple[object, str]] = weakref.WeakKeyDictionary()


def _content(model: Any) -> str:
    """Return a digest of all that a model holds, computed anew when it is changed."""
    state = _state(model)
    known = _known.get(model)
    if known is None or known[0] != state:
        known = _known[model] = (state, _digest(model))
    return known[1]


def _state(model: Any) -> tuple[object, ...]:
    tokenizer = model.tokenizer
    steps = [getattr(tokenizer, name) for name in _STEPS]
    return (
        *[_sample(getattr(model, name, None)) for name in _ARRAYS],
        id(tokenizer),
        tokenizer.get_vocab_size(),
        *[None if step is None else step.__getstate__() for step in steps],
        model.median_token_length,
        model.unk_token_id,
    )


def _sample(array: Any) -> object:
    if array is None:
        return None
    flat = array.reshape(-1)
    return (id(array), array.shape, str(array.dtype), flat[:: max(1, flat.size // _SAMPLES)].tobytes())


def _digest(model: Any) -> str:
    whole = hashlib.sha256()
    for name in _ARRAYS:
        array = getattr(model, name, None)
        if array is not None:
            whole.update(f"{name}{array.dtype}{array.shape}".encode())
            whole.update(np.ascontiguousarray(array).data)
    tokenizer = json.loads(model.tokenizer.to_str())
    # Each call cuts texts as it is told.
    kept = {name: value for name, value in tokenizer.items() if name not in ("truncation", "padding")}
    whole.update(json.dumps([kept, model.median_token_length, model.unk_token_id], sort_keys=True).encode())
    return whole.hexdigest()[:32]


_METHODS: dict[str, Attribute] = {"encode": Encode()}
SDK = Sdk(__name__, {StaticModel: _METHODS})
