"""The tokenizer of burrow: byte-level BPE of 4,096 entries, trained on the grammar's own text.

Every text can be fed in, as every byte has an entry. A space is put before the text, so that a word is
the same token at the start and in the middle, and is taken away again when tokens are decoded.
"""

from collections.abc import Iterable

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

END = "<|endoftext|>"
N_ENTRIES = 4096


def train_tokenizer(
    texts: Iterable[str], n_context: int, n_entries: int = N_ENTRIES
) -> PreTrainedTokenizerFast:
    """Learns the pieces of words from some texts.

    Args:
        texts: What to learn from.
        n_context: The longest text, in tokens, that the model will take.
        n_entries: Size of the vocabulary, all 256 bytes and the end mark included.

    Returns:
        A tokenizer that puts the end mark, which is also the beginning mark, before every text.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Prepend(" ")
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    trainer = trainers.BpeTrainer(
        vocab_size=n_entries,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{END} $A", pair=f"{END} $A {END} $B", special_tokens=[(END, 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END,
        eos_token=END,
        pad_token=END,
        model_max_length=n_context,
        clean_up_tokenization_spaces=False,
    )
