#!/bin/sh
# A server of three models: what a short text takes over HTTP besides its computing, answers while many texts become vectors, and how long
# a cold start takes. The answers again by the engine's clock, in a process without a server and a client: what those add to the longest
# gap is the difference. Models of random weights are made outside the checkout and removed. Prints lines.
#
#     sh bench/embed_server.sh
#
# PAIRS (5), TEXTS (2048) of TOKENS (64), LAYERS (8) of the chat model, DIR (where models fit), STOKER (build/stoker), PORT (18442), PYTHON
# (/usr/bin/python3, with numpy), BUILD (build), where tests/gaps is made. Needs curl. The start needs a user who may drop the page cache; the
# drive's rate is that of dd over the same bytes.
set -u
export STOKER_NO_CONFIG=1 # neither settings nor profiles of whoever runs this
cd "$(dirname "$0")/.." || exit 1
stoker=${STOKER:-build/stoker} pairs=${PAIRS:-5} texts=${TEXTS:-2048} tokens=${TOKENS:-64} port=${PORT:-18442} python=${PYTHON:-/usr/bin/python3}
dir=${DIR:-${TMPDIR:-/tmp}/stoker-bench} url=http://127.0.0.1:$port
build=${BUILD:-build}
make -s BUILD="$build" "$build/tests/gaps" || exit 1
mkdir -p "$dir" || exit 1
work=$(mktemp -d "$dir/XXXXXX") || exit 1
server=''
trap '[ -n "$server" ] && kill "$server"; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

"$python" -B tools/mkgguf.py --shape qwen3-30b-a3b --layers "${LAYERS:-8}" --tokenizer models/ember/ember.gguf "$work/chat.gguf" 2>"$work/err" &&
    "$python" -B tools/mkgguf.py --shape bert-base "$work/embed.gguf" 2>"$work/err" &&
    "$python" -B tools/mkgguf.py --shape bert-base-rank "$work/rank.gguf" 2>"$work/err" || { cat "$work/err" >&2 && exit 1; }

start() {
    "$stoker" serve "$work/chat.gguf" --draft off --embed "$work/embed.gguf" --embed-alias embed --rerank "$work/rank.gguf" --port "$port" --ctx 8192 --memory max >"$work/log" 2>&1 &
    server=$!
    until curl -fs "$url/health" >/dev/null 2>&1; do
        kill -0 "$server" 2>/dev/null || { cat "$work/log" >&2 && exit 1; }
        sleep 0.01
    done
}
stop() {
    kill "$server"
    wait "$server" 2>/dev/null
    server=''
}
now() { date +%s.%N; }
told_by() { # told_by WHO COMMAND...: its lines, with who says so; the script ends with it where it fails
    who=$1
    shift
    "$@" >"$work/lines"
    status=$?
    sed "s/^/$who: /" "$work/lines"
    [ $status = 0 ] || exit $status
}

if sync && echo 3 2>/dev/null >/proc/sys/vm/drop_caches; then
    for _ in $(seq "$pairs"); do
        echo 3 >/proc/sys/vm/drop_caches
        began=$(now)
        start
        started=$(now)
        stop
        echo 3 >/proc/sys/vm/drop_caches
        reading=$(now)
        for file in chat embed rank; do dd if="$work/$file.gguf" of=/dev/null bs=8M iflag=direct 2>/dev/null; done
        echo "$began $started $reading $(now)" | awk '{ printf "start: %.2f s, reading the files %.2f s: %.2f\n", $2 - $1, $4 - $3, ($2 - $1) / ($4 - $3) }'
    done
fi

start
told_by "one text of 20 tokens" "$python" bench/embed_requests.py one 200 20 "$url" embed
told_by client "$python" bench/embed_requests.py beside "$pairs" "$texts" "$tokens" "$url" embed 12
stop
told_by engine "$build/tests/gaps" "$work/chat.gguf" "$work/embed.gguf" "$pairs" "$texts" "$tokens"
"$stoker" bench "$work/embed.gguf" --memory max -p 20 --no-roofs -r 50 -o jsonl | sed -n 's/.*"median_ts":\([0-9.]*\).*/\1/p' |
    awk '{ printf "one text of 20 tokens, without a server: %.2f ms\n", 20000 / $1 }'
