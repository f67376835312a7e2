"""GGUF files with a tokenizer inside, as the tools of language models write them."""

from pathlib import Path

import gguf


def write(path: Path, content: dict, change=lambda writer: None) -> Path:
    """The tokenizer of a tokenizer.json inside a GGUF file; `change` may add to the writer."""
    model = content["model"]
    added = {token["id"]: token for token in content["added_tokens"]}
    spelled = {index: token for token, index in model["vocab"].items()} | {i: t["content"] for i, t in added.items()}
    ids = range(max(spelled) + 5)  # as models have more rows than tokens

    def kind(index):
        if index in added:
            return gguf.TokenType.CONTROL if added[index]["special"] else gguf.TokenType.USER_DEFINED
        return gguf.TokenType.NORMAL if index in spelled else gguf.TokenType.UNUSED

    writer = gguf.GGUFWriter(path, "qwen3")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_add_bos_token(False)
    writer.add_token_list([spelled.get(index, f"[PAD{index}]") for index in ids])
    writer.add_token_types([kind(index) for index in ids])
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]])
    change(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
