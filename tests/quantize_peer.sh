#!/bin/sh
# llama.cpp reads what `stoker quantize` writes: the embedded model in every type and some presets, its perplexity by `stoker eval ppl` and
# by llama-perplexity, which must agree within 0.5 %. A line a type: both, and how many per cent they differ.
#
#     sh tests/quantize_peer.sh LLAMA_PERPLEXITY TEXT
#
# CHUNKS (24), TYPES (all), THREADS (nproc), EFFORT (fast: which level a weight takes is of no matter here). A type that the peer does not
# know is told and left out. No part of CI, which has no peer.
set -u
export STOKER_NO_CONFIG=1 # neither settings nor profiles of whoever runs this
cd "$(dirname "$0")/.." || exit 1
[ $# -eq 2 ] || { echo "usage: sh tests/quantize_peer.sh LLAMA_PERPLEXITY TEXT" >&2 && exit 2; }
peer=$1 text=$2 source=models/ember/ember.gguf chunks=${CHUNKS:-24} threads=${THREADS:-$(nproc)}
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

build/stoker imatrix "$source" -f "$text" -o "$work/imatrix.gguf" >"$work/out" 2>&1 || { cat "$work/out" && exit 1; }
for type in $types; do
    if ! build/stoker quantize "$source" "$work/model.gguf" --type "$type" --requantize --effort "${EFFORT:-fast}" \
        --imatrix "$work/imatrix.gguf" --force >"$work/out" 2>&1; then
        echo "FAILED $type: $(tail -n 1 "$work/out")"
        failed=$((failed + 1))
        continue
    fi
    own=$(perplexity build/stoker eval ppl "$work/model.gguf")
    other=$(perplexity "$peer" -m "$work/model.gguf")
    if [ -z "$other" ] && grep -q "invalid ggml type" "$work/out"; then
        echo "-      $type: the peer does not know it"
        skipped=$((skipped + 1))
    elif awk -v type="$type" -v a="${own:-0}" -v b="${other:-0}" 'BEGIN {
        differs = b ? 100 * (a / b - 1) : 100
        ok = a > 0 && differs < 0.5 && differs > -0.5
        printf "%s %s: %s and %s, %+.2f %%\n", ok ? "ok    " : "FAILED", type, a, b, differs
        exit !ok }'; then
        passed=$((passed + 1))
    else
        [ -n "$other" ] || tail -n 3 "$work/out"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
