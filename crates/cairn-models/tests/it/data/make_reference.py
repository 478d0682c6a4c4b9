"""Reference vectors of a BERT encoder by PyTorch: make_reference.py MODEL_DIR > FILE.json

MODEL_DIR holds model.safetensors, config.json and tokenizer.json: the default model, or what
`cargo run -p cairn-models --example random_model -- DIR 1` writes. Needs the Python packages torch, transformers and tokenizers.
"""

import json
import sys
from pathlib import Path

import tokenizers
import torch
import transformers

TEXTS = [
    "the",
    "Storms of 1924: the river ran into a wide delta, and nobody was told.",
    "how do I restart a service after changing its configuration",
    "Der Fluß mündet in ein Delta (x/y = 3.5 %).",
    "the river and the sea, " * 30,
]

folder = Path(sys.argv[1])
torch.manual_seed(0)
torch.set_num_threads(1)
model = transformers.BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
tokenizer.no_padding()
tokenizer.enable_truncation(256)
vectors = []
for text in TEXTS:
    ids = torch.tensor([tokenizer.encode(text).ids])
    with torch.no_grad():
        states = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    mean = states[0].mean(dim=0)
    vectors.append([round(float(x), 7) for x in mean / mean.norm()])
packages = ", ".join(f"{p.__name__} {p.__version__}" for p in (torch, transformers, tokenizers))
print(json.dumps({"made_with": f"make_reference.py, {packages}, f32, mean of the tokens, normalised", "texts": TEXTS}, indent=0)[:-2] + ',\n"vectors": [')
print(",\n".join(json.dumps(vector, separators=(",", ":")) for vector in vectors) + "]}")
