"""The kinds of passages that are told, each with a hidden state that decides what follows."""
