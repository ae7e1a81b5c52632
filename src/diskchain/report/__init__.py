"""Values into something to look at: terminal text, JSON documents. Reads nothing, decides nothing."""
