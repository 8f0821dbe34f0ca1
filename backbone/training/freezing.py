"""Which part of a network stays as it is in training: less to compute, less to forget where images are few."""

# What the names of the parameters that stay begin with.
FREEZES: dict[str, tuple[str, ...]] = {
    "none": (),
    "conv1": ("backbone.conv1.",),
    "stem": ("backbone.conv", "backbone.inception_3"),  # up to inception 3b
    "backbone": ("backbone.",),
    "trunk": ("backbone.",),  # what 0.1.0 called it
    # And inception 5a, and a classifier's outputs that a detector keeps: two modes of it can share them.
    "5a": (
        *("backbone.", "box_head.inception_5a."),
        *(f"box_heads.{mode}.inception_5a." for mode in ("shared", "crops")),
        *(f"box_predictors.{mode}.subclasses." for mode in ("shared", "crops")),
    ),
}


def freezes_backbone(name: str) -> bool:
    """Whether the backbone stays as it is, and with it all that rests on it."""
    return "backbone." in FREEZES.get(name, ())
