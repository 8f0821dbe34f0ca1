"""R-CNN's linear SVMs and ridge regressors on stored features."""
