"""A data set in memory, and what the readers of its formats have in common."""
