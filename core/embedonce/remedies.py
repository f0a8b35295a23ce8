"""The lines that help where an embedder is refused; each of them works when it is run as it is shown.

In the lines, `embedder` is what was to be wrapped, and `store` where its vectors go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedonce.secrets import looks_secret

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = "acme/my-model@1"
"""The name in the lines: the number after the `@` is a part of it like any other, to be raised by hand."""
RAISE_IT = "and raise the number whenever its vectors change"
_MOST_SHOWN = 80
# Methods that take a list of texts, the most telling one first.
_METHODS = (
    "embed_documents",
    "embed_batch",
    "embed_texts",
    "get_text_embedding_batch",
    "encode",
    "embed",
    "get_embeddings",
    "transform",
    "aembed_documents",
    "aembed",
)
_TEXTS = ("input", "inputs", "texts", "text", "documents", "sentences", "contents", "content", "prompt")


def wrapping(what: str = "embedder") -> str:
    """Return the line that names the model while it is wrapped."""
    return f'embedonce.wrap({what}, store, namespace="{NAME}")'


def declaring(kind: type | None = None) -> str:
    """Return the line in a class that names its model."""
    return f'embedonce_identity{_annotated(kind, "str")} = "{NAME}"'


def ignoring(names: Iterable[str], kind: type | None = None) -> str:
    """Return the line in a class that says which fields decide nothing."""
    quoted = [f'"{name}"' for name in names]
    listed = ", ".join(quoted) if len(quoted) > 1 else f"{quoted[0]},"
    return f"embedonce_ignores{_annotated(kind, 'tuple[str, ...]')} = ({listed})"


def _annotated(kind: type | None, annotation: str) -> str:
    # pydantic refuses a class with an attribute that has no type.
    return f": {annotation}" if hasattr(kind, "__pydantic_fields__") else ""


A_FUNCTION = f"pass a function that takes a list of texts and returns their vectors: {wrapping('function')}"
"""What to pass instead of anything that cannot be wrapped."""


def method_of(kind: type) -> str:
    """Return the method of a class that takes a list of texts, empty if none seems to."""
    found = next((name for name in _METHODS if callable(getattr(kind, name, None))), "")
    return "" if kind.__module__ == "builtins" else found


def passing_a_method(embedder: object) -> str:
    """Return what to pass instead of an object that is not an embedder of a framework."""
    is_class = isinstance(embedder, type)
    kind: Any = embedder if is_class else type(embedder)
    what = f"{kind.__name__}()" if is_class else "embedder"
    if callable(getattr(kind, "invoke", None)) and callable(getattr(kind, "batch", None)):
        return (
            f"pass its method: {wrapping(f'{what}.invoke')} if it takes a list of texts, "
            f"{wrapping(f'{what}.batch')} if it takes one text"
        )
    found = method_of(kind)
    if found:
        return f"pass the method{' of an object' if is_class else ''}: {wrapping(f'{what}.{found}')}"
    if is_class and "__call__" in vars(kind):
        return f"pass an object of it: {wrapping(what)}"
    return A_FUNCTION


def passing_a_function(parameters: Iterable[Any]) -> str:
    """Return what to pass instead of a function that does not take texts alone.

    Args:
        parameters: Those of the function, of `inspect`.
    """
    named = [each for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    names = [each.name for each in named]
    takes = next((name for name in _TEXTS if name in names), None)
    if takes is None:
        return A_FUNCTION
    required = [each.name for each in named if each.default is each.empty and each.name != takes]
    call = ", ".join([f"{takes}=texts", *[f'{name}="…"' for name in required]])
    vectors = f"[each.embedding for each in embedder({call}).data]" if "model" in names else f"embedder({call})"
    return (
        f"pass a function that takes the texts alone and returns their vectors: {wrapping(f'lambda texts: {vectors}')}"
    )


def taking_vectors_of(answer: object) -> str:
    """Return what to pass instead of a function that answers with a response of an SDK; empty for other answers."""
    for name, vectors in (("data", "[each.embedding for each in embedder(texts).data]"), ("embeddings", "")):
        # A property might compute something, or warn.
        if isinstance(getattr(answer, "__dict__", {}).get(name), list | tuple):
            line = wrapping(f"lambda texts: {vectors or 'embedder(texts).embeddings'}")
            return f"; pass a function that returns the vectors in it: {line}"
    return ""


def shown(value: object) -> str:
    """Return what a message says of a value: the value itself if it is short, plain and not a secret."""
    kind = type(value)
    if kind is str:
        assert isinstance(value, str)
        is_open = len(value) <= _MOST_SHOWN and not looks_secret(value)
        return f"a str, {value!r}" if is_open else "a str"
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return f"{'an' if kind.__name__[0] in 'AEIOUaeiou' else 'a'} {kind.__name__}"
