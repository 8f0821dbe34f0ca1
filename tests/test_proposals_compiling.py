"""Compilation where machine code cannot be kept."""

import inception_rcnn.proposals.compiling as compiling


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
