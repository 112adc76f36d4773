/* links: engine text model store op machine kernel format base
 *
 * Steered models: an independent engine's logits under control vectors.
 *
 *     build/tests/steer [the flags of tests/golden_run.h] FOLDER
 *
 * FOLDER: models, vectors and references, and an INDEX.json whose cases say what is done to which model: a list as requests have it
 * (`steer`). For each model its reference without steering, then each case: with --exact and f32 KV the largest error over positions is
 * within the case's tolerance. A hash of all logits is printed, and is the same under every setting of tier, budget, chunk and threads. */
#include "base/hash.h"
#include "golden_run.h"
#include "model/forced_routes.h"
#include "model/steering.h"
#include "sanitized.h"

#include <fcntl.h>
#include <math.h>

/* CASES: what an independent engine has computed of lists, in all models; one that is lost would be missed by nobody. */
enum { MOST_VECTORS = 8, MOST_EXPERTS = 64, MODELS = 4, CASES = 50 };

static int passed, failed;

/* Of the cases in their order, and of models without a list. */
static uint64_t truth[CASES + MODELS];
static int n_truth, n_seen; /* how many there are; of these, how many a further setting has come to */

/* The vectors of a model, by the letter that cases call them. */
struct loaded {
    const char *dir, *model;
    struct vector *vector[MOST_VECTORS];
    char name[MOST_VECTORS][8];
    int n;
    struct sae *sae; /* the one that it has, or NULL */
    struct expert_biases *experts;
    struct forced_routes *routes; /* of one case at a time */
};

static const struct vector *vector_of(struct loaded *all, const struct model *m, const char *name, struct error *err)
{
    char path[4400];
    for (int i = 0; i < all->n; i++)
        if (strcmp(all->name[i], name) == 0)
            return all->vector[i];
    snprintf(path, sizeof path, "%s/%s.%s.gguf", all->dir, all->model, name);
    if (all->n == MOST_VECTORS || strlen(name) >= sizeof all->name[0] ||
        vector_open(&all->vector[all->n], AT_FDCWD, path, UINT64_MAX, err) ||
        vector_check_model(all->vector[all->n], m->p.n_layer, m->p.n_embd, m->hooks, err))
        return NULL;
    snprintf(all->name[all->n], sizeof all->name[0], "%s", name);
    return all->vector[all->n++];
}

/* The model's autoencoder, a folder. */
static const struct sae *sae_of(struct loaded *all, const struct model *m, const char *name, struct error *err)
{
    char path[4400];
    snprintf(path, sizeof path, "%s/%s.%s", all->dir, all->model, name);
    if (!all->sae && (sae_open(&all->sae, AT_FDCWD, path, NULL, UINT64_MAX, err) ||
                      sae_check_model(all->sae, m->p.n_layer, m->p.n_embd, m->p.hyper.n, err)))
        return NULL;
    return all->sae;
}

/* An entry about a feature. */
static int read_feature(struct steering *s, struct loaded *all, const struct model *m, const json_t *e,
                        struct error *err)
{
    const char *act = json_string_value(json_object_get(e, "op"));
    const struct sae *sae = sae_of(all, m, json_string_value(json_object_get(e, "sae")), err);
    const struct steering_op o = {.sae = sae,
                                  .act = strcmp(act, "add") == 0   ? FEATURE_ADD
                                         : strcmp(act, "set") == 0 ? FEATURE_SET
                                                                   : FEATURE_MULTIPLY,
                                  .feature = (int)json_integer_value(json_object_get(e, "feature")),
                                  .amount = (float)json_number_value(json_object_get(e, "value")),
                                  .to = INT64_MAX};
    return sae ? steering_add(s, m, &o) : -1;
}

static const struct weight *weight_of(const struct model *m, const char *name)
{
    for (int i = 0; i < m->n_weight; i++)
        if (m->weight[i].tensor && strcmp(m->weight[i].tensor->name, name) == 0)
            return &m->weight[i];
    return NULL;
}

/* Where routers have a bias, the reference chose without it among the experts that it left, and weighed with it. (Here an excluded expert
 * changes nothing else.) So what is asked here takes the bias away from the choice too. Returns how many there are then. */
static size_t without_router_bias(const struct model *m, struct expert_bias *b, size_t n)
{
    size_t n_excluded = n;
    for (int l = 0; l < m->p.n_layer; l++) {
        char name[64];
        snprintf(name, sizeof name, "blk.%d.ffn_gate_inp.bias", l);
        const struct weight *bias = weight_of(m, name);
        for (int e = 0; bias && e < m->p.n_expert; e++) {
            size_t i = 0;
            while (i < n_excluded && (b[i].layer != l || b[i].expert != e))
                i++;
            if (i == n_excluded && n < MOST_EXPERTS)
                b[n++] = (struct expert_bias){l, e, -bias->vector[e]};
        }
    }
    return n;
}

/* An entry about experts: excluded, or with a bias. */
static int read_experts(struct steering *s, struct loaded *all, const struct model *m, const json_t *e,
                        struct error *err)
{
    struct expert_bias b[MOST_EXPERTS];
    const json_t *list = json_object_get(e, "list");
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n && i < MOST_EXPERTS; i++) {
        const json_t *one = json_array_get(list, i);
        b[i] = (struct expert_bias){
            (int)json_integer_value(json_array_get(one, 0)), (int)json_integer_value(json_array_get(one, 1)),
            json_array_size(one) > 2 ? (float)json_number_value(json_array_get(one, 2)) : -INFINITY};
    }
    n = without_router_bias(m, b, n);
    if (all->experts || expert_biases_make(&all->experts, m, b, n, err))
        return -1;
    const struct expert_biases *const lists[] = {all->experts};
    return expert_biases_check(lists, 1, m, err) ||
           steering_add(s, m, &(struct steering_op){.experts = all->experts, .to = INT64_MAX});
}

static int read_routes(struct steering *s, struct loaded *all, const struct model *m, const char *name,
                       struct error *err)
{
    char path[4400];
    snprintf(path, sizeof path, "%s/%s.%s", all->dir, all->model, name);
    return all->routes || forced_routes_open(&all->routes, m, AT_FDCWD, path, UINT64_MAX, err) ||
           steering_add(s, m, &(struct steering_op){.routes = all->routes, .to = INT64_MAX});
}

/* What one case has alone. */
static void close_routing(struct loaded *all)
{
    free(all->experts);
    forced_routes_close(all->routes);
    all->experts = NULL;
    all->routes = NULL;
}

static int layer_at(const json_t *layers, size_t i, int otherwise)
{
    return layers ? (int)json_integer_value(json_array_get(layers, i)) : otherwise;
}

/* A case's list. */
static int read_list(struct steering *s, struct loaded *all, const struct model *m, const json_t *list,
                     struct error *err)
{
    size_t i;
    json_t *e;
    *s = (struct steering){0};
    json_array_foreach(list, i, e)
    {
        if (json_object_get(e, "sae")) {
            if (read_feature(s, all, m, e, err))
                return -1;
            continue;
        }
        const char *routes = json_string_value(json_object_get(e, "routes"));
        if (routes || json_object_get(e, "experts")) {
            if (routes ? read_routes(s, all, m, routes, err) : read_experts(s, all, m, e, err))
                return -1;
            continue;
        }
        const char *side = json_string_value(json_object_get(e, "side"));
        const json_t *scale = json_object_get(e, "scale"), *layers = json_object_get(e, "layers");
        const char *name = json_string_value(json_object_get(e, "vector"));
        const struct vector *v = name ? vector_of(all, m, name, err) : NULL;
        if (!v)
            return error_set(err, ERR_INPUT, "entry %zu is no vector", i);
        const struct steering_op o = {.vector = v,
                                      .amount = scale ? (float)json_number_value(scale) : v->scale,
                                      .side = side && strcmp(side, "positive") == 0   ? STEER_POSITIVE
                                              : side && strcmp(side, "negative") == 0 ? STEER_NEGATIVE
                                                                                      : STEER_BOTH,
                                      .first = layer_at(layers, 0, v->first),
                                      .last = layer_at(layers, 1, v->last),
                                      .from = json_integer_value(json_object_get(e, "from")),
                                      .to = INT64_MAX};
        if (steering_add(s, m, &o))
            return error_set(err, ERR_INPUT, "more than %d entries", STEERING_MOST);
    }
    return 0;
}

/* setting: another one than the first, whose bits it must have; NULL: the first. */
static void run_case(struct session *s, const struct options *o, struct loaded *all, const char *name,
                     const json_t *list, double tolerance, const char *setting)
{
    char path[4400];
    struct error err = {0};
    struct steering steering;
    struct ref r;
    float largest = INFINITY, median;
    uint64_t hash = 0;
    snprintf(path, sizeof path, "%s/%s%s%s.ref", all->dir, all->model, *name ? "." : "", name);
    int ok = ref_read(&r, path) == 0 && read_list(&steering, all, s->model, list, &err) == 0;
    size_t values = ok ? (size_t)r.n_token * (size_t)r.n_vocab : 1;
    float *x = malloc(values * sizeof *x);
    int chunk = o->chunk && o->chunk < s->plan.n_chunk ? o->chunk : s->plan.n_chunk;
    seq_clear(&s->tables.seq[0]);
    s->tables.seq[0].steer = *name ? &steering : NULL;
    if (ok && feed(s, r.token, r.n_token, 0, chunk, x, &err) == 0) {
        errors(&r, x, &largest, &median);
        hash = hash64(x, values * sizeof *x, 0);
    }
    s->tables.seq[0].steer = NULL;
    close_routing(all);
    ok = (double)largest <= tolerance;
    if (setting)
        ok = ok && n_seen < n_truth && hash == truth[n_seen++];
    else if (n_truth < CASES + MODELS)
        truth[n_truth++] = hash;
    if (!setting || !ok)
        printf("%s %-18s %-16s max %.2e hash %016llx %s%s\n", ok ? "ok  " : "FAIL", all->model, name, (double)largest,
               (unsigned long long)hash, err.text, setting ? setting : "");
    *(ok ? &passed : &failed) += 1;
    free(x);
    ref_free(&r);
}

static void run_model(const struct options *o, const char *dir, const char *name, const json_t *cases,
                      const char *setting)
{
    char path[4400];
    struct error err = {0};
    struct session *s = NULL;
    struct options mine = *o;
    struct loaded all = {.dir = dir, .model = name};
    size_t i;
    json_t *c;
    snprintf(path, sizeof path, "%s/%s.gguf", dir, name);
    mine.session.plan_request.n_ctx = 64;
    if (mine.session.plan_request.how != PLAN_MINIMUM)
        mine.session.plan_request.n_chunk = o->chunk ? o->chunk : 64;
    if (session_prepare(&s, path, &mine.session, 0, &err) || session_load(s, &mine.session, &err)) {
        printf("FAIL %s %s\n", name, err.text);
        failed++;
        session_close(s);
        return;
    }
    run_case(s, &mine, &all, "", NULL, 1e-5, setting);
    json_array_foreach(cases, i, c) if (strcmp(json_string_value(json_object_get(c, "model")), name) == 0)
        run_case(s, &mine, &all, json_string_value(json_object_get(c, "case")), json_object_get(c, "steer"),
                 json_number_value(json_object_get(c, "tolerance")), setting);
    for (int v = 0; v < all.n; v++)
        vector_close(all.vector[v]);
    sae_close(all.sae);
    session_close(s);
}

static void run_models(const struct options *o, const char *dir, const json_t *root, const char *setting)
{
    size_t i;
    json_t *model;
    json_array_foreach(json_object_get(root, "models"), i, model)
        run_model(o, dir, json_string_value(json_object_get(model, "name")), json_object_get(root, "cases"), setting);
}

/* Each other setting alone, and two together. */
static void run_settings(const struct options *o, const char *dir, const json_t *root)
{
    static const struct {
        const char *name;
        int chunk, threads, least, tier; /* 0: as the first; least: --memory min; tier: so many below the best */
    } how[] = {
        {"chunk 1", 1, 0, 0, 0},       {"chunk 7", 7, 0, 0, 0},       {"1 thread", 0, 1, 0, 0},
        {"2 threads", 0, 2, 0, 0},     {"memory min", 0, 0, 1, 0},    {"a tier below", 0, 0, 0, 1},
        {"2 tiers below", 0, 0, 0, 2}, {"3 tiers below", 0, 0, 0, 3}, {"chunk 7, 2 threads, memory min", 7, 2, 1, 0}};
    for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
        struct options mine = *o;
        struct plan_request *w = &mine.session.plan_request;
        mine.chunk = how[i].chunk ? how[i].chunk : o->chunk;
        w->n_threads = how[i].threads ? how[i].threads : w->n_threads;
        w->how = how[i].least ? PLAN_MINIMUM : w->how;
        if (how[i].tier > (int)o->session.tier)
            continue;
        mine.session.tier = (enum cpu_tier)((int)o->session.tier - how[i].tier);
        n_seen = 0;
        run_models(&mine, dir, root, how[i].name);
        if (n_seen == n_truth)
            continue;
        printf("FAIL %d of %d cases under %s\n", n_seen, n_truth, how[i].name);
        failed++;
    }
}

static void run_folder(const struct options *o, const char *dir)
{
    json_t *root = NULL;
    index_entry(dir, "", &root);
    run_models(o, dir, root, NULL);
    if (n_truth != MODELS + CASES) {
        printf("FAIL %s: %d models and cases, not %d\n", dir, n_truth, MODELS + CASES);
        failed++;
    }
    if (!SANITIZED) /* bits are not what they look for */
        run_settings(o, dir, root);
    json_decref(root);
}

int main(int argc, char **argv)
{
    struct options o = {
        .session = {.plan_request = {.how = PLAN_WHOLE, .kv = KV_F32, .all_logits = 1}, .tier = cpu_best_tier()}};
    for (int i = 1; i < argc;) {
        int used = strncmp(argv[i], "--", 2) == 0 ? option(&o, argv + i) : 0;
        if (used == 0 && argv[i][0] == '-') {
            fprintf(stderr, "steer: %s is not an option\n", argv[i]);
            return 2;
        }
        if (used == 0)
            run_folder(&o, argv[i++]);
        i += used;
    }
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed > 0;
}
