"""Published patterns as data: what secrets look like, each with its source."""
