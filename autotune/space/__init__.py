"""What may be built: the space of configurations, from code or a file, and which of them make sense."""
