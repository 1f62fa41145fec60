"""Graph to graph transformations that preserve meaning."""
