#!/bin/sh
# How long quantising takes beside llama-quantize: of one source, with one importance and as many threads, whole processes by turns, paired
# in one run (docs/spec/quantize.md 9). A line a preset as it ends, in Markdown: seconds of `stoker quantize`, of it with --effort fast and of
# the peer, medians; medians of the pairs' ratios to the peer's time, and their range. Bounds: 1.25 (normal), 0.6 (fast).
#
#     sh bench/quantize.sh SOURCE.gguf LLAMA_QUANTIZE TEXT      TEXT: what importance is collected on
#
# A source: tools/mkgguf.py --shape qwen3-4b --layers 2 --vocab 8192 --type bf16. PRESETS (below), PAIRS (5), CHUNKS (4, of TEXT), THREADS
# (nproc), STOKER (build/stoker), DIR (for the outputs, /var/tmp). The first round warms up and does not count.
set -u
export STOKER_NO_CONFIG=1 # neither settings nor profiles of whoever runs this
cd "$(dirname "$0")/.." || exit 1
. bench/median.sh
[ $# -eq 3 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" && exit 2; }
source=$1 peer=$2 text=$3
presets=${PRESETS:-Q4_K_M Q6_K IQ4_XS IQ3_S IQ2_XS}
stoker=${STOKER:-build/stoker} pairs=${PAIRS:-5} chunks=${CHUNKS:-4} threads=${THREADS:-$(nproc)}
work=$(mktemp -d "${DIR:-/var/tmp}/stoker-bench-quantize-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# seconds COMMAND...: of a run that must succeed
seconds() {
    begin=$(date +%s.%N)
    "$@" >"$work/out" 2>&1 || { echo "$*: $(tail -n 1 "$work/out")" >&2 && exit 1; }
    awk -v a="$begin" -v b="$(date +%s.%N)" 'BEGIN { print b - a }'
}
ours() { seconds "$stoker" quantize "$source" "$work/ours.gguf" --type "$1" --imatrix "$work/imatrix" --effort "$2" -t "$threads" --force; }
theirs() { seconds "$peer" --imatrix "$work/imatrix" "$source" "$work/theirs.gguf" "$1" "$threads"; }

# told PRESET: a row of the table, of $work/times: normal, fast, peer
told() {
    awk -v preset="$1" "$median_awk"'
        function range(a, n) { return sprintf("%.2f (%.2f to %.2f)", median(a, n), a[1], a[n]) }
        { normal[NR] = $1; fast[NR] = $2; theirs[NR] = $3; r[NR] = $1 / $3; f[NR] = $2 / $3 }
        END {
            printf "| %s | %.1f | %.1f | %.1f | %s | %s |\n", preset, median(normal, NR), median(fast, NR), median(theirs, NR),
                range(r, NR), range(f, NR)
        }' "$work/times"
}

"$stoker" imatrix "$source" -f "$text" -o "$work/imatrix" --chunks "$chunks" --no-ppl >"$work/out" 2>&1 ||
    { cat "$work/out" && exit 1; }
echo "| preset | normal, s | fast, s | llama-quantize, s | normal over it | fast over it |"
echo "|---|--:|--:|--:|--:|--:|"
for preset in $presets; do
    rm -f "$work/times"
    for pair in $(seq 0 "$pairs"); do
        if [ $((pair % 2)) -eq 0 ]; then
            normal=$(ours "$preset" normal) && peers=$(theirs "$preset") && fast=$(ours "$preset" fast) || exit 1
        else
            fast=$(ours "$preset" fast) && peers=$(theirs "$preset") && normal=$(ours "$preset" normal) || exit 1
        fi
        echo "$preset, pair $pair: $normal $fast $peers" >&2
        [ "$pair" -eq 0 ] || echo "$normal $fast $peers" >>"$work/times"
    done
    told "$preset"
done
