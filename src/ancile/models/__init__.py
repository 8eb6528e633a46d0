"""Open a model, one file a kind, behind one protocol; nothing executes on the way in."""
