#!/bin/sh
# Speed of evaluations, each measure paired in one run: medians of the pairs' ratios and their range, a line a measure; every pair is
# told on stderr as it ends. Times are those of 2N chunks less those of N, so that loading does not count.
#
#     ppl / bench      tokens/s of eval ppl over those of bench -p 512; bound 0.90
#     imatrix / bench  the same of imatrix, bound 0.85 (quantize.md 9); and sums / bench, of imatrix --no-ppl
#     ppl / peer       the same over llama-perplexity's, if PEER names it; bound 3
#     kld / ppl        time of eval kld --base over that of eval ppl; bound 1.15
#     scores / none    time of a prompt of 4,096 tokens with prompt_logprobs 5 over without, through the server; bound 1.25
#
#     sh bench/eval.sh MODEL.gguf TEXT
#
# A model of the 30B shape: tools/mkgguf.py --shape qwen3-30b-a3b --layers 12. With MEMORY=6GiB and a model that is bigger: streamed,
# beside bench -p 4096 (ROWS=4096). PAIRS (5), CHUNKS (4: N), ROWS (512), MEMORY (max), THREADS (nproc), PEER (a path), STOKER
# (build/stoker), MEASURES (scores ppl imatrix sums kld peer: which). Needs curl for the scores.
set -u
export STOKER_NO_CONFIG=1 # neither settings nor profiles of whoever runs this
cd "$(dirname "$0")/.." || exit 1
[ $# -eq 2 ] || { echo "usage: sh bench/eval.sh MODEL.gguf TEXT" >&2 && exit 2; }
model=$1 text=$2
stoker=${STOKER:-build/stoker} pairs=${PAIRS:-5} chunks=${CHUNKS:-4} rows=${ROWS:-512} memory=${MEMORY:-max}
threads=${THREADS:-$(nproc)} peer=${PEER:-} measures=${MEASURES:-scores ppl imatrix sums kld peer}
work=$(mktemp -d) || exit 1
server=''
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

now() { date +%s.%N; }
# seconds COMMAND...: of a run that must succeed
seconds() {
    begin=$(now)
    "$@" >"$work/out" 2>"$work/err" || { echo "$*: $(tail -n 1 "$work/err")" >&2 && exit 1; }
    awk -v a="$begin" -v b="$(now)" 'BEGIN { print b - a }'
}
# chunks_take COMMAND...: seconds of N chunks, the command's --chunks behind it
chunks_take() {
    less=$(seconds "$@" --chunks "$chunks") || exit 1
    more=$(seconds "$@" --chunks $((2 * chunks))) || exit 1
    awk -v a="$less" -v b="$more" 'BEGIN { print b - a }'
}
# ratio A B MEASURE PAIR: a pair's, 0 warms up and does not count
ratio() {
    r=$(awk -v a="$1" -v b="$2" 'BEGIN { print a / b }')
    echo "pair $4: $3 $r" >&2
    [ "$4" -eq 0 ] || echo "$r" >>"$work/$3"
}
told() { # told MEASURE BOUND
    [ -s "$work/$1" ] && sort -g "$work/$1" | awk -v name="$1" -v bound="$2" '{ x[NR] = $1 }
        END { printf "%-8s %.3f (%.3f to %.3f), %d pairs; bound %s\n", name, (x[int((NR + 1) / 2)] + x[int(NR / 2) + 1]) / 2, x[1], x[NR], NR, bound }'
}
ask() { # ask ALTERNATIVES: seconds of a prompt that no cache has
    awk -v seed="$(date +%N)" -v more="$1" 'BEGIN {
        srand(seed)
        printf "{\"max_tokens\":1%s,\"prompt\":[40", more
        for (i = 1; i < 4096; i++)
            printf ",%d", 40 + int(200 * rand())
        print "]}"
    }' >"$work/ask"
    curl -sf -o "$work/answer" -w '%{time_total}' -H 'Content-Type: application/json' --data-binary "@$work/ask" "$url/v1/completions" || exit 1
}

ours="--memory $memory --threads $threads"
wanted() { case " $measures " in *" $1 "*) ;; *) return 1 ;; esac; }

measure_scores() {
    "$stoker" serve "$model" --draft off --memory "$memory" --threads "$threads" --ctx 8192 --parallel 1 --port 0 >"$work/url" 2>"$work/log" &
    server=$!
    until grep -q '^listening on ' "$work/url"; do
        kill -0 $server 2>/dev/null || { tail -n 1 "$work/log" >&2 && exit 1; }
        sleep 1
    done
    url=$(sed -n 's/^listening on //p' "$work/url")
    for pair in $(seq 0 "$pairs"); do
        none=$(ask '') && scores=$(ask ',"prompt_logprobs":5') || exit 1
        ratio "$scores" "$none" scores "$pair"
    done
    kill $server && wait $server
    server=''
    told scores '1.25 of the time without'
}
bench_rate() {
    # shellcheck disable=SC2086
    "$stoker" bench "$model" --no-roofs $ours -p "$rows" -n 0 -r 1 -o jsonl >"$work/row" || exit 1
    tr ',{}' '\n\n\n' <"$work/row" | sed -n 's/^ *"median_ts": *\([0-9.e+]*\)$/\1/p'
}
# over_bench SECONDS MEASURE PAIR: of N chunks
over_bench() { ratio $((chunks * 512)) "$(awk -v t="$1" -v r="$rate" 'BEGIN { print t * r }')" "$2" "$3"; }
# collecting FLAG...: seconds of N chunks of imatrix
collecting() {
    # shellcheck disable=SC2086
    chunks_take "$stoker" imatrix "$model" -f "$text" -o "$work/importance" --force $ours "$@"
}

# shellcheck disable=SC2086 # flags
! wanted kld || "$stoker" eval kld "$model" -f "$text" --save "$work/base" --chunks $((2 * chunks)) $ours >/dev/null || exit 1
! wanted scores || measure_scores
for pair in $(seq "$pairs"); do
    # shellcheck disable=SC2086
    ppl=$(chunks_take "$stoker" eval ppl "$model" -f "$text" $ours) || exit 1
    rate=$(bench_rate) || exit 1
    ! wanted ppl || over_bench "$ppl" ppl "$pair"
    ! wanted imatrix || over_bench "$(collecting)" imatrix "$pair"
    ! wanted sums || over_bench "$(collecting --no-ppl)" sums "$pair"
    # shellcheck disable=SC2086
    ! wanted kld || ratio "$(chunks_take "$stoker" eval kld "$model" --base "$work/base" $ours)" "$ppl" kld "$pair"
    [ -z "$peer" ] || ! wanted peer || ratio "$(chunks_take "$peer" -m "$model" -f "$text" -c 512 -t "$threads")" "$ppl" peer "$pair"
done
told ppl '0.90 of bench'
told imatrix '0.85 of bench'
told sums 'none, without the perplexity'
told peer '3 times llama-perplexity'
told kld '1.15 of the time of ppl'
