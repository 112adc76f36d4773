#!/bin/sh
# Streaming speed on a model bigger than its budget: makes a random-weight Qwen3-30B-A3B Q4_K_M (18.6 GB) outside the checkout,
# measures the drive in the same run, and prints each figure beside its bound. A line a measure:
#
#     decode     tokens/s; share of what the overlap model makes of the run's own misses (streaming.md M of the specification)
#     reading    MB/s while at least one read is in flight; share of the drive's rate
#     prompts    tokens/s; share of rows / max(bytes read / drive, compute)
#     routes     decode under recorded routes, 12.5, 25 and 50 % of the experts held; hits; the simulator's verdict on every eviction
#     start      seconds of a whole process up to its first token; share of (dense bytes + bytes of experts read) / drive
#     budgets    decode at 12 and 16 GiB
#     sweep      decode at 20 budgets from the smallest that works to everything resident: more memory is never slower beyond noise
#
#     sh bench/streamed.sh [DIR]         DIR: where 20 GB fit (default ${TMPDIR:-/tmp}/stoker-bench; the model is kept if it was there)
#
# MEMORY (6GiB), REPEAT (3), BUDGETS (12GiB 16GiB), SWEEP (20; 0: none), STOKER (build/stoker). Needs Python 3 and
# numpy; the traces are test data (make build/data/unpacked). Where a cgroup can be made (root, v1 or v2) the runs are alone in one whose limit is the budget.
# The page cache of the model is dropped first.
set -u
export STOKER_NO_CONFIG=1 # neither settings nor profiles of whoever runs this
cd "$(dirname "$0")/.." || exit 1
stoker=${STOKER:-build/stoker} memory=${MEMORY:-6GiB} repeat=${REPEAT:-3}
budgets=${BUDGETS:-12GiB 16GiB} sweep=${SWEEP:-20} python=${PYTHON:-/usr/bin/python3}
dir=${1:-${TMPDIR:-/tmp}/stoker-bench}
model=$dir/qwen3-30b-a3b-q4_k_m.gguf group='' made=''
mkdir -p "$dir" || exit 1
work=$(mktemp -d) || exit 1
end() {
    [ -n "$group" ] && rmdir "$group" 2>/dev/null
    [ -n "$made" ] && rm -f "$model"
    rm -rf "$work"
}
trap end EXIT
trap 'exit 1' INT TERM

if [ ! -r "$model" ]; then
    made=1
    "$python" -B tools/mkgguf.py --shape qwen3-30b-a3b "$model" || exit 1
fi
dd of="$model" oflag=nocache conv=notrunc,fdatasync count=0 status=none 2>/dev/null

field() { tr ',{}' '\n\n\n' | sed -n "s/^ *\"$1\": *\([-0-9.e+]*\)\$/\1/p" | head -n 1; } # field NAME: of JSON at stdin
plan=$("$stoker" plan "$model" --memory "$memory" --json)
bytes=$(echo "$plan" | field memory)
for root in /sys/fs/cgroup/memory /sys/fs/cgroup; do
    mkdir "$root/stoker-bench-$$" 2>/dev/null || continue
    group=$root/stoker-bench-$$
    echo "$bytes" >"$group/memory.limit_in_bytes" 2>/dev/null && break
    echo "$bytes" >"$group/memory.max" 2>/dev/null && echo 0 >"$group/memory.swap.max" 2>/dev/null && break
    rmdir "$group"
    group=''
done
alone() { sh -c '[ -n "$1" ] && echo $$ >"$1/cgroup.procs"; shift; exec "$@"' sh "$group" "$@"; }

now() { date +%s.%N; }
took() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", b - a }'; }

echo "budget $memory, cgroup ${group:-none can be made}, $repeat repetitions"
rate=$("$stoker" disk "$model" --bytes 1G --json | tr '{' '\n' | sed -n 's/.*"block":2621440,"depth":8,"bytes_per_second":\([0-9.]*\).*/\1/p')
rate=$(awk -v r="$rate" 'BEGIN { printf "%.3f", r / 1e9 }')
(
    "$stoker" disk "$model" --bytes 4G >/dev/null
    times >"$work/times"
)
echo "drive: $rate GB/s in reads of 2.5 MiB, 8 at a time; CPU (user, system) of 120 GiB read: $(tail -n 1 "$work/times")"

# row LABEL ARGUMENT...: a bench line as JSON in $work/row, and its figures
row() {
    label=$1
    shift
    "$@" -r "$repeat" -o jsonl >"$work/row" 2>"$work/err" || { cat "$work/err" >&2 && return 1; }
    get() { field "$1" <"$work/row"; }
    awk -v label="$label" -v D="$rate" -v n="$repeat" -v p="$(get n_prompt)" -v speed="$(get median_ts)" -v sd="$(get stddev_ts)" \
        -v hits="$(get expert_hit_rate)" -v bytes="$(get bytes_read)" -v mbps="$(get read_MBps)" -v wait="$(get wait_ms)" \
        -v compute="$(get compute_ms)" -v model="$(get overlap_model_ts)" 'BEGIN {
            printf "%-34s %8.2f ± %.2f tok/s", label, speed, sd
            if (p > 0) {
                io = bytes / n / (D * 1e9); c = compute / n / 1e3; bound = io > c ? io : c
                printf ", %.2f of the bound (%.2f s of reading, %.2f s of compute)", speed * bound / p, io, c
            } else if (model > 0)
                printf ", %.2f of the model (%.2f)", speed / model, model
            if (bytes > 0)
                printf "; %.1f %% hits, read at %.0f MB/s: %.2f of the drive", 100 * hits, mbps, mbps / (D * 1e3)
            print ""
        }'
}
bench() { label=$1 && shift && row "$label" alone "$stoker" bench "$model" --no-roofs --memory "$memory" --disk-rate "$rate" "$@"; }

tr '\n' ' ' <README.md | head -c 3000 >"$work/text"
bench "decode, 96 tokens of a text's ids" -p 0 -n 96 --text "$work/text"
bench "decode, 96 random ids" -p 0 -n 96
bench "prompt of 512" -p 512 -n 0
bench "prompt of 4096" -p 4096 -n 0

for temperature in 1 0; do
    echo "run, 96 tokens, temperature $temperature:"
    alone "$stoker" run "$model" --draft off --memory "$memory" -p 'Tell me about the sea.' -n 96 --temp $temperature --top-k 0 --top-p 1 --min-p 0 \
        --seed 1 --ignore-eos --stats 2>&1 >/dev/null | grep -E '^(prompt|experts) ' | sed 's/^/    /'
done

trace=${BUILD:-build}/data/traces/syn-q3moe-128k8.strt
for slots in 384 768 1536; do
    [ -r "$trace" ] || continue
    row "routes, $slots of 3072 held, a class" "$stoker" bench "$model" --no-roofs --disk-rate "$rate" -p 0 -n 160 --slots $slots,$slots \
        --routes "$trace"
    "$stoker" bench "$model" --no-roofs -p 0 -n 48 -r 1 --no-warmup --chunk 1 --slots $slots,$slots --routes "$trace" \
        --route-trace "$work/routes" --cache-log "$work/events" >/dev/null &&
        echo "    the simulator: $("$python" -B tools/cachesim.py check "$work/routes" --slots $slots,$slots --events "$work/events")"
done

# 14 tokens of a text, the page cache empty: a process from its start to its first token
words='Tell me about the sea'
begin=$(now)
alone "$stoker" run "$model" --draft off --memory "$memory" -p "$words" -n 1 --temp 0 --json --stats=full >"$work/first" 2>"$work/err"
seconds=$(took "$begin" "$(now)")
dense=$(echo "$plan" | field weights)
experts=$(awk '$1 == "bytes_read" { print $2 }' "$work/err")
awk -v s="$seconds" -v dense="$dense" -v experts="${experts:-0}" -v D="$rate" -v n="$(field prompt_tokens <"$work/first")" 'BEGIN {
    bound = (dense + experts) / (D * 1e9)
    printf "first token of %d, whole process        %.2f s; %.2f GB take the drive %.2f s: %+.0f %%\n", n, s, (dense + experts) / 1e9, bound,
        100 * (s / bound - 1)
}'

for more in $budgets; do
    row "decode at $more, 64 random ids" "$stoker" bench "$model" --no-roofs --memory "$more" --disk-rate "$rate" -p 0 -n 64
done

[ "$sweep" -gt 1 ] || exit 0
least=$("$stoker" plan "$model" --ctx 512 --json | field minimum) all=$("$stoker" plan "$model" --ctx 512 --json | field whole)
for i in $(seq 0 $((sweep - 1))); do
    more=$(awk -v a="$least" -v b="$all" -v i="$i" -v n="$sweep" 'BEGIN { printf "%.0f", a + (b - a) * i / (n - 1) }')
    row "sweep, $((more >> 20)) MiB" "$stoker" bench "$model" --no-roofs --ctx 512 --memory "$more" --disk-rate "$rate" -p 0 -n 48
    get median_ts >>"$work/sweep"
done
awk '{ best = $1 > best ? $1 : best; loss = 1 - $1 / best; worst = loss > worst ? loss : worst }
    END { printf "sweep of %d budgets: the most that more memory lost against less is %.0f %%\n", NR, 100 * worst }' "$work/sweep"
