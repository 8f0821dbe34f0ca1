"""Compilation where machine code cannot be kept."""

import os
import subprocess
import sys

import pytest

import inception_rcnn.proposals.common.compiling as compiling


def test_compiles_without_a_place_for_the_cache(monkeypatch):
    njit, refused = compiling.njit, []

    def njit_without_cache(**options):
        if options.get("cache"):
            refused.append(options)
            raise RuntimeError("cannot cache function: no locator available")
        return njit(**options)

    monkeypatch.setattr(compiling, "njit", njit_without_cache)

    @compiling.compiled()
    def double(x):
        return 2 * x

    assert double(21) == 42
    assert refused


COMPILE = "from inception_rcnn.proposals.methods import compile_all\ncompile_all()\n"
SEARCH = (
    "import numpy as np\n"
    "from inception_rcnn.proposals.common.ranking import best_first\n"
    "from inception_rcnn.proposals.selective_search.search import selective_search\n"
    "found = selective_search(np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8))\n"
    "best_first(found.boxes, found.scores)\n"
)


@pytest.mark.slow
@pytest.mark.parametrize("first", [SEARCH, COMPILE])
def test_the_first_process_compiles_and_says_so_and_the_next_ones_load(tmp_path, first):
    """What a process compiles depends on the types it is called with, so a whole image goes through, twice."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    said, cached = [], []
    for program in (first, SEARCH):
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        said.append(done.stderr.count("compiling Selective Search, once on this machine"))
        cached.append({path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")})
    assert said == [1, 0]
    assert cached[0] == cached[1] != {}
