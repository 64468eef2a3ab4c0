"""The kinds of passages, each with a hidden state that determines what follows."""
