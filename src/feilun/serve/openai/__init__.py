"""The OpenAI-compatible API: for each endpoint its schema, its behaviour and its route."""
