"""The suite for adapters: the promises that every wrapper of a framework keeps."""

from __future__ import annotations

from embedonce.testing.suites.adapters.answers import Answers, KeptWork
from embedonce.testing.suites.adapters.copies import Copies, Secrets
from embedonce.testing.suites.adapters.flights import Cancelling, EventLoop, Flights
from embedonce.testing.suites.adapters.hits import Hits
from embedonce.testing.suites.adapters.identities import Changes, Identities, Roles
from embedonce.testing.suites.adapters.loading import Loading
from embedonce.testing.suites.adapters.modes import Modes, Options
from embedonce.testing.suites.adapters.texts import Texts


class AdapterSuite(
    Hits,
    Roles,
    Identities,
    Changes,
    Texts,
    Answers,
    KeptWork,
    Modes,
    Options,
    Flights,
    Cancelling,
    EventLoop,
    Copies,
    Secrets,
    Loading,
):
    """What every adapter promises: never a wrong vector, no paid work lost, each text paid for once.

    The author of an adapter inherits from it in a test module, and defines how an embedder of the framework is made and
    called. The tests use only the public methods of the framework. Only `embedder`, `embed_documents` and
    `embed_query` have to be written:

        class TestAcme(AdapterSuite):
            plugin = "acme"
            kind = AcmeEmbedder

            def embedder(self, model):
                return EmbedderInFrontOf(model)  # an AcmeEmbedder that asks model.answer and model.answer_one

            def embed_documents(self, wrapped, texts):
                return wrapped.embed_many(texts)

            def embed_query(self, wrapped, text):
                return wrapped.embed_question(text)

    Tests of what a framework does not have are skipped with the reason: async tests without `aembed_documents` and
    `aembed_query`, those of embedders without a declared identity need `embedder_of_fields`. A test that does not apply
    is replaced by `not_applicable("reason")`, one that needs other checks is overridden with `overrides("reason")`. The
    docstring of each test says what has to hold, and where to look if it does not.

    Attributes:
        plugin: Name of the adapter's entry point in the group `embedonce`; None if it is not found through one.
        kind: The type of the framework's embedders, which every wrapper must have; None if there is no such type.
        vector_type: The type of a vector that wrappers answer with: `list`, which then holds floats, or `np.ndarray`.
        may_leave_out: True if the framework's embedders may answer a text with an empty vector or none at all, rather
            than raise. A wrapper then answers documents with None, queries with what the embedder has answered.
        no_text: Pattern of the TypeError for something other than a text, if the framework refuses it before the cache.
        no_texts: Pattern of the TypeError for something other than a list of texts.
        refusals: The errors for a missing vector; to be extended if the framework raises its own for None.
    """
