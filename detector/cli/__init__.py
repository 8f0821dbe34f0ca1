"""The command `inception-rcnn`: a file for its verbs, one for those of `train`, one for those of `benchmark`."""


def main() -> None:
    """Run the command; what it needs is imported here, as others import its options alone."""
    from . import app

    app.main()
