"""What several methods share: working size, ranking, box coding, compilation."""
