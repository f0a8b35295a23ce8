"""Write docs/public-api.md: what each public module exports, with the first sentence of its documentation.

Run it when a public name was added or removed on purpose; a test fails while the page is not current.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

FACES = (
    "embedonce",
    "embedonce.errors",
    "embedonce.hookspecs",
    "embedonce.stores",
    "embedonce.identification",
    "embedonce.testing",
)
PAGE = Path(__file__).resolve().parent.parent / "docs" / "public-api.md"

_HEAD = """\
# Public API

<!-- Written by tools/public_api.py from the `__all__` of each module. -->

These modules are public, each with the names in its `__all__`. Everything else may move or change in any release,
and so may names that begin with an underscore:

<!-- not run: a sketch -->
```python
import embedonce
from embedonce.errors import StoreError
```

The package of each framework is public in the same way: `langchain_embedonce`, `llama_index.embeddings.embedonce`,
`haystack_integrations.components.embedders.embedonce`, `sdks_embedonce` and `sentence_transformers_embedonce`, with the
names in their `__all__`. The [command line](distant-stores.md), the [storage format](storage-format.md) and the
[key specification](key-specification.md) have pages of their own.
"""
_VALUES = {
    "Values": "What `describe` of a `KnownClass` is given: the values that were read, by path.",
    "Mode": "Whether a call may read, embed and write: see [modes](usage.md#modes).",
    "Role": "As what a text is embedded: `document` or `query`.",
    "__version__": "The version of the package.",
    "hookimpl": "Marks a function or a method as the implementation of a hook.",
}
"""What cannot carry documentation of its own."""


def page() -> str:
    """Return what the page has to be."""
    return "\n".join([_HEAD, *map(_section, FACES)])


def _section(face: str) -> str:
    module = import_module(face)
    values = {name: getattr(module, name) for name in module.__all__}
    rows = [f"| `{name}` | {_VALUES.get(name) or _sentence(value)} |" for name, value in values.items()]
    table = "\n".join(["| name | what it is |", "| --- | --- |", *rows])
    return f"## {face}\n\n{_sentence(module)}\n\n{table}\n"


def _sentence(documented: Any) -> str:
    """Return the first sentence of an object's documentation."""
    kinds = (inspect.ismodule, inspect.isclass, inspect.isfunction)
    if not any(is_of(inspect.unwrap(documented)) for is_of in kinds):
        msg = f"{documented!r} cannot be documented where it is; say in tools/public_api.py what it is"
        raise TypeError(msg)
    paragraph = " ".join((inspect.getdoc(documented) or "").partition("\n\n")[0].split())
    sentence = paragraph.partition(". ")[0].removesuffix(".")
    if not sentence:
        msg = f"{documented!r} has no documentation"
        raise ValueError(msg)
    return f"{sentence}.".replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE}: {len(FACES)} modules")
