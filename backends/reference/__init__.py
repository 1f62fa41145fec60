"""The NumPy reference backend: plain, slow and right."""
