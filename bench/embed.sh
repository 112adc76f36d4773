#!/bin/sh
# Speed of models of vectors and scores, beside other engines: models of random weights in published shapes are made outside the checkout,
# measured, and removed. Prints tables in Markdown; what their cells mean, and the other settings, stand in bench/beside.sh.
#
#     sh bench/embed.sh [--tier TIER] [NAME=]PEER_BENCH...       --tier: what `stoker bench --cpu-tier` gets
#
# A peer is a llama-bench; it gets "-embd 1" too, and computes one text at a time, stoker requests of so many texts as a row says. Below each
# table: stoker's rate of once more as many runs, with the roofs of the same run, and which share of the bound under them it is (bench.md 3).
# The last two rows are to be compared with each other: scores of pairs beside vectors of texts as long. The largest model takes 0.7 GB.
set -u
cd "$(dirname "$0")/.." || exit 1
. bench/beside.sh
for peer; do
    shift
    case $peer in --*) set -- "$@" "$peer" ;; *" "* | */*) set -- "$@" "$peer -embd 1" ;; *) set -- "$@" "$peer" ;; esac
done
engines "$@"
own=$(cat "$work/command.0")

# of_the_roof NAME FLAG...: a line about stoker alone
of_the_roof() {
    name=$1
    shift
    "$stoker" bench --memory max ${tier:+--cpu-tier "$tier"} -m "$model" -t "$threads" "$@" -r "$pairs" -o jsonl 2>"$work/err" |
        tr ',{}' '[\n*]' | awk -F '[ \t]*:[ \t]*' -v name="$name" '
        { gsub(/"/, ""); v[$1] = $2 }
        END {
            if (v["median_ts"] > 0)
                printf "- %s: %.0f tokens/s, bound %.0f by %s, %.2f of it (roofs: int8 %.2f, f32 %.2f Tops, memory %.1f GB/s)\n", name, v["median_ts"],
                    v["bound_ts"], v["bound_by"], v["efficiency"], v["roof_int8"] / 1e12, v["roof_f32"] / 1e12, v["roof_memory"] / 1e9
        }' >>"$work/notes"
}

# row SHAPE TYPE TEXTS TOKENS
row() {
    make_model "$1" --type "$2"
    echo "$own --texts $3" >"$work/command.0"
    add_row "$1 $2, $3 texts" "-p $4 -n 0"
    of_the_roof "$1 $2" --texts "$3" -p "$4"
}

# table TOKENS, then rows; end TOKENS
table() {
    : >"$work/notes"
    begin_table model "pp$1"
}
end() {
    end_table "texts of $1 tokens"
    echo
    cat "$work/notes"
    echo
}

table 256
row bert-base q8_0 16 256
row bert-base f16 16 256
end 256
table 512
row qwen3-embed-0.6b q8_0 8 512
end 512
table 200
row bert-base q8_0 100 200
row bert-base-rank q8_0 100 200
end 200
