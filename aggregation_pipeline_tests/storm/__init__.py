"""A deployment in a storm: everything that can end, freeze or fill up does, while readers look; then the books are read."""
