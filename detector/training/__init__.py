"""Training detectors: sampling of regions, losses, fine-tuning, distillation, ensembles, MultiBox."""
