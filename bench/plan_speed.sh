#!/bin/sh
# Predicted and measured speed of plans: each model under a third of the way from the smallest budget to everything resident, predicted with
# measured rates of drive, memory and cores. The goal is a ratio within 15 % of 1, on a machine where nothing else runs.
#
#     sh bench/plan_speed.sh MODEL.gguf[=ROUTES.strt]...
#
# Models from tools/mkgguf.py will do; such ones choose experts at random, so answers are measured under ROUTES, recorded or like them.
# STOKER (build/stoker), REPEAT (3).
set -u
cd "$(dirname "$0")/.." || exit 1
stoker=${STOKER:-build/stoker} repeat=${REPEAT:-3}
[ $# -gt 0 ] || { echo "usage: sh bench/plan_speed.sh MODEL.gguf[=ROUTES.strt]..." >&2 && exit 2; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

field() { tr ',{}' '\n\n\n' | sed -n "s/^ *\"$1\": *\([-0-9.e+]*\)\$/\1/p" | head -n 1; } # field NAME: of JSON at stdin

printf '%-28s %9s %6s %10s %10s %6s %10s %10s %6s %8s\n' model budget rows "prompt" "measured" ratio "answer" "measured" ratio "request"
for model; do
    routes=
    case $model in *=*) routes="--routes ${model#*=}" model=${model%%=*} ;; esac
    plan=$("$stoker" plan "$model" --ctx 4096 --json)
    memory=$(awk -v a="$(echo "$plan" | field minimum)" -v b="$(echo "$plan" | field whole)" 'BEGIN { printf "%.0f", a + (b - a) / 3 }')
    plan=$("$stoker" plan "$model" --ctx 4096 --memory "$memory" --measure --json) || exit 1
    for test in "-p 2000 -n 0" "-p 0 -n 200 -d 2000 $routes"; do
        # shellcheck disable=SC2086 # a list of flags
        "$stoker" bench "$model" --ctx 4096 --memory "$memory" $test -r "$repeat" -o jsonl >"$work/row" || exit 1
        field median_ts <"$work/row"
    done >"$work/measured"
    awk -v name="$(basename "$model" .gguf)" -v budget="$memory" -v rows="$(echo "$plan" | field chunk)" \
        -v prompt="$(echo "$plan" | field prompt_per_s)" -v answer="$(echo "$plan" | field answer_per_s)" '
        { measured[NR] = $1 }
        END {
            p = measured[1]; a = measured[2]
            printf "%-28s %9.0f %6d %10.1f %10.1f %6.2f %10.2f %10.2f %6.2f %8.2f\n", substr(name, 1, 28), budget / 1048576, rows,
                prompt, p, p / prompt, answer, a, a / answer, (2000 / prompt + 200 / answer) / (2000 / p + 200 / a)
        }' "$work/measured"
done
echo "MiB; tokens/s; request: measured over predicted rate of 2,000 tokens and 200 of answer"
