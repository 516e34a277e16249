"""Scripts that print figures; each says how to run it."""
