"""Open data: arrays, tables and named sets, each read once and checked before anything is made of it."""
