"""Identities of fakes, of wrappers around others, of what declares its own, and of subclasses."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
from known_class import SECRET
from langchain_identities import WARNINGS, describe, fingerprint, lc, namespace, sub_batch

import embedonce
from embedonce.errors import IdentityError
from embedonce.identification import Description
from embedonce.identity import Identity

pytestmark = WARNINGS


# -- fakes, wrappers, declarations ---------------------------------------------------------------------------------


def test_random_embedder_is_not_cacheable() -> None:
    """A cached vector would look like a model."""
    description = describe(lc.FakeEmbeddings(size=4))
    assert description.identity is None
    assert "random" in description.not_cacheable
    assert fingerprint(lc.FakeEmbeddings(size=4)) == fingerprint(lc.FakeEmbeddings(size=8))


def test_deterministic_fake() -> None:
    """Tests cache it, and its size is all that matters."""
    identity = describe(lc.DeterministicFakeEmbedding(size=4)).identity
    assert identity is not None
    assert identity.namespace == "langchain/DeterministicFakeEmbedding?dimensions=4"
    assert (identity.symmetric, identity.dimensions) == (True, 4)
    assert fingerprint(lc.DeterministicFakeEmbedding(size=4)) != fingerprint(lc.DeterministicFakeEmbedding(size=8))


def test_cache_of_langchain_is_refused(tmp_path: Path) -> None:
    """Its store may hold vectors of another model; the message says how to go on."""
    module = pytest.importorskip("langchain_classic.embeddings.cache")
    from langchain_core.stores import InMemoryByteStore

    inner = lc.DeterministicFakeEmbedding(size=3)
    theirs = module.CacheBackedEmbeddings.from_bytes_store(inner, InMemoryByteStore(), key_encoder="sha256")
    for make in (lambda: theirs, lambda: lc.Custom(embedder=theirs)):
        with pytest.raises(IdentityError):
            describe(make())
    with pytest.raises(
        IdentityError, match=r"a cache itself.*embedder\.underlying_embeddings, store.*from_bytes_store.*namespace="
    ):
        embedonce.wrap(theirs, tmp_path)
    assert embedonce.wrap(theirs.underlying_embeddings, tmp_path).embed_query("a") == inner.embed_query("a")


def test_declared_identity_wins() -> None:
    """On the class or the instance, and nothing else is looked at."""
    identity = Identity.named("acme/e5@3", symmetric=True)

    class Declared(lc.Embeddings):
        embedonce_identity = identity
        client = object()

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return []

        def embed_query(self, text: str) -> list[float]:
            return []

    assert describe(Declared()) == Description(identity)
    embedder: Any = lc.Custom(live=object())
    before = fingerprint(embedder)
    embedder.embedonce_identity = identity
    assert describe(embedder) == Description(identity)
    assert fingerprint(embedder) != before
    embedder.embedonce_identity = Identity.named("other")
    assert fingerprint(embedder) == fingerprint(lc.Custom(embedonce_identity=Identity.named("other")))


def test_declared_identity_must_be_one() -> None:
    """Or a name, without parameters: those that are typed could be ones that embedonce adds."""
    for declared, said in ((7, "is an int, neither"), ("acme/x?version=1", "no parameters"), ("", "not a name")):
        embedder = lc.Custom(embedonce_identity=declared)
        with pytest.raises(IdentityError, match=said):
            describe(embedder)
        assert fingerprint(embedder) == fingerprint(embedder)
    description = describe(lc.Custom(embedonce_identity="acme/x@1"))
    assert description.identity == Identity.named("acme/x@1")
    assert fingerprint(lc.Custom(embedonce_identity="acme/x@1")) != fingerprint(
        lc.Custom(embedonce_identity="acme/x@2")
    )


# -- subclasses of known classes -----------------------------------------------------------------------------------


def _subclass(**body: Any) -> Any:
    """Return an importable subclass of OpenAIEmbeddings, without importing its package before a test runs."""
    from langchain_openai import OpenAIEmbeddings

    name = "_".join(["Sub", *body.get("__annotations__", {})])
    module = sys.modules.setdefault("acme_embedders", ModuleType("acme_embedders"))
    if not hasattr(module, name):
        meta: Any = type(OpenAIEmbeddings)
        setattr(module, name, meta(name, (OpenAIEmbeddings,), {"__module__": module.__name__, **body}))
    return getattr(module, name)


def test_subclass_counts_as_its_base_with_its_own_name_and_fields() -> None:
    """It may override anything, so its vectors are its own, and its roles may differ."""
    kind = _subclass(__annotations__={"prefix": str}, prefix="q: ")
    plain, other = kind(api_key=SECRET), kind(api_key=SECRET, prefix="d: ")
    description = describe(plain)
    assert description.identity is not None
    assert description.identity.namespace == (
        'openai/text-embedding-ada-002?class="acme_embedders.Sub_prefix"&prefix="q: "'
    )
    assert not description.identity.symmetric
    assert description.whole_up_to == 8191
    assert namespace(other) != namespace(plain)
    assert fingerprint(other) != fingerprint(plain)
    assert namespace(kind(api_key="x", chunk_size=3)) == namespace(plain)
    assert fingerprint(kind(api_key="x", chunk_size=3)) == fingerprint(plain)
    assert sub_batch(plain) == 1000


def test_subclass_with_a_constant() -> None:
    """A constant of the class is a setting as well."""
    assert 'PREFIX="q: "' in namespace(_subclass(__annotations__={"PREFIX": ClassVar[str]}, PREFIX="q: ")(api_key="x"))


def test_subclass_of_a_function_or_script_is_refused() -> None:
    """Another script may define another class with the same name."""
    from langchain_openai import OpenAIEmbeddings

    class Local(OpenAIEmbeddings):
        pass

    with pytest.raises(IdentityError, match=r"Local.*script, a notebook or a function.*namespace=.*embedonce_identity"):
        describe(Local(api_key=lc.SecretStr("x")))


def test_subclass_of_a_random_embedder_is_not_cacheable() -> None:
    """Nothing says that it became deterministic."""
    assert describe(lc.SeededFake(size=3)).identity is None
