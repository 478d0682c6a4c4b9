"""One peer in a process of its own: `peer.py NAME TASK`, TASK as JSON; prints its figures as the last line."""

import json
import pathlib
import sys
import time

import numpy as np


def main():
    name, task = sys.argv[1], json.loads(sys.argv[2])
    print(json.dumps(PEERS[name](task)))


def best_of(n, work):
    """The shortest of n runs, in seconds."""
    times = []
    for _ in range(n):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def percentile(times, percent):
    times = sorted(times)
    return times[max(0, -(-len(times) * percent // 100) - 1)] * 1e3


def timed(calls):
    """Seconds of each call."""
    times = []
    for call in calls:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def cosines(vectors, reference):
    values = (vectors * reference).sum(1) / np.linalg.norm(vectors, axis=1) / np.linalg.norm(reference, axis=1)
    return {"cosine_mean": float(values.mean()), "cosine_min": float(values.min())}


# --- encoders -----------------------------------------------------------------------------------


def texts(task):
    data = pathlib.Path(task["data"])
    return json.loads((data / "passages.json").read_text()), json.loads((data / "questions.json").read_text())


def tokenizer(model):
    """The model's own, without the padding and the limit of 128 that its file sets: the model's limit is 256."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(pathlib.Path(model) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    return tokenizer


def sentence_transformers(task):
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(task["threads"])
    passages, questions = texts(task)
    model = SentenceTransformer(task["model"], device="cpu")
    model.max_seq_length = 256
    encode = lambda batch: model.encode(batch, batch_size=32, normalize_embeddings=True, show_progress_bar=False)
    encode(passages[:64])
    start = time.perf_counter()
    vectors = encode(passages)
    seconds = time.perf_counter() - start
    # What the others are compared with.
    np.save(reference_file(task), vectors)
    encode(questions[:1])
    times = timed([lambda q=q: encode([q]) for q in questions[:100]])
    return {
        "label": "sentence-transformers f32", "passages_per_s": len(passages) / seconds, "query_p50_ms": percentile(times, 50),
        "cosine_mean": 1.0, "cosine_min": 1.0,
    }


def reference_file(task):
    return pathlib.Path(task["work"]) / "reference.npy"


def export(task):
    """model-int8.onnx: weights as signed bytes with a scale for each output channel, what onnxruntime does best."""
    target = pathlib.Path(task["work"]) / "model-int8.onnx"
    if target.exists():
        return target
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from transformers import AutoModel

    plain = target.with_name("model.onnx")
    model = AutoModel.from_pretrained(task["model"], attn_implementation="eager").eval()

    class Hidden(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)[0]

    ids = torch.randint(5, 100, (2, 8))
    inputs = (ids, torch.ones_like(ids), torch.zeros_like(ids))
    names = ["input_ids", "attention_mask", "token_type_ids"]
    axes = {name: {0: "batch", 1: "length"} for name in [*names, "hidden"]}
    torch.onnx.export(
        Hidden(), inputs, str(plain), input_names=names, output_names=["hidden"], dynamic_axes=axes, opset_version=17, dynamo=False,
    )
    quantize_dynamic(str(plain), str(target), per_channel=True, weight_type=QuantType.QInt8)
    return target


def f32_vectors(task, passages):
    """f32 vectors of the first passages, from torch, where sentence-transformers has not made them already."""
    if reference_file(task).exists():
        return np.load(reference_file(task))
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(task["model"], device="cpu")
    model.max_seq_length = 256
    return model.encode(passages[:100], batch_size=32, normalize_embeddings=True, show_progress_bar=False)


def onnxruntime_int8(task):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = task["threads"]
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(export(task)), options, providers=["CPUExecutionProvider"])
    passages, questions = texts(task)
    tokens = tokenizer(task["model"])
    ids = [encoding.ids for encoding in tokens.encode_batch(passages)]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))

    def run(batch):
        length = max(map(len, batch))
        padded = np.zeros((len(batch), length), np.int64)
        mask = np.zeros_like(padded)
        for row, one in enumerate(batch):
            padded[row, : len(one)] = one
            mask[row, : len(one)] = 1
        hidden = session.run(None, {"input_ids": padded, "attention_mask": mask, "token_type_ids": np.zeros_like(padded)})[0]
        weights = mask[:, :, None].astype(np.float32)
        vectors = (hidden * weights).sum(1) / weights.sum(1)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    run([ids[i] for i in order[:32]])
    vectors = np.empty((len(ids), 384), np.float32)
    start = time.perf_counter()
    for first in range(0, len(order), 32):
        part = order[first : first + 32]
        vectors[part] = run([ids[i] for i in part])
    seconds = time.perf_counter() - start
    questions = [encoding.ids for encoding in tokens.encode_batch(questions)]
    run(questions[:1])
    times = timed([lambda q=q: run([q]) for q in questions])
    reference = f32_vectors(task, passages)
    return {
        "label": "onnxruntime int8 (per channel, sorted, batch 32)", "passages_per_s": len(ids) / seconds,
        "query_p50_ms": percentile(times, 50), **cosines(vectors[: len(reference)], reference),
    }


# --- nearest neighbours -------------------------------------------------------------------------


class Vectors:
    """What `cairn bench search --save` wrote, and the exact answers."""

    def __init__(self, task):
        data = pathlib.Path(task["data"])
        about = json.loads((data / "search.json").read_text())
        self.sets = about["sets"]
        self.vectors = np.fromfile(data / "vectors.f32", np.float32).reshape(-1, about["dim"])
        self.queries = np.fromfile(data / "queries.f32", np.float32).reshape(-1, about["dim"])
        self.in_sets = np.fromfile(data / "sets.u32", np.uint32)

    def members(self, number):
        return np.flatnonzero(self.in_sets >> number & 1)

    def exact(self, number):
        """Scores of the tenth best of a set, for each question."""
        members = self.members(number)
        if not hasattr(self, "scores"):
            self.scores = self.queries @ self.vectors.T
        scores = self.scores[:, members]
        k = min(10, len(members))
        return k, -np.sort(np.partition(-scores, k - 1, axis=1)[:, :k], axis=1)[:, k - 1]

    def recall(self, number, found):
        """`found`: for each question the numbers of vectors."""
        k, worst = self.exact(number)
        members = set(self.members(number).tolist())
        right = 0
        for query, answer in enumerate(found):
            inside = [i for i in list(answer)[:10] if i in members]
            right += sum(self.scores[query, i] >= worst[query] - 1e-6 for i in inside)
        return min(1.0, right / (k * len(found)))


def figures(label, name, times, recall, build, size):
    return {
        "label": label, "filter": name, "recall": round(float(recall), 4), "p50_ms": percentile(times, 50),
        "p99_ms": percentile(times, 99), "build_s": build, "bytes": size,
    }


def ask(queries, search, rounds=3):
    """Answers of a first round, times of all."""
    found = [search(query) for query in queries]
    times = []
    for _ in range(rounds):
        times += timed([lambda q=q: search(q) for q in queries])
    return found, times


def hnswlib_(task):
    import os

    import hnswlib

    data = Vectors(task)
    index = hnswlib.Index(space="ip", dim=data.vectors.shape[1])
    start = time.perf_counter()
    index.init_index(max_elements=len(data.vectors), ef_construction=128, M=16)
    index.add_items(data.vectors, num_threads=os.cpu_count())
    build = time.perf_counter() - start
    index.set_num_threads(1)
    file = pathlib.Path(task["work"]) / "hnsw.bin"
    index.save_index(str(file))
    size = file.stat().st_size
    rows = []
    for ef in (16, 32, 64, 96, 128, 192, 256, 384, 512):
        index.set_ef(ef)
        found, times = ask(data.queries, lambda q: index.knn_query(q, k=10)[0][0])
        recall = data.recall(0, found)
        if recall >= 0.994 or ef == 512:
            rows.append(figures(f"hnswlib ef {ef}", data.sets[0], times, recall, build, size))
            break
    # Its filter is a function of Python: what that costs is no fault of the graph, the recall is.
    for number in range(1, len(data.sets)):
        allowed = (data.in_sets >> number & 1).astype(bool).tolist()
        found, times = ask(data.queries[:50], lambda q: filtered(index, q, allowed), 1)
        row = figures(f"hnswlib ef {ef}", data.sets[number], times, data.recall(number, found), build, size)
        rows.append({**row, "python_filter": True})
    return rows


def filtered(index, query, allowed):
    try:
        return index.knn_query(query, k=10, filter=lambda i: allowed[i])[0][0]
    except RuntimeError:
        # It found fewer than ten.
        return []


def usearch_(task):
    import os

    from usearch.index import Index

    data = Vectors(task)
    index = Index(ndim=data.vectors.shape[1], metric="ip", dtype="f16", connectivity=16, expansion_add=128)
    start = time.perf_counter()
    index.add(np.arange(len(data.vectors)), data.vectors, threads=os.cpu_count())
    build = time.perf_counter() - start
    for ef in (16, 32, 64, 96, 128, 192, 256, 384, 512):
        index.expansion_search = ef
        found, times = ask(data.queries, lambda q: index.search(q, 10, threads=1).keys)
        recall = data.recall(0, found)
        if recall >= 0.994 or ef == 512:
            return [figures(f"usearch f16 ef {ef}", data.sets[0], times, recall, build, index.serialized_length)]


def numpy_(task):
    data = Vectors(task)
    rows = []
    for number, name in enumerate(data.sets):
        members = data.members(number)
        vectors = data.vectors[members] if number else data.vectors

        def search(query):
            scores = vectors @ query
            k = min(10, len(scores))
            best = np.argpartition(-scores, k - 1)[:k]
            return members[best[np.argsort(-scores[best])]]

        found, times = ask(data.queries, search, 1)
        rows.append(figures("numpy f32, exact", name, times, data.recall(number, found), 0.0, data.vectors.nbytes))
    return rows


# --- documents ----------------------------------------------------------------------------------


def files(task):
    return sorted(path for path in pathlib.Path(task["data"]).rglob("*") if path.is_file())


def rate(label, chunks, seconds):
    return {"label": label, "chunks": chunks, "seconds": seconds, "chunks_per_s": chunks / seconds}


def langchain_faiss(task):
    import torch
    from langchain_community.vectorstores import FAISS
    from langchain_core.documents import Document
    from langchain_huggingface import HuggingFaceEmbeddings
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    torch.set_num_threads(task["threads"])
    tokens = tokenizer(task["model"])
    tokens.no_truncation()
    options = {"normalize_embeddings": True, "batch_size": 32}
    model = HuggingFaceEmbeddings(model_name=task["model"], model_kwargs={"device": "cpu"}, encode_kwargs=options)
    model.embed_query("warm up")
    start = time.perf_counter()
    documents = [Document(path.read_text(), metadata={"source": str(path)}) for path in files(task)]
    count = lambda text: len(tokens.encode(text).ids)
    splitter = RecursiveCharacterTextSplitter(chunk_size=256, chunk_overlap=32, length_function=count)
    chunks = splitter.split_documents(documents)
    store = FAISS.from_documents(chunks, model)
    store.save_local(str(pathlib.Path(task["work"]) / "faiss"))
    return rate("LangChain + FAISS", len(chunks), time.perf_counter() - start)


def llama_index(task):
    import torch
    from llama_index.core import SimpleDirectoryReader, StorageContext, VectorStoreIndex
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    torch.set_num_threads(task["threads"])
    tokens = tokenizer(task["model"])
    tokens.no_truncation()
    model = HuggingFaceEmbedding(model_name=task["model"], device="cpu", embed_batch_size=32, max_length=256)
    model.get_text_embedding("warm up")
    start = time.perf_counter()
    documents = SimpleDirectoryReader(input_files=[str(path) for path in files(task)]).load_data()
    splitter = SentenceSplitter(chunk_size=256, chunk_overlap=32, tokenizer=lambda text: tokens.encode(text).ids)
    nodes = splitter.get_nodes_from_documents(documents)
    index = VectorStoreIndex(nodes, embed_model=model, storage_context=StorageContext.from_defaults())
    index.storage_context.persist(str(pathlib.Path(task["work"]) / "llama"))
    return rate("LlamaIndex", len(nodes), time.perf_counter() - start)


def haystack(task):
    import torch
    from haystack import Document
    from haystack.components.preprocessors import DocumentSplitter
    from haystack.document_stores.in_memory import InMemoryDocumentStore
    from haystack.utils import ComponentDevice
    from haystack_integrations.components.embedders.sentence_transformers import SentenceTransformersDocumentEmbedder

    torch.set_num_threads(task["threads"])
    embedder = SentenceTransformersDocumentEmbedder(
        model=task["model"], progress_bar=False, batch_size=32, device=ComponentDevice.from_str("cpu")
    )
    embedder.warm_up()
    # It counts words; 150 of these texts are about as many wordpieces as chunks of 256 hold on average.
    splitter = DocumentSplitter(split_by="word", split_length=150, split_overlap=20)
    if hasattr(splitter, "warm_up"):
        splitter.warm_up()
    store = InMemoryDocumentStore()
    start = time.perf_counter()
    documents = [Document(content=path.read_text(), meta={"source": str(path)}) for path in files(task)]
    chunks = splitter.run(documents)["documents"]
    store.write_documents(embedder.run(chunks)["documents"])
    store.save_to_disk(str(pathlib.Path(task["work"]) / "haystack.json"))
    return rate("Haystack (in memory, saved)", len(chunks), time.perf_counter() - start)


PEERS = {
    "sentence-transformers": sentence_transformers,
    "onnxruntime-int8": onnxruntime_int8,
    "hnswlib": hnswlib_,
    "usearch": usearch_,
    "numpy": numpy_,
    "langchain-faiss": langchain_faiss,
    "llama-index": llama_index,
    "haystack": haystack,
}

if __name__ == "__main__":
    main()
