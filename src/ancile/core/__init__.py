"""The nouns and their rules: standard library and msgspec only."""
