"""How burrow was made: tokenizer, training, evaluation. The grammar itself is `headwise.burrow.grammar`."""
