/* links: engine text model store op machine kernel format base
 *
 * The laws of steering, by equality of bits, on golden models and at each place where rows can be steered.
 *
 *     build/tests/steer_laws                   every golden: those of expected_lawful() at each place, the others at some of theirs, dealt
 *                                              by name; sequences mixed in a few of the 40 orders, which differ by model and place
 *     build/tests/steer_laws MODEL.gguf...     these, at each place, in 40 orders
 *     build/tests/steer_laws --whole           every golden, likewise (make steer-whole)
 *
 *     no-op       scale 0, no positions, other layers, directions of zeros: no operation is left of them, and a request without operations
 *                 has the bits of one without a list
 *     locality    an operation at a layer, each of them: the ends of layers below it, and rows at its place until it acts, have the bits of
 *                 a run without; behind it they have not
 *     isolation   eight requests with eight lists, which arrive in random orders and are mixed in the same steps: each has the bits that it
 *                 has alone
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
#include "steer_made.h"
#include "steer_noted.h"

#include <glob.h>
#include <sys/stat.h>

enum { ORDERS = 40, NAME = 64 };
enum { OF_FEATURES = VECTOR_HOOKS, OF_THRESHOLDS, OF_EXPERTS, PLACES }; /* behind the places of rows */

static int passed, failed, is_whole;

static void verdict(const char *model, const char *law, int hook, int ok, const char *detail)
{
    printf("%s %-10s %-24s %-26s %s\n", ok ? "ok  " : "FAIL", law, model, hook < 0 ? "" : vector_hook_name(hook),
           detail);
    fflush(stdout);
    *(ok ? &passed : &failed) += 1;
}

/* ---- the laws ---------------------------------------------------------------------------------------------------------------- */

static struct setting base = {.threads = 1, .chunk = 40, .budget = 100, .n_ctx = 64};

struct subject {
    const char *path;
    char name[NAME];
    struct session *s; /* opened with base */
    int is_named;      /* all of it, however long that takes */
    uint64_t hand;     /* by which orders and places are dealt */
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
    struct vector *v = make_vector(m, VECTOR_ADD, hook, 1), *zero = make_vector(m, VECTOR_ADD, hook, 1);
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

/* An operation at one layer only, beside what the rows of a run without were (plain). end: of the ends of layers, which are noted first. */
static int is_local(const struct subject *t, const struct vector *v, const struct vector *end, int at,
                    const struct tap *plain, const struct line *truth)
{
    const struct model *m = t->s->model;
    const struct steering noted = list_of(m, whole(end, 1), whole(v, 1));
    struct steering_op only = whole(v, 1);
    only.first = only.last = at;
    const struct steering one = list_of(m, only, nothing);
    tap_begin(t->s, v, end, at);
    struct line acted = answer(t->s, 1, &noted, 40), direct;
    tap_end(t->s);
    direct = answer(t->s, 1, &one, 40);
    int ok = equal(&acted, &direct) && !equal(&acted, truth);
    for (int l = 0; l < MOST_LAYERS && l <= v->last; l++)
        for (int i = 0; i < NOTED; i++) {
            int is_end = i == AT_END || v->hook == VECTOR_LAYER, n = truth->n_prompt;
            int rows = is_end && m->p.hyper.n ? n * m->p.hyper.n : n;
            int same = memcmp(tap.hash[i][l], plain->hash[i][l], (size_t)rows * sizeof tap.hash[i][l][0]) == 0;
            int is_before = l < at || (l == at && (i == AT_PLACE || v->hook == VECTOR_LAYER));
            if (!tap.v[i]->direction[l].v)
                continue;
            ok = ok && same == is_before && tap.n[i][l] == plain->n[i][l] && tap.n[i][l] >= rows;
        }
    return ok;
}

static void locality(const struct subject *t, enum vector_hook hook)
{
    static struct tap plain;
    const struct model *m = t->s->model;
    struct vector *v = make_vector(m, VECTOR_ADD, hook, 2), *end = make_vector(m, VECTOR_ADD, VECTOR_LAYER, 7);
    const struct steering noted = list_of(m, whole(end, 1), whole(v, 1));
    tap_begin(t->s, v, end, -1);
    struct line passive = answer(t->s, 1, &noted, 40), truth;
    plain = tap;
    tap_end(t->s);
    truth = answer(t->s, 1, NULL, 40);
    int ok = equal(&passive, &truth) && v->n_held > 0, n = 0;
    char text[40];
    for (int at = 0; at <= v->last && ok; at++)
        if (v->direction[at].v) {
            ok = is_local(t, v, end, at, &plain, &truth);
            n += ok;
            if (!ok)
                printf("     not at layer %d\n", at);
        }
    snprintf(text, sizeof text, "%d layers", n);
    verdict(t->name, "locality", (int)hook, ok, text);
    free(v);
    free(end);
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

/* One of the orders: which request is in which sequence. */
static void shuffle(int which[LINES], int order)
{
    for (int i = 0; i < LINES; i++) {
        int k = (int)(rng_u64((uint64_t)order, (uint64_t)i, 7, 0) % (uint64_t)(i + 1));
        which[i] = i;
        which[i] = which[k];
        which[k] = i;
    }
}

/* All requests, each from a step on that the order tells, in steps of a random number of rows of each. */
static int run_arriving(struct session *s, struct line *line, int order, struct error *err)
{
    struct error row_error = {0};
    start_again(s, line, LINES);
    for (uint64_t step = 0, running = 1; running; step++) {
        int rows[LINES];
        running = 0;
        for (int i = 0; i < LINES; i++) {
            int is_prompt = line[i].at < line[i].n_prompt;
            uint64_t arrives = rng_u64((uint64_t)order, (uint64_t)i, 8, 0) % 12;
            rows[i] = (int)(rng_u64((uint64_t)order, step, 5, (uint32_t)i) % (is_prompt ? 13 : 3));
            rows[i] = step < arrives ? 0 : rows[i];
            running += (uint64_t)line_runs(&line[i]);
        }
        if (run_step(s, line, LINES, rows, &row_error, err))
            return -1;
    }
    return 0;
}

/* Eight lists in the same steps, each as alone; in all orders, or so few, dealt by model and place. */
static int are_isolated(const struct subject *t, struct steering list[LINES], int place, int few)
{
    static struct line truth[LINES], line[LINES];
    int ok = 1, n = t->is_named && !SANITIZED ? ORDERS : few;
    for (int i = 0; i < LINES; i++)
        truth[i] = answer(t->s, i, list[i].n ? &list[i] : NULL, 40);
    for (int k = 0; k < n && ok; k++) {
        struct error err = {0};
        int which[LINES], order = (int)((t->hand + (uint64_t)(place * few + k)) % ORDERS);
        shuffle(which, order);
        for (int i = 0; i < LINES; i++) {
            line[i] = truth[which[i]];
            t->s->tables.seq[i].steer = &list[which[i]];
        }
        ok = run_arriving(t->s, line, order, &err) == 0;
        for (int i = 0; i < LINES; i++) {
            ok = ok && equal(&truth[which[i]], &line[i]);
            t->s->tables.seq[i].steer = NULL;
            seq_clear(&t->s->tables.seq[i]);
        }
        if (!ok)
            printf("     not in order %d: %s\n", order, err.text);
    }
    return ok;
}

static void isolation(const struct subject *t, enum vector_hook hook)
{
    const struct model *m = t->s->model;
    struct vector *v = make_vector(m, VECTOR_ADD, hook, 3), *r = make_vector(m, VECTOR_PROJECT, hook, 4);
    struct steering list[LINES];
    eight(m, v, r, 20, list);
    verdict(t->name, "isolation", (int)hook, are_isolated(t, list, (int)hook, 4), "");
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
    struct vector *v = make_vector(m, VECTOR_ADD, hook, 3), *r = make_vector(m, VECTOR_PROJECT, hook, 4);
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
    struct vector *r = make_vector(m, VECTOR_PROJECT, VECTOR_LAYER, 4);
    struct steering none = {0}, list[LINES] = {{0}};
    const struct steering_op no[] = {feature(s, FEATURE_ADD, 3, 0), feature(s, FEATURE_MULTIPLY, 3, 1),
                                     feature(s, FEATURE_SET, s->n_feature - 1, 5)};
    struct steering_op late = feature(s, FEATURE_SET, 9, 4);
    late.from = 11;
    for (int i = 0; i < 3; i++)
        steering_add(&none, m, &no[i]);
    list[1] = list_of(m, feature(s, FEATURE_ADD, 3, 2), nothing);
    list[2] = list_of(m, feature(s, FEATURE_SET, 3, 2), nothing);
    list[4] = list_of(m, late, nothing);
    list[5] = list_of(m, feature(s, FEATURE_ADD, 4, 2), feature(s, FEATURE_SET, 4, -1));
    list[6] = list_of(m, feature(s, FEATURE_SET, 4, 2), whole(r, 1));
    for (int j = 0; j < STEERING_MOST; j++) { /* so many that some are active in any model */
        const struct steering_op o = feature(s, FEATURE_SET, j, 0), p = feature(s, FEATURE_MULTIPLY, j, 3);
        steering_add(&list[3], m, &o);
        steering_add(&list[7], m, &p);
    }
    struct line plain = answer(t->s, 2, NULL, 40), off = answer(t->s, 2, &list[3], 40),
                more = answer(t->s, 2, &list[7], 40);
    int ok = none.n == 0 && !equal(&plain, &off) && !equal(&plain, &more) &&
             are_isolated(t, list, k ? OF_FEATURES : OF_THRESHOLDS, 2) && is_equal(t, &list[6]) &&
             is_equal(t, &list[7]);
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

typedef uint64_t expert_counts[MOST_LAYERS][MOST_EXPERTS];

static void count_uses(const struct session *s, expert_counts out)
{
    for (int l = 0; l < s->model->p.n_layer; l++)
        if (is_routed(s->model, l))
            store_uses(s->model->store, l, out[l]);
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
    struct vector *v = make_vector(m, VECTOR_ADD, VECTOR_LAYER, 3);
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
             are_isolated(t, list, OF_EXPERTS, 3);
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
    struct vector *v = make_vector(m, VECTOR_ADD, hook, 5), *r = make_vector(m, VECTOR_PROJECT, hook, 6);
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
    tap_begin(t->s, r, NULL, INT32_MAX);
    answer(t->s, 0, &ablate, 40);
    tap_end(t->s);
    int ok = tap.left <= 1e-5f;
    for (int l = 0; l < MOST_LAYERS && l <= r->last; l++) /* all rows of the prompt were projected */
        ok = ok && (!r->direction[l].v || tap.n[AT_PLACE][l] >= x.n_prompt);
    snprintf(text, sizeof text, "at most %.1e is left", (double)tap.left);
    verdict(t->name, "ablation", (int)hook, ok, text);
    free(v);
    free(r);
}

/* ---- models ------------------------------------------------------------------------------------------------------------------ */

/* A variant has the laws at one of the places of rows, and of features and experts with one of three, if it has that. */
static int is_dealt(const struct subject *t, int place, unsigned hooks)
{
    int n = 0;
    if (t->is_named || expected_in(expected_lawful(), t->name) >= 0)
        return 1;
    if (place >= (int)VECTOR_HOOKS)
        return (int)(t->hand / 6 % 3) == place - (int)VECTOR_HOOKS;
    for (int h = 0; h < place; h++)
        n += (int)(hooks >> h & 1);
    return (int)(t->hand % (uint64_t)__builtin_popcount(hooks)) == n;
}

static void at_hook(const struct subject *t, enum vector_hook hook)
{
    no_op(t, hook);
    locality(t, hook);
    isolation(t, hook);
    equality(t, hook);
    order_and_ablation(t, hook);
}

/* The file's name without its end. */
static void name_of(char name[NAME], const char *path)
{
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
    snprintf(name, NAME, "%.*s", (int)strcspn(file, "."), file);
}

/* Each layer has an end and a block. Returns the places that there are. */
static unsigned check_hooks(const struct subject *t)
{
    const struct model *m = t->s->model;
    unsigned all = 0;
    for (int l = 0; l < m->p.n_layer; l++) {
        all |= m->hooks[l];
        if (!(m->hooks[l] >> VECTOR_LAYER & 1) || !(m->hooks[l] & (1 << VECTOR_ATTN | 1 << VECTOR_FFN)))
            verdict(t->name, "hooks", -1, 0, "a layer has no block, or no end");
    }
    return all;
}

static void run_file(const char *path, int is_named)
{
    struct error err = {0};
    struct subject t = {.path = path, .is_named = is_named};
    name_of(t.name, path);
    t.hand = hash64(t.name, strlen(t.name), 0);
    t.s = open_session(path, &base, &err);
    if (!t.s) {
        verdict(t.name, "open", -1, 0, err.text);
        return;
    }
    unsigned hooks = check_hooks(&t);
    for (int hook = 0; hook < (int)VECTOR_HOOKS; hook++)
        if (hooks >> hook & 1 && is_dealt(&t, hook, hooks))
            at_hook(&t, (enum vector_hook)hook);
    for (int k = 0; k <= 24 && t.s->model->p.hyper.n == 0; k += 24)
        if (is_dealt(&t, k ? OF_FEATURES : OF_THRESHOLDS, hooks))
            features(&t, k);
    if (is_dealt(&t, OF_EXPERTS, hooks))
        experts(&t);
    session_close(t.s);
}

/* Sanitizers take those of their list: bits are not what they look for. A link is a model that has another reference besides. */
static void run_golden(const char *path)
{
    char name[NAME];
    struct stat st;
    name_of(name, path);
    if (expected_in(expected_lawful(), name) < 0 && (SANITIZED || lstat(path, &st) || S_ISLNK(st.st_mode)))
        return;
    run_file(path, is_whole);
}

int main(int argc, char **argv)
{
    glob_t found = {0};
    int n_named = 0;
    base.tier = cpu_best_tier();
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--whole") == 0)
            is_whole = 1;
        else
            n_named++, run_file(argv[i], 1);
    if (!n_named && glob(TEST_DATA "/golden/*.gguf", 0, NULL, &found))
        verdict("", "goldens", -1, 0, "there are none");
    for (size_t i = 0; i < found.gl_pathc; i++)
        run_golden(found.gl_pathv[i]);
    globfree(&found);
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed > 0;
}
