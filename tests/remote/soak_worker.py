"""One process of the soak test: writes, reads, compacts or evicts until it is killed or told to stop.

    python soak_worker.py ROLE NUMBER STORAGE-OPTIONS URL JOURNAL STOP-FILE

Writers put a line `time namespace numbers .` into their journal when a flush was answered. Each
puts `WRONG …` there if a vector is not that of its text, and evictors say when they look at the clock.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time

import numpy as np

from embedonce import EmbeddingCache

KEPT, EVICTED = "acme/kept@1", "acme/evicted@1"
EVICTED_AFTER = 30.0
DIMENSIONS = 16


def vectors(texts):
    matrix = np.zeros((len(texts), DIMENSIONS), "<f4")
    for i, text in enumerate(texts):
        matrix[i] = np.frombuffer(text.encode().ljust(DIMENSIONS, b".")[:DIMENSIONS], "u1")
    return matrix


def texts(first, count):
    return [f"text {number}" for number in range(first, first + count)]


def check(cache, some, namespace, embedded):
    """Embed texts, taking note of those that are not in the cache; False if a vector is not that of its text."""

    def embed(given):
        embedded.extend(given)
        return vectors(given)

    return np.array_equal(cache.embed(some, embed, namespace=namespace), vectors(some))


def work(role, number, options, url, journal, stop):
    chance = random.Random()
    cache = EmbeddingCache(url, storage_options=options, refresh_interval=1.0, batch_size=50)
    while not os.path.exists(stop):
        namespace = chance.choice((KEPT, EVICTED))
        if role == "writer":
            # Writers overlap, so that the same text is written by several.
            first, count = chance.randrange(0, 20_000, 10), chance.choice((1, 10, 100))
            begin = time.time()
            some, embedded = texts(first, count), []
            if not check(cache, some, namespace, embedded):
                journal.write(f"WRONG {namespace} {some[0]}\n")
            cache.flush()
            stats = cache.stats()
            if stats.pending == stats.skipped == stats.read_errors == stats.write_errors == 0:
                # What was found there is as old as its writing, and may be evicted.
                written = some if namespace == KEPT else embedded
                numbers = ",".join(text.split()[1] for text in written)
                journal.write(f"{begin} {namespace} {numbers} .\n")
        elif role == "reader":
            reader = EmbeddingCache(url, storage_options=options, mode="read_only", refresh_interval=1.0)
            for _ in range(chance.randrange(1, 20)):
                some = texts(chance.randrange(20_000), 50)
                if not check(reader, some, namespace, []):
                    journal.write(f"WRONG {namespace} {some[0]}\n")
        elif number % 2:
            cache.compact(KEPT if chance.random() < 0.7 else None)
        else:
            # However long it takes until the clock is looked at.
            journal.write(f"EVICTED {time.time() + 10}\n")
            cache.evict(older_than=EVICTED_AFTER, namespace=EVICTED)
            cache.compact(EVICTED)
        journal.flush()


if __name__ == "__main__":
    role, number, options, url, journal_path, stop = sys.argv[1:]
    with open(journal_path, "a", buffering=1) as journal:
        work(role, int(number), json.loads(options), url, journal, stop)
