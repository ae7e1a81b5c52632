"""Tests of the catalogue: histories of scans against a model, in SQLite and PostgreSQL."""
