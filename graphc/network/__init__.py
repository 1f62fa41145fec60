"""Named operations as the author wrote them: assembly, shape inference, text form and the way to a graph."""
