"""Consoles in a browser: noVNC's files, and websockets that lead to guests' screens and serial lines."""
