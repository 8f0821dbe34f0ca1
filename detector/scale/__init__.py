"""Detection in more images than one process should have: shards of a run, merging them, and Ray as the engine."""
