"""The transformer of `planted_head`, in which one head pushes nouns along one direction."""

import numpy as np
import torch

from headwise.data.suite import Link, Mark, Sentence, Suite
from helpers.planted_head import D_HEAD, FILLERS, N_IDS, make

FIRST, SECOND, NOUN, WRITTEN = 50, 51, 52, 60  # numbers of the stream that no word uses


def plant(tokenizer, seed):
    """The hand-set transformer of the relation tests: its head L1H2 now says whether an adjective is of the first half.

    Nouns share their number with one adjective of each half. Other heads of the layer read and write what fillers are.
    """
    model = make(tokenizer, seed, planted=True)
    body, random = model.hf.transformer, torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for i in range(N_IDS):
            row = body.wte.weight[tokenizer.get_vocab()[f"adj{i}"]]
            row[:N_IDS] = 0
            row[i % (N_IDS // 2)] = row[FIRST if i < N_IDS // 2 else SECOND] = 1
            body.wte.weight[tokenizer.get_vocab()[f"noun{i}"], NOUN] = 1  # as long as adjectives
        # Words vary in other ways, too: by their place, in numbers that nothing reads.
        body.wpe.weight[:, 30:46] = torch.randn(64, 16, generator=random)
        read, write = body.h[1].attn.c_attn.weight, body.h[1].attn.c_proj.weight
        value, own = read[:, 8 * D_HEAD :], slice(2 * D_HEAD, 3 * D_HEAD)
        read[[FIRST, SECOND]], value[:] = 0, 0
        value[N_IDS + 2 : N_IDS + 3 + len(FILLERS)].normal_(generator=random)
        write.normal_(0, 1e-3, generator=random)
        value[:, own], write[own] = 0, 0
        value[FIRST, own.start], value[SECOND, own.start], write[own.start, WRITTEN] = 1, -1, 3
    return model


def planted_suite(seed, part, n=60):
    """Told by adjectives of which half are fitted and half are asked."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(n):
        noun, half = 2 * rng.integers(N_IDS // 4) + part, number % 2
        fill = rng.choice(FILLERS, rng.integers(3, 12))
        said = (fill[0], f"adj{noun + half * N_IDS // 2}", *fill[1:], f"noun{noun}")
        at = len(said) - 1
        marks, links = (Mark(at, ("one", "two")[half]),), (Link(1, at, "clue"),)
        made.append(Sentence(said, (True,) * len(said), f"{seed} {number}", marks, links))
    return Suite("planted", "?", tuple(made), {"one": "", "two": ""})
