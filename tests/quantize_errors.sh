#!/bin/sh
# Weights that nobody here has trained: a large shape of random weights, quantised by `stoker quantize` and by llama-quantize with the same
# importance, and the weighted error of each tensor, which must not be above the peer's (build/tests/weighted_errors). A line a preset: of
# the tensors' ratios ours / theirs the least, the mean and the largest, with the gain of `stoker quantize` and without it.
#
#     sh tests/quantize_errors.sh SOURCE.gguf LLAMA_QUANTIZE TEXT      TEXT: what importance is collected on
#
# A source: tools/mkgguf.py --shape qwen3-30b-a3b --layers 1 --vocab 8192 --type bf16. PRESETS (below), GAINS ("on off"), EFFORT (normal),
# CHUNKS (8, of TEXT), THREADS (nproc), STOKER (build/stoker), BUILD (build), DIR (for the files, /var/tmp). No part of CI, which has no peer.
# Last line: N passed, N failed; a test is a tensor with one gain. Tensors of one preset that are of two types are told and fail.
set -u
export STOKER_NO_CONFIG=1
cd "$(dirname "$0")/.." || exit 1
[ $# -eq 3 ] || { echo "usage: sh tests/quantize_errors.sh SOURCE.gguf LLAMA_QUANTIZE TEXT" >&2 && exit 2; }
source=$1 peer=$2 text=$3
presets=${PRESETS:-Q4_K_M Q5_K_M Q6_K Q3_K_M Q2_K IQ4_XS IQ4_NL IQ3_S IQ3_XXS IQ2_S IQ2_XS IQ2_XXS IQ1_S IQ1_M}
stoker=${STOKER:-build/stoker} threads=${THREADS:-$(nproc)} passed=0 failed=0
work=$(mktemp -d "${DIR:-/var/tmp}/stoker-quantize-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

run() { "$@" >"$work/out" 2>&1 || { echo "$*: $(tail -n 1 "$work/out")" && exit 1; }; }

run "$stoker" imatrix "$source" -f "$text" -o "$work/imatrix" --chunks "${CHUNKS:-8}" --no-ppl
for preset in $presets; do
    run "$peer" --imatrix "$work/imatrix" "$source" "$work/theirs.gguf" "$preset" "$threads"
    for gain in ${GAINS:-on off}; do
        run "$stoker" quantize "$source" "$work/ours.gguf" --type "$preset" --imatrix "$work/imatrix" --effort "${EFFORT:-normal}" \
            --gain "$gain" -t "$threads" --force
        "${BUILD:-build}/tests/weighted_errors" "$source" "$work/imatrix" "$work/ours.gguf" "$work/theirs.gguf" >"$work/errors"
        awk -F'|' -v name="$preset, gain $gain" '
            NR > 2 && NF > 5 && $6 > 0 { r = $6 + 0; sum += r; n++; if (n == 1 || r < least) least = r; if (r > most) { most = r; where = $2 } }
            END { if (n) printf "%s: %d tensors, %.4f, %.4f, %.4f (%s)\n", name, n, least, sum / n, most, where; else print name ": no tensor" }' \
            "$work/errors"
        grep 'not of one type' "$work/errors"
        read -r p _ f _ <<END
$(tail -n 1 "$work/errors")
END
        [ "$((p + f))" -gt 0 ] || f=1 # nothing was compared
        passed=$((passed + p)) failed=$((failed + f))
    done
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
