"""Tensors cross the boundary without copies, in and out: the same address on both sides."""

import llmdit
import torch


def test_what_comes_back_unchanged_is_the_same_memory():
    rows = torch.randn(10, 64)
    assert llmdit.compress_embeddings(rows, 20).data_ptr() == rows.data_ptr()
    part = rows[2:6, ::2]  # a view, not contiguous
    same = llmdit.compress_embeddings(part, 20)
    assert same.data_ptr() == part.data_ptr() and same.stride() == part.stride()


def test_weights_are_views(pipe):
    first, again = pipe.transformer.state_dict(), pipe.transformer.state_dict()
    assert {name: weight.data_ptr() for name, weight in first.items()} == {
        name: weight.data_ptr() for name, weight in again.items()
    }
