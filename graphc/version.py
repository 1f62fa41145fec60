"""The version of graphc, one place for code and package metadata."""

VERSION = "0.1.0"
