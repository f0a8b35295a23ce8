"""A loaded SentenceTransformer, for every framework that holds one: what it shows, and what of that its files say."""

from embedonce.identification.providers.loaded_models.comparing.saved import Saved
from embedonce.identification.providers.loaded_models.expected import expected_sentence_transformer
from embedonce.identification.providers.loaded_models.model import (
    Loaded,
    changes_of_loaded,
    held_arguments,
    loaded_sentence_transformer,
)
from embedonce.identification.providers.loaded_models.shown import Limits, Owner
from embedonce.identification.providers.loaded_models.state import is_module, snapshot_of, weights_state

__all__ = [
    "Limits",
    "Loaded",
    "Owner",
    "Saved",
    "changes_of_loaded",
    "expected_sentence_transformer",
    "held_arguments",
    "is_module",
    "loaded_sentence_transformer",
    "snapshot_of",
    "weights_state",
]
