"""Other services, asked as Volume's own user."""
