"""Changes of a document that leave every other byte as it is."""
