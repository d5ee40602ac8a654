"""Other services, asked as Compute's own user."""
