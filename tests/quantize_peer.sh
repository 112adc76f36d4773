#!/bin/sh
# llama.cpp reads what `stoker quantize` writes: the embedded model in every type and some presets, its perplexity by `stoker eval ppl` and
# by llama-perplexity, which must agree within 0.5 %. A line a type: both, and how many per cent they differ. With LLAMA_QUANTIZE also a
# split model that each program made of the other's parts.
#
#     sh tests/quantize_peer.sh LLAMA_PERPLEXITY TEXT [LLAMA_QUANTIZE]
#
# CHUNKS (24), TYPES (all), THREADS (nproc), EFFORT (fast: which level a weight takes is of no matter here). A type that the peer does not
# know is told and left out. No part of CI, which has no peer.
set -u
export STOKER_NO_CONFIG=1 # neither settings nor profiles of whoever runs this
cd "$(dirname "$0")/.." || exit 1
[ $# -eq 2 ] || [ $# -eq 3 ] || { echo "usage: sh tests/quantize_peer.sh LLAMA_PERPLEXITY TEXT [LLAMA_QUANTIZE]" >&2 && exit 2; }
peer=$1 text=$2 peer_quantize=${3-} source=models/ember/ember.gguf chunks=${CHUNKS:-24} threads=${THREADS:-$(nproc)}
types=${TYPES:-f32 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 q2_k q3_k q4_k q5_k q6_k iq4_nl iq4_xs iq3_s iq3_xxs iq2_s iq2_xs iq2_xxs iq1_s iq1_m
    tq1_0 tq2_0 mxfp4 nvfp4 q1_0 Q4_K_M Q2_K IQ2_XS IQ3_M}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
passed=0 failed=0 skipped=0

# perplexity COMMAND...: of "PPL = N"
perplexity() {
    "$@" -f "$text" --chunks "$chunks" -c 512 -t "$threads" >"$work/out" 2>&1
    sed -n 's/.*Final estimate: PPL = \([0-9.]*\).*/\1/p' "$work/out"
}

# agree NAME MODEL.gguf: both programs' perplexities
agree() {
    own=$(perplexity build/stoker eval ppl "$2")
    other=$(perplexity "$peer" -m "$2")
    if [ -z "$other" ] && grep -q "invalid ggml type" "$work/out"; then
        echo "-      $1: the peer does not know it"
        skipped=$((skipped + 1))
    elif awk -v name="$1" -v a="${own:-0}" -v b="${other:-0}" 'BEGIN {
        differs = b ? 100 * (a / b - 1) : 100
        ok = a > 0 && differs < 0.5 && differs > -0.5
        printf "%s %s: %s and %s, %+.2f %%\n", ok ? "ok    " : "FAILED", name, a, b, differs
        exit !ok }'; then
        passed=$((passed + 1))
    else
        [ -n "$other" ] || tail -n 3 "$work/out"
        failed=$((failed + 1))
    fi
}

# made NAME COMMAND...: one that must succeed
made() {
    name=$1
    shift
    "$@" >"$work/out" 2>&1 && return 0
    echo "FAILED $name: $(tail -n 1 "$work/out")"
    failed=$((failed + 1))
    return 1
}

# first_part NAME: of a model that is really split
first_part() { ls "$work/$1"-00001-of-0000[2-9].gguf "$work/$1"-00001-of-000[1-9]?.gguf 2>/dev/null; }

build/stoker imatrix "$source" -f "$text" -o "$work/imatrix.gguf" >"$work/out" 2>&1 || { cat "$work/out" && exit 1; }
for type in $types; do
    made "$type" build/stoker quantize "$source" "$work/model.gguf" --type "$type" --requantize --effort "${EFFORT:-fast}" \
        --imatrix "$work/imatrix.gguf" --force && agree "$type" "$work/model.gguf"
done
if [ "$peer_quantize" ]; then
    made "split" build/stoker quantize "$source" "$work/ours.gguf" --type keep --split-max-size 4MiB && agree "split" "$(first_part ours)"
    made "the peer's split" "$peer_quantize" --keep-split --allow-requantize "$(first_part ours)" "$work/theirs.gguf" Q8_0 &&
        agree "the peer's split" "$(first_part theirs)"
    made "a split of the peer's split" build/stoker quantize "$(first_part theirs)" "$work/again.gguf" --type keep --keep-split &&
        agree "a split of the peer's split" "$(first_part again)"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
