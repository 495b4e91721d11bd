"""What the product promises, tested on real servers."""
