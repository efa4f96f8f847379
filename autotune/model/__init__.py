"""What a user's model is: read, opened, described."""
