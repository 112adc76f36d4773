#!/bin/sh
# Speed of architectures beside other engines: for each shape a model of random weights, cut in layers to fit memory, is made outside the
# checkout, measured, and removed. Prints a table in Markdown; what its cells mean, and the other settings, stand in bench/beside.sh.
#
#     sh bench/archs.sh [--tier TIER] [NAME=]PEER_BENCH...
#
# SHAPES: names of tools/mkgguf.py, each with its layers behind a colon, and behind another one a flag of it (default below). A llama-bench
# without -d has "-" at depth.
set -u
cd "$(dirname "$0")/.." || exit 1
. bench/beside.sh
shapes=${SHAPES:-qwen35moe-35b-a3b:12 gpt-oss-20b:12 deepseek2-lite:12 glm4moe-106b-a12b:6 nemotron-2688:12 qwen35-27b:16 llama4-17b-16e:8
    lfm2moe-8b-a1b:24 granitehybrid-32b-a9b:10 ernie4_5-moe-21b-a3b:12 step35-196b-a11b:6 mistral3-14b:12 smollm3-3b:18 cohere2moe-30b-a3b:12
    bailingmoe3-8b-a1b:12 glm5next-320b-a17b:4 minimax-m3-428b-a23b:5 qwen4exp-125b-a6b:6:--rows=4000000}
engines "$@"
begin_table "shape, layers" pp512 tg128 tg128@8192
for shape in $shapes; do
    name=${shape%%:*} rest=${shape#*:}
    layers=${rest%%:*} flag=${rest#"${rest%%:*}"}
    # shellcheck disable=SC2086
    make_model "$name" --layers "$layers" ${flag#:}
    add_row "$name, $layers" "-p 512 -n 128" "-p 0 -n 128 -d 8192"
done
end_table "random weights"
