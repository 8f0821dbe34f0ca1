"""Selective Search (Uijlings et al., IJCV 2013)."""
