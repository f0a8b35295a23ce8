"""The steps of a call of a component, which do no I/O themselves: a sync and an async driver carry them out.

A call is a generator. It yields what it wants done and is sent the outcome; what it returns is the answer of the call.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from embedonce.identification import EmbedRequest


@dataclass(slots=True)
class Ask:
    """Run the component inside; the outcome is its answer.

    Attributes:
        inputs: Its inputs.
    """

    inputs: dict[str, Any]


@dataclass(slots=True)
class Embed:
    """Take texts from the cache; the outcome is one vector for each, or None if the call bypasses the cache.

    Attributes:
        request: What is asked for.
        embed: The steps that embed the texts that are missing, and return their vectors.
    """

    request: EmbedRequest
    embed: Callable[[list[str]], Steps]


@dataclass(slots=True)
class Compute:
    """Call a function that may take long and must not run on an event loop; the outcome is its result.

    Attributes:
        function: The function.
    """

    function: Callable[[], Any]


Steps: TypeAlias = Generator[Ask | Embed | Compute, Any, Any]
