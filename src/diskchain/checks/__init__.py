"""What a chain that is known says: consistency, changed bases, overlaps, candidates for what is missing, differences between views."""
