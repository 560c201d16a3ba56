"""What the console needs beyond the OpenAI-compatible API, and its files."""
