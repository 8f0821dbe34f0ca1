"""Where to look: class-agnostic boxes that may hold an object."""
