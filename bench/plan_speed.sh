#!/bin/sh
# Predicted and measured speed of plans: each model under a third of the way from the smallest budget to everything resident, predicted with
# measured rates of drive, memory and cores. The rates of a shared machine change within seconds, so each round predicts anew, then
# measures a prompt and an answer; printed are the medians, and of the ratios the lowest and the highest too. The goal is a median within
# 15 % of 1, on a machine where nothing else runs.
#
#     sh bench/plan_speed.sh MODEL.gguf[=ROUTES.strt]...
#
# Models from tools/mkgguf.py will do; such ones choose experts at random, so answers are measured under ROUTES, recorded or like them.
# STOKER (build/stoker), ROUNDS (5).
set -u
export STOKER_NO_CONFIG=1 # neither settings nor profiles of whoever runs this
cd "$(dirname "$0")/.." || exit 1
stoker=${STOKER:-build/stoker} rounds=${ROUNDS:-5}
[ $# -gt 0 ] || { echo "usage: sh bench/plan_speed.sh MODEL.gguf[=ROUTES.strt]..." >&2 && exit 2; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

field() { tr ',{}' '\n\n\n' | sed -n "s/^ *\"$1\": *\([-0-9.e+]*\)\$/\1/p" | head -n 1; } # field NAME: of JSON at stdin

# bench_of FLAG...: tokens/s of one repetition
bench_of() { "$stoker" bench "$model" --no-roofs --ctx 4096 --memory "$memory" -r 1 -o jsonl "$@" >"$work/row" && field median_ts <"$work/row"; }

printf '%-24s %6s %5s %19s %17s %19s %17s\n' model budget rows "prompt" "ratio" "answer" "ratio"
for model; do
    routes=
    case $model in *=*) routes="--routes ${model#*=}" model=${model%%=*} ;; esac
    plan=$("$stoker" plan "$model" --ctx 4096 --json)
    memory=$(awk -v a="$(echo "$plan" | field minimum)" -v b="$(echo "$plan" | field whole)" 'BEGIN { printf "%.0f", a + (b - a) / 3 }')
    round=0
    while [ "$round" -lt "$rounds" ]; do
        round=$((round + 1))
        plan=$("$stoker" plan "$model" --ctx 4096 --memory "$memory" --measure --json) || exit 1
        prompt=$(bench_of -p 2000 -n 0) || exit 1
        # shellcheck disable=SC2086 # a list of flags
        answer=$(bench_of -p 0 -n 200 -d 2000 $routes) || exit 1
        echo "$(echo "$plan" | field prompt_per_s) $prompt $(echo "$plan" | field answer_per_s) $answer"
    done >"$work/rounds"
    awk -v name="$(basename "$model" .gguf)" -v budget="$memory" -v rows="$(echo "$plan" | field chunk)" '
        function sorted(a, n,   i, j, t) {
            for (i = 2; i <= n; i++)
                for (j = i; j > 1 && a[j - 1] > a[j]; j--) {
                    t = a[j]; a[j] = a[j - 1]; a[j - 1] = t
                }
        }
        function median(a, n) { sorted(a, n); return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2 }
        { pp[NR] = $1; pm[NR] = $2; pr[NR] = $2 / $1; ap[NR] = $3; am[NR] = $4; ar[NR] = $4 / $3 }
        END {
            r = median(pr, NR); s = median(ar, NR)
            printf "%-24s %6.0f %5d %8.1f of %7.1f %5.2f (%4.2f-%4.2f) %8.2f of %7.2f %5.2f (%4.2f-%4.2f)\n", substr(name, 1, 24),
                budget / 1048576, rows, median(pm, NR), median(pp, NR), r, pr[1], pr[NR], median(am, NR), median(ap, NR), s, ar[1], ar[NR]
        }' "$work/rounds"
done
echo "budget: MiB; measured of predicted tokens/s; ratio: measured over predicted"
