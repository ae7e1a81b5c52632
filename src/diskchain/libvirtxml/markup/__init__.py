"""Bytes and elements of a document, without their meaning: where they are, how they are written, what is unknown."""
