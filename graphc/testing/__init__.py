"""Tools for people who property-test graph transforms."""
