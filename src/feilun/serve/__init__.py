"""SCENARIO: engines behind one OpenAI-compatible API, and the console."""
