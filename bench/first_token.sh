#!/bin/sh
# Time to the first token of many clients that come at once with an agent's tools: governed by the tools' grammar, which the first of
# them has compiled, beside ungoverned ones.
#
#     sh bench/first_token.sh [MODEL.gguf]      default: the embedded model
#
# CLIENTS (64), PAIRS (5), TOOLS (tests/data/tools24.json), STOKER (build/stoker), PORT (18441). Needs curl. A line a pair: the mean of
# both in milliseconds and their ratio; then the median of the ratios.
set -u
export STOKER_NO_CONFIG=1 # neither settings nor profiles of whoever runs this
cd "$(dirname "$0")/.." || exit 1
stoker=${STOKER:-build/stoker} clients=${CLIENTS:-64} pairs=${PAIRS:-5} tools=${TOOLS:-tests/data/tools24.json} port=${PORT:-18441}
model=${1:-models/ember/ember.gguf}
url=http://127.0.0.1:$port
work=$(mktemp -d) || exit 1
server=''
trap '[ -n "$server" ] && kill "$server"; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

{
    printf '{"messages":[{"role":"user","content":"What is in main.c?"}],"max_tokens":4,"seed":1,"tools":'
    cat "$tools"
    printf '}'
} >"$work/request"

metric() { curl -s "$url/metrics" | sed -n "s/^stoker_$1 //p"; }

# first_token FLAG...: milliseconds from a request to its first token, the mean of all; no known prefix shortens the prompts
first_token() {
    "$stoker" serve "$model" --draft off --port "$port" --ctx 16384 --queue 256 --cache-ram 0 "$@" >"$work/log" 2>&1 &
    server=$!
    until curl -fs "$url/health" >/dev/null 2>&1; do
        kill -0 "$server" 2>/dev/null || { cat "$work/log" >&2 && exit 1; }
        sleep 0.1
    done
    curl -s -o /dev/null -H 'Content-Type: application/json' --data-binary "@$work/request" "$url/v1/chat/completions"
    before=$(metric ttft_seconds_sum)
    seq "$clients" | xargs -P "$clients" -I{} curl -s -o /dev/null -w '%{http_code}\n' -H 'Content-Type: application/json' \
        --data-binary "@$work/request" "$url/v1/chat/completions" >"$work/status"
    after=$(metric ttft_seconds_sum)
    [ "$(sort -u "$work/status")" = 200 ] || { echo "not all answers are 200: $(sort "$work/status" | uniq -c | tr '\n' ' ')" >&2 && exit 1; }
    awk -v a="$before" -v b="$after" -v n="$clients" 'BEGIN { printf "%.2f\n", 1000 * (b - a) / n }'
    kill "$server"
    wait "$server" 2>/dev/null
    server=''
}

printf '%10s %10s %8s\n' governed free ratio
for pair in $(seq "$pairs"); do
    first_token >"$work/governed" || exit 1
    first_token --no-tool-grammar >"$work/free" || exit 1
    awk -v a="$(cat "$work/governed")" -v b="$(cat "$work/free")" 'BEGIN { printf "%10.2f %10.2f %8.3f\n", a, b, a / b }' | tee -a "$work/rows"
done
sort -k 3 -n "$work/rows" | awk '{ r[NR] = $3 } END { printf "median ratio %.3f, from %.3f to %.3f\n", r[int((NR + 1) / 2)], r[1], r[NR] }'
