"""Whether the tables of an image agree with each other and with its file: reading all of them, writing nothing."""
