#!/bin/sh
# Streaming of architectures: for each shape a model of random weights, cut in layers, is made outside the checkout, measured with a quarter
# of its experts held, or in MEMORY where that is set, and removed. A row of Markdown each: decode of 64 tokens, and its share of what the
# overlap model makes of the run's own misses and of the drive's rate; that rate is measured before the run, and told again after it.
#
#     sh bench/archs_streamed.sh
#
# SHAPES: names of tools/mkgguf.py, each with its layers behind a colon, and behind another one a flag of it (default below). REPEAT (5)
# runs, DIR (where models fit, default ${TMPDIR:-/tmp}/stoker-bench), STOKER (build/stoker), PYTHON (/usr/bin/python3, with numpy).
set -u
cd "$(dirname "$0")/.." || exit 1
export STOKER_NO_CONFIG=1 # neither settings nor profiles of whoever runs this
stoker=${STOKER:-build/stoker} python=${PYTHON:-/usr/bin/python3} repeat=${REPEAT:-5} dir=${DIR:-${TMPDIR:-/tmp}/stoker-bench}
shapes=${SHAPES:-qwen35moe-35b-a3b:10 gpt-oss-20b:12 deepseek2-lite:14 glm4moe-106b-a12b:6 nemotron-2688:18 llama4-17b-16e:6 lfm2moe-8b-a1b:24
    granitehybrid-32b-a9b:12 ernie4_5-moe-21b-a3b:14 step35-196b-a11b:6 cohere2moe-30b-a3b:12 bailingmoe3-8b-a1b:20 glm5next-320b-a17b:4
    minimax-m3-428b-a23b:4 qwen3-30b-a3b:12 qwen4exp-125b-a6b:6:--rows=4000000}
mkdir -p "$dir" || exit 1
model=$dir/streamed-$$.gguf
trap 'rm -f "$model"' EXIT
trap 'exit 1' INT TERM

# values NAME: the numbers of a key of JSON at stdin, one a line, those of a list too
values() { tr -d '\n' | sed -n "s/.*\"$1\": *\[*\([-0-9.e+,]*\).*/\1/p" | tr ',' '\n' && echo; }

# Reads of the size and depth that streaming has, in bytes a second.
drive() { "$stoker" disk "$model" --bytes 1G --json | tr '{' '\n' | sed -n 's/.*"block":2621440,"depth":8,"bytes_per_second":\([0-9.]*\).*/\1/p'; }

echo "| shape, layers | GB | GB/s | hits | tokens/s | of the overlap model |"
echo "|---|--:|--:|--:|--:|--:|"
for shape in $shapes; do
    name=${shape%%:*} rest=${shape#*:}
    layers=${rest%%:*} flag=${rest#"${rest%%:*}"}
    # shellcheck disable=SC2086
    "$python" -B tools/mkgguf.py --shape "$name" --layers "$layers" ${flag#:} "$model" 2>/dev/null || { echo "no $name" >&2 && exit 1; }
    dd of="$model" oflag=nocache conv=notrunc,fdatasync count=0 status=none 2>/dev/null
    if [ -n "${MEMORY:-}" ]; then
        set -- --memory "$MEMORY"
    else
        set -- --slots "$("$stoker" plan "$model" --memory max --json | values slots |
            awk 'NF { printf "%s%d", (NR > 1 ? "," : ""), ($1 + 3) / 4 }')"
    fi
    before=$(drive)
    run=$("$stoker" bench "$model" "$@" -p 0 -n 64 -r "$repeat" --no-roofs --disk-rate "$(awk -v b="$before" 'BEGIN { print b / 1e9 }')" -o jsonl 2>/dev/null)
    after=$(drive)
    { echo "$run" | values samples_ts && echo "$run" | values overlap_model_samples_ts; } | awk -v name="$name, $layers" \
        -v bytes="$(wc -c <"$model")" -v before="$before" -v after="$after" -v hits="$(echo "$run" | values expert_hit_rate | head -n 1)" '
        NF { v[++n_value] = $1 }
        END {
            n = n_value / 2
            for (i = 1; i <= n; i++) {
                rate[i] = v[i]
                share[i] = v[i] / v[n + i]
            }
            for (i = 1; i <= n; i++)
                for (j = i + 1; j <= n; j++) {
                    if (rate[j] < rate[i]) { t = rate[i]; rate[i] = rate[j]; rate[j] = t }
                    if (share[j] < share[i]) { t = share[i]; share[i] = share[j]; share[j] = t }
                }
            m = int((n + 1) / 2)
            printf "| %s | %.2f | %.2f, %.2f | %.0f %% | %.1f (%.1f to %.1f) | %.2f (%.2f to %.2f) |\n", name, bytes / 1e9, before / 1e9, after / 1e9,
                100 * hits, rate[m], rate[1], rate[n], share[m], share[1], share[n]
        }'
done
