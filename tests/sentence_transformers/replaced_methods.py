"""Classes of users whose methods differ from those of the package."""

from __future__ import annotations

from sentence_transformers import SentenceTransformer


class Prefixing(SentenceTransformer):
    """Changes the texts of one method alone."""

    def encode_document(self, sentences, **more):
        texts = [sentences] if isinstance(sentences, str) else sentences
        found = self.encode([f"title: {text}" for text in texts], **more)
        return found[0] if isinstance(sentences, str) else found


class Calling(SentenceTransformer):
    """Goes past its own `encode`."""

    def encode_query(self, sentences, **more):
        return super().encode(sentences, prompt="query: ", **more)


class Renaming(SentenceTransformer):
    """Names its arguments otherwise, without those of the package."""

    def encode_query(self, sentences, **k):
        return super().encode_query(sentences, **k)

    def encode(self, inputs, **k):
        return super().encode(inputs, **k)


class Passing(SentenceTransformer):
    """Passes on whatever it gets."""

    def encode_query(self, *args, **kwargs):
        return super().encode_query(*args, **kwargs)

    def encode(self, *args, **kwargs):
        return super().encode(*args, **kwargs)


class Arrays(SentenceTransformer):
    """Gives arrays, whatever it is asked for."""

    def encode(self, inputs, **k):
        k.update(convert_to_numpy=True, convert_to_tensor=False)
        return super().encode(inputs, **k)


class Narrow(SentenceTransformer):
    """Cannot be asked for tensors."""

    def encode_query(self, sentences, batch_size=32):
        return super().encode_query(sentences, batch_size=batch_size)
