#!/bin/sh
# Quantising in a small space: a mixture of experts of GIB (60) GiB in bf16, but for the beginnings of its tensors a hole, becomes TYPE
# (Q2_K), by importance of all its matrices, in a cgroup of 512 MiB (memory.max, without swap). The run ends, nothing is killed, the peak is
# within the plan, and the page cache that the run leaves is below 64 MiB. Then the same with ten budgets from the least to the default, of
# a file of SMALL (2) GiB.
#
#     sh tests/quantize_memory.sh     STOKER (build/stoker), BUILD (build), EFFORT (normal), DIR (a folder with room: a fifth of GIB for
#                                     Q2_K); needs build/tests/quantize, and root for the cgroup
#
# For memory the holes are no different from weights: they are read, decoded, searched and written as such. For time they are: most of a
# search is left out where all values are zero, so that the seconds here say nothing of a model's.
#
# Last line: N passed, N failed, N skipped.
set -u
export STOKER_NO_CONFIG=1
cd "$(dirname "$0")/.." || exit 1
stoker=${STOKER:-build/stoker} tool=${BUILD:-build}/tests/quantize gib=${GIB:-60} small=${SMALL:-2}
type=${TYPE:-Q2_K} effort=${EFFORT:-normal}
limit=536870912 most_cache=67108864
tmp=$(mktemp -d "${DIR:-/var/tmp}/stoker-quantize-XXXXXX") || exit 1
group='' passed=0 failed=0
end() {
    [ -n "$group" ] && rmdir "$group" 2>/dev/null
    rm -rf "$tmp"
}
trap end EXIT
trap 'exit 1' INT TERM

for root in /sys/fs/cgroup/memory /sys/fs/cgroup; do
    group=$root/stoker-quantize-$$
    if mkdir "$group" 2>/dev/null; then
        if [ -w "$group/memory.limit_in_bytes" ]; then
            echo $limit >"$group/memory.limit_in_bytes" && break
        elif [ -w "$group/memory.max" ]; then
            echo $limit >"$group/memory.max" && { echo 0 >"$group/memory.swap.max"; } 2>/dev/null
            break
        fi
        rmdir "$group"
    fi
    group=''
done
if [ -z "$group" ]; then
    echo "skip: no cgroup can be made here"
    echo "0 passed, 0 failed, 1 skipped"
    exit
fi

check() { # check WHAT COMMAND...: the command holds
    what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $what"
        cat "$tmp/err"
    fi
}
within() { sh -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' sh "$group" "$@"; }
killed() { sed -n 's/^oom_kill //p' "$group/memory.oom_control" "$group/memory.events" 2>/dev/null; }
cached() { sed -nE 's/^(cache|file) //p' "$group/memory.stat" | head -n 1; }
most_in_group() { cat "$group/memory.max_usage_in_bytes" "$group/memory.peak" 2>/dev/null | head -n 1; }
number() { sed -nE "s/.*\"$1\":([0-9]+).*/\1/p" "$2"; }

quantize() { # quantize GIB BUDGET: once, in the cgroup
    "$tool" sparse "$1" "$tmp/in.gguf" && "$tool" importance "$tmp/in.gguf" "$tmp/in.im" || exit 1
    before=$(cached)
    within "$stoker" quantize "$tmp/in.gguf" "$tmp/out.gguf" --type "$type" --effort "$effort" --imatrix "$tmp/in.im" ${2:+--memory $2} \
        --json >"$tmp/out" 2>"$tmp/err"
    check "$1 GiB, budget ${2:-default}: a status that is not 0" [ $? -eq 0 ]
    left=$(($(cached) - before)) peak=$(number peak "$tmp/out") plan=$(number memory "$tmp/out")
    check "$1 GiB, budget ${2:-default}: the kernel killed $(killed)" [ "$(killed)" = 0 ]
    check "$1 GiB, budget ${2:-default}: a peak of ${peak:=0} bytes, $plan planned" [ "$peak" -gt 0 -a "$peak" -le "${plan:=0}" ]
    check "$1 GiB, budget ${2:-default}: $left bytes of page cache are left" [ "$left" -lt $most_cache ]
    echo "$(wc -c <"$tmp/in.gguf") bytes, budget ${2:-default}: $(number bytes "$tmp/out") bytes in $(number seconds "$tmp/out") s," \
        "peak $peak of $plan planned, page cache $left, of the group so far at most $(most_in_group)"
    rm -f "$tmp/out.gguf"*
}

quantize "$gib" ''
quantize "$small" min
least=$plan
"$stoker" quantize "$tmp/in.gguf" "$tmp/out.gguf" --type "$type" --imatrix "$tmp/in.im" --dry-run --json >"$tmp/out" 2>"$tmp/err"
most=$(sed -nE 's/.*"plan":\{"memory":[0-9]+,"least":[0-9]+,"total":([0-9]+).*/\1/p' "$tmp/out")
for i in 1 2 3 4 5 6 7 8 9; do
    quantize "$small" $((least + 1048576 + (most - least) * i / 9))
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
