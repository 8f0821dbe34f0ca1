"""The tables of GoogLeNet's detection and classification entries as experiments that anyone can run."""
