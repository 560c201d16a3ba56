"""The whole path of a chat model in one recipe: pages, corpus, base model, fine-tuning, reward, reinforcement, release."""
