#!/bin/sh
# Speed of steering and of recording, each measure in pairs: rows of docs/PERFORMANCE.md. Models, vectors, rows and autoencoders are made
# outside the checkout and removed.
#
#     plain      without steering: this program beside BEFORE, one built of commit 31300907^; pp512, tg64, and 8 sequences    no difference
#     vectors    two vectors on all layers: pp512, tg64, at most 1 % slower; 8 sequences with 8 lists, at most 2 %
#     project    a projection on all layers: tg64, at most 1.5 % slower
#     shares     what perf sees in the functions of steering, of prompts and of decoding with two vectors, and with a projection (with
#                all products of one row of f32, which others need too): pairs do not resolve so little
#     capture    resid_post of a prompt of 512: one layer, time at most 1.01; all layers, 1.05
#     streamed   the same of 48 layers under 6 GiB, all recorded: time at most 1 / 0.95
#     make       steer make of 200 pairs of 100 tokens: time at most 1.05 of reading them
#     train      2048 x 16384, batches of 4096: what the encoder's products take of an f32 roof, at least 0.50 (needs perf for their share)
#     features   the 32 largest of 16384 features (bf16) while decoding: GB/s of the encoder's bytes, beside the memory's roof, at least 0.85
#     load       an autoencoder of 128 MiB (vectors of this model are small) is loaded beside 4 streams: their longest gap over one without
#     peaks      what activations, sae train, and a server with 16 vectors and 4 requests that record took at most, over what --memory gave
#                them: at most 1 (in cgroups of exactly the plan: tests/promise.sh --recorded and --steered)
#
#     sh bench/steer.sh [MEASURE...]       all but plain where BEFORE is not set, and streamed (20 GB)
#
# Lines: MEASURE, median of the pairs' ratios, its 95 % interval, their range, how many; of bench --against its own table. PAIRS (20; bench
# wants at least 5), LAYERS (12), THREADS (nproc), DIR (where models fit), STOKER (build/stoker), BEFORE (a program), PYTHON (/usr/bin/python3, with numpy).
set -u
cd "$(dirname "$0")/.." || exit 1
PAIRS=${PAIRS:-20}
. bench/beside.sh
. bench/median.sh
layers=${LAYERS:-12} shape=qwen3-30b-a3b n_embd=2048 n_feature=16384
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work" "$model" "$dir"/steer-$$' EXIT
data=$dir/steer-$$
mkdir -p "$data" || exit 1

fails() { echo "$*" >&2 && exit 1; }
told() { # told MEASURE BOUND: of $work/MEASURE, a ratio a line
    awk -v name="$1" -v bound="$2" "$median_awk"'
        { x[NR] = $1 + 0 }
        END {
            middle = median(x, NR)
            k = place(NR)
            printf "%-18s %.4f %s (%.4f to %.4f), %d pairs; bound %s\n", name, middle,
                k ? sprintf("[%.4f, %.4f]", x[k], x[NR + 1 - k]) : "[?]", x[1], x[NR], NR, bound
        }' "$work/$1"
}
starts() { # starts PROGRAM FLAG...: a server, $server at $url
    program=$1
    shift
    "$program" serve "$model" --draft off --threads "$threads" --port 0 "$@" >"$work/url" 2>"$work/log" &
    server=$!
    until grep -q '^listening on ' "$work/url" && curl -sf "$(sed -n 's/^listening on //p' "$work/url")/health" >/dev/null; do
        kill -0 $server 2>/dev/null || fails "$(tail -n 1 "$work/log")"
        sleep 0.2
    done
    url=$(sed -n 's/^listening on //p' "$work/url")
}
ends() { kill "$server" && wait "$server"; server=; }
# requests NAME BOUND MEASURE PAIRS ARGUMENT...: pairs of bench/steer_requests.py
requests() {
    name=$1 bound=$2 measure=$3 n=$4
    shift 4
    "$python" -B bench/steer_requests.py "$measure" "$n" "$url" "$@" >"$work/pairs" || exit 1
    sed 's/^[a-z]* //' "$work/pairs" >"$work/$name"
    told "$name" "$bound"
}
against() { # against FLAG...: pp512 and tg64 by bench's own pairs
    "$stoker" bench "$model" --threads "$threads" --memory max --no-roofs --pairs "$pairs" --effect 1 --unequal "$@" || exit 1
}
random_floats() { # random_floats N SCALE SEED: normal numbers, f32
    "$python" -c 'import random, sys
from array import array
n, scale, seed = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
random.seed(seed)
few = array("f", (random.gauss(0, scale) for _ in range(min(n, 1 << 20))))
for at in range(0, n, len(few)):
    (few if n - at >= len(few) else few[:n - at]).tofile(sys.stdout.buffer)' "$@"
}
vector() { # vector NAME MODE SEED: $data/NAME.gguf, a direction for each layer but the first
    random_floats $((layers * n_embd)) 0.01 "$3" >"$data/$1.f32"
    "$stoker" steer convert "$data/$1.f32" --layers "$layers" --mode "$2" -o "$data/$1.gguf" >/dev/null 2>"$work/err" || fails "$(cat "$work/err")"
}
autoencoder() { # $data/sae: SAELens' form, bf16
    mkdir "$data/sae"
    "$python" - "$data/sae" $n_embd $n_feature $((layers / 2)) <<'P' || exit 1
import json, random, struct, sys
from array import array
folder, d, n, layer = sys.argv[1], *map(int, sys.argv[2:])
random.seed(1)
names, at, header = {"W_enc": [d, n], "W_dec": [n, d], "b_enc": [n], "b_dec": [d]}, 0, {}
for name, shape in names.items():
    size = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
    header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
    at += size
text = json.dumps(header).encode()
text += b" " * (-(8 + len(text)) % 64)
few = array("H", (struct.unpack("<I", struct.pack("<f", random.gauss(0, 0.02)))[0] >> 16 for _ in range((1 << 19) + 37)))
with open(folder + "/sae_weights.safetensors", "wb") as f:
    f.write(struct.pack("<Q", len(text)) + text)
    for left in range(at // 2, 0, -len(few)):
        (few if left >= len(few) else few[:left]).tofile(f)
json.dump({"architecture": "topk", "k": 32, "d_in": d, "d_sae": n, "apply_b_dec_to_input": True, "hook_name": f"blocks.{layer}.hook_resid_post"}, open(folder + "/cfg.json", "w"))
P
}
rows() { # $data/rows.safetensors: N rows of n_embd values, of layer 0
    bytes=$(($1 * n_embd * 4))
    header=$(printf '{"resid_post.0":{"dtype":"F32","shape":[%d,%d],"data_offsets":[0,%d]}}' "$1" $n_embd $bytes)
    {
        "$python" -c 'import struct, sys; t = sys.argv[1].encode(); t += b" " * (-(8 + len(t)) % 64); sys.stdout.buffer.write(struct.pack("<Q", len(t)) + t)' "$header"
        random_floats $(($1 * n_embd)) 1 1
    } >"$data/rows.safetensors"
}
seconds() { # seconds COMMAND...: of a run that must succeed
    begin=$(date +%s.%N)
    "$@" >"$work/out" 2>"$work/err" || fails "$*: $(tail -n 1 "$work/err")"
    awk -v a="$begin" -v b="$(date +%s.%N)" 'BEGIN { print b - a }'
}

measure_plain() {
    [ -n "${BEFORE:-}" ] || { echo "plain: BEFORE names no program" && return; }
    against -p 512 -n 64 --against-binary "$BEFORE"
    starts "$stoker" --parallel 8 --ctx 1024 --memory max
    other=$url here=$server
    starts "$BEFORE" --parallel 8 --ctx 1024 --memory max
    before=$url there=$server url=$other
    requests plain-8 'no difference' beside "$pairs" "$before"
    server=$there && ends
    server=$here && ends
}
measure_vectors() {
    vector a add 1
    vector b add 2
    against -p 512 -n 64 --against "--control-vector $data/a.gguf,$data/b.gguf"
    starts "$stoker" --parallel 8 --ctx 1024 --memory max --control-vector-scaled "$data/a.gguf:0,$data/b.gguf:0"
    requests vectors-8 1.02 eight "$pairs" a,b
    ends
}
measure_project() {
    vector p project 3
    against -p 0 -n 64 --against "--project $data/p.gguf"
}
share() { # share WHAT TESTS FUNCTIONS FLAG...: of a run of these tests, in functions whose names match
    what=$1 tests=$2 functions=$3
    shift 3
    # shellcheck disable=SC2086 # flags
    seconds perf record -q -e cpu-clock -F 4000 -o "$work/perf.data" "$stoker" bench "$model" --threads "$threads" --memory max --no-roofs \
        --no-warmup $tests "$@" >/dev/null || exit 1
    perf report -i "$work/perf.data" --stdio -g none --percent-limit 0 2>/dev/null | awk -v what="share-$what" -v functions="^($functions)\$" '
        $NF ~ functions { share += $1 }
        END { printf "%-18s %.3f %% of the samples; bound 1 (project 1.5)\n", what, share }'
}
measure_shares() {
    command -v perf >/dev/null || { echo "shares: perf is absent" >&2 && return; }
    vector a add 1
    vector b add 2
    vector p project 3
    both="$data/a.gguf,$data/b.gguf"
    share prompts "-p 512 -n 0 -r 6" 'axpy|add_rows' --control-vector "$both"
    share decoding "-p 0 -n 64 -r 12" 'axpy|add_rows' --control-vector "$both"
    share project "-p 0 -n 64 -r 12" 'axpy|dot16|project_rows' --project "$data/p.gguf"
}
measure_capture() {
    starts "$stoker" --parallel 1 --ctx 1024 --memory max --capture-dir "$data"
    requests capture-1 1.01 capture "$pairs" 512 $((layers / 2))
    requests capture-all 1.05 capture "$pairs" 512 "0-$((layers - 1))"
    ends
}
measure_streamed() {
    rm -f "$model"
    make_model $shape --layers 48 --type q4_k_m
    starts "$stoker" --parallel 1 --ctx 1024 --memory 6GiB --capture-dir "$data"
    requests capture-streamed 1.053 capture "$pairs" 512 0-47
    ends
    rm -f "$model"
}
measure_make() {
    awk 'BEGIN { srand(1); for (i = 0; i < 200; i++) { for (k = 0; k < 100; k++) printf "%s%d", k ? " " : "", 10 * rand(); print "" } }' >"$data/positive.txt"
    awk 'BEGIN { srand(2); for (i = 0; i < 200; i++) { for (k = 0; k < 100; k++) printf "%s%d", k ? " " : "", 10 * rand(); print "" } }' >"$data/negative.txt"
    sed 's/.*/"&"/' "$data/positive.txt" "$data/negative.txt" >"$data/prompts.jsonl"
    for pair in $(seq 0 "$pairs"); do
        alone=$(seconds "$stoker" activations "$model" --threads "$threads" --text "$data/prompts.jsonl" --window 512 --tensors final --reduce last -o "$data/last.safetensors") &&
            made=$(seconds "$stoker" steer make "$model" --threads "$threads" --positive "$data/positive.txt" --negative "$data/negative.txt" -o "$data/made.gguf") || exit 1
        rm -f "$data/last.safetensors" "$data/made.gguf"
        [ "$pair" -eq 0 ] || awk -v a="$made" -v b="$alone" 'BEGIN { print a / b }' >>"$work/make"
    done
    told make 1.05
}
# f32_roof: Gflop/s of fused multiply-adds of f32 on $threads cores, registers only
f32_roof() {
    cat >"$work/roof.c" <<'C'
#include <stdio.h>
#include <time.h>
typedef float v __attribute__((vector_size(WIDTH)));
int main(void)
{
    v x[12], a, b;
    struct timespec t0, t1;
    for (int i = 0; i < 12; i++) x[i] = (v){0} + (float)i;
    a = (v){0} + 0.5f, b = (v){0} + 0.25f;
    clock_gettime(CLOCK_MONOTONIC, &t0);
    for (long n = 0; n < 200000000; n++) {
        for (int i = 0; i < 12; i++) x[i] = x[i] * a + b;
        __asm__ volatile("" : "+x"(a), "+x"(b));
    }
    clock_gettime(CLOCK_MONOTONIC, &t1);
    float sum = 0;
    for (int i = 0; i < 12; i++) sum += x[i][0];
    double s = (double)(t1.tv_sec - t0.tv_sec) + 1e-9 * (double)(t1.tv_nsec - t0.tv_nsec);
    printf("%.2f %g\n", 200000000.0 * 12 * 2 * (WIDTH / 4) / s / 1e9, sum);
}
C
    width=32
    ! grep -q avx512f /proc/cpuinfo || width=64
    cc -O3 -march=native -ffast-math -funroll-loops -DWIDTH=$width -o "$work/roof" "$work/roof.c" || exit 1
    for _ in $(seq "$threads"); do "$work/roof" & done | awk '{ s += $1 } END { print s }'
}
measure_train() {
    rows 16384
    roof=$(f32_roof) || exit 1
    train="$stoker sae train $data/rows.safetensors -o $data/trained --features $n_feature --k 32 --batch 4096 --epochs 1 --threads $threads"
    # shellcheck disable=SC2086 # a command with its flags
    if command -v perf >/dev/null; then
        taken=$(seconds perf record -q -o "$work/perf.data" $train) || exit 1
        share=$(perf report -i "$work/perf.data" --stdio -g none --percent-limit 0 2>/dev/null | awk '/tilef/ { s += $1 } END { print s / 100 }')
    else
        echo "perf is absent: the encoder's share is taken for 1, so its rate is too low" >&2
        taken=$(seconds $train) || exit 1
        share=1
    fi
    # Batches of training, and all rows once at the end.
    awk -v t="$taken" -v share="$share" -v roof="$roof" -v f="$((2 * n_embd * n_feature))" -v rows=$((2 * 16384)) 'BEGIN {
        rate = f * rows / (t * share) / 1e9
        printf "%-18s %.3f of %.0f Gflop/s (%.0f Gflop/s in %.2f of %.1f s); bound 0.50\n", "train", rate / roof, roof, rate, share, t }'
    rm -rf "$data/trained"
}
measure_features() {
    autoencoder
    starts "$stoker" --parallel 1 --ctx 1024 --memory max --capture-dir "$data" --sae "$data/sae" --roofs on
    roof=$(curl -sf "$url/stoker/stats" | tr ',{}' '\n\n\n' | sed -n 's/^"memory_roof_mbps": *//p')
    requests features "0.85 of ${roof:-?} MB/s" features "$pairs" sae $((2 * n_embd * n_feature))
    ends
    rm -rf "$data/sae"
}
measure_load() {
    autoencoder
    starts "$stoker" --parallel 4 --ctx 1024 --memory max --steer-dir "$data" --steer-memory 512M
    requests load 'as without' load "$pairs" sae
    ends
    rm -rf "$data/sae"
}
measure_peaks() { # by the kernel's figure of the largest resident size
    "$python" -c 'print("the quick brown fox jumps over the lazy dog " * 4000)' >"$data/corpus.txt"
    for what in activations train; do
        if [ $what = activations ]; then
            set -- "$stoker" activations "$model" --text "$data/corpus.txt" --memory 4GiB --layers 0-$((layers - 1)) -o "$data/out.safetensors"
        else
            rows 4096
            set -- "$stoker" sae train "$data/rows.safetensors" -o "$data/trained" --features 4096 --batch 1024 --epochs 1 --memory 1GiB
        fi
        plan=$([ $what = activations ] && echo 4194304 || echo 1048576)
        "$python" -c 'import resource, subprocess, sys
subprocess.run(sys.argv[2:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print("%-18s %.3f of the memory that it was given; bound 1" % ("peak-" + sys.argv[1], resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / '"$plan"'))' $what "$@" || exit 1
        rm -rf "$data/out.safetensors" "$data/trained"
    done
    mkdir "$data/vectors"
    names=
    for i in $(seq 16); do
        vector "vectors/v$i" add "$i"
        names=$names,v$i
    done
    starts "$stoker" --parallel 4 --ctx 1024 --memory 4GiB --steer-dir "$data/vectors" --capture-dir "$data"
    "$python" -B bench/steer_requests.py fill 1 "$url" "${names#,}" "0-$((layers - 1))" >"$work/pairs" || exit 1
    awk '/^VmHWM:/ { printf "%-18s %.3f of the memory that it was given; bound 1\n", "peak-serve", $2 / 4194304 }' /proc/$server/status
    ends
    rm -rf "$data/vectors"
}

[ $# -gt 0 ] || set -- ${BEFORE:+plain} vectors project shares capture make train features load peaks
for measure in "$@"; do
    case $measure in
    plain | vectors | project | shares | capture | make | features | load | peaks) [ -f "$model" ] || make_model $shape --layers "$layers" --type q4_k_m ;;
    streamed | train) ;;
    *) fails "no measure $measure" ;;
    esac
    "measure_$measure"
done
