#!/bin/sh
# Which published models run in the memory of usual machines: of each shape of tools/mkgguf.py the header is written outside the checkout,
# planned and removed. A row of Markdown each: bytes of the file, the least memory that works, from which nothing streams, and tokens a second of an
# answer as `stoker plan` predicts them from rates that are usual (told at the end; nothing is measured), with what machines of 16 GB and of
# 32 GB leave to a program.
#
#     sh bench/models.sh
#
# SHAPES (default: all that generate text), CTX (8192), BUDGETS ("13GiB 28GiB"), STOKER (build/stoker), PYTHON (/usr/bin/python3, with numpy).
set -u
cd "$(dirname "$0")/.." || exit 1
export STOKER_NO_CONFIG=1 # neither settings nor profiles of whoever runs this
stoker=${STOKER:-build/stoker} python=${PYTHON:-/usr/bin/python3} ctx=${CTX:-8192} budgets=${BUDGETS:-13GiB 28GiB}
dir=$(mktemp -d "${TMPDIR:-/tmp}/stoker-bench-models-XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
shapes=${SHAPES:-$("$python" -B tools/mkgguf.py --list | awk '$2 !~ /bert/ && $1 !~ /embed|tiny/ { print $1 }')}

# number NAME: the first of the plan that is called so; rate NAME: among its rates
number() { grep -o "\"$1\": *[0-9.]*" "$dir/plan" | sed -n '1s/.*: *//p'; }
rate() { sed -n "s/.*\"rates\":{[^}]*\"$1\": *\([0-9.]*\).*/\1/p" "$dir/plan"; }
plan() { "$stoker" plan "$dir/model.gguf" --header-only --ctx "$ctx" --memory "$1" --json >"$dir/plan" 2>"$dir/err"; }
gigabytes() { awk -v bytes="$1" 'BEGIN { printf "%.1f", bytes / 1e9 }'; }

printf '| architecture | model | file, GB | least, GB | nothing streams from, GB |'
for budget in $budgets; do printf ' tokens/s with %s |' "$budget"; done
printf '\n|---|---|--:|--:|--:|'
for budget in $budgets; do printf -- '--:|'; done
echo
for shape in $shapes; do
    "$python" -B tools/mkgguf.py --shape "$shape" --header "$dir/model.gguf" || exit 1
    plan min || { cat "$dir/err" && exit 1; }
    printf '| %s | %s | %s | %s | %s |' "$(sed -n 's/.*"arch": *"\([^"]*\)".*/\1/p' "$dir/plan")" "$shape" "$(gigabytes "$(number size)")" \
        "$(gigabytes "$(number minimum)")" "$(gigabytes "$(number whole)")"
    for budget in $budgets; do
        if plan "$budget"; then
            printf ' %.2g%s |' "$(number answer_per_s)" "$([ "$(number whole)" -gt "$(number memory)" ] || echo ", resident")"
        else
            printf ' - |'
        fi
    done
    echo
done
echo
echo "Rates: drive $(gigabytes "$(rate drive)") GB/s, memory $(gigabytes "$(rate memory)") GB/s; $("$stoker" --version | head -n 1)."
