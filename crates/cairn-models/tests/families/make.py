#!/usr/bin/env python3
"""Writes the reference vectors of the tests in `../it/families.rs`: tiny random models by sentence-transformers.

    python3 make.py            # in a virtual environment with sentence-transformers, transformers and torch

Every model has a few layers of 64 components. Its weights are a formula of a tensor's name and an element's index (see `values`), so that
only shapes and vectors are stored: one JSON file per family with the files of the model's folder, the shapes of its tensors, and for
each text its token ids and its vector. Made with sentence-transformers 6.2.0, transformers 5.23.0, tokenizers 0.23.3, torch 2.15.0.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoConfig, AutoModel

TEXTS = [
    "how do I restart the service",
    "The invoice of 14 March covers 12 licences at 49.90 each.",
    "yes",
    "Die Wahl des Standorts hing von Wasser, Straßen und der Nähe zum Hafen ab.",
    "東京の人口",
    "fn main() { let total: u32 = (1..=10).sum(); }",
    "the river runs into a wide delta " * 14,
]
WORDS = ["the", "and", "in", "er", "on", "re", "th", "ing", "an", "river", "is"]
MASK = (1 << 64) - 1


def values(name, shape):
    """SplitMix64 (Steele, Lea, Flood 2014) seeded with the FNV-1a hash of the name, as numbers from -1 to 1, scaled by kind of tensor."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & MASK
    n = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    x = (z >> np.uint64(40)).astype(np.float32) / np.float32(8388608) - np.float32(1)
    if len(shape) == 1:
        x = x * np.float32(0.25) + np.float32(1 if name.endswith("weight") else 0)
    elif "embed" in name:
        x = x * np.float32(0.5)
    else:
        x = x * np.float32(2 / np.sqrt(np.float32(shape[1])))
    return torch.from_numpy(x.astype(np.float32).reshape(shape))


def template(tokenizer, single, special):
    return processors.TemplateProcessing(single=single, special_tokens=[(t, tokenizer.token_to_id(t)) for t in special])


def xlm_roberta():
    """SentencePiece's unigram model, as multilingual models have it, with a prompt per kind of text."""
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    letters = sorted({c for text in TEXTS for c in text if c != " " and c not in "京人"})
    vocab = [(t, 0.0) for t in special] + [("▁", -4.0)]
    vocab += [(c, -6.0) for c in letters] + [("▁" + w, -7.0) for w in WORDS] + [("▁query", -7.0), ("▁passage", -7.0)]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in special])
    tokenizer.post_processor = template(tokenizer, "<s> $A </s>", ["<s>", "</s>"])
    config = {
        "architectures": ["XLMRobertaModel"], "model_type": "xlm-roberta", "hidden_act": "gelu", "hidden_size": 64, "intermediate_size": 128,
        "layer_norm_eps": 1e-05, "max_position_embeddings": 130, "num_attention_heads": 2, "num_hidden_layers": 2,
        "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "position_embedding_type": "absolute", "type_vocab_size": 1,
        "vocab_size": tokenizer.get_vocab_size(),
    }
    prompts = {"query": "query: ", "passage": "passage: "}
    return tokenizer, config, {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, prompts, 128


def bytes_of(words, special, split):
    """Byte pairs with the merges that make `words`."""
    vocab = {t: i for i, t in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    merges = []
    for word in words:
        made = word[0]
        for letter in word[1:]:
            if (made, letter) not in merges:
                merges.append((made, letter))
                vocab.setdefault(made + letter, len(vocab))
            made += letter
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = split
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in special])
    return tokenizer


def modernbert():
    """Its settings in the spelling of the published models."""
    words = [w for word in WORDS for w in (word, "Ġ" + word)]
    tokenizer = bytes_of(words, ["[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"], pre_tokenizers.ByteLevel(add_prefix_space=False))
    tokenizer.post_processor = template(tokenizer, "[CLS] $A [SEP]", ["[CLS]", "[SEP]"])
    ids = {f"{k}_token_id": tokenizer.token_to_id(t) for k, t in [("bos", "[CLS]"), ("cls", "[CLS]"), ("eos", "[SEP]"), ("sep", "[SEP]"), ("pad", "[PAD]")]}
    config = {
        "architectures": ["ModernBertModel"], "model_type": "modernbert", "attention_bias": False, "global_attn_every_n_layers": 3,
        "global_rope_theta": 160000.0, "local_rope_theta": 10000.0, "local_attention": 16, "hidden_activation": "gelu",
        "hidden_size": 64, "intermediate_size": 96, "max_position_embeddings": 512, "mlp_bias": False, "norm_bias": False,
        "norm_eps": 1e-05, "num_attention_heads": 2, "num_hidden_layers": 4, "vocab_size": tokenizer.get_vocab_size(), **ids,
    }
    return tokenizer, config, {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, {}, 512


def qwen3():
    """Grouped queries, heads wider than the hidden size gives, an instruction before questions."""
    words = [w for word in WORDS for w in (word, "Ġ" + word)] + ["Query", "Instruct"]
    pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    split = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer = bytes_of(words, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], split)
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False), template(tokenizer, "$A <|endoftext|>", ["<|endoftext|>"]),
    ])
    config = {
        "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "attention_bias": False, "head_dim": 32, "hidden_act": "silu",
        "hidden_size": 64, "intermediate_size": 96, "max_position_embeddings": 32768, "max_window_layers": 2,
        "num_attention_heads": 4, "num_hidden_layers": 2, "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_scaling": None,
        "rope_theta": 1000000, "sliding_window": None, "tie_word_embeddings": True, "use_sliding_window": False,
        "vocab_size": tokenizer.get_vocab_size(), "eos_token_id": tokenizer.token_to_id("<|endoftext|>"),
    }
    prompts = {"query": "Instruct: Given a question, retrieve passages that answer it\nQuery:", "document": ""}
    pooling = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": False, "pooling_mode_lasttoken": True, "include_prompt": True}
    return tokenizer, config, pooling, prompts, 512


def make(family, place):
    tokenizer, config, pooling, prompts, limit = family
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate([("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")])
    ]
    side = {
        "config.json": config,
        "tokenizer.json": json.loads(tokenizer.to_str()),
        "modules.json": modules,
        "1_Pooling/config.json": {"word_embedding_dimension": 64, **pooling},
        "sentence_bert_config.json": {"max_seq_length": limit, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": prompts, "default_prompt_name": None, "similarity_fn_name": "cosine"},
    }
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for name, content in side.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(json.dumps(content))
        pad = {"xlm-roberta": "<pad>", "modernbert": "[PAD]", "qwen3": "<|endoftext|>"}[config["model_type"]]
        (folder / "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": limit, "pad_token": pad}))
        empty = AutoModel.from_config(AutoConfig.from_pretrained(folder))
        shapes = {name: list(x.shape) for name, x in empty.state_dict().items() if "position_ids" not in name}
        weights = {name: values(name, shape) for name, shape in shapes.items()}
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        model = SentenceTransformer(str(folder), device="cpu", model_kwargs={"attn_implementation": "eager", "dtype": torch.float32})
        loaded = model[0].model.state_dict()
        assert all(torch.equal(loaded[name], x) for name, x in weights.items()), "weights as they were written"
        cases = []
        for text in TEXTS:
            for kind in ["query", "passage"]:
                # By text: `encode_document` would take an empty `document` of its own before the model's `passage`.
                prompt = prompts.get(kind) or ""
                ids = tokenizer.encode(prompt + text.strip()).ids
                vector = model.encode([text.strip()], batch_size=1, prompt=prompt)[0]
                if len(ids) <= limit:
                    cases.append({"kind": kind, "text": text.strip(), "tokens": len(ids), "vector": [round(float(x), 7) for x in vector]})
    out = {"files": side, "tensors": shapes, "cases": cases}
    text = json.dumps(out, ensure_ascii=False, separators=(",", ":"))
    place.write_text(text.replace('{"kind"', '\n{"kind"') + "\n")
    print(place.name, len(cases), "cases,", place.stat().st_size, "bytes; tokens", [c["tokens"] for c in cases])


if __name__ == "__main__":
    for name, family in [("xlm-roberta", xlm_roberta), ("modernbert", modernbert), ("qwen3", qwen3)]:
        make(family(), Path(__file__).with_name(f"{name}.json"))
