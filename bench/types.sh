#!/bin/sh
# Speed of whole models by block type, beside other engines: for each type a model of random weights is made outside the checkout,
# measured by `stoker bench` and any number of llama-bench programs in turn (A B C, C B A, ...), and removed. Prints a table in Markdown.
#
#     sh bench/types.sh [--tier TIER] [NAME=]PEER_BENCH...
#
# PEER_BENCH: a command that takes llama-bench's flags, "PROGRAM" or "PROGRAM FLAG...". --tier: what `stoker bench --cpu-tier` gets.
# A cell is the median of the pairs' tokens/s with their range; "x" the median and range of stoker's rate over the peer's, pair by pair.
# "-": the peer does not run this type. Loaded: how many cores other processes kept busy while this type was measured.
#
# TYPES (below), SHAPE (qwen3-30b-a3b), LAYERS (4), PAIRS (5), REPEAT (2 repetitions a run, whose mean counts), THREADS (nproc),
# DIR (where 7 GB fit, default ${TMPDIR:-/tmp}/stoker-bench), STOKER (build/stoker). Needs Python 3 and numpy.
set -u
cd "$(dirname "$0")/.." || exit 1
types=${TYPES:-q4_k_m q8_0 q4_0 q5_0 q5_k q6_k q3_k q2_k iq4_xs iq4_nl iq3_xxs iq3_s iq2_xxs iq2_xs iq2_s iq1_s iq1_m tq1_0 tq2_0 mxfp4
    bf16 f16 ud_q4_k_xl ud_q2_k_xl}
stoker=${STOKER:-build/stoker} python=${PYTHON:-/usr/bin/python3} shape=${SHAPE:-qwen3-30b-a3b} layers=${LAYERS:-4}
pairs=${PAIRS:-5} repeat=${REPEAT:-2} dir=${DIR:-${TMPDIR:-/tmp}/stoker-bench} threads=${THREADS:-$(nproc)} tier=
if [ "${1:-}" = --tier ]; then
    tier=${2:?a tier is needed}
    shift 2
fi
[ $# -gt 0 ] || { echo "usage: sh bench/types.sh [--tier TIER] [NAME=]PEER_BENCH..." >&2 && exit 2; }
mkdir -p "$dir" || exit 1
work=$(mktemp -d) || exit 1
model=$dir/types-$$.gguf
trap 'rm -rf "$work" "$model"' EXIT
trap 'exit 1' INT TERM

# Engine 0 is stoker, 1 to $# the peers in the order given.
n=$#
engines=$(seq 0 $n) reversed=$(seq $n -1 0)
echo "$stoker bench --memory max ${tier:+--cpu-tier $tier}" >"$work/command.0"
echo stoker >"$work/name.0"
for i in $(seq $n); do
    case ${1%% *} in
    *=*) echo "${1%%=*}" >"$work/name.$i" && echo "${1#*=}" >"$work/command.$i" ;;
    *) basename "${1%% *}" >"$work/name.$i" && echo "$1" >"$work/command.$i" ;;
    esac
    shift
done

# run ENGINE PAIR: a line "PAIR ENGINE pp tg" in $work/rates; an engine that has failed does not run again
run() {
    [ -e "$work/failed.$1" ] && return
    # shellcheck disable=SC2046 # a command with its flags
    if ! $(cat "$work/command.$1") -m "$model" -t "$threads" -p 512 -n 32 -r "$repeat" -o json >"$work/row" 2>"$work/err" </dev/null ||
        ! tr ',{}' '[\n*]' <"$work/row" | awk -v pair="$2" -v engine="$1" -F '[ \t]*:[ \t]*' '
        $1 ~ /"n_prompt"/ { test = $2 > 0 ? "pp" : "tg" }
        $1 ~ /"avg_ts"/ { rate[test] = $2 + 0 }
        END {
            if (!(rate["pp"] > 0 && rate["tg"] > 0))
                exit 1
            print pair, engine, rate["pp"], rate["tg"]
        }' >>"$work/rates"; then
        echo "$type: $(cat "$work/name.$1"): $(tail -n 1 "$work/err")" >&2
        touch "$work/failed.$1"
    fi
}

# Hundredths of seconds that all processors were busy less those that children of this shell were, into $others.
others_busy() {
    times >"$work/times"
    others=$(tail -n 1 "$work/times" | tr 'ms' '  ' | awk '
        NR == 1 { ours = 60 * $1 + $2 + 60 * $3 + $4 }
        /^cpu / { printf "%.0f", $2 + $3 + $4 + $7 + $8 - 100 * ours }' - /proc/stat)
}

head='| type | GB |' rule='|---|--:|'
for test in pp512 tg32; do
    for i in $engines; do
        head="$head $(cat "$work/name.$i") $test |" rule="$rule--:|"
        [ "$i" = 0 ] || head="$head x |" rule="$rule--:|"
    done
done
echo "$head loaded |"
echo "$rule--:|"
for type in $types; do
    "$python" -B tools/mkgguf.py --shape "$shape" --layers "$layers" --type "$type" "$model" 2>"$work/err" || {
        cat "$work/err" >&2
        exit 1
    }
    rm -f "$work"/failed.*
    : >"$work/rates"
    others_busy
    before=$others begun=$(date +%s)
    for pair in $(seq "$pairs"); do
        order=$engines
        [ $((pair % 2)) -eq 0 ] && order=$reversed
        for i in $order; do
            run "$i" "$pair"
        done
    done
    others_busy
    loaded=$(awk -v busy=$((others - before)) -v s=$(($(date +%s) - begun)) 'BEGIN {
        printf "%.1f", (busy > 0 && s > 0 ? busy / 100 / s : 0) }')
    awk -v n="$n" -v type="$type" -v bytes="$(wc -c <"$model")" -v loaded="$loaded" '
        # "median (least to greatest)" of what[engine, 1 .. count]
        function summary(count, format,    i, j, t, v) {
            for (i = 1; i <= count; i++) {
                t = list[i]
                for (j = i - 1; j > 0 && v[j] > t; j--)
                    v[j + 1] = v[j]
                v[j + 1] = t
            }
            if (count == 0)
                return "-"
            t = count % 2 ? v[(count + 1) / 2] : (v[count / 2] + v[count / 2 + 1]) / 2
            return sprintf(format " (" format " to " format ")", t, v[1], v[count])
        }

        {
            seen[$1, $2] = 1
            rate[$1, $2, 1] = $3
            rate[$1, $2, 2] = $4
            last = $1
        }

        END {
            printf "| %s | %.2f |", type, bytes / 1e9
            for (test = 1; test <= 2; test++)
                for (e = 0; e <= n; e++) {
                    count = 0
                    for (p = 1; p <= last; p++)
                        if (seen[p, e])
                            list[++count] = rate[p, e, test]
                    printf " %s |", summary(count, test == 1 ? "%.0f" : "%.1f")
                    count = 0
                    for (p = 1; p <= last; p++)
                        if (seen[p, e] && seen[p, 0])
                            list[++count] = rate[p, 0, test] / rate[p, e, test]
                    if (e > 0)
                        printf " %s |", summary(count, "%.2f")
                }
            printf " %s |\n", loaded
        }' "$work/rates"
done
echo
echo "$shape, $layers layers, $threads threads, $pairs pairs, $repeat repetitions a run, $("$stoker" version | head -n 1); $(date -u +%F)"
