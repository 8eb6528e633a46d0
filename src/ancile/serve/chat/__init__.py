"""Chat behind the gateway, as OpenAI's clients ask for it."""
