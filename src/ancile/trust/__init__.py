"""What makes evidence hard to rewrite: keys, signatures, statements, and the transparency log."""
