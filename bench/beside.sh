# Models measured beside other engines, for the scripts that source it: bench/types.sh, bench/archs.sh.
#
#     . bench/beside.sh                    from the checkout; sets python, stoker, pairs, repeat, dir, threads, work, model
#     engines [--tier TIER] [NAME=]PEER_BENCH...    once: stoker is engine 0, the peers follow in the order given
#     begin_table WHAT COLUMN...           its head; a column is a test, "pp512", "tg128" or "tg128@8192" (at that depth)
#     add_row NAME "FLAGS" ...             makes nothing: measures $model by `stoker bench` and every llama-bench in turn (A B C, C B A, ...),
#                                          once a pair with each of the FLAGS, and prints its row
#
# PEER_BENCH: a command that takes llama-bench's flags, "PROGRAM" or "PROGRAM FLAG...". A cell is the median of the pairs' tokens/s with their
# range; "x" the median and range of stoker's rate over the peer's, pair by pair. "-": the peer does not run this. Loaded: how many cores
# other processes kept busy meanwhile.
#
# PAIRS (5), REPEAT (2 repetitions a run, whose mean counts), THREADS (nproc), DIR (where models fit, default ${TMPDIR:-/tmp}/stoker-bench),
# STOKER (build/stoker), PYTHON (/usr/bin/python3, with numpy).
export STOKER_NO_CONFIG=1 # neither settings nor profiles of whoever runs this
stoker=${STOKER:-build/stoker} python=${PYTHON:-/usr/bin/python3} pairs=${PAIRS:-5} repeat=${REPEAT:-2}
dir=${DIR:-${TMPDIR:-/tmp}/stoker-bench} threads=${THREADS:-$(nproc)}
mkdir -p "$dir" || exit 1
work=$(mktemp -d) || exit 1
model=$dir/model-$$.gguf
trap 'rm -rf "$work" "$model"' EXIT
trap 'exit 1' INT TERM

engines() {
    tier=
    if [ "${1:-}" = --tier ]; then
        tier=${2:?a tier is needed}
        shift 2
    fi
    [ $# -gt 0 ] || { echo "usage: sh $0 [--tier TIER] [NAME=]PEER_BENCH..." >&2 && exit 2; }
    n=$#
    in_order=$(seq 0 $n) reversed=$(seq $n -1 0)
    echo "$stoker bench --no-roofs --memory max ${tier:+--cpu-tier $tier}" >"$work/command.0"
    echo stoker >"$work/name.0"
    for i in $(seq $n); do
        case ${1%% *} in
        *=*) echo "${1%%=*}" >"$work/name.$i" && echo "${1#*=}" >"$work/command.$i" ;;
        *) basename "${1%% *}" >"$work/name.$i" && echo "$1" >"$work/command.$i" ;;
        esac
        shift
    done
}

# make_model SHAPE FLAG...: $model, of random weights
make_model() {
    "$python" -B tools/mkgguf.py --shape "$@" "$model" 2>"$work/err" && return
    cat "$work/err" >&2
    exit 1
}

# run NAME ENGINE PAIR FLAGS: lines "PAIR ENGINE TEST RATE" in $work/rates; what an engine has failed at it does not run again
run() {
    failed=$work/failed.$2.$(echo "$4" | tr -dc '[:alnum:]')
    [ -e "$failed" ] && return
    # shellcheck disable=SC2046,SC2086 # a command with its flags, and flags
    if ! $(cat "$work/command.$2") -m "$model" -t "$threads" $4 -r "$repeat" -o json >"$work/row" 2>"$work/err" </dev/null ||
        ! tr ',{}' '[\n*]' <"$work/row" | awk -v pair="$3" -v engine="$2" -F '[ \t]*:[ \t]*' '
        $1 ~ /"n_prompt"/ { prompt = $2 + 0; depth = 0 }
        $1 ~ /"n_gen"/ { gen = $2 + 0 }
        $1 ~ /"n_depth"/ { depth = $2 + 0 }
        $1 ~ /"avg_ts"/ {
            print pair, engine, (prompt > 0 ? "pp" prompt : "tg" gen) (depth > 0 ? "@" depth : ""), $2 + 0
            printed += $2 > 0
        }
        END { exit !printed }' >>"$work/rates"; then
        echo "$1: $(cat "$work/name.$2") $4: $(tail -n 1 "$work/err")" >&2
        touch "$failed"
    fi
}

# Hundredths of seconds that all processors were busy less those that children of this shell were, into $others.
others_busy() {
    times >"$work/times"
    others=$(tail -n 1 "$work/times" | tr 'ms' '  ' | awk '
        NR == 1 { ours = 60 * $1 + $2 + 60 * $3 + $4 }
        /^cpu / { printf "%.0f", $2 + $3 + $4 + $7 + $8 - 100 * ours }' - /proc/stat)
}

begin_table() {
    head="| $1 | GB |" rule='|---|--:|'
    shift
    columns=$*
    for column in $columns; do
        for i in $in_order; do
            head="$head $(cat "$work/name.$i") $column |" rule="$rule--:|"
            [ "$i" = 0 ] || head="$head x |" rule="$rule--:|"
        done
    done
    echo "$head loaded |"
    echo "$rule--:|"
}

add_row() {
    name=$1
    shift
    rm -f "$work"/failed.*
    : >"$work/rates"
    others_busy
    before=$others begun=$(date +%s)
    for pair in $(seq "$pairs"); do
        order=$in_order
        [ $((pair % 2)) -eq 0 ] && order=$reversed
        for flags; do
            for i in $order; do
                run "$name" "$i" "$pair" "$flags"
            done
        done
    done
    others_busy
    loaded=$(awk -v busy=$((others - before)) -v s=$(($(date +%s) - begun)) 'BEGIN {
        printf "%.1f", (busy > 0 && s > 0 ? busy / 100 / s : 0) }')
    awk -v n="$n" -v name="$name" -v columns="$columns" -v pairs="$pairs" -v bytes="$(wc -c <"$model")" -v loaded="$loaded" '
        # "median (least to greatest)" of list[1 .. count]
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

        { rate[$1, $2, $3] = $4 }

        END {
            printf "| %s | %.2f |", name, bytes / 1e9
            n_column = split(columns, column, " ")
            for (c = 1; c <= n_column; c++)
                for (e = 0; e <= n; e++) {
                    count = 0
                    for (p = 1; p <= pairs; p++)
                        if ((p, e, column[c]) in rate)
                            list[++count] = rate[p, e, column[c]]
                    printf " %s |", summary(count, column[c] ~ /^pp/ ? "%.0f" : "%.1f")
                    count = 0
                    for (p = 1; p <= pairs; p++)
                        if ((p, e, column[c]) in rate && (p, 0, column[c]) in rate)
                            list[++count] = rate[p, 0, column[c]] / rate[p, e, column[c]]
                    if (e > 0)
                        printf " %s |", summary(count, "%.2f")
                }
            printf " %s |\n", loaded
        }' "$work/rates"
}

# end_table WHAT: how the table was made
end_table() {
    echo
    echo "$1, $threads threads, $pairs pairs, $repeat repetitions a run, $("$stoker" version | head -n 1); $(date -u +%F)"
}
