"""The first steps of every install guide, done by program: from an empty cloud to a server one can log in to."""
