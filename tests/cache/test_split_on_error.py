"""With `split_on_error`, a batch that the embedder refuses is tried again in halves."""

from __future__ import annotations

import pytest
from core_support import Model, adds_up, ask, sync

from embedonce import EmbeddingCache, MemoryStore


class Refused(Exception):
    status_code = 400


class Quota(Exception):
    status_code = 429


class Choosy(Model):
    """Refuses requests that hold a text which starts with "bad"."""

    def __call__(self, texts):
        refused = next((text for text in texts if text.startswith("bad")), None)
        if refused is not None:
            self.calls.append(list(texts))
            raise Refused(refused)
        return super().__call__(texts)


def texts_of(kind, count):
    return [f"{kind} {number}" for number in range(count)]


def splitting(store=None, **options):
    return EmbeddingCache(store or MemoryStore(), split_on_error=True, **options)


@pytest.mark.parametrize("batch_size", ["auto", 7, None])
def test_only_what_is_refused_alone_is_not_stored(way, batch_size):
    store, good = MemoryStore(), texts_of("good", 40)
    cache = splitting(store, batch_size=batch_size)
    with pytest.raises(Refused, match="bad"):
        ask(way, cache, [*good[:20], *texts_of("bad", 2), *good[20:]], Choosy())
    stats = cache.stats()
    assert (stats.stored, stats.embedded) == (40, 42)
    assert stats.split > 0
    assert adds_up(stats)
    late = Model()
    sync(EmbeddingCache(store), good, late)
    assert late.calls == []


def all_at_once(texts):
    yield from Choosy()(texts)


def one_by_one(texts):
    for text in texts:
        yield from Choosy()([text])


@pytest.mark.parametrize("embed", [all_at_once, one_by_one])
def test_a_generator_that_refuses_is_asked_again_in_halves(way, embed):
    cache = splitting(batch_size=16)
    with pytest.raises(Refused, match="bad"):
        ask(way, cache, [*texts_of("good", 10), *texts_of("bad", 2), *texts_of("better", 30)], embed)
    assert cache.stats().stored == 40


def test_many_refused_texts_at_the_head_keep_no_other_from_being_embedded(way):
    """A second run begins with them: all others are stored."""
    cache = splitting()
    with pytest.raises(Refused):
        ask(way, cache, [*texts_of("bad", 200), *texts_of("good", 100)], Choosy())
    assert cache.stats().stored == 100


@pytest.mark.parametrize("batch_size", ["auto", 1024, None])
def test_an_embedder_that_refuses_everything_is_not_asked_for_each_text(way, batch_size):
    cache, model = splitting(batch_size=batch_size), Choosy()
    with pytest.raises(Refused, match="bad"):
        ask(way, cache, texts_of("bad", 5000), model)
    assert len(model.calls) < 100


def test_a_quota_is_no_refusal(way):
    calls = []

    def embed(texts):
        calls.append(texts)
        raise Quota

    with pytest.raises(Quota):
        ask(way, splitting(batch_size=None), texts_of("good", 10), embed)
    assert len(calls) == 1


def test_a_warning_says_once_how_many_texts_were_refused(caplog):
    with pytest.raises(Refused):
        sync(splitting(batch_size=4), [*texts_of("good", 20), *texts_of("bad", 2)], Choosy())
    (warning,) = [record.message for record in caplog.records]
    assert warning.startswith("the embedder refused 2 of 22 texts, one of them text 2")


def test_by_default_nothing_is_split(way):
    model = Choosy()
    with pytest.raises(Refused):
        ask(way, EmbeddingCache(MemoryStore(), batch_size=None), [*texts_of("good", 5), "bad"], model)
    assert len(model.calls) == 1
