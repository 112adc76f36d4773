/* links: engine text model store op machine kernel format base
 *
 * The laws of steering, by equality of bits, on every golden model (or the models named) and at each place where its rows can be steered.
 *
 *     build/tests/steer_laws                   all, sequences mixed in 4 orders
 *     build/tests/steer_laws MODEL.gguf...     these, in 40 orders
 *
 *     no-op       scale 0, no positions, other layers, directions of zeros: no operation is left of them, and a request without operations
 *                 has the bits of one without a list
 *     locality    an operation at layer l: rows below it, and at it before it acts, have the bits of a run without; behind it they have not
 *     isolation   eight sequences with eight lists in the same steps, mixed at random: each has the bits that it has alone
 *     equality    threads, chunks, tiers, a budget that streams: the same bits
 *     order       another order of two operations is another answer, and another digest
 *     ablation    behind a projection nothing is left of its direction
 *     features    no-op, isolation and equality of operations on features of an autoencoder
 *     experts     the same of operations on routers; as few experts as a row takes, and no other is used
 *
 * Rows are seen through a kernel table of the test's own, whose axpy notes them. */
#define LAWS_LINES 8
#include "expected.h"
#include "laws_run.h"

#include "model/forced_routes.h"
#include "model/steering.h"
#include "temporary.h"

#include <fcntl.h>
#include <math.h>
#include <unistd.h>

enum { MOST_LAYERS = 16, MOST_ROWS = 4 * MOST_IDS };

static int passed, failed, is_named;

static void verdict(const char *model, const char *law, int hook, int ok, const char *detail)
{
    printf("%s %-10s %-24s %-26s %s\n", ok ? "ok  " : "FAIL", law, model, hook < 0 ? "" : vector_hook_name(hook),
           detail);
    fflush(stdout);
    *(ok ? &passed : &failed) += 1;
}

/* ---- vectors made here ------------------------------------------------------------------------------------------------------- */

/* A direction a layer of norm 1 (a projection) or so large that it shows; from a seed. At the layers that have the hook. */
static struct vector *make(const struct model *m, enum vector_kind kind, enum vector_hook hook, uint32_t seed)
{
    int n = m->p.n_embd, n_layer = m->p.n_layer;
    struct vector *v = calloc(1, sizeof *v + (size_t)n_layer * (sizeof *v->direction + (size_t)n * sizeof(float)));
    v->kind = kind;
    v->hook = hook;
    v->n_embd = n;
    v->last = n_layer - 1;
    v->scale = 1;
    v->direction = (struct vector_direction *)(v + 1);
    for (int l = 0; l < n_layer; l++) {
        float *to = (float *)(v->direction + n_layer) + (size_t)l * (size_t)n;
        double squares = 0;
        if (!(m->hooks[l] >> hook & 1))
            continue;
        for (int i = 0; i < n; i++) {
            to[i] = (float)((double)(rng_u64(77, (uint64_t)i, (uint32_t)l, seed) >> 40) * 0x1p-23 - 1);
            squares += (double)to[i] * (double)to[i];
        }
        for (int i = 0; i < n; i++)
            to[i] = (float)((double)to[i] / sqrt(squares) * (kind == VECTOR_PROJECT ? 1 : 2));
        sha256(to, (size_t)n * sizeof *to, v->direction[l].sha256);
        v->direction[l].v = to;
        v->direction[l].norm = kind == VECTOR_PROJECT ? 1 : 2;
        v->n_held++;
    }
    return v;
}

/* An autoencoder of the middle layer, whose features are active often; of k largest, or of thresholds. */
static struct sae *make_sae(const struct model *m, int k)
{
    enum { FEATURES = 70 };
    size_t n = (size_t)m->p.n_embd, all = FEATURES * n;
    struct sae *s = calloc(1, sizeof *s + (2 * all + (SAE_ROWS + 2) * n + (SAE_ROWS + 2) * FEATURES) * sizeof(float) +
                                  (size_t)(SAE_ROWS * k) * (sizeof(float) + sizeof(int32_t)));
    float *next = (float *)(s + 1), *encoder = next, *decoder = encoder + all, *bias = decoder + all,
          *threshold = bias + FEATURES, *centre = threshold + FEATURES;
    s->form = (struct sae_form){
        .gate = k ? SAE_TOPK : SAE_JUMPRELU, .k = k, .layer = m->p.n_layer / 2, .is_centred = k > 0};
    s->n_embd = (int)n;
    s->n_feature = FEATURES;
    for (size_t i = 0; i < 2 * all + 2 * FEATURES + n; i++)
        next[i] = (float)((double)(rng_u64(78, i, 1, (uint32_t)k) >> 40) * 0x1p-23 - 1);
    memset(decoder + all - n, 0, n * sizeof(float)); /* the last direction is one of zeros */
    s->encoder = (struct sae_matrix){(const uint8_t *)encoder, TYPE_F32};
    s->decoder = (struct sae_matrix){(const uint8_t *)decoder, TYPE_F32};
    s->encoder_bias = bias;
    s->threshold = k ? NULL : threshold;
    s->decoder_bias = centre;
    s->rows = centre + n;
    s->features = s->rows + SAE_ROWS * n;
    s->direction = s->features + SAE_ROWS * FEATURES;
    s->pick_value = s->direction + n;
    s->pick_id = (int32_t *)(void *)(s->pick_value + SAE_ROWS * k);
    s->hash[0] = (uint8_t)k;
    return s;
}

static struct steering_op feature(const struct sae *s, enum feature_act act, int j, float u)
{
    return (struct steering_op){.sae = s, .act = act, .feature = j, .amount = u, .to = INT64_MAX};
}

static struct steering_op whole(const struct vector *v, float amount)
{
    return (struct steering_op){.vector = v, .amount = amount, .last = v->last, .to = INT64_MAX};
}

static struct steering list_of(const struct model *m, struct steering_op a, struct steering_op b)
{
    struct steering s = {0};
    steering_add(&s, m, &a);
    if (b.vector)
        steering_add(&s, m, &b);
    return s;
}

static const struct steering_op nothing;

/* ---- rows that are steered --------------------------------------------------------------------------------------------------- */

static struct tap {
    const struct kernels *k;
    struct kernels own;
    const struct vector *v;
    int act; /* the layer that acts; the others only note; -1: none acts */
    uint64_t hash[MOST_LAYERS][MOST_ROWS];
    int n[MOST_LAYERS];
    float left; /* |dot16(x, r)| / norm(x) behind the operation: the most; NaN if it was once */
} tap;

static void note(float *x, float s, const float *v, int n)
{
    int l = 0;
    while (l <= tap.v->last && tap.v->direction[l].v != v)
        l++;
    if (l < MOST_LAYERS && l <= tap.v->last && tap.n[l] < MOST_ROWS)
        tap.hash[l][tap.n[l]++] = hash64(x, (size_t)n * sizeof *x, 0);
    if (l == tap.act || tap.act == INT32_MAX)
        tap.k->axpy(x, s, v, n);
    float c = fabsf(tap.k->dot16(x, v, (size_t)n)) / sqrtf(tap.k->dot16(x, x, (size_t)n));
    tap.left = c <= tap.left ? tap.left : c;
}

static void tap_begin(struct session *s, const struct vector *v, int act)
{
    const struct kernels *k = s->model->op.k == &tap.own ? tap.k : s->model->op.k;
    memset(&tap, 0, sizeof tap);
    tap.k = k;
    tap.own = *k;
    tap.own.axpy = note;
    tap.v = v;
    tap.act = act;
    s->model->op.k = &tap.own;
}

static void tap_end(struct session *s) { s->model->op.k = tap.k; }

/* ---- the laws ---------------------------------------------------------------------------------------------------------------- */

static struct setting base = {.threads = 1, .chunk = 40, .budget = 100, .n_ctx = 64};

struct subject {
    const char *path, *name;
    struct session *s; /* opened with base */
    int n_vocab;
};

/* Of line `which` alone under a list, or NULL. */
static struct line answer(struct session *s, int which, const struct steering *list, int chunk)
{
    struct error err = {0};
    struct line l;
    line_make(&l, which, 20 + 3 * which, s->model->p.n_vocab);
    s->tables.seq[0].steer = list;
    if (run_alone(s, &l, chunk, &err))
        printf("     %s\n", err.text);
    s->tables.seq[0].steer = NULL;
    return l;
}

static int equal(const struct line *a, const struct line *b) { return line_differs(a, b) < 0; }

static void no_op(const struct subject *t, enum vector_hook hook)
{
    const struct model *m = t->s->model;
    struct vector *v = make(m, VECTOR_ADD, hook, 1), *zero = make(m, VECTOR_ADD, hook, 1);
    for (int l = 0; l <= zero->last; l++)
        zero->direction[l].norm = 0;
    struct steering_op op[5] = {whole(v, 0), whole(v, 1), whole(v, 1), whole(zero, 1), whole(v, -0.0f)};
    op[1].from = op[1].to = 7;
    op[2].first = m->p.n_layer;
    op[2].last = 1 << 20;
    struct steering s = {0};
    for (int i = 0; i < 5; i++)
        steering_add(&s, m, &op[i]);
    struct line plain = answer(t->s, 0, NULL, 40), empty = answer(t->s, 0, &s, 40);
    struct steering late = list_of(m, whole(v, 1), nothing);
    late.op[0].from = 1000;
    struct line later = answer(t->s, 0, &late, 40);
    verdict(t->name, "no-op", (int)hook,
            s.n == 0 && steering_key(&s, 5, 0, 256) == 5 && equal(&plain, &empty) && equal(&plain, &later), "");
    free(v);
    free(zero);
}

/* Layers that have the hook: the middle one of them. */
static int middle(const struct vector *v)
{
    int seen = 0;
    for (int l = 0; l <= v->last; l++)
        if (v->direction[l].v && seen++ == v->n_held / 2)
            return l;
    return -1;
}

static void locality(const struct subject *t, enum vector_hook hook)
{
    static struct tap plain;
    const struct model *m = t->s->model;
    struct vector *v = make(m, VECTOR_ADD, hook, 2);
    struct steering all = list_of(m, whole(v, 1), nothing), one;
    int at = middle(v), ok = at >= 0, differ = 0, behind = 0;
    struct steering_op o = whole(v, 1);
    o.first = o.last = at;
    one = list_of(m, o, nothing);
    tap_begin(t->s, v, -1);
    struct line noted = answer(t->s, 1, &all, 40), truth, acted, direct;
    plain = tap;
    tap_begin(t->s, v, at);
    acted = answer(t->s, 1, &all, 40);
    tap_end(t->s);
    truth = answer(t->s, 1, NULL, 40);
    direct = answer(t->s, 1, &one, 40);
    int streams = m->p.hyper.n && hook == VECTOR_LAYER ? m->p.hyper.n : 1, rows = truth.n_prompt * streams;
    for (int l = 0; l < MOST_LAYERS && l <= v->last; l++) {
        int same = memcmp(tap.hash[l], plain.hash[l], (size_t)rows * sizeof tap.hash[l][0]) == 0;
        ok = ok && tap.n[l] == plain.n[l] && (!v->direction[l].v || tap.n[l] >= rows);
        ok = ok && (l > at || same);
        behind += l > at && v->direction[l].v != NULL;
        differ += l > at && !same;
    }
    ok = ok && equal(&noted, &truth) && equal(&acted, &direct) && !equal(&acted, &truth) && differ == behind;
    verdict(t->name, "locality", (int)hook, ok, "");
    free(v);
}

/* Eight lists: none, a vector, the same at another scale, only the prompt, only the answer, one layer, a projection, both. */
static void eight(const struct model *m, const struct vector *v, const struct vector *r, int prompt,
                  struct steering out[LINES])
{
    struct steering_op o = whole(v, 0.5f), p = whole(r, 1);
    memset(out, 0, LINES * sizeof *out);
    out[1] = list_of(m, o, nothing);
    out[2] = list_of(m, whole(v, -1.5f), nothing);
    o.to = prompt;
    out[3] = list_of(m, o, nothing);
    o.to = INT64_MAX;
    o.from = 25;
    out[4] = list_of(m, o, nothing);
    o.from = 0;
    o.first = o.last = middle(v);
    out[5] = list_of(m, o, nothing);
    p.side = STEER_POSITIVE;
    out[6] = list_of(m, p, nothing);
    p.side = STEER_BOTH;
    out[7] = list_of(m, p, whole(v, 1));
}

/* Eight lists in the same steps, each as alone. */
static int are_isolated(const struct subject *t, struct steering list[LINES], int rounds)
{
    static struct line truth[LINES], line[LINES];
    int ok = 1;
    for (int i = 0; i < LINES; i++)
        truth[i] = line[i] = answer(t->s, i, list[i].n ? &list[i] : NULL, 40);
    for (int seed = 0; seed < rounds && ok; seed++) {
        struct error err = {0}, row_error = {0};
        int first = seed % LINES; /* which sequence a list has differs by round */
        static struct line turned[LINES];
        for (int i = 0; i < LINES; i++) {
            turned[i] = line[(i + first) % LINES];
            t->s->tables.seq[i].steer = &list[(i + first) % LINES];
        }
        ok = run_mixed(t->s, turned, LINES, (uint64_t)seed, &row_error, &err) == 0;
        for (int i = 0; i < LINES; i++) {
            ok = ok && equal(&truth[(i + first) % LINES], &turned[i]);
            t->s->tables.seq[i].steer = NULL;
            seq_clear(&t->s->tables.seq[i]);
        }
    }
    return ok;
}

static void isolation(const struct subject *t, enum vector_hook hook)
{
    const struct model *m = t->s->model;
    struct vector *v = make(m, VECTOR_ADD, hook, 3), *r = make(m, VECTOR_PROJECT, hook, 4);
    struct steering list[LINES];
    eight(m, v, r, 20, list);
    verdict(t->name, "isolation", (int)hook, are_isolated(t, list, is_named && !SANITIZED ? 40 : 4), "");
    free(v);
    free(r);
}

/* A list under other settings: the same bits. */
static int is_equal(const struct subject *t, const struct steering *list)
{
    struct line truth = answer(t->s, 2, list, 40);
    struct setting how[4] = {base, base, base, base};
    int ok = 1, chunk[4] = {1, 7, 40, 13};
    how[0].tier = how[2].tier = TIER_SCALAR;
    how[1].threads = how[3].threads = 2;
    how[2].budget = how[3].budget = 0;
    for (int i = 0; i < 4; i++) {
        struct error err = {0};
        how[i].chunk = chunk[i];
        struct session *s = open_session(t->path, &how[i], &err);
        struct line l = {0};
        if (s)
            l = answer(s, 2, list, s->plan.n_chunk < chunk[i] ? s->plan.n_chunk : chunk[i]);
        if (!s || !equal(&truth, &l))
            ok = 0, printf("     differs: %s: %s\n", describe(&how[i]), err.text);
        session_close(s);
    }
    return ok;
}

static void equality(const struct subject *t, enum vector_hook hook)
{
    const struct model *m = t->s->model;
    struct vector *v = make(m, VECTOR_ADD, hook, 3), *r = make(m, VECTOR_PROJECT, hook, 4);
    struct steering_op late = whole(r, 0.7f);
    late.from = 11;
    struct steering list = list_of(m, whole(v, 0.5f), late);
    verdict(t->name, "equality", (int)hook, is_equal(t, &list), "");
    free(v);
    free(r);
}

/* Operations on features, of an autoencoder with k or with thresholds. */
static void features(const struct subject *t, int k)
{
    const struct model *m = t->s->model;
    struct sae *s = make_sae(m, k);
    struct vector *r = make(m, VECTOR_PROJECT, VECTOR_LAYER, 4);
    struct steering none = {0}, list[LINES] = {{0}};
    const struct steering_op no[] = {feature(s, FEATURE_ADD, 3, 0), feature(s, FEATURE_MULTIPLY, 3, 1),
                                     feature(s, FEATURE_SET, s->n_feature - 1, 5)};
    struct steering_op late = feature(s, FEATURE_SET, 9, 4);
    late.from = 11;
    for (int i = 0; i < 3; i++)
        steering_add(&none, m, &no[i]);
    list[1] = list_of(m, feature(s, FEATURE_ADD, 3, 2), nothing);
    list[2] = list_of(m, feature(s, FEATURE_SET, 3, 2), nothing);
    list[3] = list_of(m, feature(s, FEATURE_SET, 3, 0), nothing);
    list[4] = list_of(m, late, nothing);
    list[5] = list_of(m, feature(s, FEATURE_ADD, 4, 2), feature(s, FEATURE_SET, 4, -1));
    list[6] = list_of(m, feature(s, FEATURE_SET, 4, 2), whole(r, 1));
    for (int j = 0; j < STEERING_MOST; j++) {
        struct steering_op o = feature(s, FEATURE_MULTIPLY, j, 3);
        steering_add(&list[7], m, &o);
    }
    struct line plain = answer(t->s, 2, NULL, 40), off = answer(t->s, 2, &list[3], 40),
                more = answer(t->s, 2, &list[7], 40);
    int ok = none.n == 0 && !equal(&plain, &off) && !equal(&plain, &more) &&
             are_isolated(t, list, is_named && !SANITIZED ? 40 : 2) && is_equal(t, &list[6]) && is_equal(t, &list[7]);
    char one[65], other[65];
    steering_digest(&list[1], one);
    for (int i = 2; i < LINES; i++) {
        steering_digest(&list[i], other);
        ok = ok && strcmp(one, other) != 0;
    }
    verdict(t->name, "features", (int)VECTOR_LAYER, ok, k ? "of the largest" : "above thresholds");
    free(r);
    free(s);
}

/* ---- experts ----------------------------------------------------------------------------------------------------------------- */

enum { MOST_EXPERTS = 32, STEPS = 16 };
typedef uint64_t expert_counts[MOST_LAYERS][MOST_EXPERTS];

static int is_routed(const struct model *m, int l)
{
    return m->expert_layer[l].n_expert > 0 && l >= m->p.n_token_routed;
}

static void count_uses(const struct session *s, expert_counts out)
{
    for (int l = 0; l < s->model->p.n_layer; l++)
        if (is_routed(s->model, l))
            store_uses(s->model->store, l, out[l]);
}

/* 1: expert e is among as few as a row takes: of groups the last of those that a row takes, so the first of them may have one alone. */
static int is_left(const struct model *m, int l, int e)
{
    int n = m->expert_layer[l].n_expert, used = m->p.n_expert_used;
    int end = m->p.n_group > 1 ? n / m->p.n_group * m->p.n_group_used : n;
    return e < end && e >= end - used;
}

/* At every layer that has a router: all but those, and one more with more; or only the first, with a bias. NULL: refused. */
static struct expert_biases *make_biases(const struct model *m, int more, float bias)
{
    struct expert_bias b[MOST_LAYERS * MOST_EXPERTS];
    struct expert_biases *out = NULL;
    struct error err = {0};
    size_t n = 0;
    for (int l = 0; l < m->p.n_layer; l++)
        for (int e = 0; is_routed(m, l) && e < m->expert_layer[l].n_expert; e++)
            if (bias > -INFINITY ? e == 0 : !is_left(m, l, e) || (more && !is_left(m, l, e + 1)))
                b[n++] = (struct expert_bias){l, e, bias};
    if (expert_biases_make(&out, m, b, n, &err))
        return NULL;
    const struct expert_biases *const list[] = {out};
    if (expert_biases_check(list, 1, m, &err) == 0)
        return out;
    free(out);
    return NULL;
}

/* Experts that a run did not use are no candidates: what was chosen among the others is the same. (Not with groups: there they count.) */
static struct expert_biases *unused(const struct model *m, const expert_counts before, const expert_counts after)
{
    struct expert_bias b[MOST_LAYERS * MOST_EXPERTS];
    struct expert_biases *out = NULL;
    struct error err = {0};
    size_t n = 0;
    for (int l = 0; l < m->p.n_layer; l++)
        for (int e = 0; is_routed(m, l) && e < m->expert_layer[l].n_expert; e++)
            if (before[l][e] == after[l][e])
                b[n++] = (struct expert_bias){l, e, -INFINITY};
    return expert_biases_make(&out, m, b, n, &err) ? NULL : out;
}

/* A trace of STEPS steps, of which 9 are a prompt's; every third layer of a step has no experts. */
static struct forced_routes *make_routes(const struct model *m)
{
    char path[TEMPORARY_PATH], head[400], layers[2 * MOST_LAYERS + 2] = "0";
    struct forced_routes *out = NULL;
    struct error err = {0};
    int k = m->p.n_expert_used, cell = 0;
    for (int l = 1; l < m->n_moe_layer && l < MOST_LAYERS; l++) /* how many alone counts */
        strcat(layers, ",0");
    int n = snprintf(head, sizeof head,
                     "{\"layers\":[%s],\"n_expert\":%d,\"k\":%d,\"n_prompt\":9,\"n_step\":%d,\"id_bytes\":1,"
                     "\"comp\":\"raw\"}",
                     layers, m->p.n_expert, k, STEPS);
    int fd = temporary_file(path, "routes");
    FILE *f = fdopen(fd, "w");
    fwrite("STRT1\n", 1, 6, f);
    fwrite((const uint8_t[]){(uint8_t)n, (uint8_t)(n >> 8), 0, 0}, 1, 4, f);
    fwrite(head, 1, (size_t)n, f);
    for (int step = 0; step < STEPS; step++)
        for (int l = 0; l < m->p.n_layer; l++) {
            int n_expert = m->expert_layer[l].n_expert;
            for (int i = 0; n_expert && i < k; i++)
                fputc(cell % 3 == 2 ? 0xff : (step * 5 + l + i) % n_expert, f);
            cell += n_expert > 0;
        }
    fclose(f);
    if (forced_routes_open(&out, m, AT_FDCWD, path, UINT64_MAX, &err))
        printf("     %s\n", err.text);
    remove(path);
    return out;
}

static struct steering_op turned(const struct expert_biases *b, int64_t from, int64_t to)
{
    return (struct steering_op){.experts = b, .from = from, .to = to};
}

static struct steering steered(const struct model *m, struct steering_op a, const struct steering_op *b)
{
    struct steering s = {0};
    steering_add(&s, m, &a);
    if (b)
        steering_add(&s, m, b);
    return s;
}

/* As few experts as possible, excluded ones and those of a plain run that were not used anyway. */
static int are_excluded(const struct subject *t, const struct expert_biases *few, const struct line *plain)
{
    static expert_counts before, after;
    const struct model *m = t->s->model;
    struct steering list = steered(m, turned(few, 0, INT64_MAX), NULL);
    count_uses(t->s, before);
    struct line l = answer(t->s, 2, &list, 40);
    count_uses(t->s, after);
    int ok = !equal(plain, &l);
    for (int i = 0; i < few->n; i++)
        ok = ok && before[few->bias[i].layer][few->bias[i].expert] == after[few->bias[i].layer][few->bias[i].expert];
    count_uses(t->s, before);
    answer(t->s, 2, NULL, 40);
    count_uses(t->s, after);
    struct expert_biases *idle = m->p.n_group > 1 ? NULL : unused(m, before, after);
    if (idle) {
        list = steered(m, turned(idle, 0, INT64_MAX), NULL);
        l = answer(t->s, 2, &list, 40);
        ok = ok && equal(plain, &l);
    }
    free(idle);
    return ok;
}

/* Reads of experts that a list excludes. */
struct idle_reads {
    const struct expert_biases *excluded;
    int n, all;
};

static void on_read(void *arg, const struct store_event *e)
{
    struct idle_reads *r = arg;
    r->all += !e->evict;
    for (int i = 0; i < r->excluded->n && !e->evict; i++)
        r->n += r->excluded->bias[i].layer == e->layer && r->excluded->bias[i].expert == e->id;
}

/* A chunk of many rows reads experts ahead of their routes, but none that all of its rows exclude, whatever was used before. */
static int are_not_read(const struct subject *t, const struct expert_biases *few)
{
    struct error err = {0};
    struct setting how = base;
    struct steering list = steered(t->s->model, turned(few, 0, INT64_MAX), NULL);
    struct idle_reads plain = {.excluded = few}, idle = {.excluded = few};
    how.budget = 0;
    how.n_ctx = 600;
    how.chunk = 300;
    struct session *s = open_session(t->path, &how, &err);
    if (!s)
        return 0;
    struct line l;
    for (int round = 0; round < 2; round++) {
        s->tables.seq[0].steer = round ? &list : NULL;
        store_log(s->model->store, on_read, round ? &idle : &plain);
        line_make(&l, round, 300, s->model->p.n_vocab);
        run_alone(s, &l, s->plan.n_chunk < 300 ? s->plan.n_chunk : 300, &err);
    }
    store_log(s->model->store, NULL, NULL);
    s->tables.seq[0].steer = NULL;
    session_close(s);
    if (idle.n)
        printf("     %d of %d reads are of excluded experts\n", idle.n, idle.all);
    return idle.n == 0 && plain.n > 0;
}

static void experts(const struct subject *t)
{
    const struct model *m = t->s->model;
    int routed = 0;
    for (int l = 0; l < m->p.n_layer; l++)
        routed += is_routed(m, l) && m->expert_layer[l].n_expert > m->p.n_expert_used;
    if (routed == 0)
        return;
    struct expert_biases *few = make_biases(m, 0, -INFINITY), *fewer = make_biases(m, 1, -INFINITY),
                         *first = make_biases(m, 0, 5), *zero = make_biases(m, 0, 0);
    struct forced_routes *routes = make_routes(m);
    struct vector *v = make(m, VECTOR_ADD, VECTOR_LAYER, 3);
    const struct steering_op added = whole(v, 0.5f), late = turned(few, 11, INT64_MAX), early = turned(few, 0, 20),
                             told = {.routes = routes, .from = 5, .to = INT64_MAX};
    struct line plain = answer(t->s, 2, NULL, 40);
    int ok = few && !fewer && first && zero && routes && zero->n == 0 && are_excluded(t, few, &plain) &&
             are_not_read(t, few);
    if (ok) {
        struct steering none = steered(m, turned(zero, 0, INT64_MAX), NULL),
                        list[LINES] = {none,
                                       steered(m, turned(few, 0, INT64_MAX), NULL),
                                       steered(m, turned(first, 0, INT64_MAX), NULL),
                                       steered(m, late, NULL),
                                       steered(m, early, &added),
                                       steered(m, told, NULL),
                                       steered(m, told, &added),
                                       steered(m, turned(first, 7, 30), &late)};
        struct line behind = answer(t->s, 2, &list[3], 40), other = answer(t->s, 2, &list[5], 40);
        char one[65], two[65];
        ok = none.n == 0 && line_differs(&plain, &behind) >= 11 && line_differs(&plain, &other) >= 5 &&
             are_isolated(t, list, is_named && !SANITIZED ? 40 : 3);
        for (int i = 1; i < LINES && ok; i++) {
            steering_digest(&list[i], one);
            steering_digest(&list[i % (LINES - 1) + 1], two);
            ok = strcmp(one, two) != 0 && (i == 2 || i == 3 || i == 4 || is_equal(t, &list[i]));
        }
    }
    verdict(t->name, "experts", -1, ok, "");
    free(few);
    free(fewer);
    free(first);
    free(zero);
    free(v);
    forced_routes_close(routes);
}

static void order_and_ablation(const struct subject *t, enum vector_hook hook)
{
    const struct model *m = t->s->model;
    struct vector *v = make(m, VECTOR_ADD, hook, 5), *r = make(m, VECTOR_PROJECT, hook, 6);
    struct steering ab = list_of(m, whole(v, 1), whole(r, 1)), ba = list_of(m, whole(r, 1), whole(v, 1)),
                    ablate = list_of(m, whole(r, 1), nothing);
    char one[65], other[65], text[40];
    struct line x = answer(t->s, 0, &ab, 40), y = answer(t->s, 0, &ba, 40);
    steering_digest(&ab, one);
    steering_digest(&ba, other);
    int kept = ab.op[0].is_kept; /* of a model whose last layers alone have the hook nothing is */
    verdict(t->name, "order", (int)hook,
            !equal(&x, &y) && strcmp(one, other) != 0 &&
                (!kept || steering_key(&ab, 1, 0, 256) != steering_key(&ba, 1, 0, 256)),
            "");
    tap_begin(t->s, r, INT32_MAX);
    answer(t->s, 0, &ablate, 40);
    tap_end(t->s);
    int ok = tap.left <= 1e-5f;
    for (int l = 0; l < MOST_LAYERS && l <= r->last; l++) /* all rows of the prompt were projected */
        ok = ok && (!r->direction[l].v || tap.n[l] >= x.n_prompt);
    snprintf(text, sizeof text, "at most %.1e is left", (double)tap.left);
    verdict(t->name, "ablation", (int)hook, ok, text);
    free(v);
    free(r);
}

static void run_file(const char *path)
{
    struct error err = {0};
    const char *slash = strrchr(path, '/');
    struct subject t = {.path = path, .name = slash ? slash + 1 : path};
    t.s = open_session(path, &base, &err);
    if (!t.s) {
        verdict(t.name, "open", -1, 0, err.text);
        return;
    }
    unsigned all = 0;
    for (int l = 0; l < t.s->model->p.n_layer; l++) {
        all |= t.s->model->hooks[l];
        if (!(t.s->model->hooks[l] >> VECTOR_LAYER & 1) ||
            !(t.s->model->hooks[l] & (1 << VECTOR_ATTN | 1 << VECTOR_FFN)))
            verdict(t.name, "hooks", -1, 0, "a layer has no block, or no end");
    }
    for (int hook = 0; hook < VECTOR_HOOKS; hook++) {
        if (!(all >> hook & 1))
            continue;
        no_op(&t, (enum vector_hook)hook);
        locality(&t, (enum vector_hook)hook);
        isolation(&t, (enum vector_hook)hook);
        equality(&t, (enum vector_hook)hook);
        order_and_ablation(&t, (enum vector_hook)hook);
    }
    for (int k = 0; k <= 24 && t.s->model->p.hyper.n == 0; k += 24)
        features(&t, k);
    experts(&t);
    session_close(t.s);
}

int main(int argc, char **argv)
{
    char path[256];
    is_named = argc > 1;
    base.tier = cpu_best_tier();
    for (int i = 1; i < argc; i++)
        run_file(argv[i]);
    for (int i = 0; argc == 1 && expected_lawful()[i]; i++) {
        snprintf(path, sizeof path, TEST_DATA "/golden/%s.gguf", expected_lawful()[i]);
        run_file(path);
    }
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed > 0;
}
