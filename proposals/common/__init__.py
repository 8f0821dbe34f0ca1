"""What several methods of proposing regions share."""
