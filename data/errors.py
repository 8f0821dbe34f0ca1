"""The errors a user can meet. Each message says which file or value, what is wrong, and what to do."""


class InceptionRcnnError(Exception):
    """The root of every error this package raises on purpose; `exit_code` is what the command line returns."""

    exit_code = 1


class LimitError(InceptionRcnnError):
    """A limit that the user stated (`--fail-on-error`, say) was broken."""

    exit_code = 1


class UsageError(InceptionRcnnError, ValueError):
    """An argument that cannot be taken: an unknown preset, model, class or mode."""

    exit_code = 2


class SetupError(InceptionRcnnError):
    """Something the machine lacks: a package, a GPU, room on the disk."""

    exit_code = 3


class DataError(InceptionRcnnError, ValueError):
    """A file or record that cannot be used: a broken image, weights file, annotation or box."""

    exit_code = 4
