"""Ten processes on one S3 prefix for a minute, killed at random."""

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

SECONDS = 60
ROLES = ["writer"] * 6 + ["tidier"] * 2 + ["reader"] * 2


@pytest.mark.soak
@pytest.mark.timeout(400)
def test_writers_tidiers_and_readers_half_of_them_killed(s3_process, tmp_path):
    url, options = s3_process.url(s3_process.make_bucket()), s3_process.storage_options
    stop, journals = tmp_path / "stop", [tmp_path / f"journal {i}" for i in range(len(ROLES))]

    def start(number):
        worker = [sys.executable, str(Path(__file__).parent / "soak_worker.py"), ROLES[number], str(number)]
        arguments = [json.dumps(options), url, str(journals[number]), str(stop)]
        with (tmp_path / "errors").open("a") as errors:
            return subprocess.Popen([*worker, *arguments], stderr=errors)

    processes = [start(number) for number in range(len(ROLES))]
    chance, end, killed = random.Random(7), time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        time.sleep(chance.uniform(1, 3))
        number = chance.randrange(len(ROLES))
        processes[number].kill()
        processes[number].wait()
        killed += 1
        processes[number] = start(number)
    stop.touch()
    codes = [process.wait(120) for process in processes]
    said = (tmp_path / "errors").read_text()
    assert codes == [0] * len(ROLES), said
    assert "Traceback" not in said, said

    lines = [line for journal in journals if journal.exists() for line in journal.read_text().splitlines()]
    assert not [line for line in lines if line.startswith("WRONG")]
    # A killed writer may have left half a line, which then is no acknowledgement.
    acknowledged = [parts for line in lines if len(parts := line.split()) == 4 and parts[3] == "."]
    last_eviction = max(float(line.split()[1]) for line in lines if line.startswith("EVICTED"))

    def written(namespace, since):
        return sorted(
            {
                f"text {number}"
                for begin, name, numbers, _ in acknowledged
                if name == namespace and float(begin) > since
                for number in numbers.split(",")
            }
        )

    kept, young = written(KEPT, 0), written(EVICTED, last_eviction - EVICTED_AFTER)
    assert killed >= 15
    assert len(kept) > 500
    assert young

    with EmbeddingCache(url, storage_options=options, on_store_error="raise") as cache:
        for namespace, some in ((KEPT, kept), (EVICTED, young)):
            embedded = []
            assert check(cache, some, namespace, embedded)
            assert not embedded, (namespace, len(embedded), len(some), embedded[:5])
        assert all(not found.damaged_rows and not found.damaged_segments for found in cache.verify())
        cache.compact()
        assert [report.segments_after for report in cache.compact(KEPT)] == [1]
        embedded = []
        assert check(cache, kept, KEPT, embedded)
        assert not embedded
