"""What is known of a loaded SentenceTransformer; see `embedonce.identification`."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from embedonce.identification import Describer, KnownClass, Live, providers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedonce import Identity

_FIELDS = """
_accelerate_placement_hook _backward_hooks _backward_pre_hooks _buffers _compiled_call_impl _device_map
_forward_hooks _forward_hooks_always_called _forward_hooks_with_kwargs _forward_pre_hooks _forward_pre_hooks_with_kwargs
_is_full_backward_hook _load_state_dict_post_hooks _load_state_dict_pre_hooks _model_card_text _model_card_vars
_model_config _modules _modules_placed _non_persistent_buffers_set _parameters _similarity _similarity_fn_name
_similarity_pairwise _state_dict_hooks _state_dict_pre_hooks backend default_prompt_name is_hpu_graph_enabled
model_card_data module_kwargs prompts similarity_fn_name training truncate_dim trust_remote_code
"""
"""What the class and torch keep in each model that does not decide vectors, or is looked at anyway."""


def _describe(model: Any = Live("", providers.snapshot_of)) -> Identity:
    return providers.Loaded.of(model.value).identity()


# What arguments of `encode` become; see `encoding_with`.
_ADDED = ("default_prompt", "normalize", "precision", "prompt", "query", "task", "truncate_dim")


class _SentenceTransformerDescriber(Describer):
    """Knows which models were trained since they were first looked at."""

    def __init__(self, rows: Mapping[tuple[str, str], KnownClass]) -> None:
        super().__init__(rows, bases=("sentence_transformers", "torch"), added=_ADDED)
        self._first: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def weights(self, model: Any) -> Any:
        """Return a value that changes when weights are changed in place, as by training."""
        now = providers.weights_state(model)
        self._first.setdefault(model, now)
        return now

    def was_trained(self, model: Any) -> bool:
        """True if weights were changed since this process has first looked at them, and the modules were not."""
        now = self.weights(model)
        first = self._first[model]
        return bool(now.tensors == first.tensors and now.were_trained_since(first))


_ROW = KnownClass(_describe, ignores=_FIELDS)
describer = _SentenceTransformerDescriber({("sentence_transformers", "SentenceTransformer"): _ROW})
