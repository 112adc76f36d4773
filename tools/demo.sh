#!/bin/sh
# make demo: the embedded model answers under a budget half-way between the smallest that works and everything resident, so that
# its experts stream from disk. Usage: sh tools/demo.sh build/stoker
set -u
stoker=${1:?usage: sh tools/demo.sh build/stoker}
model=models/ember/ember.gguf
question='How does streaming experts work?'

plan=$("$stoker" plan $model --json) || exit 1
field() { echo "$plan" | tr ',{}' '\n\n\n' | sed -n "s/^ *\"$1\": *\([0-9][0-9]*\) *$/\1/p" | head -n 1; }
minimum=$(field minimum) whole=$(field whole)
if [ -z "$minimum" ] || [ -z "$whole" ]; then
    echo "stoker plan $model --json names no minimum or no whole: $plan" >&2
    exit 1
fi
mebibytes=$(((minimum + whole) / 2 / 1048576))
memory=${mebibytes}M

mib() { awk -v n="$1" 'BEGIN { printf "%.1f MiB", n / 1048576 }'; }
show() {
    echo
    echo "\$ $*"
}

echo
echo "$model is a small chat model with 96 experts. Everything resident takes $(mib "$whole"); the least that works is $(mib "$minimum")."
echo "Half-way between them is $mebibytes MiB: experts that do not fit are read from the file when a token needs them."

show "$stoker run $model --memory $memory --temp 0 --stats=full -p '$question'"
stats=$(mktemp) || exit 1
trap 'rm -f "$stats"' EXIT
"$stoker" run $model --memory $memory --temp 0 --stats=full -p "$question" 2>"$stats" || { cat "$stats" >&2 && exit 1; }
echo
awk '
    /^memory /           { print }
    /^[a-zA-Z_]+ +[0-9]/ { sum[$1] = $2 }
    /^prompt .* answer / { speed = $0; sub(/.*answer .*\(/, "", speed); sub(/\).*/, "", speed) }
    END {
        printf "streaming: %d hits, %d misses, %d evictions, %.1f MiB read at %.0f MB/s, %s\n",
            sum["hits"], sum["misses"], sum["evictions"], sum["bytes_read"] / 1048576, sum["read_MBps"], speed
    }' "$stats"

show "$stoker plan $model --memory $memory"
"$stoker" plan $model --memory $memory || exit 1

cat <<END

Try next:
  $stoker run                                    chat with the embedded model; Ctrl-D ends
  $stoker run $model --memory min --stats -p 'What is 9 + 4?'
  $stoker plan YOUR.gguf                         what a model of yours needs, from its header alone
  $stoker run YOUR.gguf --memory 6GiB -p '...'   Qwen3-MoE, Qwen2-MoE, OLMoE, Mixtral, Llama and others (README.md)
  $stoker inspect YOUR.gguf                      what is in a file, and how its experts lie
  $stoker --help
END
