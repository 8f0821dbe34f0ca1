"""MultiBox (Erhan et al., CVPR 2014; Szegedy et al., arXiv 1412.1441)."""
