"""How large a run is."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes of all workloads.

    Attributes:
        name: `toy`, `quick` or `full`.
        repetitions: Of what takes less than a second.
        few: Of what takes seconds, such as starting an interpreter.
        budget: Seconds after which a slow peer is left out of further repetitions of one case.
        batch_sizes: Texts per call; the last one is the large batch of the goals.
        rounds: Calls per repetition for each batch size.
        slow_batch_sizes: Texts per call where peers take part that need a millisecond for each text.
        slow_rounds: Calls per repetition for each of them.
        dimensions: The middle one is that of the goals.
        stores: Vectors in the stores whose sizes are compared.
        store_dimensions: Length of their vectors.
        keys: Vectors of length 1 in the store that is all index; 0 to leave it out.
        rows: Vectors in every other store.
        queries: Queries of each thread.
        distant: Vectors on S3, and how many of them the peer with an object per vector is measured with.
        loop: Texts of calls that an event loop is watched during, and the length of their vectors.
        joined: How many of these texts two calls ask for at once.
        latency: Seconds that the S3 server adds to each answer.
    """

    name: str
    repetitions: int = 9
    few: int = 5
    budget: float = 3.0
    batch_sizes: tuple[int, int, int] = (1, 100, 10_000)
    rounds: tuple[int, int, int] = (300, 30, 1)
    slow_batch_sizes: tuple[int, int, int] = (1, 100, 1000)
    slow_rounds: tuple[int, int, int] = (30, 3, 1)
    dimensions: tuple[int, int, int] = (384, 1536, 3072)
    stores: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    store_dimensions: int = 64
    keys: int = 0
    rows: int = 10_000
    queries: int = 200
    distant: tuple[int, int] = (10_000, 500)
    loop: tuple[int, int] = (20_000, 1024)
    joined: int = 16_000
    latency: float = 0.03

    @property
    def large(self) -> int:
        """The large batch."""
        return self.batch_sizes[-1]

    @property
    def width(self) -> int:
        """The dimensions of the goals."""
        return self.dimensions[1]


QUICK = Scale("quick")
FULL = replace(
    QUICK,
    name="full",
    repetitions=25,
    few=11,
    budget=60.0,
    slow_batch_sizes=(1, 100, 10_000),
    store_dimensions=384,
    keys=10_000_000,
    distant=(10_000, 10_000),
)
TOY = Scale(
    "toy",
    repetitions=2,
    few=1,
    batch_sizes=(1, 5, 20),
    rounds=(2, 2, 1),
    slow_batch_sizes=(1, 5, 10),
    slow_rounds=(1, 1, 1),
    dimensions=(4, 8, 16),
    stores=(20, 40),
    store_dimensions=4,
    keys=50,
    rows=60,
    queries=5,
    distant=(70, 5),
    loop=(50, 8),
    joined=40,
    latency=0.0,
)
SCALES = {scale.name: scale for scale in (QUICK, FULL, TOY)}
