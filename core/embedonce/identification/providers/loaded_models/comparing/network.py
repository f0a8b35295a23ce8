"""The parts of a network: whether they are those that its configuration says."""

from __future__ import annotations

import hashlib
import re
import sys
from copy import deepcopy
from typing import Any

from embedonce.identification.settings.plain import UnclearSettingError

# Ways to compute the same, which older versions of transformers have classes for.
_WAYS = re.compile("Sdpa|FlashAttention2|Flex")


def parts(module: Any) -> list[tuple[str, str, str, list[tuple[str, float]]]]:
    """Return the parts of a module: their names, classes and sizes, and numbers such as the scale of an attention."""
    return [
        (name, _WAYS.sub("", type(each).__name__), each.extra_repr(), numbers(each))
        for name, each in module.named_modules()
    ]


def numbers(module: Any) -> list[tuple[str, float]]:
    """Return the numbers among the settings of one module."""
    return sorted((name, value) for name, value in vars(module).items() if type(value) is float)


def unusual_parts(first: Any) -> str:
    """Return a digest of the parts of a network if its configuration does not tell what they would be; else nothing.

    Args:
        first: The module that holds the network, if there is one.

    Raises:
        UnclearSettingError: It has other parts than its configuration says.
    """
    net = getattr(first, "auto_model", None)
    config = getattr(net, "config", None)
    if net is None or config is None:
        return ""
    own = parts(net)
    try:
        usual = parts(_built(type(net), deepcopy(config)))
    except Exception:
        # A class that cannot be built without memory, such as one from the hub.
        return hashlib.sha256(repr(own).encode()).hexdigest()[:32]
    if own != usual:
        msg = (
            "the parts of its network are not those of its configuration, such as where layers were dropped, replaced "
            "or quantised, or an adapter was added; save the model and load it again"
        )
        raise UnclearSettingError(msg)
    return ""


def _built(kind: Any, config: Any) -> Any:
    """Return a network without memory for its weights."""
    torch: Any = sys.modules["torch"]
    # Random numbers of the program stay what they would have been.
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        return kind(config)
