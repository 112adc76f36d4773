#!/bin/sh
# What does it cost to count where time goes? A build that does not read the clock around joins, experts and waits for reads is measured
# against this one by pairs (bench --against): its median ratio less than 1 is what counting takes, 1 % at most.
#
#     sh bench/trace_cost.sh MODEL.gguf [FLAG...]          FLAGs of stoker bench (-p 512 -n 64)
#
# PAIRS (60).
set -u
export STOKER_NO_CONFIG=1 # neither settings nor profiles of whoever runs this
cd "$(dirname "$0")/.." || exit 1
[ $# -gt 0 ] || { echo "usage: sh bench/trace_cost.sh MODEL.gguf [FLAG...]" >&2 && exit 2; }
model=$1 pairs=${PAIRS:-60}
shift
[ $# -gt 0 ] || set -- -p 512 -n 64
case $model in /*) ;; *) model=$PWD/$model ;; esac
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# build NAME: the tree in $work as $work/NAME/stoker
build() { make -s -j"$(nproc)" -C "$work" BUILD="$1" "$1/stoker" >"$work/log" 2>&1 || { tail "$work/log" >&2 && exit 1; }; }

# without FILE LINES READING: FILE's lines between the two patterns of LINES, with the READING of the clock gone; fails if none was there
without() {
    cp "$work/$1" "$work/before"
    sed -i "$2s/$3()/0/" "$work/$1"
    cmp -s "$work/before" "$work/$1" && echo "$1 does not read the clock where it is looked for" >&2 && exit 1
}

git archive HEAD | tar -xf - -C "$work" || exit 1
build counting
without src/base/pool.c '/^static void join(/,/^}/' clock_ns
without src/model/block/moe.c '' clock_seconds
without src/store/expert_store.c '/^int store_next(/,/^}/' clock_ns
build silent
"$work/counting/stoker" bench "$model" --no-roofs --pairs "$pairs" --effect 1 \
    --against-binary "$work/silent/stoker" "$@"
