#!/bin/sh
# The memory promise for shapes of tools/mkgguf.py: of each a model of random weights, cut in layers to a few gigabytes, is made outside the
# checkout, run at BUDGETS (3) budgets by tests/promise.sh, and removed. A line a shape: passed or not, and of each budget the share of
# the plan that the peak is, from everything resident to the least. Issue 23 asks for 0.96 to 1; below 1.2 GB tests/promise.sh allows 48 MiB.
#
#     sh tests/promise_shapes.sh [SHAPE:LAYERS[:FLAGS]...]        flags of mkgguf.py; without one those below; DIR (/tmp) takes the largest, 7 GB
#
# TOKENS (24), STOKER (build/stoker). By hand: it takes one to two minutes a shape. Last line: N passed, N failed, 0 skipped.
set -u
cd "$(dirname "$0")/.." || exit 1
[ $# -gt 0 ] || set -- qwen3-30b-a3b:6 gpt-oss-20b:6 qwen35moe-35b-a3b:8 deepseek2-lite:6 glm4moe-106b-a12b:3 nemotron-2688:8 qwen35-27b:8 \
    llama4-17b-16e:4 lfm2moe-8b-a1b:24 granitehybrid-32b-a9b:10 granitemoe-3b-a800m:32 ernie4_5-moe-21b-a3b:6 step35-196b-a11b:4 mistral3-14b:12 \
    mistral4-119b:2 smollm3-3b:36 cohere2moe-30b-a3b:8 bailingmoe3-8b-a1b:12 bailingmoe2-16b-a1b:8 \
    "glm5next-320b-a17b:2:--first 2" minimax-m3-428b-a23b:4 "qwen4exp-125b-a6b:4:--rows 4000000" \
    "deepseek41-763b:15:--experts 16 --rows 1000000" qwen3next-80b-a3b:4 qwen3vl-30b-a3b:6 hunyuan-a13b:3 mimo2-309b-a15b:2 exaone-moe-236b-a23b:2 \
    afmoe-26b-a3b:8 dots1-142b-a14b:3 minimax-m2:2 mixtral-8x7b:3 olmoe-1b-7b:16 llama-8b:16 qwen3-4b:36
work=$(mktemp -d "${DIR:-/tmp}/shapes.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
make_shape() { # make_shape SHAPE LAYERS FLAGS
    for python in python3 /usr/bin/python3; do
        # shellcheck disable=SC2086
        "$python" -B tools/mkgguf.py --shape "$1" --layers "$2" $3 --tokenizer models/ember/ember.gguf "$work/model.gguf" 2>"$work/why" && return
    done
    tail -n 1 "$work/why"
    return 1
}
passed=0 failed=0
for shape in "$@"; do
    rest=${shape#*:} shape=${shape%%:*}
    layers=${rest%%:*} flags=${rest#"${rest%%:*}"}
    name="$shape, $layers layers${flags:+ (${flags#:})}"
    if ! make_shape "$shape" "$layers" "${flags#:}" >"$work/out" || ! BUDGETS=${BUDGETS:-3} sh tests/promise.sh "$work/model.gguf" >"$work/out" 2>&1; then
        failed=$((failed + 1))
        echo "FAIL $name: $(grep -m 1 '^FAIL' "$work/out" || tail -n 1 "$work/out")"
    else
        passed=$((passed + 1))
        echo "ok   $name: $(sed -n 's/^ok .*: peak \([0-9]*\) of \([0-9]*\) planned.*/\1 \2/p' "$work/out" |
            awk '{ printf "%s%.3f of %.0f MB", (NR > 1 ? ", " : ""), $1 / $2, $2 / 1e6 }')"
    fi
    rm -f "$work/model.gguf"
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
