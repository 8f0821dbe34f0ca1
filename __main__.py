"""`python -m inception_rcnn` is the command `inception-rcnn`."""

from .detector.cli import main

if __name__ == "__main__":
    main()
