"""Seeds that follow from numbers, so that a step is the same whenever and wherever it is done."""

import numpy as np


def seed_of(*numbers: int) -> int:
    """A seed of torch's for numbers such as a run's seed and a step, unlike that of any others; 0 or more each."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
