"""A submission in a process of its own, and the checker's questions to it."""
