#!/bin/sh
# What the simulator says of the cache: the *.events of the test data's folder traces, which tests/cache_trace.c and
# tests/cli/traces.sh compare with the store's. Needs Python and a built stoker.
#
#     sh tools/cache_events.sh          then: sh tools/data.sh pack build/data traces
#
# Made anew when the rules of eviction change, in the simulator first; or, for the models, when their routes do.
set -eu
cd "$(dirname "$0")/.."
data=${BUILD:-build}/data stoker=${STOKER:-build/stoker}
routes=$(mktemp)
trap 'rm -f "$routes"' EXIT
trap 'exit 1' INT TERM

events() { # events TRACE SLOTS NAME
    python3 -B tools/cachesim.py run "$1" --slots "$2" --events "$data/traces/$3.$2.events"
}

# traces: the cases of tests/cache_trace.c
for case in "rec-q3moe-128k6 100,100 10,700" "rec-gptoss-128k2 300" "rec-gemma4-128k6 500,60"; do
    set -- $case
    name=$1
    shift
    for slots; do
        events "$data/traces/$name.strt" "$slots" "$name"
    done
done

# models: the cases of tests/cli/traces.sh
for case in "qwen3moe 8 12 20" "qwen2moe 6 9 12" "mixtral 6 8 11" "ember 6 30 55"; do
    set -- $case
    name=$1 file=$data/golden/$1.gguf
    [ -e "$file" ] || file=models/ember/ember.gguf
    shift
    for slots; do
        "$stoker" bench "$file" -p 24 -n 16 -r 1 --no-roofs --no-warmup --chunk 1 --slots "$slots" --route-trace "$routes" >/dev/null
        events "$routes" "$slots" "$name"
    done
done
