"""Ten processes on one S3 prefix, killed at random."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from soak_worker import EVICTED, EVICTED_AFTER, KEPT, check

from embedonce import EmbeddingCache

KILLED = 20
# A busy machine may need longer until all of them have had their turn.
SECONDS, MOST_SECONDS = 40, 400
ROLES = ["writer"] * 6 + ["tidier"] * 2 + ["reader"] * 2


class Journals:
    """What the processes have noted.

    Attributes:
        wrong: Vectors that were not those of their texts.
        last_eviction: When the last one began.
    """

    def __init__(self, files):
        lines = [line for file in files if file.exists() for line in file.read_text().splitlines()]
        self.wrong = [line for line in lines if line.startswith("WRONG")]
        self.last_eviction = max((float(line.split()[1]) for line in lines if line.startswith("EVICTED")), default=0.0)
        # A killed writer may have left half a line, which then acknowledges nothing.
        self._acknowledged = [parts for line in lines if len(parts := line.split()) == 4 and parts[3] == "."]

    def written(self, namespace, since=0.0):
        """Texts that were acknowledged after a point in time."""
        return sorted(
            {
                f"text {number}"
                for begin, name, numbers, _ in self._acknowledged
                if name == namespace and float(begin) > since
                for number in numbers.split(",")
            }
        )

    @property
    def kept(self):
        return self.written(KEPT)

    @property
    def young(self):
        """Texts that no eviction was to delete."""
        return self.written(EVICTED, self.last_eviction - EVICTED_AFTER)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_writers_tidiers_and_readers_half_of_them_killed(s3_process, tmp_path):
    url, options = s3_process.url(s3_process.make_bucket()), s3_process.storage_options
    stop, journals = tmp_path / "stop", [tmp_path / f"journal {i}" for i in range(len(ROLES))]

    def start(number):
        worker = [sys.executable, str(Path(__file__).parent / "soak_worker.py"), ROLES[number], str(number)]
        arguments = [json.dumps(options), url, str(journals[number]), str(stop)]
        with (tmp_path / "errors").open("a") as errors:
            return subprocess.Popen([*worker, *arguments], stdin=subprocess.DEVNULL, stderr=errors)

    def is_enough():
        noted = Journals(journals)
        return killed >= KILLED and len(noted.kept) > 500 and noted.last_eviction and noted.young

    processes = [start(number) for number in range(len(ROLES))]
    chance, began, killed = random.Random(7), time.monotonic(), 0
    try:
        while (passed := time.monotonic() - began) < SECONDS or (passed < MOST_SECONDS and not is_enough()):
            time.sleep(chance.uniform(1, 3))
            number = chance.randrange(len(ROLES))
            processes[number].kill()
            processes[number].wait()
            killed += 1
            processes[number] = start(number)
    finally:
        stop.touch()
    codes = [process.wait(240) for process in processes]
    said = (tmp_path / "errors").read_text()
    assert codes == [0] * len(ROLES), said
    assert "Traceback" not in said, said

    noted = Journals(journals)
    assert not noted.wrong
    assert killed >= KILLED
    assert len(noted.kept) > 500
    assert noted.last_eviction
    assert noted.young
    with EmbeddingCache(url, storage_options=options, on_store_error="raise") as cache:
        for namespace, some in ((KEPT, noted.kept), (EVICTED, noted.young)):
            embedded = []
            assert check(cache, some, namespace, embedded)
            assert not embedded, (namespace, len(embedded), len(some), embedded[:5])
        assert all(not found.damaged_rows and not found.damaged_segments for found in cache.verify())
        cache.compact()
        assert [report.segments_after for report in cache.compact(KEPT)] == [1]
        embedded = []
        assert check(cache, noted.kept, KEPT, embedded)
        assert not embedded
