#!/bin/sh
# Streaming speed on a model bigger than its budget: makes a random-weight Qwen3-30B-A3B Q4_K_M (18.6 GB) outside the
# checkout, measures the drive in the same run, and prints each figure beside what the overlap model makes of its own misses.
#
#     sh bench/streamed.sh [DIR]         DIR: where 20 GB fit (default ${TMPDIR:-/tmp}/stoker-bench; the model is kept if it was there)
#
# MEMORY (6GiB), REPEAT (1), STOKER (build/stoker), STOKER_SHARED (../shared: mkgguf.py needs Python 3 and numpy). Where a cgroup
# can be made (root, v1 or v2) the runs are alone in one whose limit is the budget. The page cache of the model is dropped first.
set -u
cd "$(dirname "$0")/.." || exit 1
stoker=${STOKER:-build/stoker} shared=${STOKER_SHARED:-../shared} memory=${MEMORY:-6GiB} repeat=${REPEAT:-1}
dir=${1:-${TMPDIR:-/tmp}/stoker-bench}
model=$dir/qwen3-30b-a3b-q4_k_m.gguf group=''
mkdir -p "$dir" || exit 1
made=''
end() {
    [ -n "$group" ] && rmdir "$group" 2>/dev/null
    [ -n "$made" ] && rm -f "$model"
}
trap end EXIT
trap 'exit 1' INT TERM

if [ ! -r "$model" ]; then
    made=1
    /usr/bin/python3 "$shared/tools/mkgguf.py" --shape qwen3-30b-a3b "$model" || exit 1
fi
dd of="$model" oflag=nocache conv=notrunc,fdatasync count=0 status=none 2>/dev/null

bytes=$("$stoker" plan "$model" --memory "$memory" --json | tr ',{}' '\n\n\n' | sed -n 's/^ *"memory": *\([0-9]*\)$/\1/p' | head -n 1)
for root in /sys/fs/cgroup/memory /sys/fs/cgroup; do
    mkdir "$root/stoker-bench-$$" 2>/dev/null || continue
    group=$root/stoker-bench-$$
    echo "$bytes" >"$group/memory.limit_in_bytes" 2>/dev/null && break
    echo "$bytes" >"$group/memory.max" 2>/dev/null && echo 0 >"$group/memory.swap.max" 2>/dev/null && break
    rmdir "$group"
    group=''
done
alone() { sh -c '[ -n "$1" ] && echo $$ >"$1/cgroup.procs"; shift; exec "$@"' sh "$group" "$@"; }

echo "budget $memory, cgroup ${group:-none can be made}"
rate=$("$stoker" disk "$model" --bytes 1G --json | tr '{' '\n' | sed -n 's/.*"block":2621440,"depth":8,"bytes_per_second":\([0-9.]*\).*/\1/p')
rate=$(awk -v r="$rate" 'BEGIN { printf "%.3f", r / 1e9 }')
echo "drive: $rate GB/s in reads of 2.5 MiB, 8 at a time"

echo "decode, temperature 1, 96 tokens:"
alone "$stoker" run "$model" --memory "$memory" -p 'Tell me about the sea.' -n 96 --temp 1 --top-k 0 --top-p 1 --min-p 0 --seed 1 \
    --ignore-eos --stats 2>&1 >/dev/null | sed 's/^/    /'
echo "decode, greedy, 96 tokens:"
alone "$stoker" run "$model" --memory "$memory" -p 'Tell me about the sea.' -n 96 --temp 0 --ignore-eos --stats 2>&1 >/dev/null | sed 's/^/    /'
for test in '-p 0 -n 96' '-p 512 -n 0' '-p 4096 -n 0'; do
    alone "$stoker" bench "$model" --memory "$memory" $test -r "$repeat" --no-warmup --disk-rate "$rate" | sed 1,3d
done
for more in 12GiB 16GiB; do
    "$stoker" bench "$model" --memory $more -p 0 -n 96 -r "$repeat" --disk-rate "$rate" | sed -n '1p;4,$p'
done
