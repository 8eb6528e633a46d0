"""The gateway in front of a model: who asks, how much, with what, and what is answered."""
