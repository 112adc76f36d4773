#!/bin/sh
# The plan against what happens, over models and budgets: bytes planned beside the peak of anonymous memory, tokens a second by the
# overlap model with the run's own misses beside those measured.
#
#     sh bench/plan.sh MODEL.gguf...
#
# Three budgets each: a tenth, a third and two thirds of the way from the smallest that works to everything resident. STOKER
# (build/stoker), TOKENS (64), REPEAT (3).
set -u
export STOKER_NO_CONFIG=1 # neither settings nor profiles of whoever runs this
cd "$(dirname "$0")/.." || exit 1
stoker=${STOKER:-build/stoker} tokens=${TOKENS:-64} repeat=${REPEAT:-3}
[ $# -gt 0 ] || { echo "usage: sh bench/plan.sh MODEL.gguf..." >&2 && exit 2; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

field() { tr ',{}' '\n\n\n' | sed -n "s/^ *\"$1\": *\([-0-9.e+]*\)\$/\1/p" | head -n 1; } # field NAME: of JSON at stdin

printf '%-28s %9s %9s %9s %6s %8s %8s %6s\n' model "budget" "planned" "peak" "hits" "model" "tok/s" "ratio"
for model; do
    whole=$("$stoker" plan "$model" --ctx 512 --json)
    minimum=$(echo "$whole" | field minimum) all=$(echo "$whole" | field whole)
    rate=$("$stoker" disk "$model" --bytes 1G --json | tr '{' '\n' | sed -n 's/.*"block":2621440,"depth":8,"bytes_per_second":\([0-9.]*\).*/\1/p')
    rate=$(awk -v r="$rate" 'BEGIN { printf "%.3f", r / 1e9 }')
    for share in 0.1 0.333 0.667; do
        memory=$(awk -v a="$minimum" -v b="$all" -v s=$share 'BEGIN { printf "%.0f", a + (b - a) * s }')
        total=$("$stoker" plan "$model" --ctx 512 --memory "$memory" --json | field total)
        "$stoker" bench "$model" --no-roofs --ctx 512 --memory "$memory" --disk-rate "$rate" -p 0 -n "$tokens" -r "$repeat" -o jsonl >"$work/row" || exit 1
        get() { field "$1" <"$work/row"; }
        awk -v name="$(basename "$model" .gguf)" -v budget="$memory" -v total="$total" -v peak="$(get anon_peak)" \
            -v hits="$(get expert_hit_rate)" -v model="$(get overlap_model_ts)" -v speed="$(get median_ts)" 'BEGIN {
                mib = 1048576
                printf "%-28s %9.0f %9.0f %9.0f %5.1f%% %8.2f %8.2f %6.2f\n", substr(name, 1, 28), budget / mib, total / mib, peak / mib,
                    100 * hits, model, speed, (model > 0 ? speed / model : 0)
            }'
    done
done
echo "MiB; drive ${rate} GB/s at the last model"
