"""Detection in more images than one process should have: shards of a run, merged, and Ray's engine."""
