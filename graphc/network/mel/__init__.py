"""Scripts of edits (MEL): commands that load, change and save models (language.md 10)."""
