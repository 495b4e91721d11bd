"""Tables of a shop, and reports made of them."""
