#!/bin/sh
# Measures Cairn and its peers on the same work, one after the other, and prints ratios.
#
#   benches/peers/run.sh [embed|dense|ingest|all] [--help for more]
#
# The peers live in a virtual environment of their own: CAIRN_PEERS_VENV, or ~/.cache/cairn/peers. It takes 6.5 GB, 5 of them what PyTorch brings
# along for graphics cards, which nothing here uses. Versions are pinned. Nothing here is a part of Cairn or of its tests.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv=${CAIRN_PEERS_VENV:-$HOME/.cache/cairn/peers}
stamp=$venv/installed
want=$(cat "$here/requirements.txt" "$here/constraints.txt" | cksum)
if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
fi
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$want" ]; then
    "$venv/bin/python" -m pip install --quiet -r "$here/requirements.txt" -c "$here/constraints.txt"
    echo "$want" > "$stamp"
fi
exec "$venv/bin/python" "$here/peers.py" "$@"
