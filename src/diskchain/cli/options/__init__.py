"""The options that several verbs share, one module per group, and what they mean as values."""
