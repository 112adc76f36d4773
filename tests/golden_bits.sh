#!/bin/sh
# Golden models under --exact: the same bits of all logits, and the recorded greedy ids, whatever the tier, the chunk and the memory.
#
#   sh tests/golden_bits.sh             every golden under each setting by itself
#   sh tests/golden_bits.sh --whole     under every tier with every chunk and memory, the embedded model too
#
# Each setting is a process of build/tests/golden, which prints a hash of all logits; the first runs on the best tier, in one chunk, with
# everything resident. A line a setting; the models that differ are named. BUILD (build) is where the programs and the goldens are.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
golden=$build/tests/golden
[ -x "$golden" ] || { echo "$golden is not built; run: make $golden" && exit 1; }
models=$build/data/golden
[ "${1-}" != --whole ] || models="$models models/ember"

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
passed=0 failed=0

# try SETTING...: $dir/hashes has NAME HASH of each model that passed
try() {
    "$golden" --exact "$@" $models >"$dir/log" 2>&1
    status=$?
    sed -n 's/^ok *\([^ ]*\) .* hash \([0-9a-f]*\) .*/\1 \2/p' "$dir/log" >"$dir/hashes"
}

verdict() { # verdict STATUS NAME: what is wrong is in $dir/wrong
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok   $2: $(wc -l <"$dir/hashes") models"
    else
        failed=$((failed + 1))
        echo "FAIL $2"
        head -n 20 "$dir/wrong"
    fi
}

# same SETTING...: the hashes of the first run
same() {
    try "$@"
    diff "$dir/first" "$dir/hashes" >"$dir/wrong"
    grep -v '^ok ' "$dir/log" | sed '$d' >>"$dir/wrong"
    case "$*" in
    *"--memory min"*) grep -q 'evictions [1-9]' "$dir/log" || echo "no expert was evicted" >>"$dir/wrong" ;;
    esac
    [ ! -s "$dir/wrong" ]
    verdict $? "$*"
}

try
grep -v '^ok ' "$dir/log" | sed '$d' >"$dir/wrong"
[ -s "$dir/hashes" ] || echo "no model has passed" >>"$dir/wrong"
cp "$dir/hashes" "$dir/first"
[ $status -eq 0 ] && [ ! -s "$dir/wrong" ]
verdict $? "the best tier, one chunk, all resident"

tiers=$("$golden" --tiers)
if [ "${1-}" = --whole ]; then
    for tier in $tiers; do
        for chunk in "" "--chunk 1" "--chunk 7"; do
            for memory in "" "--memory min"; do
                same --cpu-tier "$tier" $chunk $memory
            done
        done
    done
else
    for tier in $tiers; do
        same --cpu-tier "$tier"
    done
    same --chunk 1
    same --chunk 7
    same --memory min
fi
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
