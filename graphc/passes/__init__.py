"""Graph to graph transformations that preserve meaning; `graphc.passes.pipeline` holds their order."""
