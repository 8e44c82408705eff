"""How fast the pieces are on this machine; nothing here is timed by a test."""
