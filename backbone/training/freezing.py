"""Which part of a network stays as it is in training: less to compute, less to forget where images are few."""

# What the names of the parameters that stay begin with.
FREEZES: dict[str, tuple[str, ...]] = {
    "none": (),
    "conv1": ("backbone.conv1.",),
    "stem": ("backbone.conv", "backbone.inception_3"),  # up to inception 3b
    "backbone": ("backbone.",),
    "trunk": ("backbone.",),  # what 0.1.0 called it
}
