"""The only code that opens storage for reading, and the policy that says what may be opened."""
