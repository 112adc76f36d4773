#!/bin/sh
# What do plan and inspect take of a model of more than 400 GB, and is the plan of the first 16 MiB of a file that of the whole?
#
#     sh bench/header.sh [MODEL.gguf...]
#
# A model of 453 GB without data, as one file and in ten parts (tests/large_plan.c): peak memory and the least time of five runs, at most
# 64 MiB and 0.2 s. Of each MODEL the plan of its first 16 MiB, in a file and by a pipe, at the budgets BUDGETS (6GiB 12GiB max), which must
# be that of the whole, byte for byte, but for the file's name and for what this machine has left meanwhile.
#
# BUILD (build). Last line: N passed, N failed, N skipped.
set -u
export STOKER_NO_CONFIG=1 # neither settings nor profiles of whoever runs this
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build} head=16777216
stoker=$build/stoker
make -s BUILD="$build" "$stoker" "$build/tests/large_plan" || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

STOKER=$stoker "$build/tests/large_plan" "$build/data/headers/minimax-m3-428b-a23b.gguf" 0.2 | tee "$work/large"
read -r passed _ failed _ skipped _ <<END
$(tail -n 1 "$work/large")
END

same() { # same WHAT FILE COMMAND...: the command writes what the file holds
    what=$1 whole=$2
    shift 2
    "$@" >"$work/other"
    if [ -s "$whole" ] && cmp -s "$whole" "$work/other"; then
        passed=$((passed + 1))
        echo "ok   $what: $(wc -c <"$whole") bytes"
    else
        failed=$((failed + 1))
        echo "FAIL $what: another plan"
    fi
}
plan() { # plan FILE FLAG...: without what changes
    "$stoker" plan "$@" | sed "1s|^$1 |MODEL |; 1s|^/dev/stdin |MODEL |; /^warning: the plan takes /d"
}
piped() { head -c $head "$model" | plan - --memory "$memory"; }

for model; do
    head -c $head "$model" >"$work/begin.gguf" || exit 1
    echo "$model, $(($(wc -c <"$model") / 1000000)) MB:"
    for memory in ${BUDGETS:-6GiB 12GiB max}; do
        plan "$model" --memory "$memory" >"$work/whole"
        same "plan --header-only --memory $memory" "$work/whole" plan "$work/begin.gguf" --header-only --memory "$memory"
        same "plan - --memory $memory" "$work/whole" piped
    done
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
