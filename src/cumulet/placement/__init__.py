"""Placement: what resources there are, who provides them, and who has how much of them."""
