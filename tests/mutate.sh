#!/bin/sh
# Does every law have a test that can fail? Breaks one law at a time in a copy of the checkout and runs its test, which must
# fail.
#
#     sh tests/mutate.sh [NAME...]        all, or those mutations alone
#     sh tests/mutate.sh --dry            builds and runs nothing: prints the mutations that do not apply any more, for tests/tidy.sh
#
# A line a mutation; the last line is "N red, N green"; status 1 if one stays green, does not apply, or does not compile. Only
# what a mutation changes is built again. Not part of make check: some minutes.
set -u
export STOKER_NO_CONFIG=1 # neither settings nor profiles of whoever runs this
cd "$(dirname "$0")/.." || exit 1
dry=
if [ "${1-}" = --dry ]; then
    dry=1
    shift
fi
chosen=" $* "
jobs=${JOBS:-$(nproc)}

copy=$(mktemp -d) || exit 1
log=$copy.log
trap 'rm -rf "$copy" "$log"' EXIT
trap 'exit 1' INT TERM
checkout() {
    if [ -e .git ]; then
        git ls-files -z --cached --others --exclude-standard
    else
        find . -path './build*' -prune -o -type f -print0
    fi
}
if [ "$dry" ]; then
    cp -R src "$copy"
else
    checkout | tar --null --ignore-failed-read -cf - -T - 2>/dev/null | tar -xf - -C "$copy"
fi
cd "$copy" || exit 1

red=0 green=0 skipped=0
small=build/data/golden/qwen3moe.gguf ember=models/ember/ember.gguf

# Where programs are built, with what settings of make, and what they are run by: another architecture has its own.
folder=build settings= emulator=
# Tests of the whole program: scripts, cli/NAME, and drivers that start it, serve_NAME and those named below.
build() {
    case $1 in
    cli/*) programs="$folder/stoker $folder/tests/read_rows $folder/tests/same_directions $folder/tests/steered_rows $folder/tests/without_ring \
        $folder/tests/fuse_file $folder/tests/library_tool" ;;
    serve_* | mcp_http | library_soak | socket_audit | plan_models | large_plan) programs="$folder/stoker $folder/tests/$1" ;;
    *) programs=$folder/tests/$1 ;;
    esac
    make -j"$jobs" --no-print-directory $settings $programs >"$log" 2>&1
}
run() {
    case $1 in
    cli/*) STOKER=$folder/stoker BUILD=$folder timeout 300 sh "tests/$1.sh" >"$log" 2>&1 ;;
    *) timeout 300 sh -c "$emulator $folder/tests/$1" >"$log" 2>&1 ;;
    esac
}

complain() { # complain NAME WORDS: counts as green
    printf 'GREEN  %-22s %s\n' "$1" "$2"
    [ ! -s "$log" ] || tail -n 5 "$log" | sed 's/^/     | /'
    green=$((green + 1))
}

# mutate NAME 'TEST ARGUMENTS' FILE SED [FILE SED]...: edits the files, expects the test to fail, puts the files back
mutate() {
    name=$1 test=$2
    shift 2
    case $chosen in
    "  " | *" $name "*) ;;
    *) return ;;
    esac
    : >"$log"
    program=${test%% *}
    if [ ! "$dry" ] && { ! build "$program" || ! run "$test"; }; then
        complain "$name" "$test fails without any mutation"
        return
    fi
    files= applied=1
    while [ $# -gt 0 ]; do
        [ -e "$1.sound" ] || cp -p "$1" "$1.sound"
        cp "$1" "$1.before"
        sed -i "$2" "$1"
        cmp -s "$1" "$1.before" && applied=0
        files="$files $1"
        shift 2
    done
    : >"$log"
    if [ $applied -eq 0 ]; then
        complain "$name" "does not apply any more:$files"
    elif [ "$dry" ]; then
        red=$((red + 1))
    elif ! build "$program"; then
        complain "$name" "does not compile:$files"
    elif run "$test"; then
        complain "$name" "survives $test"
    else
        printf 'red    %-22s %s\n' "$name" "$test"
        red=$((red + 1))
    fi
    for f in $files; do
        [ ! -e "$f.sound" ] || mv "$f.sound" "$f"
        touch "$f"
        rm -f "$f.before"
    done
}

skip() { # of what this machine lacks; edits alone need nothing
    printf 'skip   %-22s %s\n' "$1" "$2"
    skipped=$((skipped + 1))
}

# ---- the laws ------------------------------------------------------------------------------------------------------------------

# each thread sums its own part of a row's squares
mutate split-inside-a-sum "laws -l threads $small" src/op/rows.c '
s|^static void norm_rows(void \*arg|\
#include <math.h>\
static void by_parts(float *y, const float *x, const float *w, int n, float eps, int parts)\
{\
    float all = 0;\
    for (int t = 0; t < parts; t++) {\
        float sum = 0;\
        for (int i = n * t / parts; i < n * (t + 1) / parts; i++)\
            sum += x[i] * x[i];\
        all += sum;\
    }\
    for (int i = 0; i < n; i++)\
        y[i] = x[i] * (1.0f / sqrtf(all / (float)n + eps)) * (w ? w[i] : 1.0f);\
}\
&|
s|a->op->k->rms_norm(\(.*\), a->eps);|by_parts(\1, a->eps, pool_threads(a->op->pool));|'

# a step of many rows rounds differently
mutate chunk-dependence "laws -l chunks $small" src/op/rows.c \
    's|\(&(struct rows){op, out, x, w, n, \)eps|\1n_rows > 8 ? eps * 100 : eps|'

# likewise in an architecture that has a part of each law
mutate chunk-dependence-of-grok "laws build/data/golden/grok.gguf" src/model/arch/grok.c 's|sqrtf(0.5f), s->n_rows|sqrtf(s->n_rows > 8 ? 0.5f : 0.6f), s->n_rows|'

# a product and a sum where the law has one fused operation
if [ "$dry" ] || grep -q avx2 /proc/cpuinfo; then
    mutate tier-bits "laws -l tiers $small" src/kernel/avx2/vec.c \
        's|_mm256_fmadd_ps(v, v, l\[h\])|_mm256_add_ps(_mm256_mul_ps(v, v), l[h])|'
    mutate tier-bits-kernels "kernels" src/kernel/avx2/vec.c \
        's|_mm256_fmadd_ps(v, v, l\[h\])|_mm256_add_ps(_mm256_mul_ps(v, v), l[h])|'
else
    skip tier-bits "this machine has one tier"
fi

# experts are added in the order in which their reads complete
mutate sum-by-arrival "laws -l warm $small" src/model/block/moe.c '
s|^static void wave_of_small_batch(|static struct moe_expert arrived[4096];\
static int n_arrived;\
&|
s|ready\[n++\] = p->expert\[index\];|ready[n++] = arrived[n_arrived++] = p->expert[index];|
s|op_moe_sum(op, &f, p.expert, p.uses.n, sum, s->n_rows);|op_moe_sum(op, \&f, arrived, n_arrived, sum, s->n_rows), n_arrived = 0;|'

# experts whose reads complete first are less likely to be evicted
mutate victim-by-completion "unit/store/expert_store" src/store/expert_slots.c \
    's|^\( *\)s->state = SLOT_READY;|\1static uint32_t completed;\
\1st->cache.fast[st->cache.layer[s->layer].first + s->id] += 9973 * ++completed % 65536;\
&|'

# bits that depend on residency: experts that had to be read get other weights
mutate bits-by-residency "laws -l budgets $small" src/store/expert_store.c \
    's|^\( *\)range += .*bytes(.*|\1if (st->evictions > 20 \&\& out->id % 2)\
\1    ((uint8_t *)(uintptr_t)out->part[p])[2] ^= 1;\
&|'

# rows of tables: the newest leaves first; a row is handed out before it was read; another row's cell; a buffer that the device still has;
# what has arrived counts as cached
mutate rows-newest-leaves "unit/store/row_store" src/store/row_cache.c 's|row_cache_drop(c, c->unpinned.oldest)|row_cache_drop(c, c->unpinned.newest)|'
mutate rows-before-read "tables" src/store/row_store.c 's#^\( *\)while (x->state == ROW_QUEUED || x->state == ROW_READING)#\1while (x->state == ROW_QUEUED)#'
mutate rows-bits-by-cache "tables" src/store/row_store.c 's|rs->order\[k\].at, row_cache_at(&rs->cache, at))|rs->order[k].at, row_cache_at(\&rs->cache, at / 2 * 2))|'
mutate rows-of-lost-buffer "unit/store/row_store" src/store/row_store.c 's|q->draining ? READ_LOST : READ_FREE|READ_FREE|'
mutate rows-by-arrival "unit/store/row_store" src/store/row_store.c 's/cached += !x->fresh;/cached += !x->fresh || x->state == ROW_READY;/'

mutate malloc-in-a-step "laws -l malloc $small" src/model/arch/forward.c '
s|^void model_forward(|#include <stdlib.h>\
static void *volatile kept;\
&|
s|^    arena_reset(m->op.scratch, 0);|    kept = malloc(8);\
    free(kept);\
&|'

# scores of prompts: of the row's own token; told twice after a preemption; the row that predicts the first of them comes from the cache
mutate score-of-the-row "prompt_logprobs -t answers $small" src/engine/score.c 's|j->history\[at\], &s|j->history[pos], \&s|'
mutate score-told-twice "prompt_logprobs -t preempted $small" src/engine/admission.c \
    's|^    release_sequence(s, j, known);|&\
    j->score.next = j->score.out ? 1 : j->score.next;|'
mutate score-resumed-too-far "prompt_logprobs -t cache $small" src/engine/score.c 's|j->score.next - 1 : most;|j->score.next : most;|'

# keys and values of q8_0: a scale of another group; shared splits in another order, the round before forgotten; a piece of a page that is not copied; files of another type; scratch of another type
mutate kv-scale-of-another "unit/op/attention" src/op/kv_store.c 's|x.scale + g, 1)|x.scale + (g ^ 1), 1)|'
mutate splits-out-of-order "unit/op/attention" src/op/attention.c 's|kept_split(b, k, i / ATTN_QUERIES)|kept_split(b, k ^ (k + 1 < b->n \&\& k < 2), i / ATTN_QUERIES)|'
mutate splits-forget-a-round "unit/op/attention" src/op/attention.c 's|if (b->first == 0)|if (b->first >= 0)|'
mutate kv-scale-not-saved "state build/data/golden/qwen3moe.gguf" src/op/kv.h 's|(size_t)n \* sizeof(uint16_t)|0|'
mutate kv-type-not-in-key "prefix -t others build/data/golden/qwen3moe.gguf" src/engine/session.c 's|(uint64_t)s->kv, (uint64_t)opt|0, (uint64_t)opt|'
mutate kv-measured-as-f16 "golden --kv q8_0 build/data/golden" src/model/arch/forward.c 's|kv_shape_as(kv->shape, type)|kv_shape_as(kv->shape, type == KV_Q8_0 ? KV_F16 : type)|'

# the plan omits a part; and a session takes more than the plan counts
mutate plan-forgets-kv "plan" src/engine/plan_price.c 's|p->kv_bytes += page \* |&1 / 2 * |'
mutate more-than-the-plan "plan" src/engine/session.c 's|arena_map(&s->memory, all, err)|arena_map(\&s->memory, all + (64 << 20), err)|'
mutate callers-memory-of-a-server "plan" src/engine/plan_price.c 's|if (!w->n_queue)|if (!w->server \&\& !w->n_queue)|'
mutate chunks-always-small plan_speed src/engine/plan_choose.c 's|t.n_chunk\[1\] = CHUNK_MAX;|t.n_chunk[1] = CHUNK_MIN;|'
mutate slots-that-fall "plan" src/engine/plan_choose.c 's|^    distribute_slots(pl, c, r, low, all);|    low -= low > 3 \&\& low % 5 == 0 ? 3 : 0;\
&|'

# a bit that all tiers here take from one place, so that they agree: what they gave before tells
mutate bit-of-all-tiers kernels src/kernel/scalar/recur.c 's|0x1.99a4b6p-3f|0x1.99a4b8p-3f|'
mutate bit-of-merges kernels src/kernel/scalar/attn.c 's|\*L = fmaf(\*L, co, l \* cn);|*L = fmaf(l, cn, *L * co);|'
mutate bit-of-exp kernels src/kernel/expf.h 's|0x1.fffffcp-2f|0x1.fffffep-2f|'
mutate quotas-of-the-mount-alone unit/base/cpu src/base/cpu.c 's|strncmp(group, "0::", 3) != 0|1|'
mutate bit-of-cache kernels src/kernel/scalar/cache.c 's|sum = fmaf(w, x\[t\]\[j\], sum)|sum += w * x[t][j]|'
mutate bit-of-views kernels src/kernel/xq.c 's|v.sum32 += r \* 8|v.sum32 += r * 4|'

# one in the definition, which all other tiers contradict
mutate bit-quad-q4 kernels src/kernel/avx512/dot.c 's|step_q4_k(acc, 4, p|step_q4_k(acc, 3, p|'
mutate bit-quad-q6 kernels src/kernel/avx512/dot.c 's|step_q6_k(acc, 3, p|step_q6_k(acc, 2, p|'
mutate bit-tree kernels src/kernel/tiers.h 's|(t\[0\] + t\[2\]) + (t\[1\] + t\[3\])|(t[0] + t[1]) + (t[2] + t[3])|'
mutate bit-attention kernels src/kernel/attn_definition.h 's|(s->at ? s->at\[p\] : p) % 16|p % 16|'
mutate bit-codes kernels src/kernel/scalar/codes.c 's|sum += row\[i\] \* x\[i\]|sum = (int16_t)(sum + row[i] * x[i])|'
mutate bit-products kernels src/kernel/scalar/dot.c 's|s->min\[g\] \* s16\[g\]|s->min[g] * s16[g ^ 1]|'
mutate bit-floats kernels src/kernel/scalar/float.c 's|l\[i % 16\] = fmaf(weight(w, i), x\[i\], l\[i % 16\])|l[i % 8] = fmaf(weight(w, i), x[i], l[i % 8])|'
mutate bit-fifth kernels src/kernel/scalar/unpack.c 's|(nibble(p + 6, i) . (int)(fifth >> i \& 1)|(nibble(p + 6, i) \| (int)(fifth >> (i ^ 16) \& 1)|'
mutate bit-trits kernels src/kernel/scalar/unpack_iq.c 's|rest >> 15|rest >> 14 \& 1|'
mutate bit-ue4m3 kernels src/kernel/unpack.h 's|(float)m \* 0x1p-10f|(float)m * 0x1p-9f|'

# one wrong bit in a kernel: of a mask, a shift, a table's place, a zero point. Of a file that only takes in
# others for its tier (avx2/tile.c and its like) those are in what it takes in
if [ "$dry" ] || grep -q avx2 /proc/cpuinfo; then
    mutate bit-q4_k-avx2 kernels src/kernel/avx2/dot_k.h 's|_mm_and_si128(_mm_srli_epi16(c, 4), four)|_mm_and_si128(_mm_srli_epi16(c, 3), four)|'
    mutate bit-nvfp4-scale-avx2 kernels src/kernel/avx2/dot.h 's|nan = _mm_set1_epi16(0x7f)|nan = _mm_set1_epi16(0x6f)|'
    mutate bit-small-sum-avx2 kernels src/kernel/avx2/dot.h 's|_mm_set1_epi32(zero_point \* sum)|_mm_set1_epi32((zero_point ^ 1) * sum)|'
    mutate bit-q1_0-avx2 kernels src/kernel/avx2/small.h 's|bits_as(p + 4 \* part, 2)|bits_as(p + 4 * part, 3)|'
    mutate bit-nvfp4-avx2 kernels src/kernel/avx2/small.h 's|nibbles(p + 16 \* part), 0xd8|nibbles(p + 16 * part), 0xd9|'
    mutate bit-fifth-avx2 kernels src/kernel/avx2/small.h 's|bits_as(p - 4, 16)|bits_as(p - 4, 17)|'
    mutate bit-attention-codes-avx2 kernels src/kernel/avx2/attn.c 's|broadcast32(code\[i\] + 4 \* c)|broadcast32(code[i] + 4 * (c ^ 1))|'
    mutate bit-attention-scale-avx2 kernels src/kernel/avx2/attn.c 's|w->v_groups + c / 4)|w->v_groups + c / 8)|'
    mutate bit-tile-avx2 kernels src/kernel/avx2/panel.h 's|put_f32(&P->d\[2 \* g + 1\]|put_f32(\&P->d[2 * g]|'
    mutate bit-words-avx2 kernels src/kernel/avx2/tile.h 's|_mm256_cvtepi8_epi16(load128(q + i))|_mm256_cvtepu8_epi16(load128(q + i))|'
    mutate bit-scale-avx2 kernels src/kernel/avx2/dot_k.h 's|(short)(0x0404 \* (j % 4))|(short)(0x0404 * (j % 4 \& 2))|'
    mutate bit-q3_k kernels src/kernel/avx2/step.h 's|_mm_setr_epi32(0, 2, 4, 6)|_mm_setr_epi32(0, 2, 4, 7)|'
    mutate bit-tq1_0 kernels src/kernel/avx2/step.h 's|_mm256_set1_epi8((char)171)|_mm256_set1_epi8((char)170)|'
    mutate bit-iq2_s kernels src/kernel/avx2/codebook.h 's|high >> 3 \* bits|high >> 2 * bits|'
    mutate bit-iq1_m kernels src/kernel/avx2/codebook.h 's|0x0800080008000800,|0x1000100010001000,|'
    mutate bit-signs kernels src/kernel/avx2/codebook.h 's|_mm256_set1_epi32(0x7f000000)|_mm256_set1_epi32(0x3f000000)|'
    mutate bit-unpack-avx2 kernels src/kernel/avx2/unpack.c 's|load_f16(p + k.dmin)|load_f16(p + (k.dmin ^ 2))|'
    mutate bit-codes-avx2 kernels src/kernel/avx2/codes.c 's|load256(x + i + 32 \* h)|load256(x + i + 32 * (h ^ 1))|'
    mutate bit-float-avx2 kernels src/kernel/avx2/float.c 's|_mm256_cvtepu16_epi32(load128(row + 2 \* i)), 16)|_mm256_cvtepu16_epi32(load128(row + 2 * i)), 15)|'
    mutate bit-recur-avx2 kernels src/kernel/avx2/recur.c 's|_mm256_add_ps(_mm256_add_ps(p\[0\], p\[1\]), _mm256_add_ps(p\[2\], p\[3\]))|_mm256_add_ps(_mm256_add_ps(p[0], p[2]), _mm256_add_ps(p[1], p[3]))|'
    mutate bit-quantise-avx2 kernels src/kernel/avx2/quantise.c 's|0, 4, 1, 5, 2, 6, 3, 7|0, 4, 1, 5, 2, 6, 7, 3|'
    mutate bit-layer_norm-avx2 kernels src/kernel/avx2/vec.c 's|present(l\[h\], _mm256_fmadd_ps(c, c, l\[h\]), i + 8 \* h, n)|_mm256_fmadd_ps(c, c, l[h])|'
    mutate nan-in-attention-avx2 kernels src/kernel/avx2/attn.c 's|_mm256_max_ps(_mm256_loadu_ps(e + p), top)|_mm256_max_ps(top, _mm256_loadu_ps(e + p))|'
    # what AVX2 and others take from one place; one reads the last eight values where fewer are there, and its bits are the same
    mutate bit-rest-of-floats kernels src/kernel/float_rows.h 's|l\[h\] = present(l\[h\], v, LANES \* h, n)|l[h] = v|'
    mutate bit-table-of-floats kernels src/kernel/float_rows.h 's|TILEF(tilef_f16, TYPE_F16)|TILEF(tilef_f16, TYPE_BF16)|'
    mutate bit-float-columns kernels src/kernel/float_rows.h 's|.is_first = from == 0|.is_first = from <= COLUMNS|'
    mutate bit-float-trees kernels src/kernel/float_rows.h 's|tile->sum + 16 \* i, y + i)|tile->sum + 16 * i, y + (i ^ TREES))|'
    mutate bit-quantise kernels src/kernel/quantise.h 's|a < 0x0d800000|a < 0x0d000000|'
    mutate bit-gathered kernels src/kernel/attn_work.h 's|l\[w->s->at\[p\] % 16\]|l[p % 16]|'
    mutate bit-rest-of-rows kernels src/kernel/dot_rows.h 's|if (n1 - n0 < 4)|if (n1 - n0 < 3)|'
    mutate bit-small-block kernels src/kernel/small_block.h 's|{32, 24, 8, 0, 1}|{32, 24, 7, 0, 1}|'
    mutate bit-tree-avx2 kernels src/kernel/avx2/simd.h 's|_mm_add_ps(b, _mm_movehl_ps(b, b))|_mm_add_ps(b, _mm_movehdup_ps(b))|; s|_mm_add_ss(b, _mm_movehdup_ps(b))|_mm_add_ss(b, _mm_movehl_ps(b, b))|'
    mutate read-before-a-vector kernels src/kernel/avx2/simd.h 's|: _mm256_maskload_ps(p + i, first_lanes(n - i))|: (*(const volatile float *)(p + n - 8), _mm256_maskload_ps(p + i, first_lanes(n - i)))|'
else
    skip bit-avx2 "this machine has one tier"
fi
if [ "$dry" ] || grep -Eq 'avx512_vnni|avx_vnni' /proc/cpuinfo; then
    mutate bit-avxvnni-zero kernels src/kernel/avx2/simd.h 's|SIGNED_ZERO = 128|SIGNED_ZERO = 127|'
    mutate bit-avxvnni-pairs kernels src/kernel/avx2/simd.h 's|return ADD_TWO_PRODUCTS(v, a, b)|return ADD_TWO_PRODUCTS(a, v, b)|'
    mutate bit-avxvnni-scale kernels src/kernel/avx2/tile.h 's|_mm256_srai_epi32(factor\[r\], 16)|_mm256_srai_epi32(factor[r], 15)|'
else
    skip bit-avxvnni "this machine has no VNNI"
fi
if [ "$dry" ] || grep -q avx512_vnni /proc/cpuinfo; then
    mutate near-points-of-wide-registers "encode --bytes" src/quant/search_grid.h 's/(__mmask16)bits,/(__mmask16)(bits \& 0x7fff),/'
    mutate bit-q6_k-avx512 kernels src/kernel/avx512/dot.c 's|m30 = _mm512_set1_epi8(0x30)|m30 = _mm512_set1_epi8(0x20)|'
    mutate bit-twos-avx512 kernels src/kernel/avx512/dot_k.c 's|_mm_set1_epi16(0x0980)|_mm_set1_epi16(0x0880)|'
    mutate bit-third-avx512 kernels src/kernel/avx512/dot_k.c 's|_mm256_set1_epi16(4), 1)|_mm256_set1_epi16(3), 1)|'
    mutate bit-byte-sums-avx512 kernels src/kernel/avx512/dot_k.c 's|load128(sum16 + 8)|load128(sum16)|'
    mutate bit-halves-avx512 kernels src/kernel/avx512/dot_k.c 's|_mm_srli_epi32(both, 16)|_mm_srli_epi32(both, 15)|'
    mutate bit-iq4_xs-avx512 kernels src/kernel/avx512/dot_k.c 's|_mm512_set1_epi32(4 \* c)|_mm512_set1_epi32(3 * c)|'
    mutate bit-fields-avx512 kernels src/kernel/avx2/codebook.h 's|0x0100010001000100|0x0100010001000200|'
    mutate bit-cells-avx512 kernels src/kernel/avx2/codebook.h 's|mask_broadcastq_epi64(v, 8,|mask_broadcastq_epi64(v, 4,|'
    mutate bit-q1_0-avx512 kernels src/kernel/avx512/dot.c 's|0x0808080808080808|0x0808080808080809|'
    mutate bit-nvfp4-avx512 kernels src/kernel/avx512/dot.c 's|_mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3)|_mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 2)|'
    mutate bit-heads-avx512 kernels src/kernel/avx512/dot.c 's|SLOTS(12, 4)|SLOTS(12, 5)|'
    mutate bit-minimum-avx512 kernels src/kernel/avx512/dot.c 's|_mm512_srli_epi32(heads, 16)|_mm512_srli_epi32(heads, 17)|'
    mutate bit-nvfp4-scale-avx512 kernels src/kernel/avx512/simd.h 's|nan = _mm512_set1_epi32(0x7f)|nan = _mm512_set1_epi32(0x6f)|'
    mutate bit-panel-q1_0 kernels src/kernel/avx512/panel.c 's|_mm512_slli_epi32(four_bits(bits, 4 \* j), 1)|four_bits(bits, 4 * j)|'
    mutate bit-panel-nvfp4 kernels src/kernel/avx512/panel.c 's|byte_u(scales, i)|byte_u(scales, i ^ 1)|'
    mutate bit-panel-q5 kernels src/kernel/avx512/panel.c 's|four_bits(fifth, 16 + 4 \* j)|four_bits(fifth, 15 + 4 * j)|'
    mutate bit-panel-q4_1 kernels src/kernel/avx512/panel.c 's|P->m\[g\]\[r\] = half_low(_mm512_srli_epi32(both, 16))|P->m[g][r] = half_low(_mm512_srli_epi32(both, 15))|'
    mutate bit-grid-cells kernels src/kernel/avx512/dot_codebook.c 's|(i % (n_values / 2) \* width|(((i % (n_values / 2)) ^ (width == 3 \&\& i == 3)) * width|'
    mutate bit-grid-round kernels src/kernel/avx512/dot_codebook.c 's|_mm512_srli_epi16(v\[i\], 6)|_mm512_srli_epi16(v[i], 7)|'
    mutate bit-grid-signs kernels src/kernel/avx512/dot_codebook.c 's|0x40100401u << s|0x40100402u << s|'
    mutate bit-grid-scale kernels src/kernel/avx512/dot_codebook.c 's|_mm256_permute4x64_epi64(h->scale, 0xfa)|_mm256_permute4x64_epi64(h->scale, 0xaa)|'
    mutate bit-gather-index kernels src/kernel/avx512/dot_cells.h 's|0x0003000200010000 \* |0x0003000200020000 * |'
    mutate bit-gather-high kernels src/kernel/avx512/dot_cells.h 's|words_of_cells(load128(p + 32), 4);|words_of_cells(load128(p + 33), 4);|'
    mutate bit-gather-delta kernels src/kernel/avx512/dot_cells.h 's|cells->down >> 8 \* c|cells->down >> (8 * c + (c == 3))|'
    mutate bit-gather-signs kernels src/kernel/avx512/dot_cells.h 's|(uint64_t)h.negative\[2 \* c + 1\]|(uint64_t)(h.negative[2 * c + 1] \& ~1u)|'
    mutate bit-gather-scale kernels src/kernel/avx512/dot_cells.h 's|2, 2, 2, 2, 3, 3, 3, 3);|2, 2, 2, 2, 3, 3, 3, 2);|'
    mutate bit-gather-ninth kernels src/kernel/avx512/dot_cells.h 's|load_u16(p + 66 + 2 \* c)|load_u16(p + 66 + (c < 3) * 2 * c)|'
    mutate gathers-of-any-maker unit/base/cpu src/base/cpu.c 's|return is_intel \&\&|return is_intel >= 0 \&\&|'
    mutate gathers-by-any-word unit/base/cpu src/base/cpu.c 's|strcmp(line, "Not affected") == 0|line[0]|'
    mutate gathers-in-table kernels src/kernel/table.c 's|if (cpu_gathers_fast(cpu_is_intel(), ""))|if (!cpu_gathers_fast(cpu_is_intel(), ""))|'
    mutate bit-attention-codes-avx512 kernels src/kernel/avx512/attn.c 's|-128 \* q->sum32|-127 * q->sum32|'
    mutate bit-attention-scale-avx512 kernels src/kernel/avx512/attn.c 's|w->v_groups + c / 2)|w->v_groups + c / 4)|'
    mutate bit-tile-avx512 kernels src/kernel/avx512/tile.c 's|_mm512_set1_epi32(-zp)|_mm512_set1_epi32(-(zp ^ 1))|'
    mutate bit-float-avx512 kernels src/kernel/avx512/float.c 's|mask_mov_ps(old, first_lanes((size_t)(n - i)), v)|mask_mov_ps(old, first_lanes((size_t)(n - i + 16)), v)|'
    mutate bit-quantise-avx512 kernels src/kernel/avx512/quantise.c 's|_mm512_shuffle_epi32(s, 0xb1)|_mm512_shuffle_epi32(s, 0x4e)|'
    mutate bit-recur-avx512 kernels src/kernel/avx512/recur.c 's|_mm512_add_ps(_mm512_add_ps(p\[0\], p\[1\]), _mm512_add_ps(p\[2\], p\[3\]))|_mm512_add_ps(_mm512_add_ps(p[0], p[2]), _mm512_add_ps(p[1], p[3]))|'
    mutate bit-sums-avx512 kernels src/kernel/avx512/sums.h 's|2, 6, 10, 14, 3, 7, 11, 15|2, 6, 14, 10, 3, 7, 11, 15|'
    mutate bit-rope-avx512 kernels src/kernel/avx512/vec.c 's|_mm512_mask_blend_ps(0xaaaa, cos, sin)|_mm512_mask_blend_ps(0xaaa8, cos, sin)|'
    mutate bit-layer_norm-avx512 kernels src/kernel/avx512/vec.c 's|_mm512_mask3_fmadd_ps(c, c, l, m)|_mm512_fmadd_ps(c, c, l)|'
else
    skip bit-avx512 "this machine has no AVX-512"
fi
if [ "$dry" ] || { command -v aarch64-linux-gnu-gcc >/dev/null && command -v qemu-aarch64 >/dev/null; }; then
    folder=build-arm settings="BUILD=build-arm CC=aarch64-linux-gnu-gcc HOST_CC=${CC:-gcc}" emulator="qemu-aarch64 -cpu max"
    mutate bit-q3_k-neon kernels src/kernel/neon/step.h 's|right\[4\] = {0, -2, -4, -6}|right[4] = {0, -2, -4, -7}|'
    mutate bit-q5_k-neon kernels src/kernel/neon/step.h 's|shift32(high, 4 - j), 16)|shift32(high, 4 - j), 48)|'
    mutate bit-q6_k-neon kernels src/kernel/neon/step.h 's|4 - 2 \* r), 0x30)|4 - 2 * r), 0x20)|'
    mutate bit-tq1_0-neon kernels src/kernel/neon/step.h 's|vdupq_n_u8(171)|vdupq_n_u8(170)|'
    mutate bit-signs-neon kernels src/kernel/neon/codebook.h 's|0x7f000000|0x3f000000|'
    mutate bit-iq2_s-neon kernels src/kernel/neon/codebook.h 's|(high & 192) << 2|(high \& 64) << 2|'
    mutate bit-iq1_m-neon kernels src/kernel/neon/codebook.h 's|delta(rest >> 11 & 1)|delta(rest >> 10 \& 1)|'
    mutate bit-fifth-neon kernels src/kernel/neon/small.h 's|bits_as(p - 4, 16)|bits_as(p - 4, 17)|'
    mutate bit-nvfp4-neon kernels src/kernel/neon/dot.c 's|scales4(t, scales + 1, rs)|scales4(t, scales, rs)|'
    mutate bit-unpack-neon kernels src/kernel/neon/unpack.c 's|load_f16(p + k.dmin)|load_f16(p + (k.dmin ^ 2))|'
    mutate bit-tile-neon kernels src/kernel/neon/tile.h 's|a->s16\[t \* 16 + g\]|a->s16[t * 16 + (g ^ 1)]|'
    mutate bit-tile-i8mm kernels src/kernel/neon/tile.h 's|lane % 2 \* 2 + 1\] = s|lane % 2 * 2 + 1] = s ^ 1|'
    mutate bit-exp-neon kernels src/kernel/neon/simd.h 's|f32x4(0x1.fffffcp-2f)|f32x4(0x1.fffffep-2f)|'
    mutate bit-attention-neon kernels src/kernel/neon/attn.c 's|vcleq_s32(at, vdupq_n_s32(last))|vcltq_s32(at, vdupq_n_s32(last))|'
    mutate bit-attention-codes-neon kernels src/kernel/neon/attn.c 's|vzip2q_s64(low, low2)|vzip2q_s64(low2, low)|'
    mutate bit-attention-scale-neon kernels src/kernel/neon/attn.c 's|(j \* w->v_groups + d / KV_GROUP)|(j * w->v_groups)|'
    mutate bit-quantise-neon kernels src/kernel/neon/quantise.c 's|vpaddq_s16(sixteen, sixteen)|sixteen|'
    mutate bit-tree-neon kernels src/kernel/neon/simd.h 's|vaddq_f32(vaddq_f32(l\[0\], l\[2\]), vaddq_f32(l\[1\], l\[3\]))|vaddq_f32(vaddq_f32(l[0], l[1]), vaddq_f32(l[2], l[3]))|'
    mutate bit-recur-neon kernels src/kernel/neon/recur.c 's|vaddq_f32(vaddq_f32(p\[0\], p\[1\]), vaddq_f32(p\[2\], p\[3\]))|vaddq_f32(vaddq_f32(p[0], p[2]), vaddq_f32(p[1], p[3]))|'
    mutate bit-codes-neon kernels src/kernel/neon/codes.c 's|vld1q_s8(x + i + 16 \* h)|vld1q_s8(x + i + 16 * (h ^ 1))|'
    mutate bit-float-neon kernels src/kernel/neon/float.c 's|: load_bf16(row + 2 \* i)|: load_half(row + 2 * i)|'
    mutate nan-to-half-neon kernels src/kernel/neon/vec.c 's|vminvq_u32(vceqq_f32(v, v))|vmaxvq_u32(vceqq_f32(v, v))|'
    folder=build settings= emulator=
else
    skip bit-neon "no compiler or no emulator for arm64: sh tools/deps.sh arm"
fi

# when a row leaves, the one before it leaves too
mutate neighbour-leaves "laws -l cancelled $small" src/model/step.c 's|row_leaves(s, r);|row_leaves(s, r > 0 ? r - 1 : r);|'

# when a row leaves, its neighbour in the batch loses a bit
mutate neighbour-bits "laws -l cancelled $small" src/model/step.c \
    's|^\( *\)row_leaves(s, r);|{ if (r + 1 < s->n_rows) x[(size_t)(r + 1) * (size_t)s->m->p.n_embd] *= 1.001f; row_leaves(s, r); }|
s|^    (void)x;||'

# an unreadable expert leaves its rows in the batch
mutate unreadable-goes-on "laws -l unreadable $small" src/model/block/moe.c 's|^\( *\)row_leaves(s, e->row\[i\]);|\1(void)s;|'

# activations of a large step are quantised to other scales
mutate quantised-otherwise "laws -l chunks $ember" src/op/act.c \
    's|^\( *\)q->act->op->k->quantise(q->to, r, .*|    {\
&\
        if (q->to->n_rows > 16)\
            q->to->scale[q->to->family == ACT_X256 ? r : 8 * r] *= 1.001f;\
    }|'

# rows of all sequences read the pages of the first
mutate sequences-mix "laws -l sequences $small" src/model/arch/forward.c \
    's|if (r == 0 .. seq\[r\] != seq\[r - 1\])|if (r == 0 \|\| !seq)|'

# the number drawn depends on how many were drawn before, not on its position
mutate sampler-with-state "unit/text/sampler/sampler" src/text/sampler/sampler.c '
s|^static int32_t draw(|static uint64_t drawn;\
&|
s|rng_u64(how->seed, row->index, STREAM_PICK, row->choice)|rng_u64(how->seed, drawn++ + 0 * row->index, STREAM_PICK, row->choice)|'

# each of hundreds of strings with lengths of its own is looked at for itself
mutate items-not-shared "unit/text/constraint/state_mask" src/text/constraint/completion_positions.c 's|rule = k->alike\[rule\];||'

mutate gguf-bounds "unit/format/gguf" src/format/gguf_header.c 's/end > c->file->size)/end > UINT64_MAX - 1)/'
mutate header-alone-asks-too-much "unit/format/gguf" src/format/gguf_header.c 's/n \* bytes - left(c))/n * bytes)/'

mutate decode-off-by-one "quants" src/format/decode_small.c \
    's|(float)((b\[2 + j\] >> 4) - 8)|(float)((b[2 + j] >> 4 ^ (j == 15)) - 8)|'
mutate decode-by-hand "unit/format/types" src/format/decode_small.c 's|(float)((b\[2 + j\] & 15) - 8)|(float)((b[2 + j] \& 15) - 7)|'

mutate short-read-is-whole "unit/store/reader" src/store/reader_pieces.c 's|^\( *\)else if (p->offset + (uint32_t)p->result >= p->need)|\1else if (p->result >= 0)|'
mutate no-ring-no-reads "unit/store/reader" src/store/reader_uring.c 's|^\( *\)read_without_ring(u, p, n);|\1(void)read_without_ring;|'
mutate no-ring-for-good "unit/store/reader" src/store/reader_uring.c 's/(!u->open || !pthread_equal(\(.*\)))) {/!pthread_equal(\1)) {/'
mutate cleared-and-not-zeroed "unit/base/arena" src/base/arena.c 's|memset(a->base, 0, a->used);||'

# ---- what architectures are made of ---------------------------------------------------------------------------------------------

golden() { echo "golden --exact build/data/golden/$1.gguf"; }

# a chunk is a window
mutate chunk-is-window "unit/model/kv_pages" src/model/kv_pages.h 's|return w.chunked ? pos - pos % w.n|return 0 ? 0|'
mutate chunk-in-prefixes "unit/engine/prefix/cache" src/model/kv_pages.c 's|kv_first_position(window, n_pos) / KV_PAGE;|kv_first_position(window, n_pos) / KV_PAGE + (window.chunked \&\& n_pos % KV_PAGE > 200);|'
mutate chunk-of-llama4 "unsaid" src/model/arch/llama4.c 's|chunked ? see_chunk(CHUNK) : see_all()|see_all()|'
mutate all-of-llama4 "unsaid" src/model/arch/llama4.c 's|chunked ? see_chunk(CHUNK) : see_all()|see_chunk(CHUNK)|'
mutate temperature "$(golden mistral3)" src/model/params.c 's|(pos + t->first) / t->n|(pos + 1) / t->n|'
mutate temperature-of-first "unit/model/params" src/model/params.c 's|(pos + t->first) / t->n|pos / t->n|'
mutate temperature-of-latents "$(golden mistral4)" src/model/block/latent.c 's|if (w->temperature)|if (0)|'
mutate rope-of-layers "$(golden smollm3)" src/model/arch/smollm3.c 's|PERIOD_UNSAID ? ROPE|3 ? ROPE|'
mutate axes-of-rope "$(golden qwen3vlmoe)" src/op/rope.c 's|is_rotated(p, i) ? f : 0|is_rotated(p, i) ? f : f|'
mutate weight-before-expert "$(golden llama4)" src/model/arch/llama4.c 's|op_fill(&s->m->op, r.w, 1, s->n_rows, 1);||'
mutate logits-choose "equivalent" src/model/arch/llama4.c 's|ROUTE_CHOSEN_SIGMOID|ROUTE_SIGMOID|'
mutate windows-by-key "equivalent" src/model/params.c 's|(l + 1) % period != 0|(l + 1) % period_absent != 0|'
mutate value-scale "equivalent" src/model/block/attention.c 's|if (p->value_scale > 0)|if (0)|'
mutate shared-width "equivalent" src/model/block/dense_or_moe.c 's|p->n_ff_shared = width;|p->n_ff_shared += width;|'
mutate heads-of-biases "unit/model/bind" src/model/block/attention.c 's|key_heads(b, w) \* p->d_k|p->n_head_kv * p->d_k|'
mutate tensors-not-asked-for "unit/model/bind" src/model/bind.c 's/if (b->known\[i\] ||/if (i > 0 ||/'
mutate step-of-experts "unsaid" src/model/block/dense_or_moe.c 's|(l + 1) % p->moe_step)|l % p->moe_step)|'
mutate range-of-keys "$(golden bailingmoe2)" src/model/block/attention.c 's|w->k_first = n_q;|w->k_first = n_k;|'
mutate norm-behind-rope "$(golden hunyuan-moe)" src/model/block/attention.c 's|if (w->order == QK_NORM_ROPE)|if (w->order != QK_ROPE_RMS)|;s|if (w->order == QK_ROPE_NORM)|if (0)|'
mutate rms-behind-rope "$(golden llama4)" src/model/block/attention.c 's|if (w->order == QK_ROPE_RMS)|if (0)|'
mutate rows-of-up "$(golden glm4)" src/model/block/ffn.c 's|w->up, w->up_first, w->n_ff|w->up, 0, w->n_ff|'
mutate norm-around-the-mean "$(golden command-r)" src/model/step.c 's|if (s->m->p.layer_norm)|if (0)|'
mutate rope-beside-windows "$(golden cohere2)" src/model/arch/cohere2.c 's|? ROPE : NO_ROPE|? ROPE : ROPE|'
mutate rope-of-leading-layers "$(golden cohere2moe)" src/model/arch/cohere2moe.c 's/predicts || l < p->n_layer_dense_lead/predicts/'
mutate half-of-shared "$(golden cohere2moe)" src/model/arch/cohere2moe.c 's|fed, 0.5f|fed, 1.0f|;s|y, 0.5f|y, 1.0f|'
mutate first-of-period "$(golden cohere2moe-rms)" src/model/arch/cohere2moe.c 's|l % n != 0|(l + 1) % n != 0|'
mutate norm-by-epsilon "$(golden cohere2moe-rms)" src/model/arch/cohere2moe.c 's|if (params_has(g, "attention.layer_norm_rms_epsilon"))|if (0)|'
mutate norm-behind-attention "$(golden olmo2)" src/model/block/attention.c 's|if (w->post_norm)|if (0)|'
mutate factors-of-budgets "unsaid" src/engine/plan_price.c 's|p ? p->asked_ctx : 0|p ? p->n_ctx : 0|'
mutate factors-of-long-contexts "unsaid" src/model/model.h 's|m->asked_ctx > m->p.rope\[i\].n_orig|1|'
mutate magnitude-of-longrope "$(golden phi3)" src/op/rope.c 's|if (p->scaling == ROPE_LONG)|if (0)|'
mutate bias-of-the-last-norm "$(golden phimoe)" src/model/arch/forward.c 's|if (m->output_norm_bias)|if (0)|'
mutate gate-by-head "$(golden step35)" src/model/block/attention.c 's|op_sigmoid(&s->m->op, gate, s->n_rows, n_gate);||'
mutate gate-by-value "$(golden afmoe)" src/model/block/attention.c 's|op_sigmoid_mul(&s->m->op, o, gate, s->n_rows, n_gate);|(void)o;|'
mutate heads-of-layer "$(golden step35)" src/model/arch/step35.c 's|bind_output_gate(b, l, &w->attention, n_head)|w->attention.gate = NULL|'
mutate limit-of-gate "$(golden step35)" src/model/block/dense_or_moe.c 's|c > 0 ? before_silu(c) : 0|c > 0 ? before_silu(2 * c) : 0|'
mutate sinks-of-windows "$(golden mimo2)" src/model/arch/mimo2.c 's|w->attention.sinks = |(void)|'
mutate norm-over-experts "$(golden afmoe)" src/model/block/moe.c 's|^    if (w->post_norm)|    if (0)|'
mutate residual-scale "$(golden granitemoe)" src/model/step.c 's|if (p->residual_scale > 0)|if (0)|'
mutate residual-of-mamba "$(golden granitehybrid)" src/model/block/mamba2.c 's|block_out(s, VECTOR_ATTN, x, n);|add(s, x, n, p->n_embd);|'
mutate logit-scale "$(golden granite)" src/model/arch/forward.c 's|if (m->p.logit_scale > 0)|if (0)|'
mutate plain-convolution "$(golden lfm2moe)" src/op/recur.c 's|if (a->plain)|if (0)|'
mutate history-of-convolution "state build/data/golden/lfm2moe.gguf" src/model/recurrent/lfm2.c 's|bind_state(b, (size_t)(p->n_conv - 1) \* (size_t)p->n_embd)|bind_state(b, 0)|'
mutate experts-of-the-input "$(golden smallthinker)" src/model/arch/smallthinker.c 's|in = step_act(s, x,|in = step_act(s, m,|;s|^    struct routes r|    rms_norm(s, m, x, w->moe.norm);&|'
mutate relu-of-experts "$(golden smallthinker)" src/model/arch/smallthinker.c 's|= FFN_RELU|= FFN_SILU|'
mutate first-of-four "unsaid" src/model/arch/smallthinker.c 's|l % PERIOD_UNSAID == 0|(l + 1) % PERIOD_UNSAID == 0|'
mutate number-of-window "unsaid" src/model/arch/smallthinker.c 's|window ? WINDOW : 0|window|'
mutate rope-of-the-first "unsaid" src/model/arch/smallthinker.c 's|p->window \&\& sees_all ? NO_ROPE : ROPE|ROPE|'
mutate relu-of-vectors "kernels" src/kernel/scalar/vec.c 's|(gate\[i\] < 0.0f ? 0.0f : gate\[i\]) \* up|(gate[i] < 0.5f ? 0.0f : gate[i]) * up|'
mutate dense-beside-experts "$(golden grok)" src/model/arch/grok.c 's|w->dense.ffn.up ? &w->dense : NULL|NULL|'
mutate scale-of-scores "$(golden grok)" src/model/arch/grok.c 's|p->attn_scale = (float)attn;||'
mutate numbers-of-grok "unsaid" src/model/arch/grok.c 's|0.5773502691896257|1|'
mutate mamba-beside-attention "$(golden falcon-h1)" src/model/recurrent/falcon_h1.c 's|^    add(s, y, z, n_embd);||'
mutate norm-of-mamba "$(golden falcon-h1)" src/model/block/mamba2.c 's|if (w->y_norm)|if (0)|'
mutate norms-of-mamba1 "$(golden jamba)" src/model/recurrent/jamba.c 's|rms_norm(s, B, B, w->B_norm);||'
mutate decay-of-channels "unit/op/recur" src/op/recur.c 's|k->mul(decay, dt, n);||'
mutate state-of-channels "state build/data/golden/jamba.gguf" src/model/recurrent/jamba.c 's|bind_state(b, (size_t)m->n_state \* (size_t)m->n_channel)|bind_state(b, 0)|'

# vectors: the rows that a row sees, what pooling makes of them, what is kept of a text
embed() { echo "embed --exact build/data/embeddings/$1.gguf"; }
mutate last-off-by-one "$(embed bert-mean)" src/model/arch/forward.c 's|s->b->pos\[run->first + run->n - 1\]|s->b->pos[run->first + run->n - 1] - (run->n > 1)|'
mutate row-of-a-neighbour "$(embed bert-mean)" src/op/attention.c 's|= a->row\[u->row\[t0\]\].page\[page\]|= a->row[u->row[t0] - (u->row[t0] > 0)].page[page]|'
mutate place-of-a-neighbour "$(embed bert-mean)" src/model/arch/forward.c 's|(struct attn_row){.page = b->seq\[r\]|(struct attn_row){.page = b->seq[r - (i > 0 \&\& r == s->run[i].first)]|'
mutate first-beside-others "$(embed bert-mean)" src/model/arch/forward.c 's|kv_first_position(kv->window, b->pos\[r\])|kv_first_position(kv->window, b->pos[r]) + (i > 0 \&\& s->run[i].n > 1)|'
mutate pooled-backwards "$(embed bert-mean)" src/model/pooling.c 's|for (int r = 1; r < n; r++)|for (int r = n - 1; r > 0; r--)|'
mutate pooled-row "$(embed bert-cls)" src/model/pooling.c 's|rows == POOLING_LAST ? n - 1 : 0|n - 1|'
mutate vector-written-over "$(embed bert-mean)" src/engine/embed/embed.c 's/of->n_place - 1 : EVENTS/of->n_place : EVENTS/'
mutate window-begins-late "$(embed modern-bert)" src/model/kv_pages.h 's|pos > w.n / 2 ? pos - w.n / 2 : 0|pos > w.n / 2 ? pos - w.n / 2 + 1 : 0|'
mutate window-ends-early "$(embed modern-bert)" src/model/kv_pages.h 's|end - pos > w.n / 2 ? pos + w.n / 2 : end|end - pos > w.n / 2 ? pos + w.n / 2 - 1 : end|'
mutate window-ends-late "$(embed modern-bert)" src/model/kv_pages.h 's|end - pos > w.n / 2 ? pos + w.n / 2 : end|end - pos > w.n / 2 ? pos + w.n / 2 + 1 : end|'
mutate ends-at-a-pause "$(embed bert-mean)" src/engine/embed/embed.c 's|if (!e->is_paused)$|if (1)|'
mutate leaves-a-paused-step "unit/engine/embed_leaves" src/engine/requests.c 's|j->embed && i < j->embed->n_seq|j->embed \&\& i < 0|'
mutate leaves-a-new-step "unit/engine/embed_leaves" src/engine/embed/embed.c 's|atomic_load(&j->cancelled) && i < p->n|0 \&\& i < p->n|'
mutate pauses-behind-layers-only "unit/engine/embed/pieces" src/engine/embed/embed.c 's|if (now - e->piece >= longest_piece)|if (0)|'
mutate long-text-of-usual-pages "unit/engine/embed/long" src/engine/plan_price.c 's|asked = pl->request->n_pages > one ? pl->request->n_pages : one;|asked = pl->request->n_pages;|'
mutate part-of-attention-left-out "unit/engine/embed/long" src/op/attention.c 's|atomic_store(&at->next, at->end);|atomic_store(\&at->next, at->end + (at->end > 0 \&\& op->pause));|'
mutate rows-of-another-expert "unit/op/moe" src/op/moe.c 's|in->e == e && in->first|in->e \&\& in->first|'
mutate rows-of-another-family "unit/op/moe" src/op/moe.c 's|first == first && in->family == family|first == first|'
mutate rows-of-first-uses "unit/op/moe" src/op/moe.c 's|first == first && in->family|family|; s|e->row + first, n, mem, &in->view|e->row, n, mem, \&in->view|'
mutate rows-that-are-no-neighbours "unit/op/moe" src/op/moe.c 's|else if (n == 1)|else if (1)|; s|e->row\[first\], 1, &in->view|e->row[first], n, \&in->view|'
mutate part-of-a-product-again "unit/op/matmul" src/op/matmul.c 's|m->first + n0, m->first + n1|n0, n1|'

# Kimi delta attention and latents of bailingmoe3, blocks of minimax-m3
mutate bound-of-decays "$(golden bailingmoe3)" src/model/block/kda.c 's|p->delta.lowest|0.0f|'
mutate sign-of-decays "unit/op/recur" src/op/recur.c 's|sign \* fabsf(a->A\[h\])|sign * a->A[h]|'
mutate gate-of-latents "$(golden bailingmoe3)" src/model/block/latent.c 's|if (w->gate)|if (0)|'
mutate eps-of-delta "$(golden bailingmoe3-long)" src/model/recurrent/bailingmoe3.c 's|p->delta.qk_eps = p->norm_eps;|p->delta.qk_eps = 0.1f;|'
mutate state-of-kda "state build/data/golden/bailingmoe3.gguf" src/model/block/kda.c 's|bind_state(b, (size_t)n \* (size_t)d)|bind_state(b, 0)|'
mutate limits-of-shared "$(golden bailingmoe3)" src/model/block/dense_or_moe.c 's|shared->up_limit = ffn->up_limit;||'
mutate lists-of-heads "$(golden minimax-m3)" src/op/attention.c 's|(size_t)a->lists + (size_t)kv_head|(size_t)a->lists + (size_t)(kv_head / 2)|'
mutate own-block "$(golden minimax-m3)" src/op/indexer.c 's|f.score = INFINITY;|;|'
mutate best-of-block "unit/op/indexer" src/op/indexer.c 's|j < i + x->block; j++|j < i + 1; j++|'
mutate blocks-of-layers "$(golden minimax-m3)" src/model/arch/minimax_m3.c 's|\&w->attention, choose(s, \&a, w)|\&w->attention, (choose(s, \&a, w), NULL)|'
mutate norm-of-index-keys "$(golden minimax-m3)" src/model/block/indexer.c 's|rms_norm(s, k, k, w->norm);||'

# glm5next; what files of others leave unsaid
mutate norm-of-pooled-rows "$(golden glm5next)" src/model/block/compressed.c 's|if (w->row_norm)|if (0)|'
mutate mean-of-streams "$(golden glm5next)" src/model/block/hyper.c 's|op_streams_mean(op, u, x, p->hyper.n,|op_streams_mean(op, u, x, 1,|'
mutate pools-of-latents "$(golden glm5next)" src/model/block/latent.c 's|m->scale, s->chosen);|m->scale, s->chosen ? NULL : s->chosen);|'
mutate bound-unsaid "equivalent" src/model/recurrent/glm5next.c 's|bound_unsaid = -5|bound_unsaid = -4|'
mutate limit-unsaid "equivalent" src/model/recurrent/glm5next.c 's|limit_unsaid = 10|limit_unsaid = 9|'
mutate rank-unsaid "equivalent" src/model/block/latent.c 's|return t->ne\[0\] <= RANK_MOST ? (int)t->ne\[0\] : RANK_MOST;|return 0;|'
mutate local-blocks "equivalent" src/op/indexer.c 's|f.id < x->n_local)|f.id < (x->n_local > 1))|'

# predictions
mutate fewer-experts "unit/engine/speed" src/engine/speed.c 's|n / m->n_moe_layer : 0|m->p.n_expert : 0|'
mutate chosen-positions "unit/engine/speed" src/model/params.h 's#x->ratio ? x->ratio : 1#1#'
mutate kept-and-chosen "unit/engine/speed" src/model/bind.c 's|if (keeps > b->kept.most)|if (keeps > 0)|'
mutate texts-seen-whole "unit/engine/rates" src/engine/rates.c 's|p.bidirectional ? n - 1 : pos|p.bidirectional ? pos : pos|'

# Command R+
mutate norms-of-heads "$(golden command-r-plus)" src/op/rows.c 's|a->w + group, a->b, a->n, a->eps|a->w, a->b, a->n, a->eps|'
mutate norms-behind-rope "$(golden command-r-plus)" src/model/block/attention.c 's|if (w->order == QK_CENTRED_ROPE)|if (w->order == QK_ROPE_NORM)|'

# deepseek41
mutate gates-one-behind "$(golden deepseek41)" src/model/block/hyper.c 's|op_copy(op, s->collapse, (size_t)h.n, gates,|op_copy(op, s->collapse, (size_t)h.n, s->collapse,|'
mutate first-stream "$(golden deepseek41-long)" src/model/block/hyper.c 's|op_fill(\&s->m->op, s->collapse, 0, s->n_rows, n);|op_fill(\&s->m->op, s->collapse, 1, s->n_rows, n);|'
mutate gates-that-are-left "laws build/data/golden/deepseek41.gguf" src/model/block/hyper.c 's|s->collapse + (size_t)row\[i\] \* n|s->collapse + (size_t)(row[i] * 0 + i) * n|'
mutate index-before-rope "$(golden deepseek41)" src/model/block/compressed.c 's|^        keep(s, index, \&index_done, k, rope);|        (void)index_done;|'
mutate shared-keys "$(golden deepseek41)" src/model/arch/deepseek41.c 's|w->keys = before->keys;|w->keys = w->keys;|'
mutate reader-chooses "$(golden deepseek41)" src/model/arch/deepseek41.c 's|.chosen = s->chosen,|.chosen = w->asks ? s->chosen : NULL,|'
mutate candidates "$(golden deepseek41)" src/op/indexer.c 's|return low < x->n_within \&\& list\[low\] == block;|return 1;|'
mutate newest-candidate "unit/op/indexer" src/op/indexer.c 's|pos / x->block - f.id < x->n_local|pos / x->block - f.id < x->n_local - x->together|'
mutate engram-order "$(golden deepseek41)" src/model/block/engram.c 's|\* h->times\[i\];|* h->times[e->size - i];|'
mutate engram-pad "$(golden deepseek41)" src/model/block/engram.c 's|last\[i\] < 0 ? e->pad|last[i] < 0 ? 0|'
mutate engram-table "$(golden deepseek41)" src/model/block/engram.c 's|prime\[i % e->n_head\] = prime\[i\]|prime[i % e->n_head] = prime[i % e->n_head]|'
mutate roles-unchecked "equivalent" src/model/arch/deepseek41.c 's|if (!b->failed \&\& roles_agree(b, l, w))|if (0 \&\& roles_agree(b, l, w))|'
mutate candidates-unsaid "equivalent" src/model/arch/deepseek41.c 's|CANDIDATES_UNSAID = 2048|CANDIDATES_UNSAID = 4096|'
mutate state-of-pools "state build/data/golden/deepseek41.gguf" src/model/block/compressed.c 's|if (w->ratio > 1)|if (w->ratio > 2)|'

# qwen4exp
mutate gate-of-delta-net "$(golden qwen4exp)" src/model/block/delta_net.c 's|if (w->sigmoid)|if (0)|'
mutate chosen-blocks "$(golden qwen4exp)" src/model/block/gated_attention.c 's|p->d_k), chosen);|p->d_k), chosen ? NULL : chosen);|'
mutate open-block "$(golden qwen4exp)" src/op/attention.c 's|(!a->lists \&\& (row->pos + 1) % ratio > 0)|0|'
mutate values-of-chosen "unit/op/attention" src/op/attention.c 's|gather_row(s, s->d_v, v, n, values, at\[n\]);|gather_row(s, s->d_v, v, n, values, 0);|'
mutate mean-of-keys "unit/op/compress" src/op/compress.c 's|1.0f / (float)n_pos|0.5f / (float)n_pos|'
mutate keys-of-open-block "state build/data/golden/qwen4exp.gguf" src/model/block/compressed.c 's|: mean_state(w->ratio, w->d)|: 0|'
mutate norm-of-index-queries "$(golden qwen4exp)" src/model/block/indexer.c 's|if (w->norm)|if (0)|'
mutate rope-of-pooled-keys "$(golden qwen4exp)" src/model/block/compressed.c 's|s->b->pos\[r\] + 1 - w->ratio|s->b->pos[r]|'
mutate silu-of-streams "$(golden qwen4exp)" src/model/block/hyper_mix.c 's|^    op_sigmoid_mul(op, low, low, n_rows, rank);||'
mutate inject-of-streams "$(golden qwen4exp)" src/model/block/hyper_mix.c 's|op_scale(op, gates, 2.0f, n_rows, n);||'
mutate end-of-streams "$(golden qwen4exp)" src/model/arch/forward.c 's|return hyper_mix_end(s, x_out, n, .*|return x_out;|'
mutate ngram-order "$(golden qwen4exp)" src/model/block/ngram.c 's|n->times\[i\];|n->times[n->size - i];|'
mutate ngram-over-eos "$(golden qwen4exp)" src/model/block/ngram.c 's#last\[i\] < 0 || last\[i\] == n->eos#last[i] < 0#'
mutate ngram-taps "$(golden qwen4exp)" src/model/block/ngram.c 's|n->conv, n->size, wide, run|n->conv, 1, wide, run|'
mutate ngram-gate "unit/op/streams" src/op/streams.c 's|size < 1e-6f ? 1e-6f : size|size|'
mutate ngram-history "state build/data/golden/qwen4exp.gguf" src/model/block/ngram.c 's|bind_state(b, (size_t)((n->conv - 1) \* n->size) \* (size_t)wide)|bind_state(b, 0)|'

# what has one key of all heads (deepseek4, deepseek41)
mutate unit-queries "$(golden deepseek4)" src/model/block/one_key.c 's|if (w->unit_queries)|if (0)|'
mutate keys-through-fp8 "$(golden deepseek4)" src/model/block/one_key.c 's|if (w->rounded)|if (0)|'
mutate rope-turned-back "$(golden deepseek4)" src/model/block/one_key.c 's|rotate_heads_back(s, o|rotate_heads(s, o|'
mutate rope-of-windows "$(golden deepseek41)" src/model/block/one_key.c 's|p->rope\[ONE_KEY_PLAIN\].scaling = ROPE_PLAIN;||'
mutate magnitude-of-shared-keys "$(golden deepseek41)" src/model/block/one_key.c 's|far->attn_factor = 1 / |far->attn_factor = 2 / |'
mutate one-group-of-heads "$(golden deepseek4)" src/model/block/grouped.c 's|(size_t)(p->n_head \* p->d_v), n_group, s->n_rows,|(size_t)(p->n_head * p->d_v), 0 * n_group, s->n_rows,|'
mutate experts-by-token "$(golden deepseek4)" src/model/arch/deepseek4.c 's|struct routes r = l < p->n_token_routed|struct routes r = l < 0|'
mutate choice-without-bias "$(golden deepseek4)" src/model/arch/deepseek4.c 's|rule.select_bias = w->select_bias ? w->select_bias->vector : NULL;||'
mutate limits-of-experts "$(golden deepseek4)" src/model/arch/deepseek4.c 's|e->gate_limit = e->up_limit = limit_of(b, "swiglu_clamp_exp", l, 0);||'
mutate experts-of-pruned "$(golden deepseek4-fewer)" src/model/arch/deepseek4.c 's|? (int)n : p->n_expert;|? (int)n - 1 : p->n_expert;|'
mutate ids-of-pruned "hostile_models deepseek4-fewer" src/model/arch/deepseek4.c 's|p->n_expert_used, w->n_expert);|p->n_expert_used, p->n_expert);|'
mutate routes-of-pruned "cli/traces" src/model/forced_routes.c 's|m->expert_layer\[l\].n_expert))|m->p.n_expert))|'
mutate sum-of-weights "unit/op/rows" src/op/rows.c 's|sum != 0.0f ? w\[k\] / sum : 0.0f|w[k] / sum|'

# pools of index keys, by their mean and by gates
mutate budget-of-means "$(golden qwen4exp)" src/model/block/pooled_index.c '/path, ratios_key, x->ratio,/,/top_k .=/s|x->top_k /= x->ratio;|;|'
mutate budget-of-pools "$(golden glm5next)" src/model/block/pooled_index.c '/path, key, x->ratio,/,/top_k .=/s|x->top_k /= x->ratio;|;|'
mutate epsilon-of-pooled-rows "$(golden glm5next-long)" src/model/block/pooled_index.c 's|.row_eps = (float)eps|.row_eps = 1e-6f|'

# Kimi delta attention
mutate gate-of-kda "$(golden glm5next)" src/model/block/kda.c 's|^    op_sigmoid_mul(op, o, gate, s->n_rows, values);||'
mutate beta-of-kda "$(golden bailingmoe3)" src/model/block/kda.c 's|^    op_sigmoid(op, beta, s->n_rows, n_head);||'
mutate scale-of-kda "$(golden bailingmoe3)" src/model/block/kda.c 's|p->delta.qk_eps, 1.0f / sqrtf((float)d)|p->delta.qk_eps, 1.0f|'
mutate history-of-kda "state build/data/golden/bailingmoe3.gguf" src/model/block/kda.c 's|bind_state(b, (size_t)(p->delta.conv - 1) \* (size_t)n)|bind_state(b, 0)|'

# n-grams of qwen4exp and deepseek41
mutate norm-of-ngram-values "$(golden qwen4exp)" src/model/block/ngram.c 's|op_group_norm(op, key, v, w->norm_conv->vector|op_group_norm(op, key, v, w->norm_key->vector|'
mutate ngram-lengths "$(golden qwen4exp)" src/model/block/ngram.c 's|ended = ended \|\| last|ended = last|'
mutate engram-keys "$(golden deepseek41)" src/model/block/engram.c 's|op_group_norm(op, key, key, w->k->vector|op_group_norm(op, key, key, w->q->vector|'
mutate engram-numbers "$(golden deepseek41)" src/model/block/engram.c 's|(uint64_t)e->number\[last\[0\]\]|(uint64_t)last[0]|'
mutate engram-value "$(golden deepseek41)" src/model/block/engram.c 's|matmul_rows(s, value, &a, w->wkv, wide, p->n_embd)|matmul_rows(s, value, \&a, w->wkv, 0, p->n_embd)|'

# cohere2moe, minimax-m3, glm5next
mutate weights-unsaid "$(golden minimax-m3-dense)" src/model/arch/minimax_m3.c 's|p->router_normalise = 1;|p->router_normalise = 0;|'
mutate weights-unsaid-of-glm "equivalent" src/model/recurrent/glm5next.c 's|p->router_normalise = 1;|p->router_normalise = 0;|'
mutate norms-of-minimax "$(golden minimax-m3)" src/model/arch/minimax_m3.c 's|^    bind_qk_norm(b, l, &w->attention, p->d_k, p->d_k);||'
mutate softmax-of-all "hostile_models cohere2moe-rms" src/model/arch/cohere2moe.c 's/if (p->router_gate == ROUTE_SIGMOID || p->router_normalise)/if (p)/'
mutate groups-of-experts "$(golden bailingmoe3)" src/model/block/dense_or_moe.c 's|.n_group = p->n_group,|.n_group = 1,|'

# windows, ropes and scales of slices 1, 2 and 5
mutate half-of-rope "$(golden step35)" src/model/arch/step35.c 's|p->rope\[ROPE\].n_rot /= 2;||'
mutate base-of-windows "$(golden mimo2)" src/model/arch/mimo2.c 's|windowed ? WINDOW_ROPE : ROPE|ROPE|'
mutate rope-of-exaone "$(golden exaone-moe)" src/model/arch/exaone_moe.c 's|windowed ? ROPE : NO_ROPE|ROPE|'
mutate scores-of-ling "unsaid" src/model/arch/deepseek.c 's|p->attn_scale = 1.0f / sqrtf((float)p->rope\[ROPE\].n_rot);||'
mutate magnitude-of-yarn "$(golden mistral3)" src/model/arch/mistral3.c 's|r->attn_factor /= 1 + |r->attn_factor /= 2 + |'
mutate weights-of-ernie "$(golden ernie4_5-moe)" src/model/arch/ernie4_5.c 's|p->router_normalise = 1;||'

# headers of published shapes
mutate rows-a-token "plan_models build/data/headers/INDEX.json" src/model/bind.c 's|.n_take = n_take}|.n_take = 1}|'

# what inspect and doctor tell of files
mutate latents-are-rows "unit/engine/layers" src/model/block/latent.c 's|b->kept.most = LAYER_KEEPS_LATENTS;||'
mutate kept-of-one-chunk "unit/engine/layers" src/engine/plan_price.c 's|kept->most\].kv_fixed_bytes += bytes \* (uint64_t)kv_pages_needed(window, INT_MAX|kept->most].kv_fixed_bytes += bytes * (uint64_t)kv_pages_needed(window, p->n_chunk|'
mutate states-of-no-kind "unit/engine/layers" src/model/bind.c 's|b->kept.state_floats += n;|b->kept.state_floats = n;|'
mutate thousand-of-1024 "plan_models build/data/headers/INDEX.json" src/cli/inspect/context.c 's|1000 \* p->kv_bytes_per_token), "kv_fixed|1024 * p->kv_bytes_per_token), "kv_fixed|'
mutate lacks-of-a-whole-file cli/inspect src/engine/vocabulary.c 's|gguf_open_header(&g|gguf_open(\&g|'
mutate lacks-of-what-is-no-model cli/inspect src/cli/inspect/lacks.c 's|memcmp(dot, key, strlen(key)) == 0|dot|'
mutate lacks-twice cli/inspect src/cli/inspect/lacks.c 's#|| is_listed(l, name)#|| is_listed(l, name) > 1#'
mutate lacks-without-others cli/inspect src/cli/inspect/lacks.c 's|l->has_more = 1;||'
mutate beginning-has-more "large_plan build/data/headers/minimax-m3-428b-a23b.gguf" src/engine/plan.c 's|p->expert_bytes_per_token += m->|p->expert_bytes_per_token += (m->file->header_only ? 2 : 1) * m->|'
mutate picture-of-any-bytes "unit/cli/svg" src/cli/svg/svg.c 's/ || c == 0xFFFE || c == 0xFFFF//'
mutate governors-to-a-hole "cli/doctor" src/cli/doctor/cores.c 's/if (topology_has(online, cpu) \&\& check(f, root, cpu))/if (!topology_has(online, cpu) || check(f, root, cpu))/'
mutate slots-of-any-channel "unit/machine/modules" src/machine/modules.c 's/if (!\*out->unused \&\& !channel_has_module(all, s->channel))/if (!*out->unused)/'
mutate tables-that-are-cut "unit/machine/modules" src/machine/modules.c 's/out->is_cut |= n - at < HEAD || table\[at\] != END_OF_TABLE;//'
mutate strings-beyond-a-table "unit/machine/modules" src/machine/modules.c 's/    if (end + 1 >= n)/    if (end + 1 > n)/'
mutate fields-beyond-a-structure "unit/machine/modules" src/machine/modules.c 's/at + bytes <= s->length \&\& i < bytes/i < bytes/'
mutate more-slots-than-are-kept "unit/machine/modules" src/machine/modules.c 's/if (to->n == SLOTS_MOST) {/if (to->n > SLOTS_MOST) {/'
mutate threads-are-cores "cli/doctor" src/cli/doctor/cores.c 's/if (n == facts->n_cpu || n == n_all)/if (n <= facts->n_cpu)/'
mutate memory-by-the-constant "unit/cli/doctor" src/cli/doctor/memory.c 's/if (m->rate <= 0)/if (m->rate >= 0)/'
mutate roof-beside-requests "unit/engine/rates" src/engine/rates.c 's/fit == FITS_LATER || has_requests(s)/fit == FITS_LATER/'
mutate memory-explains-all "unit/eval/bound" src/eval/bound.c 's/return fmin(b->memory, computing)/return computing/'
mutate figures-to-their-end "unit/machine/machine" src/machine/machine.c 's/return m->stop \&\& m->stop(m->stop_arg);/return m->stop \&\& m->stop(m->stop_arg) < 0;/'
mutate measured-whatever-is-left "unit/cli/left" src/cli/machine/left.c 's/if (left > bytes)/if (left > bytes || what)/'
mutate slowed-by-nothing "cli/doctor" src/machine/memory.c 's/return high < limit ? high : limit;/return high < limit \&\& !limit ? high : limit;/'
mutate limit-worth-nothing "cli/doctor" src/cli/doctor/memory.c 's/predicted(s, limit) : 0/predicted(s, s->plan->whole) : 0/'
mutate moved-unsaid "unit/cli/roofs" src/cli/bench/roofs.c 's/^        bench_tell_move(NULL, &b->roofs, &last);/        (void)last;/'
mutate ring-that-nobody-gave "cli/doctor" src/cli/doctor/drive.c 's/code == -EPERM/code == EPERM/'

# steering
steer="steer --exact build/data/steering"
laws="steer_laws build/data/golden/qwen35moe.gguf build/data/golden/deepseek4.gguf"
mutate axpy-with-two-roundings "kernels" src/kernel/scalar/vec.c 's|x\[i\] = fmaf(s, v\[i\], x\[i\])|x[i] = s * v[i] + x[i]|'
mutate squares-of-adam "kernels" src/kernel/scalar/vec.c 's|ADAM_V_NEW \* (g\[i\] \* g\[i\])|ADAM_V_NEW * g[i]|'
mutate operation-of-features "serve_steer" src/server/request/steer.c 's|(STOKER_STEER_FEATURE_ADD + op)|STOKER_STEER_FEATURE_ADD|'
mutate a-layer-early "$steer" src/model/step.c 's|^    steer_rows(s, VECTOR_LAYER, x, s|    s->layer++, steer_rows(s, VECTOR_LAYER, x, s|;s|^    for (int r = 0; r < s->n_rows \&\& !op_meas|    s->layer--;\n&|'
mutate only-the-last-row "$steer" src/model/steering.c 's|int rows = (int)(to - from) \* n_stream;|int rows = n_stream;|'
mutate rows-of-all "$laws" src/model/steering.c 's|s->b->pos\[run->first\], run->n, |s->b->pos[run->first], s->n_rows - run->first, |'
mutate added-for-projected "$steer" src/model/steering.c 's|o->vector->kind == VECTOR_PROJECT|0|'
mutate scale-twice "$steer" src/model/steering.c 's|op_steer_add(op, x, o->amount,|op_steer_add(op, x, o->amount * o->amount,|'
mutate side-of-projections "$steer" src/op/steer.c 's|a->side == STEER_POSITIVE|0|'
mutate set-without-what-is-there "$steer" src/op/sae.c 's|a->u - a->h\[r\]|a->u|'
mutate higher-index-of-equals unit/op/largest src/op/largest.c 's/l->id\[i\] > l->id\[j\];/l->id[i] < l->id[j];/'
mutate cut-by-the-format serve_activations src/engine/reply.c 's/r->stops || (r->stream/r->stops || (0 \&\& r->stream/'
mutate label-said-twice unit/format/sae_labels src/format/sae_labels.c 's/l->at\[j\] || unescape/unescape/'
mutate labels-of-no-memory unit/format/sae src/format/sae.c 's|^    r->head.bytes += r->labels;||'
mutate label-cut-in-a-character serve_steer src/server/own/vectors.c 's|utf8_cut(label, LABEL_MOST)|strnlen(label, LABEL_MOST)|'
mutate encoder-not-turned unit/format/sae src/format/sae.c 's|r->layout->encoder_is_turned ? read_turned|0 ? read_turned|'
mutate columns-beyond-their-part unit/format/sae src/format/sae.c 's|is_turned \&\& most > s->part_size / size|0|'
mutate no-op-kept "$laws" src/model/steering.c 's/does_nothing(&o) || //'
mutate one-stream "$laws" src/model/step.c 's|s->m->p.hyper.n ? s->m->p.hyper.n : 1|1|'
mutate block-behind-addition "$laws" src/model/step.c 's|^    block_steer(s, hook, y);||;s|^    add(s, x, y, p->n_embd);|&\n    block_steer(s, hook, y);|'
mutate key-without-scale "prefix -t steered build/data/steering/steer-llama-tied.gguf" src/model/steering.c 's|put_u32(&h, f32_bits(o->amount));||'
mutate key-without-from "prefix -t steered build/data/steering/steer-llama-tied.gguf" src/model/steering.c 's|o->from > first ? o->from - first : 0,|0,|'
mutate prefixes-without-list "prefix -t steered build/data/steering/steer-llama-tied.gguf" src/engine/requests.c 's|{root, c->steer ? &c->steer->list : NULL}|{root, NULL}|'
mutate part-page-under-old-key "unit/engine/prefix/cache" src/engine/prefix/cache.c 's|^    uint64_t key = prefix_key(&at->of, depth, n);|    uint64_t key = prefix_key(\&at->of, depth, 1);|'
mutate version-3-kept "unit/engine/prefix/index" src/engine/prefix/file.h 's|PREFIX_VERSION = 4|PREFIX_VERSION = 3|'
mutate waits-for-other-lists "unit/engine/schedule" src/engine/step/schedule.c '/prefix_alike/d'
mutate steered-until-preempted "prefix -t preempted build/data/golden/llama-tied.gguf" src/engine/admission.c 's|seq->steer = j->steer ?|seq->steer = j->steer \&\& j->started == 0 ?|'
mutate end-of-the-prompt "unit/engine/steer" src/engine/steer.c 's|n += at->from_prompt_end ? (int64_t)n_prompt : 0|n += at->from_prompt_end ? (int64_t)n_prompt + 1 : 0|'
mutate to-zero-is-open "unit/engine/steer" src/engine/steer.c 's|e->has_to \&\&|e->to.n \&\&|'
mutate closed-too-early "unit/engine/steer" src/engine/steer.c '/^        stoker_vector_hold(e->vector);/d;s|^        j->vector\[j->n_vector++\] = e->vector;|        (void)0;|'
mutate vector-gives-nothing-back "unit/engine/steer" src/engine/steer.c 's|atomic_fetch_add(left, bytes)|atomic_fetch_add(left, bytes * 0)|'
mutate read-although-excluded "steer_laws build/data/golden/qwen3moe.gguf" src/model/block/moe.c 's/is_sweep(s) \&\& !s->pairs ? steering_leaves_out : NULL/NULL/'
mutate lone-expert-of-a-group "unit/op/rows" src/op/rows.c 's|second > -INFINITY ? best + second : best|best + second|'
mutate experts-of-all-rows "steer_laws build/data/golden/qwen3moe.gguf" src/model/steering.c 's/!o->experts || !acts_on(o, t->s->b->pos\[row\])/!o->experts/'
mutate routes-of-the-first-row "steer_laws build/data/golden/qwen3moe.gguf" src/model/steering.c 's|s->b->pos\[row\], id + |s->b->pos[run->first], id + |'
mutate key-without-experts "prefix -t steered build/data/golden/qwen3moe.gguf" src/model/steering.c 's|n > 0 \|\| (o->routes|(o->routes|'
mutate routes-beside-experts "unit/engine/steer" src/engine/steer.c 's/if (first \&\& (first->routes/if (0 \&\& (first->routes/'
mutate trace-with-a-tail "unit/engine/steer" src/format/route_trace.c 's/return is_whole ? 0/return 1 ? 0/'
mutate routes-by-uses "cli/routes" src/study/routes.c 's/double n = (double)a->rows, m = (double)b->rows/double n = (double)a->uses, m = (double)b->uses/'
mutate too-few-experts "unit/engine/steer" src/engine/steer.c 's/expert_biases_check(at_once, n, m, err)/expert_biases_check(at_once, 0 * n, m, err)/'
mutate blamed-on-the-model "unit/engine/steer" src/engine/pick.c '/steer_blame/d;s/^    if (id < 0)$//'
# settings
mutate key-twice "unit/base/toml/toml" src/base/toml/toml.c 's|    if (same)$|    if (same \&\& !key)|'
mutate cut-array-is-whole "unit/base/toml/toml" src/base/toml/toml.c "s/        if (peek(r) == ']')$/        if (peek(r) == ']' || peek(r) < 0)/"
mutate waits-for-a-fifo "cli/config" src/cli/common/settings.c 's|return S_ISREG(st.st_mode) ? 1 : -1;|return 1;|'
# what tune writes
mutate old-profile-stays "cli/tune" src/cli/tune/search.c 's/return how == TRIED_FASTER ? take(s, old, \&shown) : save(s);/return take(s, old, \&shown);/'
mutate wrong-among-right "cli/tune" src/cli/tune/values.c 's|^            add_value(out, i, "");|            (void)0;|'
mutate siblings-alone "unit/cli/tune_values" src/cli/tune/values.c 's|one_a_core = cores < c->most_threads ? cores : c->most_threads;|one_a_core = c->most_threads + 0 * cores;|'
mutate chunks-without-512 "unit/cli/tune_values" src/cli/tune/values.c 's/128, 256, 512, 1024/128, 256, 1024/'
mutate unknown-is-otherwise "cli/tune" src/cli/tune/search.c 's/"left out: what it answers is not known, since/"left out: it answers otherwise, since/'
mutate written-at-the-end "cli/tune" src/cli/tune/search.c 's/ || profile_try_write(s.path))/)/'
mutate judged-by-a-look "cli/tune" src/cli/tune/search.c 's/if (tried == TRIED_FASTER \&\& take(/if (tried != TRIED_LATE \&\& take(/'
mutate hidden-by-luck "cli/tune" src/cli/tune/search.c 's/^    if (s->promising.n == 0 \&\& later->n > 0)/    if (s->promising.n == 99)/'
mutate threads-take-all-time "cli/tune" src/cli/tune/search.c 's/return threads \&\& pairs > s->budget.pairs ? s->budget.pairs : pairs;/return pairs + 0 * threads;/'
mutate types-without-time "cli/tune" src/cli/tune/search.c 's/time_left(&s->by) - types_seconds(s) - s->proof/time_left(\&s->by) - s->proof/'
mutate proof-by-runs "cli/tune" src/cli/tune/search.c 's/s->proof = PROOF_MARGIN \* (clock_seconds() - begun);/s->proof = PROOF_MARGIN * s->budget.run + 0 * begun;/'
mutate hopeless-from-the-start "cli/tune" src/cli/tune/measure.c 's/best.y\[best.n\] = DBL_MIN;/best.y[best.n] = 2;/'
mutate looks-beside-the-first "cli/tune" src/cli/tune/screen.c 's/        s->reference = now;/        (void)now;/'
mutate looks-at-the-slower "cli/tune" src/cli/tune/screen.c 's/other->sum < of->sum;/other->sum > of->sum;/'
mutate chance-of-the-defaults "cli/tune" src/cli/tune/search.c 's/even = {.ratio = 1, .low = 1, .high = 1}/even = {.ratio = 0.96, .low = 0.95, .high = 0.97}/'
mutate first-of-a-setting "unit/cli/tune_promising" src/cli/tune/promising.c 's/p->of\[i - 1\].ratio > ratio/p->of[i - 1].ratio > 2/'
mutate chunks-by-short-prompts "unit/cli/tune_values" src/cli/tune/values.c 's/c->prompt == c->most_prompt \&\& //'
mutate chance-stays "cli/tune" src/cli/tune/search.c 's/tune_promising_move(\&s->promising, last, later)/tune_promising_move(\&s->promising, 0, later)/'
mutate depth-of-any-reader "unit/cli/tune_promising" src/cli/tune/promising.c 's/return v->setting == PROFILE_DEPTH ? PROFILE_READER : v->setting;/return v->setting;/'
mutate type-that-nobody-asked "cli/tune" src/cli/tune/search.c 's/return s->of->kv && (/return !s->of->kv || (/'
mutate type-among-settings "cli/tune" src/cli/common/profile.c 's/strcmp(table, table_of(i)) != 0/strcmp(table, table_of(i)) == 99/'
mutate awake-as-usual "unit/base/pool" src/base/pool.c 's|p->awake_ns = (uint64_t)(ms \* 1e6);|p->awake_ns = 5000000 + 0 * (uint64_t)ms;|'
mutate profile-without-spin "cli/tune" src/engine/engine.c '/\.spin_ms = o->spin_ms,/d'
# recorded rows
right="capture --exact build/data/steering"
whole="capture build/data/steering/steer-llama-tied.gguf"
mutate recorded-beside-the-row "$right" src/model/step.c 's|^    tap_rows(s, TAP_RESID_POST, x, |    tap_rows(s, TAP_RESID_POST, x - 1, |'
mutate router-behind-its-bias "$right" src/model/block/moe.c '/^    tap_rows(s, TAP_ROUTER_LOGITS, /d;s|^    add_bias(s, logits, bias);|&\n    tap_rows(s, TAP_ROUTER_LOGITS, logits, n_expert);|'
mutate taps-of-the-first-run "$whole" src/model/taps.c 's|s->b->seq\[run->first\]->taps|s->b->seq[0]->taps|'
mutate resumed-where-it-records "$whole" src/engine/admission.c 's|return scored < recorded ? scored : recorded;|return scored + 0 * recorded;|'
mutate more-rows-than-room "$whole" src/engine/capture/ring.c 's|^    if (wanted > fit) {|    if (wanted > fit \&\& fit > 1000000) {|'
mutate rests-beside-the-ring "$whole" src/engine/step/schedule.c 's|^    bytes = capture_free(&s->capture);|&\n    p->n -= bytes < 4096 \&\& p->n > 3;|'
mutate a-step-allocates "$whole" src/engine/step/schedule.c 's|^    p->batch = session_batch(s->session);|&\n    void *volatile x = malloc(64);\n    free(x);|'
mutate least-of-one-position "capture $ember" src/engine/recording.c 's|capture_memory(2, |capture_memory(1, |'
mutate least-of-the-ring-alone "capture $ember" src/engine/capture/capture.h 's|/ 3 \* 4 + 2|+ 2|'
mutate least-of-too-short-lists "capture $ember" src/engine/recording.c 's|4 \* kept ? of_rows : 4 \* kept|3 * kept ? of_rows : 3 * kept|'
mutate least-without-features "$whole" src/engine/recording.c 's|features ? \&sae : NULL|0 \&\& features ? \&sae : NULL|'
mutate failure-not-told "$whole" src/engine/capture/ring.c 's|^            w.c->failed = w.err;|            (void)0;|'
mutate end-before-its-last-byte "$whole" src/engine/admission.c 's|^    if (is_written(j)) {|    if (is_written(j) \|\| 1) {|'
mutate sent-and-not-written "$whole" src/engine/capture/ring.c 's/p->n == 0 \&\& p->stop/p->stop/'
mutate for-now-told-as-never "$whole" src/engine/recording.c 's|if (bytes > p->kept)|if (bytes > 0)|'
# the same through a server
server=serve_activations
mutate full-for-now-is-too-large "$server" src/server/answer/answer.c 's|503, "busy", NULL, "%s", err.text|413, "busy", NULL, "%s", err.text|'
mutate seven-digits "$server" src/server/answer/capture.c 's|%\.9g|%.7g|'
mutate rows-behind-the-stop "$server" src/server/answer/capture.c 's|c->n = t->over \&\& n_captured|c->n = 0 \&\& n_captured|'
mutate disk-not-given-back "$server" src/server/request/spool.c 's|^    atomic_fetch_sub(&p->taken, bytes);|    atomic_fetch_sub(\&p->taken, bytes * 0);|'
mutate file-without-its-end "$server" src/server/answer/capture.c 's|c->how.data_at + last->offset + last->bytes;|c->how.data_at + last->offset;|'
mutate activations-twice "$server" src/server/dialect/openai.c 's|^    if (a->request->include_usage) {|    answer_activations(\&a->out, a);\n&|'
# the same through the command
command=cli/activations
mutate named-before-whole "$command" src/cli/activations/part.c 's|p->fd = open(p->path, |p->fd = open(p->name, |'
mutate part-is-left "$command" src/cli/activations/part.c 's|^        unlink(p->path);|        (void)0;|'
mutate early-end-not-cut "$command" src/cli/activations/record.c 's|^    if (rows < r->rows) {|    if (0) {|'
mutate windows-in-each-other "$command" src/cli/activations/record.c 's|^    c.row = r->row\[i\];|    c.row = 0;|'
mutate position-of-the-corpus "$command" src/cli/activations/record.c 's|from + at + n - r->row\[i\]|from + at + n|'
mutate product-with-itself "$command" src/engine/capture/list.c 's|direction\[layer\].v : NULL|direction[v->first].v : NULL|'
mutate last-layer-left-out "$command" src/cli/activations/wants.c 's|for (long l = first; l <= last; l++)|for (long l = first; l < last; l++)|'

# vectors out of texts: the sign, who is taken from whom, pairs that do not count, rows of the wrong prompts, llama.cpp's names
command=cli/make
mutate sign-of-a-component unit/study/contrast src/study/contrast.c 's|< 0 ? -1 : 1, along|< 0 ? 1 : -1, along|'
mutate negative-minus-positive "$command" src/study/contrast.c 's|k->positive\[j\] - k->negative\[j\]|k->negative[j] - k->positive[j]|'
mutate blocks-forget unit/study/contrast src/study/contrast.c 's|k->first == first \&\& !k->is_first|!k->is_first|'
mutate pad-of-the-shorter "$command" src/cli/steer/make.c 's|space\[n - 1\] : 0|space[n - 1] + 1 : 0|'
mutate named-by-the-next "$command" src/cli/steer/make.c 's|(int)i + c->shift, m->v|(int)i + 1 - c->shift, m->v|'
mutate no-turns "$command" src/study/record.c 's|err->code == STOKER_ERR_BUSY \&\& n > 0|err->code == STOKER_ERR_BUSY \&\& n > 1000|'
# what a vector does by scale and layer
mutate drift-the-other-way cli/sweep src/cli/steer/sweep.c 's|a->logprob\[at\] - b->logprob\[at\]|b->logprob[at] - a->logprob[at]|'
mutate one-script-for-all cli/sweep src/study/answers.c 's|script->token + i \*|script->token + 0 * i *|'
mutate every-scale-is-one cli/sweep src/cli/steer/sweep.c 's|\.amount = (float)scale|.amount = 1|'
# a scale to begin with: written, within bounds, of vectors that are added, for all layers of the file, told anew
mutate suggestion-not-written cli/make src/cli/steer/file.c 's|if (f->scale > 0)|if (0)|'
mutate suggestion-of-any-size unit/format/vector src/format/vector.c 's|VECTOR_SUGGESTION, 0, 1000,|VECTOR_SUGGESTION, -1e9, 1e9,|'
mutate suggestion-of-projections unit/format/vector src/format/vector.c 's|if (v->kind != VECTOR_ADD)|if (0)|'
mutate suggestion-for-any-layers cli/make src/cli/steer/sweep.c 's|if (!(part < whole))|if (1)|'
mutate suggestion-under-a-range cli/make src/cli/common/steer_flags.c 's|int all = f->layers\[1\] == 0 .*;|int all = 1;|'
mutate suggestion-of-before cli/make src/server/request/vectors.c 's|x.scale_suggested == y.scale_suggested \&\& ||'
mutate measured-elsewhere-untold cli/steer src/cli/common/steer_flags.c 's|if (a->hook_differs)|if (0)|'
mutate projected-nowhere "$laws" src/op/steer.c 's|^        a->op->k->axpy(x, -(a->amount \* c), a->v, a->n);|        (void)c;|'
# training an autoencoder: what of a gradient stays, when rates fall, which rows a batch has, whom dead features help, what is written
mutate along-its-own-row sae_train src/study/sae/update.c '/-t->k->dot16(l->d_gradient, d, (size_t)n), d, n);/d'
mutate rate-never-falls sae_train src/study/sae/update.c 's|t->step < plain ? 1 : 1 - 0.95|t->step < plain ? 1 : 1 - 0|'
mutate epochs-in-one-order sae_train src/study/sae/train.c 's|rows_order(t, t->step / each);|rows_order(t, 0);|'
mutate dead-stay-dead sae_train src/study/sae/batch.c 's|t->o->aux > 0 \&\& b->n_dead > 0)$|t->o->aux > 0 \&\& b->n_dead > 1000000)|'
mutate biases-of-scaled-rows sae_train src/study/sae/folder.c 's|(double)v\[i + k\] / t->rows.scale|(double)v[i + k]|'
mutate resumed-from-nothing sae_train src/study/sae/state.c 's|t->step = t->resumed = t->saved = h.step;|t->step = t->saved = 0, t->resumed = h.step;|'
mutate diverged-and-written sae_train src/study/sae/train.c 's|loss > FVU_MOST \* spread|loss < 0|'
mutate vector-not-finite "unit/format/vector" src/format/vector.c 's|if (!isfinite(value))|if (0)|'

# drafts: each kind of state a row too late, refused rows that stay, choices that are not compared, masks and ends that are not looked at
drafts() { echo "drafts -t $1 build/data/golden/$2.gguf"; }
mutate drafts-searched unit/engine/ngram src/engine/draft/ngram.c 's|g->search_end = first|g->search_end = 0|'
mutate drafts-searched-anew unit/engine/ngram src/engine/draft/ngram.c 's|around = g->followed > 0|around = 0|'
mutate drafts-searched-behind unit/engine/ngram src/engine/draft/ngram.c 's|g->search_end = 0; /|; /|'
mutate drafts-learnt-late unit/engine/ngram src/engine/draft/ngram.c 's|left < OLDER ? left : OLDER|left|'
mutate drafts-search-and-learn unit/engine/ngram src/engine/draft/ngram.c 's|if (!g->searched)|if (1)|'
mutate drafts-wrong-block "$(drafts alone qwen35moe)" src/model/kv_pages.c 's|seq->state = seq->kept\[n - 1\];|seq->state = seq->kept[n > 1 ? n - 2 : 0];|'
mutate drafts-no-way-back "$(drafts alone mamba2)" src/engine/session.c 's|^        seq_go_back(seq, n_right);|        (void)0;|'
mutate drafts-of-convolution "$(drafts alone lfm2moe)" src/op/recur.c 's|run_kept(r, i, r->history)|run_kept(r, i + 1 < r->n - 1 ? i + 1 : i, r->history)|'
mutate drafts-of-delta "$(drafts alone qwen35moe)" src/op/recur.c 's|keep_state(r, i, run.state, (size_t)run.n_k|keep_state(r, i + 1, run.state, (size_t)run.n_k|'
mutate drafts-of-kda "$(drafts alone kimi-linear)" src/op/recur.c 's|keep_state(r, i, run.state, (size_t)run.n_k|keep_state(r, i - (i > 0), run.state, (size_t)run.n_k|'
mutate drafts-of-ssm "$(drafts alone mamba2)" src/op/recur.c 's|keep_state(r, i, run.state, (size_t)run.n_state|keep_state(r, i + 1, run.state, (size_t)run.n_state|'
mutate drafts-of-channels "$(drafts alone jamba)" src/op/recur.c 's|keep_state(r, i, r->state + |keep_state(r, i + 1, r->state + |'
mutate drafts-of-blocks "$(drafts alone deepseek4)" src/op/compress.c 's|run_kept(r, i, r->state)|run_kept(r, i + 1, r->state)|'
mutate drafts-of-means "$(drafts alone qwen4exp)" src/op/compress.c 's|run_kept(r, i, r->state)|run_kept(r, i + 1, r->state)|'
mutate drafts-of-tokens-before "$(drafts alone qwen4exp)" src/model/tables.c 's|copy_before(s, run, r, last|copy_before(s, run, r - 1, last|'
mutate drafts-sweep "$(drafts streamed qwen3moe)" src/model/step.h 's|s->n_rows - s->b->n_drafted > STEP_FEW_ROWS|s->n_rows > STEP_FEW_ROWS|'
mutate drafts-keep-pages "$(drafts alone qwen3moe)" src/engine/session.c 's|^            seq_trim(b->seq\[r\]);|            (void)0;|'
mutate drafts-committed "$(drafts known lfm2moe)" src/engine/session.c 's|r = first + n_right; r <|r = first + n_right + 1; r <|'
mutate drafts-committed-of-windows "$(drafts alone gpt-oss)" src/engine/session.c 's|r = first + n_right; r <|r = first + n_right + 1; r <|'
mutate drafts-of-the-last-token "drafts -t behind models/ember/ember.gguf" src/engine/step/verify.c 's|n_right += e->choice.holds|n_right += e->choice.holds \&\& e->choice.outcome == GOES_ON|'
mutate drafts-told-of-none "drafts -t predicted models/ember/ember.gguf" src/engine/step/verify.c 's|token.drafted = out->holds|token.drafted = 0|'
mutate drafts-all-predicted "drafts -t behind models/ember/ember.gguf" src/engine/step/verify.c 's|out->holds \&\& guess->is_predicted|out->holds|'
mutate drafts-published "$(drafts known qwen3moe)" src/engine/step/verify.c 's|^    e->rows = n;|    (void)n;|'
mutate drafts-not-compared "$(drafts alone qwen3moe)" src/engine/step/verify.c 's|GOES_ON \&\& e->choice.holds|GOES_ON \&\& compared|'
mutate drafts-by-old-masks "$(drafts forced qwen3moe)" src/engine/step/masks.c 's|^    if (!j->constraint_state)$|    if (1)|'
mutate drafts-learn-of-right-ones "$(drafts priced qwen3moe)" src/engine/step/verify.c 's/left |= b->dead\[i\] == ROW_LEFT;/left |= b->dead[i];/'
mutate drafts-on-credit "unit/engine/price" src/engine/draft/price.c 's/lost \* p->plain >= -debt/lost * p->plain >= -1e9/'
mutate drafts-by-a-held-up-step "unit/engine/price" src/engine/draft/price.c 's/^    if (!usual)$/    if (0)/'
mutate drafts-not-in-doubt "unit/engine/price" src/engine/draft/price.c 's/^    if (!usual \&\& .*/    if (0) {/'
mutate drafts-dear-at-once "unit/engine/price" src/engine/draft/price.c 's/    if (!alone)/    if (1 || alone)/'
mutate drafts-dear-now-and-then "unit/engine/price" src/engine/draft/price.c 's/if (!f->dear || n >= f->dear)/if (1)/'
mutate drafts-gain-in-doubt "unit/engine/price" src/engine/draft/price.c 's/gain = fmin(0, gain - p->plain/gain = fmin(99, gain - p->plain/'
mutate drafts-learnt-twice "unit/engine/draft" src/engine/draft/draft.c 's/if (f->n_known >= n_learnt)/if (1)/'
mutate drafts-behind-wrong-ones "unit/engine/draft" src/engine/draft/draft.c 's/held ? f->n_known + 1 : f->offer.n/f->n_known + 1/'
mutate drafts-follow-the-newest "unit/engine/draft" src/engine/draft/draft.c 's/    if (f->n_known < f->offer.n)/    if (0)/'
mutate drafts-not-followed "$(drafts priced qwen3moe)" src/engine/step/propose.c 's/        draft_follow(d, out/        if (0) draft_follow(d, out/'
mutate drafts-by-what-was "unit/engine/price" src/engine/draft/price.c 's/else if (is_fast(p, took)) {/else if (0) {/'
mutate drafts-dear-for-ever "unit/engine/price" src/engine/draft/price.c 's/    if (there && !computed)/    if (0)/'
mutate drafts-of-a-dear-pass "unit/engine/price" src/engine/draft/price.c 's/    if (layer && !computed && /    if (0 \&\& /'
mutate drafts-take-slots "plan" src/engine/plan_choose.c 's/DRAFT_SHARE = 128/DRAFT_SHARE = 1/'
mutate drafts-take-all-that-is-free "plan" src/engine/plan_choose.c 's/DRAFT_SHARE_WHOLE = 16,/DRAFT_SHARE_WHOLE = 1,/'
mutate drafts-need-memory "plan" src/engine/plan_choose.c 's/\.n_draft = least_drafts(pl),/.n_draft = w->n_draft,/'
mutate drafts-or-the-layer "plan" src/engine/plan_choose.c 's|2 \* n >= c->n_draft;|n >= c->n_draft;|'
mutate drafts-stream-the-rest "plan" src/engine/plan_choose.c 's/degraded \& PLAN_CUT_EXPERTS ? fits_for_slots/1 ? fits_for_slots/'
mutate drafts-are-given-up-for "plan" src/engine/plan.c 's/    to->whole = p->whole;/    to->whole = p->whole + 1;/'
mutate drafts-behind-prefixes "plan" src/engine/plan_choose.c 's/ : fits_for_prefixes;/ : (0 ? fits_for_prefixes : fits_with_all);/'
mutate drafts-take-prefixes "plan" src/engine/plan_choose.c 's|c->cache_ram - c->cache_ram / CACHE_STEPS, plan_fits|0, plan_fits|'
mutate drafts-take-what-is-asked "plan" src/engine/plan_choose.c 's|^    if (!pl->request->cache_ram) {$|    if (1) {|'
mutate drafts-by-one-size "unit/engine/price" src/engine/draft/price.c 's/all = all ? tried(p, all) : 0;/(void)tried;/'
mutate drafts-alike-at-every-place "unit/engine/price" src/engine/draft/price.c 's|{0.75, 0.8, 0.85, 0.9, 0.92, 0.94, 0.94, 0.95}|{0.75, 0.75, 0.75, 0.75, 0.75, 0.75, 0.75, 0.75}|'
mutate drafts-of-new-others "unit/engine/price" src/engine/draft/price.c 's|of_others = p->n_plain > 0 \&\& decoding|of_others = 0 \&\& decoding|'
mutate drafts-of-more-others "unit/engine/price" src/engine/draft/price.c 's|p->n_plain > 0 \&\& decoding == p->decoding|p->n_plain > 0|'
mutate drafts-of-both-means "unit/engine/price" src/engine/draft/price.c 's|n = p->of_others ? 0 : n;||'
mutate drafts-of-others-who-waited "unit/engine/price" src/engine/draft/price.c 's|    if (p->of_others)|    if (0)|'
mutate drafts-without-experts "unit/engine/price" src/engine/draft/price.c 's|double experts = p->experts \* grown(p->fresh, decoding, n);|double experts = 0 * grown(p->fresh, decoding, n);|'
mutate drafts-cold-for-ever "unit/engine/price" src/engine/draft/price.c 's|by_plain = 1.0 / 16|by_plain = 0|'
mutate drafts-of-the-text-alone "unit/engine/price" src/engine/draft/price.c 's|^        \*o = layer;|        (void)layer;|'
mutate drafts-not-forgotten "unit/engine/price" src/engine/draft/price.c 's|back = 1.0 / 1000|back = 0|'
mutate drafts-forget-in-rest "drafts -t priced $ember" src/engine/step/schedule.c 's/^    if (p->n == 0) .*/    if (0)/'
mutate drafts-across-copies "$(drafts copied mamba2)" src/engine/step/schedule.c 's/e->room < most \&\& !cuts_at(s, j, .*/e->room < most)/'
mutate drafts-unstated "nextn -t unstated build/data/golden/glm4moe.gguf" src/format/gguf.c 's/first > 1 \&\& gguf_predicts/first > 1 \&\& 0 \&\& gguf_predicts/'
mutate drafts-tried-again-by-layer "$(drafts unreadable qwen35moe)" src/engine/step/nextn.c 's/j->draft.is_off = 1;/(void)j;/'
mutate drafts-tried-again-by-model "drafts -t unreadable $ember" src/engine/step/follow.c 's/j->draft.is_off = 1;/(void)j;/'
mutate drafts-of-unknown-tokens "drafts -t drafter $ember" src/engine/step/follow.c 's/ || lacks_token(s, j))/ || (0 \&\& lacks_token(s, j)))/'
mutate drafts-behind-the-end cli/serve src/server/answer/events.c 's/a->n_accepted += t->n_accepted/a->n_accepted += e->u.end.n_accepted/'
mutate drafter-padded plan src/engine/plan_price.c 's|w->further\[i\].least : w->further\[i\].whole;|w->further[i].least : w->further[i].whole + (w->further[i].path ? 6 << 20 : 0);|'
mutate drafts-by-prediction "$(drafts predicted qwen3moe)" src/engine/step/propose.c 's|if (j->n_prediction \&\& |if (0 \&\& |'
mutate drafts-by-force "$(drafts certain qwen3moe)" src/engine/step/propose.c 's|    int n = forced_propose(|    int n = 0 * forced_propose(|'
mutate certain-ends "unit/text/constraint/constraint" src/text/constraint/certain.c 's#id == SET_DEAD .. set->accepting .. set->tokens#id == SET_DEAD || set->tokens#'
mutate drafts-shut-out "$(drafts behind qwen3moe)" src/engine/step/propose.c 's/if (n == 0 || n < forced)/if (n == 0)/'
mutate drafts-counted-together "$(drafts behind qwen3moe)" src/engine/step/verify.c 's|n_right - smaller(n_right, d->n_forced)|n_right|'
mutate drafts-without-place "unit/engine/ngram" src/engine/draft/ngram.c 's/if (goes_on(g, text, n, out))/if (0 \&\& goes_on(g, text, n, out))/'
mutate predictions-at-once "unit/engine/ngram" src/engine/draft/ngram.c 's/g->prediction \&\& most > 0/g->prediction \&\& most > -9999/'
mutate prefixes-at-once "unit/engine/ngram" src/engine/draft/ngram.c 's/left < OLDER ? left : OLDER/9999/'
mutate prefixes-from-old "unit/engine/ngram" src/engine/draft/ngram.c 's/if (n > g->n_known + (size_t)most + 1)/if (0)/'
mutate backlogs-from-old "unit/engine/ngram" src/engine/draft/ngram.c 's/if (n > g->n_known + (size_t)most + 1)/if (g->n_known == 0 \&\& n > (size_t)most + 1)/'
mutate steps-learnt-in-part "unit/engine/ngram" src/engine/draft/ngram.c 's/(int)came : NGRAM_STEP/NGRAM_STEP : NGRAM_STEP/'
mutate coming-up-unpaid "unit/engine/price" src/engine/draft/price.c 's/took->drafting + took->catching_up/took->drafting/'
mutate prefixes-over-newer "unit/engine/ngram" src/engine/draft/ngram.c 's/w.at <= end)/w.at <= end + 99999)/'
mutate prefixes-over-predicted "unit/engine/ngram" src/engine/draft/ngram.c 's/(w.text == text \&\& w.at <= end)/w.at <= end/'
mutate force-cuts-words "unit/engine/forced" src/engine/draft/forced.c 's/BEHIND = 24/BEHIND = 0/'
mutate force-by-last-ones "unit/engine/forced" src/engine/draft/forced.c 's/else if (n_right < n - 1)/else/'
mutate force-as-it-is-spelled "$(drafts behind qwen3moe) models/ember/ember.gguf" src/engine/step/propose.c 's/if (more > 0 \&\& begins_with/if (0 \&\& begins_with/'
mutate force-behind-nothing "$(drafts behind qwen3moe) models/ember/ember.gguf" src/engine/step/propose.c 's|    return n + by_constraint(|    return n + 0 * by_constraint(|'
mutate force-behind-as-from-here "unit/engine/forced" src/engine/draft/forced.c 's|behind, (size_t)n_behind, text + 1|behind, 0, text + 1|'
mutate certain-behind-what-cannot-follow "unit/text/constraint/constraint" src/text/constraint/certain.c 's/    if (follow(&at, behind, n_behind, end) == 0) {/    follow(\&at, behind, n_behind, end); {/'
mutate drafts-of-text-before "unit/engine/ngram" src/engine/draft/ngram.c 's/    memset(g->marks, 0, mark_bytes.*/    (void)0;/'
mutate drafts-where-it-varies "unit/engine/ngram" src/engine/draft/ngram.c 's/if (stops \&\& at < w->n/if (stops > 1 \&\& at < w->n/'
mutate drafts-right-behind-it "unit/engine/ngram" src/engine/draft/ngram.c 's/(at > 0 \&\& is_marked/(0 \&\& is_marked/'
mutate drafts-never-settled "unit/engine/ngram" src/engine/draft/ngram.c 's/ \&\& !is_marked(g, at, SETTLED)//'
mutate drafts-settled-by-themselves "unit/engine/ngram" src/engine/draft/ngram.c 's/w.at != end \&\& stands/stands/'
mutate drafts-share-places "unit/engine/ngram" src/engine/draft/ngram.c 's/PER_TOKEN = 4/PER_TOKEN = 1/'
mutate drafts-varying-backwards "unit/engine/ngram" src/engine/draft/ngram.c 's/^    if (place\[0\])$/    if (0)/'
mutate drafts-never-trusted "unit/engine/ngram" src/engine/draft/ngram.c 's/? g->held + 1 : 0;/? 0 : 0;/'
mutate drafts-trusted-for-ever "unit/engine/ngram" src/engine/draft/ngram.c 's/? g->held + 1 : 0;/? g->held + 1 : g->held;/'
mutate force-without-rest "unit/engine/forced" src/engine/draft/forced.c 's/f->rests = 1 << .*/f->rests = 0 * more;/'
mutate tokens-without-work "unit/text/constraint/constraint" src/text/constraint/certain.c 's/ || ++m->meter.done >= end)/ || end == 0)/'
mutate workspaces-of-anybody "unit/text/tokenizer/tokenizer" src/text/tokenizer/workspace.c 's/if (reqmem_here() || !w->keeps)/if (1)/'
mutate predictions-whole "unit/server/request/prediction" src/server/request/prediction.c 's/if (to->n > most) {/if (0) {/'
mutate drafts-behind-the-limit "$(drafts alone qwen3moe)" src/engine/step/propose.c 's|return n - 1 < (size_t)most ? (int)n - 1 : most;|return n < (size_t)most ? (int)n : most;|'
mutate drafts-take-pages-first "drafts -t preempted $ember" src/engine/step/schedule.c 's|^        int own = e->rows - e->drafts;|        if (e->drafts) find_pages_of_drafts(e);\n        int own = e->rows - e->drafts;|'
mutate drafts-of-preempted "$(drafts preempted qwen3moe)" src/engine/step/schedule.c 's|^            e->rows = e->drafts = 0;|            e->rows = 0;|'
mutate drafts-that-fail "$(drafts unreadable qwen3moe)" src/engine/step/schedule.c 's|^    } else if (e->drafts) {|    } else if (0) {|'
# the layer that predicts: whose row, behind which norm, at which place, of which rows, where it goes on
nextn() { echo "nextn -t $1"; }
mutate nextn-halves "$(nextn golden)" src/model/arch/nextn.c 's|op_copy(&m->op, pair + n_embd, 2|op_copy(\&m->op, pair + n_embd / 2, 2|'
mutate nextn-without-norm "$(nextn golden)" src/model/arch/nextn.c 's|model_norm(s, z, z, m->nextn.norm, b->n_logits);|(void)0;|'
mutate nextn-by-other-norms "$(nextn golden) build/data/golden/cohere2moe.gguf" src/model/arch/nextn.c 's|model_norm(s, half, s->b->h, norm, .*|rms_norm(s, half, s->b->h, norm);|'
mutate nextn-unrotated "$(nextn golden) build/data/golden/cohere2moe.gguf" src/model/arch/cohere2moe.c 's/windowed || predicts || l/windowed || l/'
mutate nextn-before-the-norm "$(nextn golden) build/data/golden/step35-drafts.gguf" src/model/arch/forward.c 's|if (s->m->arch->nextn == NEXTN_BEHIND_NORM)|if (1)|'
mutate nextn-by-the-last-norm "$(nextn golden) build/data/golden/mimo2-drafts.gguf" src/model/arch/nextn.c 's|bind_vector_if(b, l, "layer_output_norm.weight", m->p.n_embd)|NULL|'
mutate nextn-out-of-the-window "$(nextn drafts) build/data/golden/step35-drafts.gguf" src/engine/step/nextn.c 's/ || loses_page(m, x)/ || (0 \&\& loses_page(m, x))/'
mutate nextn-of-one-stream "$(nextn golden) build/data/golden/deepseek4-drafts.gguf" src/model/arch/nextn.c 's|for (int i = 0; i < width; i += d)|for (int i = 0; i < d; i += d)|'
mutate nextn-by-the-models-mixer "$(nextn golden) build/data/golden/qwen4exp-long.gguf" src/model/arch/nextn.c 's|        bind_hyper_mix_end(b, l, &w->mix, .*|        (void)0;|'
mutate nextn-by-the-models-head "$(nextn golden) build/data/golden/deepseek4-drafts.gguf" src/model/arch/nextn.c 's|        bind_hyper_end(b, l, &w->streams, .*|        (void)0;|'
mutate nextn-turns-n-grams "$(nextn drafts) build/data/golden/qwen4exp-long.gguf" src/model/tables.c 's|    if (s->pairs) /. the|    if (0) /\* the|'
mutate nextn-keeps-no-key "nextn -t followed build/data/golden/deepseek4-drafts.gguf" src/model/arch/deepseek4.c 's|        one_key_keep(s, &a, &w->attention, rope);|        (void)0;|'
mutate nextn-as-the-others "$(nextn golden)" src/model/recurrent/qwen35.c 's/ || l >= p->n_layer//'
mutate nextn-sees-nothing "$(nextn golden)" src/model/arch/forward.c 's|first > s->pairs ? first : s->pairs|first|'
mutate nextn-follows-by-experts "nextn -t followed build/data/golden/glm4moe.gguf" src/model/block/dense_or_moe.c 's/    if (s->keeps)/    if (0)/'
mutate nextn-keeps-late-keys "nextn -t followed" src/model/block/gated_attention.c 's/    rotate_heads(s, k, p->n_head_kv, p->d_k, 0);/    if (!s->keeps)\n        rotate_heads(s, k, p->n_head_kv, p->d_k, 0);/'
mutate nextn-a-row-late "$(nextn drafts)" src/engine/step/nextn.c 's|memmove(to, h, |memmove(to, h + width, |'
mutate nextn-of-one-row "$(nextn drafts)" src/engine/step/nextn.c 's|end = n + e->rows, at = n|end = n + 1, at = n|'
mutate nextn-goes-on-from "$(nextn drafts)" src/engine/step/nextn.c 's|h = k ? b.h|h = 0 ? b.h|'
mutate nextn-of-chunks "$(nextn drafts)" src/engine/step/nextn.c 's|^        memcpy(to, x->h + .*|        memset(to, 0, row);|'
mutate nextn-coins "$(nextn coins)" src/engine/step/propose.c 's|j->n_generated + i\]|j->n_generated + i + 1]|'
mutate nextn-by-its-product "$(nextn unbound)" src/format/gguf.c 's|{"eh_proj", "enorm", "hnorm"}|{"eh_proj"}|'
mutate nextn-untold "$(nextn unbound)" src/engine/session.c 's|^        log_line(LOG_WARN, "%s; drafts are|        if (0)\n&|'
mutate nextn-left-waiting "$(nextn waiting)" src/engine/step/nextn.c 's|^    add_waiting(s, &b, j);|    (void)b;|'
mutate nextn-rows-lost "$(nextn waiting)" src/engine/step/nextn.c 's|^        keep_from(x, x->n - 1, width);|        keep_from(x, x->at - 1, width);|'
mutate rope-factors-in-no-identity "state build/data/golden/phi3-long.gguf" src/model/identity.c 's|if (model_has_long_rope(m, i))|if (0)|'
mutate nextn-in-the-identity "$(nextn files)" src/model/identity.c 's|m->nextn.proj ? m->nextn.first : m->n_weight|m->n_weight|'
mutate nextn-in-no-file "$(nextn files)" src/engine/prefix/disk.c 's|for (enum whose of = OF_MODEL; of < BOTH; of++)|for (enum whose of = OF_MODEL; of < OF_NEXTN; of++)|'
mutate drafts-in-traces "cli/traces" src/engine/engine.c 's/traced = o->route_trace || o->cache_log,/traced = o->cache_log != NULL,/'
mutate drafts-in-cache-logs "cli/traces" src/engine/engine.c 's/traced = o->route_trace || o->cache_log,/traced = o->route_trace != NULL,/'
mutate drafter-not-taken-back "$(drafts drafter mamba2)" src/engine/step/follow.c 's|^            memcpy(seq->state, kept_of(s, j), seq->state_bytes);|            (void)0;|'
mutate drafter-of-others "$(drafts drafter qwen3moe)" src/engine/step/follow.c 's| && f->id\[to\] == j->history\[to\]||'
mutate nextn-late-in-drafts "$(nextn late)" src/engine/step/nextn.c 's/(is_full || waiting(nextn_of(s, p->share\[i\].job)) > NEXTN_MOST)/is_full/'
mutate nextn-late-is-drafting "$(nextn late) build/data/golden/qwen35.gguf" src/engine/step/nextn.c 's|catching_up|drafting|'
mutate drafter-not-cancelled "drafts -t drafter $ember" src/engine/requests.c 's|atomic_store(&s->drafter->session->tables.seq\[number\].cancelled, 1);|(void)0;|'
mutate drafter-stays-cancelled "drafts -t drafter $ember" src/engine/step/follow.c 's|atomic_store(&seq->cancelled, 0);|(void)0;|'
mutate drafter-late-in-drafts "drafts -t drafter $ember" src/engine/step/follow.c 's/return n <= PIECE \&\& n <= 1 + .*/return n <= PIECE + 0 * n_made;/'
mutate drafter-late-is-drafting "drafts -t drafter $ember" src/engine/step/follow.c 's|run_texts(s, p, \&b, \&p->took.catching_up)|run_texts(s, p, \&b, \&p->took.drafting)|'
mutate drafts-recorded "drafts -t recorded $ember" src/engine/step/propose.c 's/if (capture_goes_on(j->capture, j->n_done) || /if (/'
mutate drafts-never-recorded "drafts -t recorded $ember" src/engine/capture/ring.c 's/{ return c \&\& c->next < c->to \&\& pos < c->to; }/{ return c \&\& pos + 1 > 0; }/'
mutate asking-for-nothing "drafts -t priced $ember" src/engine/step/propose.c 's/clock_seconds() - begin;/0 * begin;/'
mutate plan-without-layer "cli/serve" src/cli/common/plan_log.c 's/if (p->draft_layer.weight_bytes)/if (0)/'
mutate drafter-behind-prompts "drafts -t drafter $ember" src/engine/step/schedule.c 's|^    follow_prompts(s, &p);|    (void)follow_prompts;|'
mutate drafter-in-one-piece "drafts -t drafter $ember" src/engine/step/follow.c 's|PIECE ? PIECE : piece;|PIECE ? PIECE : 9999;|'
mutate drafter-never-rests "drafts -t drafter $ember" src/engine/draft/price.c 's|if (p->all)|if (!p->coin)|'
mutate drafter-ends-in-silence "$(drafts drafter gpt-oss)" src/engine/embed/beside.c 's|if (own < asked)|if (own > asked)|'
mutate drafter-any-vocabulary "drafts -t drafter $ember" src/engine/embed/drafter.c 's|if (!same_token(x, y))|if (0 \&\& !same_token(x, y))|'
mutate drafts-over-events "drafts -t events $ember" src/engine/step/propose.c 's|answer < events - 2 ? answer : events - 2|answer + 0 * events|'

# tools that stoker runs: a passage gets another number each time, bytes that are no text come through, rounds have no end, results take more than
# their room
mutate a-number-each-time "unit/toolbox/passages" src/toolbox/passages.c 's|if (p->list\[i\].chunk == of->chunk|if (i < 0 \&\& p->list[i].chunk == of->chunk|'
mutate tools-that-were-not-found "unit/toolbox/mcp_tools" src/toolbox/mcp_tools.c 's#tool \&\& (t->offer\[i\] == OFFER_SHOWN || was_found(t, i))#tool#'
mutate found-tools-do-not-govern "unit/toolbox/mcp_tools" src/toolbox/mcp_tools.c 's|^    for (int i = 0; i < t->n_found; i++) {$|    for (int i = 0; i < t->n_found - 1; i++) {|'
mutate names-weigh-no-more "unit/mcp/index" src/mcp/index.c 's|OF_NAME = 8,|OF_NAME = 1,|'
mutate a-list-for-ever "unit/mcp/mcp" src/mcp/mcp.c 's#return s->state == SERVER_READY && (s->is_stale || #return s->state == SERVER_READY \&\& (#'
mutate results-as-they-come "unit/toolbox/toolbox" src/toolbox/toolbox.c 's|put_valid(&valid, raw.text, raw.n)|buffer_put(\&valid, raw.text, raw.n)|'
mutate rounds-of-a-server-without-end serve_library src/server/answer/rounds.c 's|run->round >= own->rounds - 1|run->round < 0|'
mutate citations-by-bytes serve_library src/server/dialect/openai.c 's|c->start += utf8_count(text + c->counted, found.from - c->counted);|c->start = found.from;|'
mutate searches-of-streams-alone serve_library src/server/answer/rounds.c 's/ || run->say->whole_in_pieces//'
mutate searches-that-tell-all serve_library src/server/dialect/file_search.c 's|if (!wants_results)|if (!wants_results \&\& 0)|'
mutate filters-for-nothing serve_library src/server/dialect/file_search.c 's|if (json_get(tool, "filters"))|if (0)|'
mutate more-passages-than-there-may-be serve_library src/server/dialect/file_search.c 's|most < LIBRARY_LIMIT_MOST ? most : LIBRARY_LIMIT_MOST|most|'
mutate passages-of-earlier-answers-lost serve_library src/server/dialect/file_search.c 's|w->own->talk.passages = \*known;|passages_free(known);|'
mutate texts-of-passages-with-titles unit/toolbox/library_tools src/toolbox/library_tools.c 's|{number, out->n, out->n, p->score}|{number, 0, out->n, p->score}|'
mutate calls-of-the-server-told serve_library src/server/answer/events.c 's|t->is_own_call = own \&\& |t->is_own_call = own \&\& 0 \&\& |'
mutate answers-that-nobody-knows serve_library src/engine/admission.c 's|if (known \&\& !j->no_cache)|if (known \&\& 0)|'
mutate limits-of-a-round-alone serve_library src/server/answer/rounds.c 's|run->max_tokens -= run->max_tokens ? (int)n_new : 0;||'
mutate tools-that-nobody-allowed serve_mcp src/server/request/own_tools.c 's|.only_allowed = 1|.only_allowed = 0|'
mutate lists-of-the-first-turn serve_mcp src/server/request/own_tools.c 's|^    mcp_refresh(.*|    (void)0;|'
mutate rounds-of-the-last-field serve_mcp src/server/request/own_tools.c 's#!\*is_said || rounds < o->rounds#1#'
mutate calls-that-go-on serve_mcp src/toolbox/mcp_tools.c 's#c->stopped \&\& c->stopped(c->stopped_arg)#c->stopped \&\& 0#'
mutate progress-for-nobody serve_mcp src/server/request/own_tools.c 's|^    if (o->progress)|    if (o->progress \&\& 0)|'
mutate results-that-stay-counted serve_mcp src/mcp/calls.c 's|^    call_text_free(&c->result);|    free(c->result.text);|'
mutate pipes-of-ended-servers library_soak src/mcp/child.c 's|^    close_one(&c->out);|    (void)0;|'
mutate guards-that-have-ended library_soak src/mcp/child.c 's|^    waitpid(c->pid, NULL, 0);|    (void)0;|'
mutate wakes-of-connections library_soak src/server/http/connection.c 's|^    close(c->wake);|    (void)0;|'
mutate replies-of-rounds library_soak src/server/answer/rounds.c 's|^    stoker_reply_close(t->reply);|    (void)0;|'
mutate pages-without-a-sandbox serve_pages src/server/own/library_page.c 's#"sandbox; default-src#"default-src#'
mutate pages-without-a-key serve_pages src/server/own/library_page.c 's#return http_ask_key(x, r) ? NULL : rest;#return rest;#'
mutate tickets-of-anybody serve_pages src/server/request/tickets.c 's#found |= differs == 0;#found |= differs < 256;#'
mutate files-that-have-changed serve_pages src/library/pages/pages.c 's#st.st_size != row->bytes#0#; s#st.st_mtim.tv_nsec != row->mtime_ns#st.st_mtim.tv_nsec == -1#; s#n != 0 || (int64_t)out->n != row->bytes#n != 0#'
mutate any-archive-is-the-one serve_pages src/library/pages/pages.c 's#if (strcmp(uuid, s->source.identity))#if (0)#'
mutate a-zero-byte-in-a-path serve_pages src/server/own/path.c 's#(\*text == .%. \&\& !(high | low))#0#'
mutate rounds-without-end cli/run_library src/cli/chat/chat.c 's|c->round >= c->tools.box.rounds - 1|c->round < 0|'
mutate calls-that-nobody-allowed cli/run_mcp src/cli/chat/servers.c 's|return MCP_NOBODY;|return MCP_RUN;|'
mutate one-yes-for-all-tools cli/run_mcp src/cli/chat/servers.c 's|a->server == tool->server .*)$|a->server == tool->server)|'
mutate half-a-call-is-asked-about cli/run_mcp src/cli/chat/tools.c 's#is_cut = c->n > SHOWN && !is_asked#is_cut = c->n > SHOWN + 0 * is_asked#'
mutate answers-steer-the-terminal cli/terminal_guard src/cli/chat/show.c 's|while (s->terminal && good < n)|while (s->terminal < 0 \&\& good < n)|'
mutate questions-that-nobody-sees cli/terminal_guard src/cli/chat/tools.c 's| .. !isatty(STDERR_FILENO)) /. which shows the call and|) /* which shows the call and|'
mutate tools-of-the-first-answer cli/run_mcp src/cli/chat/chat.c 's|^        c->reply.n_tools = c->tools.box.governs.n;|        c->reply.n_tools = c->reply.n_tools ? c->reply.n_tools : c->tools.box.governs.n;|'
mutate programs-that-stay cli/run_mcp src/base/process/guard.c 's|prctl(PR_SET_PDEATHSIG, GUARD_END);|(void)0;|'
mutate commands-that-stay cli/tools src/base/process/guard.c 's|prctl(PR_SET_PDEATHSIG, GUARD_END);|(void)0;|'
mutate commands-without-a-terminal cli/run_mcp src/cli/chat/tools.c 's|.group = getpgrp()|.group = 0|'
mutate programs-of-programs unit/mcp/mcp src/base/process/guard.c 's|prctl(PR_SET_CHILD_SUBREAPER, 1);|(void)0;|'
mutate programs-without-a-guard cli/mcp src/base/process/guard.c 's|prctl(PR_SET_PDEATHSIG, SIGKILL);|(void)0;|'
mutate calls-that-nobody-counts unit/mcp/mcp src/mcp/call_text.c 's#if (reqmem_take_apart(of, n, .*))$#if (of \&\& 0)#; s#{malloc(n), n, of}#{malloc(n), n, NULL}#'
mutate calls-that-begin-together unit/mcp/mcp src/mcp/call_text.c 's#if (reqmem_take_apart(of, n, .*))$#if (reqmem_take_apart(of, n, REQMEM_LARGE) \&\& !of)#'
mutate budgets-without-an-end unit/base/reqmem src/base/reqmem.c 's#return !m || try_take(&w) ? 0 : -1;#return !m || try_take(\&w) ? 0 : 0;#'
mutate inputs-that-are-closed unit/mcp/mcp src/mcp/server.c 's#if (n < 0 && errno == EAGAIN)#if (n < 0)#'
mutate programs-that-all-wait-for unit/mcp/mcp src/mcp/mcp.c 's#int living = end_programs(m, 0);#int living = 0; while (end_programs(m, 0)) nanosleep(\&probe, NULL);#'
mutate guards-that-are-held unit/mcp/mcp src/mcp/child.c 's#, {5000, SIGKILL}}#}#'
mutate calls-that-nobody-reads unit/mcp/mcp src/mcp/server.c 's#return server_is_told(s) && !is_at_work#return 0 \&\& server_is_told(s) \&\& !is_at_work#'
mutate servers-at-work-that-fail unit/mcp/mcp src/mcp/server.c 's#return server_is_told(s) && !is_at_work#return server_is_told(s) + 0 * is_at_work#'
mutate calls-within-a-call unit/mcp/mcp src/mcp/calls.c 's#if (!server_is_told(s))#if (1)#'
mutate lines-at-a-question cli/run_mcp src/cli/common/log_stderr.c 's|is_waiting = isatty(STDERR_FILENO);|is_waiting = 0;|'
mutate lists-that-grow "unit/mcp/mcp" src/mcp/mcp.c 's|^        s->most_bytes = least.*|        ;|'
mutate words-that-grow "unit/mcp/mcp" src/mcp/mcp.c 's|^    m->most_postings = least(INDEX.*|    (void)first;|'
mutate arguments-nobody-checks unit/toolbox/mcp_service src/toolbox/mcp_service_tools.c 's#if (arguments_fit(tool->schema, arguments, &text))#if (arguments_fit(tool->schema, arguments, \&text) || 1)#'
mutate a-revision-from-behind cli/mcp src/cli/mcp/stdio.c 's|{&call->m, call->is_old,|{\&call->m, call->of->is_old,|'
mutate clients-that-wait-for-servers cli/mcp src/cli/cmd_mcp.c 's|return mcp_flag_start(|return mcp_flag_open(|'
mutate the-last-word-of-a-pipe cli/mcp src/cli/mcp/stdio.c 's#is_asked || !mcp_service_is_starting(c->service)#is_asked + 1#'
mutate calls-without-a-bound cli/mcp src/cli/mcp/stdio.c 's#if (reqmem_take(&call->memory, n, .*) == 0)#if (reqmem_take(\&call->memory, n, REQMEM_SMALL) == 0 || 1)#'
mutate requests-in-no-plan cli/hybrid src/cli/cmd_mcp.c 's|return MCP_STDIO_MEMORY + LIBRARY|return LIBRARY|'
mutate lists-in-no-plan cli/hybrid src/cli/cmd_mcp.c 's#return c->http_port < 0 && !has_models(c);#return c->http_port < 0;#'
mutate calls-before-the-list unit/toolbox/mcp_service src/toolbox/mcp_service_tools.c 's#end != SERVICE_UNKNOWN || !t->mcp#1#'
mutate articles-behind-a-ranker unit/toolbox/mcp_service src/toolbox/library_tools.c 's|^    int failed = r ?|    enter(t); int failed = r ?|; s|^    warn(t, &err);|    leave(t); warn(t, \&err);|'
mutate a-call-that-goes-on unit/toolbox/mcp_service src/toolbox/mcp_service_tools.c 's|if (ask->stopped(ask->arg)) {|if (0) {|'
mutate other-servers-without-a-model mcp_http src/server/server.c 's|s->opt.model ? NULL : s->opt.mcp;|NULL;|'
mutate calls-of-who-has-left mcp_http src/toolbox/mcp_service_tools.c 's|if (ask->stopped(ask->arg)) {|if (0) {|'
mutate tools-for-whoever-reaches-the-port mcp_http src/server/server.c 's|only_allowed = s->opt.key.n == 0;|only_allowed = 0;|'
mutate tools-that-a-key-does-not-have mcp_http src/server/server.c 's|only_allowed = s->opt.key.n == 0;|only_allowed = 1;|'
mutate routes-without-their-engine unit/server/routes src/server/routes.c 's|if (routes\[i\].flags & ROUTE_NO_MODEL)|if (i + 7 >= N_ROUTES - 1)|'
mutate an-engine-that-is-not-there unit/server/routes src/server/routes.c 's|own_props, 0|own_props, ROUTE_NO_MODEL|'
mutate keys-of-nobody mcp_http src/cli/front/flags.c 's|^    o->key = front_texts(&f->key);|    (void)0;|'
mutate a-server-that-connects socket_audit src/server/own/mcp.c '/^void own_mcp/,/^{/ s|^{|{ int connect(int, const void *, unsigned); connect(-1, 0, 0);|'
mutate a-command-with-a-socket socket_audit src/mcp/server.c '/^void server_start/,/^{/ s|^{|{ int socket(int, int, int); socket(2, 2, 0);|'
mutate vectors-by-a-socket socket_audit src/library/encoder/encoder.c '/^int encoder_vectors/,/^{/ s|^{|{ int socket(int, int, int); socket(2, 2, 0);|'
mutate ranks-by-a-socket socket_audit src/library/encoder/ranker.c '/^static int rank(/,/^{/ s|^{|{ int socket(int, int, int); socket(2, 2, 0);|'
mutate archives-by-a-socket socket_audit src/library/zim/zim.c '/^int zim_open/,/^{/ s|^{|{ int socket(int, int, int); socket(2, 2, 0);|'
mutate a-bridge-that-connects-elsewhere socket_audit src/bridge/transfer.c '/^static int set_up/,/^{/ s|^{|{ int connect(int, const void *, unsigned); connect(-1, 0, 0);|'
mutate redirects-that-are-followed unit/bridge/bridge src/bridge/transfer.c 's|c->easy_setopt(e, CURL_PROXY, "");|c->easy_setopt(e, 52, 1L); &|'
mutate answers-without-an-end unit/bridge/bridge src/bridge/transfer.c 's|t->answer.n + n > MESSAGE_MOST|t->answer.n + n > ((size_t)MESSAGE_MOST << 8)|'
mutate heads-without-an-end unit/bridge/bridge src/bridge/transfer.c 's|t->n_head > HEAD_MOST|t->n_head > ((size_t)HEAD_MOST << 8)|'
mutate sessions-that-stay-lost unit/bridge/bridge src/bridge/session.c 's#status != 404 || #1 || &#'
mutate sessions-that-nobody-ends unit/bridge/bridge src/bridge/bridge.c 's|^    session_end(&b);|    (void)0;|'
mutate messages-that-overtake unit/bridge/bridge src/bridge/bridge.c 's#return b->n_one_way || #return #'
mutate streams-that-go-on unit/bridge/bridge src/bridge/bridge.c '/^static void cancel/,/^}/ s|^    bridge_drop(b, p);|    (void)p;|'
mutate sessions-that-nobody-tries-again unit/bridge/session src/bridge/session.c 's|b->lacks_session = sentence != NULL;|b->lacks_session = 0;|'
mutate calls-before-a-session-is-open unit/bridge/session src/bridge/session.c 's|b->lacks_session = sentence != NULL;|& b->is_renewing = 0;|'
mutate sessions-that-open-some-day unit/bridge/session src/bridge/bridge.c 's/is_own || p->kind == POSTED_ONE_WAY/p->kind == POSTED_ONE_WAY/'
mutate cancels-that-wait unit/bridge/session src/bridge/bridge.c 's|^    take_cancels(b);|    (void)take_cancels;|'
mutate lines-without-an-end unit/bridge/session src/bridge/bridge.c 's|IN_MOST = 16 << 20|IN_MOST = 1 << 30|'
mutate streams-for-nobody unit/bridge/session src/bridge/transfer.c 's|if (t->take \&\& |if (|'
mutate answers-to-others unit/bridge/bridge src/bridge/bridge.c 's|int is_ours = .*|int is_ours = 1;|'
mutate headers-without-a-bound unit/bridge/bridge src/bridge/bridge.c 's|> REQUEST_HEAD_MOST|> SIZE_MAX / 2|'
mutate tls-that-nobody-needs unit/bridge/transfer src/bridge/transfer.c 's|else if (is_https \&\& set_up_tls|else if (set_up_tls|'
mutate proxies-that-nobody-has unit/bridge/transfer src/bridge/transfer.c 's#(without \&\& without != CURL_NOT_BUILT_IN.*#without ? -1 : 0;#'
mutate models-that-are-waited-for unit/server/server src/server/server.c 's#if (failed || atomic_load(&r->opened)) {#if (failed || atomic_load(\&r->opened) || !r->server.opt.model) {#'
mutate tools-that-outlive-a-stop unit/server/server src/server/server.c 's|^    end_tools(r);|    (void)end_tools;|'
mutate arguments-in-no-header unit/bridge/bridge src/bridge/headers.c 's|^    put_params(l, m, a);|    (void)a;|'
mutate annotations-anywhere unit/mcp/param_headers src/mcp/param_headers.c 's|!f.why \&\& n != f.n|!f.why \&\& n < 0|'
mutate a-proxy-of-the-environment cli/mcp_url src/bridge/transfer.c '/CURL_PROXY, "")/d'
mutate certificates-of-anybody cli/mcp_url src/bridge/transfer.c 's|c->easy_setopt(e, CURL_PROXY, "");|c->easy_setopt(e, 64, 0L); c->easy_setopt(e, 81, 0L); &|'
mutate certificates-of-another-host cli/mcp_url src/bridge/transfer.c 's#c->easy_setopt(e, CURL_PROXY, "");#c->easy_setopt(e, 81, 0L); refused |= &#'
mutate headers-that-lie serve_library src/server/own/mcp.c 's|!says(http_header(x, "mcp-name"|0 \&\& !says(http_header(x, "mcp-name"|'
mutate passages-without-room "unit/toolbox/library_tools" src/toolbox/library_tools.c 's#out->n < space ? space - out->n : 0#space + SIZE_MAX / 2#'

# importance: the first expert's for all, or for all of a slab, or the tensor's before; all tensors' in memory
mutate importance-of-one unit/quant/run src/quant/run.c 's|row / from->ne\[1\], r->weights|0, r->weights|'
mutate importance-of-a-slab unit/quant/run src/quant/run.c 's/is_first || row % from->ne\[1\] == 0/is_first/'
mutate importance-of-before unit/quant/run src/quant/run.c 's/if (!e || e == r->columns.entry)/if (!e || r->columns.entry)/'
mutate importance-of-all unit/quant/plan src/quant/plan.c 's|p->importance_bytes = more(p->importance_bytes, \(.*\));|p->importance_bytes += \1;|'
mutate patterns-beside-the-plan unit/quant/rules src/quant/plan.c 's/more(more(header, j->n_deciding), /more(header, /'
mutate lines-that-are-kept unit/quant/rules src/quant/rules.c 's|^        if (\*at \&\& \*at != .#.)|        arena_copy(arena, where, strlen(where));\n&|'
mutate steps-of-one-place unit/quant/rules src/quant/rules.c 's/most \* places : WORK_PART + places/most + 0 * places : WORK_PART/'
mutate refusals-are-limits unit/quant/rules src/quant/rules.c 's/if (rc == PCRE2_ERROR_MATCHLIMIT ||/if (rc < PCRE2_ERROR_NOMATCH ||/'
mutate needs-importance-raw unit/cli/quantize_show src/cli/quantize/show.c 's/show_text(j->needs_importance, strlen(j->needs_importance))/j->needs_importance/'
mutate errors-steer-terminals unit/base/error src/base/error.c 's/utf8_make_plain(err->text);//'
mutate importance-searched unit/quant/weigh src/quant/importance.c 's|^    return bsearch(&key.*|    for (uint64_t i = 0; i < m->n_entry; i++)\
        if (by_name(\&key, \&m->entry[i]) == 0)\
            return \&m->entry[i];\
    return NULL;|'
mutate importance-of-predictions unit/quant/weigh src/quant/weigh.c 's|j->first_draft = gguf_first_draft(j->in);|j->first_draft = UINT64_MAX;|'
mutate importance-of-zeros unit/quant/weigh src/quant/importance.c 's/e->is_empty = !has_sums || !has_rows;/e->is_empty = !has_rows;/'
mutate gain-that-is-not-restored gain src/quant/encode.c 's/if (how->gain \&\& table\[how->type\].gain)/if (how->gain \&\& 0)/'
mutate large-values-left "encode --bytes" src/quant/encode.c 's/favours_large \&\& i < n/favours_large \&\& i < 0/'
mutate large-values-at-any-price encode src/quant/encode.c 's/MOST_FOR_LARGE = 1.019/MOST_FOR_LARGE = 9/'
mutate near-points-left unit/quant/envelope src/quant/search_grid.h 's/i < b->n; i++)/i + 1 < b->n; i++)/'
mutate near-lines-left unit/quant/envelope src/quant/search_envelope.h '/lane_mask are_near/,/^}/s/int i = 0/int i = 2/'
mutate lines-hardly-in-order unit/quant/envelope src/quant/search_envelope.h 's/first_bits(n - 2)/first_bits(0)/'
mutate lines-met-at-once unit/quant/envelope src/quant/search_envelope.h 's/r->t\[i\] < r->second\[i\] \&\& //'
mutate fp4-ties-up unit/quant/fp4 src/quant/encoders.h 's/fabsf(v) > between\[k\]/fabsf(v) >= between[k]/'
mutate fp4-scales-far-off unit/quant/fp4 src/quant/encode_small.c 's/while (k > 0 \&\& fabsf/while (0 \&\& fabsf/'
mutate searched-levels-rounded-up "encode --bytes" src/quant/search_levels.h 's/round_lanes(clamp(v, /round_lanes(clamp(v + 0.25f, /'
mutate searched-fp4-rounded-up "encode --bytes" src/quant/search_levels.h 's|(low + high) / 2|(low + high) * 0.45f|'
mutate searched-scales-rounded-up "encode --bytes" src/quant/search_block.h 's|round_lanes(clamp((t->s|round_lanes(clamp(0.45f + (t->s|'
mutate searched-minima-rounded-up "encode --bytes" src/quant/search_block.h 's|round_lanes(clamp(t->m|round_lanes(clamp(0.45f + t->m|'
mutate ties-away-from-zero "encode --bytes" src/quant/encoders.h '/static inline int round_to/,/^}/s|rintf(|roundf(|'

# vectors of the library: chunks that have left, other models, damage, ranks, codes, numbers that are given again, long queries, writers
# beside a search
mutate what-is-behind-a-text library src/library/document/markdown.c 's|^    text\[\*n\] = 0;.*||'
mutate vectors-of-what-has-left library src/library/by_vector.c 's| \&\& !vector_gaps_has(&t->gaps, chunk)||'
mutate vectors-of-any-model library src/library/source_vectors.c 's#v->about.model == model \&\& ##'
mutate vectors-that-nobody-checks library src/library/vectors/segment.c 's#if (b->sum != block_sum(#if (0 \&\& b->sum != block_sum(#'
mutate vectors-of-a-source-twice library src/library/by_vector.c '/^static int search_source/,/^}/ s#t->best->n = 0;#(void)0;#'
mutate hits-of-another-source library src/library/search.c 's|\.source = b->row\[i\]\.source|.source = b->row[i].source * 0|'
mutate ranks-from-nought library src/library/best.c 's|share(i + 1)|share(i)|g'
mutate codes-away-from-even library src/library/vectors/segment.c 's|nearbyintf(|roundf(|'
mutate numbers-of-chunks-again library src/library/source.c 's#coalesce((SELECT last_chunk FROM vector), 0)#0#'
mutate gaps-of-numbers-to-come library src/library/source.c 's#min(chunks, last_chunk + 1 - first)#chunks#'
mutate vectors-of-whole-queries library src/library/find.c 's#q->n > QUERY_BYTES ? utf8_cut(q->text, QUERY_BYTES) : q->n#q->n#'
mutate what-left-is-damage library src/library/search.c 's#source_version(s) != s->searched_version#0#'
mutate vectors-that-were-swept library src/library/by_vector.c 's#tries < 2#tries < 1#'
mutate chunks-seen-twice library src/library/source_vectors.c 's|v->last = last;|v->last = last - 1;|'
mutate vectors-of-a-full-disk cli/library src/library/vectors/segment.c 's#|| block_write(s->fd, block,#|| 0 * block_write(s->fd, block,#'
mutate sources-that-cannot-be-read cli/library src/library/library.c 's#access(path, R_OK)#access(path, F_OK)#'
mutate archives-that-cannot-be-read cli/library src/cli/library/sources.c 's#errno == ENOENT#errno#g'
mutate articles-without-a-commit cli/library src/library/source.c 's#"BEGIN IMMEDIATE"#"SELECT 1"#; s#"COMMIT"#"SELECT 1"#'
mutate chats-by-words-alone cli/hybrid src/library/find.c 's|has ? &v : NULL|has ? NULL : NULL|'
# ... lists of them: which rows are where, what of them is read, who makes them, files that are not theirs
mutate lists-of-the-farthest library src/library/vectors/lists_make.c 's/score > best\[i\]/score < best[i]/'
mutate lists-by-chance library src/library/vectors/lists_make.c 's|rng_u64(SEED, |rng_u64(rng_seed(), |'
mutate lists-by-threads library src/library/vectors/lists_make.c 's|pool_share((int)width_of(m), COLUMNS, thread, n_threads, &begin, &end);|begin = thread, end = n_threads;|'
mutate lists-under-their-name-at-once library src/library/vectors/lists_make.c 's|"%s.new", path|"%s", path|'
mutate lists-that-were-stopped library src/library/vectors/lists_make.c 's|^        unlink(name);|        (void)name;|'
mutate lists-of-little-memory library src/library/vectors/lists_make.c 's|if (m->o->memory \&\& need + m->o->beside > m->o->memory)|if (0)|'
mutate lists-that-are-worst library src/library/vectors/lists.c 's|(x->score < y->score) - (x->score > y->score)|(x->score > y->score) - (x->score < y->score)|'
mutate lists-all-read library src/library/vectors/lists.c 's#const int n = (l->n + LISTS_READ - 1) / LISTS_READ;#const int n = l->n;#'
mutate lists-of-any-segment library src/library/vectors/lists.c 's#if (h->id != l->file.about.id || #if (#'
mutate lists-of-any-table library src/library/vectors/lists.c 's|if (table_sum(l) != sum)|if (0 \&\& table_sum(l) != sum)|'
mutate lists-of-any-length library src/library/vectors/lists.c 's#st.st_size == l->file.about.bytes ? 0 : lists_damaged(l, err)#0#'
mutate lists-of-any-rows library src/library/vectors/lists.c 's# || sum != l->rows_sum##'
mutate lists-of-any-centres library src/library/vectors/lists.c 's# \&\& !s.numbers_are_wrong##'
mutate lists-of-rows-elsewhere library src/library/vectors/lists.c 's# \&\& rows->rows == s.rows##'
mutate lists-held-of-others library src/library/source_lists.c 's# \&\& lists_bind(l, s->held, err) == 0##'
mutate lists-read-of-others library src/library/by_vector.c 's#lists_bind(f->lists, f->segment, note) == 0#1#'
mutate lists-of-other-last-rows library src/library/vectors/lists.c 's# \&\& last.sum == l->last_sum##'
mutate lists-of-other-rows-before library src/library/vectors/segment.c 's|getrandom(&b->written, sizeof b->written, 0) == sizeof b->written|1|'
mutate lists-with-rows-behind library src/library/by_vector.c 's|if (f->lists->n_row + t->n_row != n_row)|if (n_row < 0)|'
mutate lists-with-a-row-twice library src/library/by_vector.c 's|return has_row_twice(t->best) ?|return has_row_twice(t->best) \&\& 0 ?|'
mutate lists-held-as-all-rows library src/library/source_lists.c 's#lists_hold(l, err) == 0 ? HOLD_LISTS : HOLD_NOTHING#lists_hold(l, err) == 0 ? HOLD_LISTS : bytes > ram ? HOLD_NOTHING : HOLD_ROWS#'
mutate lists-checked-in-silence library src/library/source_lists.c 's|lists_check(&l, of, o->tick, o->arg, why)|lists_check(\&l, of, o->tick ? NULL : o->tick, NULL, why)|'
mutate lists-made-though-stopped library src/library/source_lists.c 's|has = r->is_stopped = 1;|r->is_stopped = 1;|'
mutate lists-without-what-came library src/library/by_vector.c 's|if (scan_from(f, f->lists->covered, v, o, err))|if (0)|'
mutate lists-beside-all-rows library src/library/by_vector.c '/^static int scan_files/,/^}/ s|t->best->n = 0;|(void)t;|'
mutate lists-that-came-meanwhile library src/library/by_vector.c 's# || has.about.bytes != had->about.bytes##'
mutate lists-of-few library src/library/source_lists.c 's#v.n_row <= above#v.n_row < above#'
mutate lists-once-and-for-all library src/library/source_lists.c 's# \&\& v->n_row - l.n_row <= v->n_row / LISTS_TAIL##'
mutate lists-that-do-not-fit library src/library/source_lists.c 's#is = bytes <= ram#is = bytes > ram ? HOLD_ROWS : bytes <= ram#'
mutate lists-of-what-has-gone library src/library/source_vectors.c 's#strcmp(end, ".lists") == 0 || ##'
mutate lists-that-nobody-checks cli/library src/cli/library/sources.c 's|source_lists_check(s, v, &segment, err);|(void)0;|'
mutate ahead-of-one-span unit/base/io/ahead src/base/io/ahead.c 's|if (\*next == a->range.n_more)|if (1)|'
# ... what is ranked: ties, articles, turns, failures, how many
mutate ranked-ties library src/library/find.c 's|score\[k - 1\] < s|score[k - 1] <= s|'
mutate ranked-articles library src/library/search.c 's|most < SEARCH_RANKED_AN_ARTICLE ? most : SEARCH_RANKED_AN_ARTICLE|most > 0 ? SEARCH_AN_ARTICLE : 0|'
mutate ranked-among-others library src/library/find.c 's|\&l->searching : \&l->ranking|\&l->searching : \&l->searching|'
mutate ranked-many-at-a-time library src/library/find.c 's|if (take_turn(l, turn, q->stopped, q->arg))|if (0)|'
mutate ranked-before-their-turn library src/library/find.c 's/ || t->first != &me//'
mutate ranked-all-of-an-article library src/library/search.c 's|most < SEARCH_RANKED_AN_ARTICLE ? most : SEARCH_RANKED_AN_ARTICLE|most > 0 ? SEARCH_LIMIT : 0|'
mutate ranked-by-long-queries cli/rerank src/library/encoder/ranker.c 's|count > most;)|count > SIZE_MAX - 1;)|'
mutate ranked-without-a-word library src/library/find.c 's|error_set(err, why.code, "%s", why.text);|(void)err;|'
mutate ranked-few library src/library/search.c 's|n = limit > SEARCH_FUSED ? limit : SEARCH_FUSED, most|n = limit, most|'
mutate waiting-for-sources-for-ever library src/library/find.c 's|is_stopped = stopped \&\& stopped(arg);|is_stopped = t != \&l->reading \&\& stopped \&\& stopped(arg);|'
mutate warnings-to-nobody unit/toolbox/mcp_service src/toolbox/library_tools.c 's|^        library_warn(t->library, err);|        (void)0;|'
mutate warnings-of-what-answers unit/toolbox/mcp_service src/toolbox/library_tools.c 's|^    warn(t, &err);|    if (!failed) warn(t, \&err);|'
mutate warnings-that-nobody-waits unit/toolbox/mcp_service src/toolbox/library_tools.c 's|if (err->code == ERR_CANCELLED) /|if (0) /|'
mutate warnings-that-hide-others unit/toolbox/mcp_service src/library/find.c 's|hash64(err->text, strlen(err->text), 0)|hash64(err->text, 1, 0)|'
mutate warnings-without-a-bound unit/toolbox/mcp_service src/library/find.c 's#const int is_due = w->at == 0 #const int is_due = w->text != text || w->at == 0 #'
mutate warnings-again-and-again unit/toolbox/mcp_service src/library/find.c 's/const int is_due = /const int is_due = 1 || /'
mutate warnings-of-chats-to-nobody serve_library src/server/answer/rounds.c 's|^    library_warn(.*|    (void)0;|'
mutate refused-by-settings cli/rerank src/cli/cmd_library.c 's|settings_is_typed("--rerank")|c->rerank|'
mutate typed-as-a-value cli/usage src/cli/common/flags.c 's#p->is_first || is_given(p, o->beside)#1#'
mutate refused-by-memory cli/rerank src/cli/cmd_mcp.c 's|settings_is_typed("--memory")|m->memory|'
mutate ranked-by-outputs cli/rerank src/library/encoder/ranker.c 's|k->about.is_sigmoid \&\& |0 \&\& |'
mutate ranked-texts-alone cli/rerank src/library/encoder/ranker.c 's|library_put_passage(&passage, h->heading, h->text)|library_put_passage(\&passage, "", h->text)|'
mutate lists-from-the-beginning "unit/server/dialect/openai" src/server/dialect/completions.c 's|size_t first = is_told ? own->first\[prompt\] : 0|size_t first = is_told ? 0 * own->first[prompt] : 0|'
mutate vectors-of-before cli/hybrid src/library/by_vector.c 's# \&\& held->about.bytes == has->about.bytes##'
mutate codes-without-their-offset kernels src/kernel/avx512/codes.c 's|less = 128 \* sum_of|less = 127 * sum_of|'

[ $skipped -eq 0 ] || echo "$skipped skipped"
[ "$dry" ] || echo "$red red, $green green"
[ $green -eq 0 ] && [ $red -gt 0 ]
