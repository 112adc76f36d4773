#!/bin/sh
# The program compiled for arm64, run by an emulator of such a CPU, against the program of this machine: the same bits everywhere.
#
#     UNITS='unit/base/file ...' sh tests/check_arm.sh BUILD BUILD_ARM        make check-arm builds both
#
#   kernels   every output of every tier: one hash
#   encode    the blocks of a few rows of every type: one hash
#   golden    of every model the logits' hash, with quantised activations and exact
#   units     what differs between CPUs and kernels of Linux: memory, files, coroutines, readers
#   program   text, log-probabilities, hashes of tensors; with each tier; also where a page of memory has 64 KiB
#
# The last line is "N passed, N failed, N skipped"; status 1 on any failure. Emulation says nothing about speed.
set -u
cd "$(dirname "$0")/.." || exit 1
here=$1 arm=$2
ember=models/ember/ember.gguf
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

emulator=$(command -v qemu-aarch64 || command -v qemu-aarch64-static) || {
    echo "qemu-aarch64 is missing; run: sh tools/deps.sh arm" >&2
    exit 1
}

passed=0 failed=0 skipped=0

# verdict STATUS NAME: the output of what failed is $work/out
verdict() {
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok     $2"
    else
        failed=$((failed + 1))
        echo "FAILED $2"
        tail -n 40 "$work/out" | sed 's/^/    | /'
    fi
}

# PROGRAM ARGUMENT... on this machine; and emulated, with the CPU and the size of a page that are set
native() { "$here/$@" >"$work/out" 2>&1 </dev/null; }
emulated() { "$emulator" -cpu "${CPU:-max}" ${PAGE:+-p $PAGE} "$arm/$@" >"$work/out" 2>&1 </dev/null; }

# The lines that must be equal, behind a sed script; of lines that are equal to others one.
lines() { sed -E "$1" "$work/out" | sort -u; }

# same NAME SCRIPT PROGRAM ARGUMENT...: both succeed and print the same lines
same() {
    name=$1 script=$2
    shift 2
    native "$@" || { verdict 1 "$name, on this machine" && return; }
    lines "$script" >"$work/native"
    emulated "$@" || { verdict 1 "$name" && return; }
    lines "$script" >"$work/emulated"
    { [ -s "$work/native" ] || echo "prints nothing to compare"; diff "$work/native" "$work/emulated"; } >"$work/out" 2>&1
    [ ! -s "$work/out" ]
    verdict $? "$name"
}

same "kernels" '/hash of all outputs/!d; s/.*hash/hash/' tests/kernels
same "encode" '/bytes:/!d' tests/encode --bytes
same "golden" 's/ misses .*//' tests/golden --all "$here/data/golden" models/ember
same "golden --kv q8_0" 's/ misses .*//' tests/golden --kv q8_0 --all "$here/data/golden" models/ember
same "golden --exact" 's/ misses .*//' tests/golden --exact --all "$here/data/golden" models/ember

for unit in $UNITS; do
    emulated "tests/$unit"
    verdict $? "$unit"
done

# as repeatable() of tests/cli/harness; all runs have the same seed
words='s/"(drafted_tokens|accepted_tokens|prompt_seconds|seconds|peak_rss)":[^,}]*//g'
answer="run -p Story: -n 32 --seed 7 --temp 0.8 --json --logprobs 2"
same "run --memory min" "$words" stoker $answer --memory min
PAGE=65536
same "run, pages of 64 KiB" "$words" stoker $answer
PAGE=
for CPU in cortex-a72:scalar cortex-a76:neon max:i8mm; do
    tier=${CPU#*:} CPU=${CPU%:*}
    same "run on $CPU" "$words" stoker $answer
    emulated stoker bench $ember -p 2 -n 2 -r 1 --no-roofs --no-warmup -o json
    grep -q "\"backends\": *\"$tier\"" "$work/out"
    verdict $? "bench on $CPU names $tier"
done
CPU=
same "check" "$words" stoker check $ember --json

# plan and inspect name the tier of each type
for command in plan inspect; do
    emulated stoker $command $ember
    grep -Eiq "q4_0 .*\bneon\b" "$work/out"
    verdict $? "$command names neon"
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
