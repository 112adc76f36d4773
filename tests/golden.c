/* links: engine text model store op machine kernel format base
 *
 * Golden models: an independent engine's logits and greedy continuations.
 *
 *     build/tests/golden [--memory BYTES|min] [--slots N] [--cpu-tier T] [--exact] [--chunk N] [--threads N]
 *                        [--kv TYPE] [--reader NAME] [--all] PATH...
 *     build/tests/golden --tiers     the kernel tiers of this machine, for tests/golden_bits.sh
 *
 * PATH: a GGUF file, or a folder with an INDEX.json, whose every model is taken and every *.gguf must be one. Models of architectures
 * that stoker does not have yet are not counted; expected.h lists those that run, and with --all a model of each must have passed.
 *
 * For each: the ids of the .ref in an empty context,
 * f32 KV, logits after every token; passes when the largest error over positions is within the tolerance of the INDEX.json
 * beside it (--exact), or, with quantised activations, when the median is at most 1.25 times that of libllama; and when the
 * greedy continuation is the recorded one. With --kv f16 or q8_0 the median has a bound of its own (kv_median) and greedy continuations are
 * not compared, because ties of these small models fall otherwise. A hash of all logits is printed: it must not depend on tier, budget,
 * chunk (tests/golden_bits.sh). */
#include "base/hash.h"
#include "expected.h"
#include "golden_run.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

static int passed, failed;
enum { ARCHS_MOST = 256 };
static int arch_passed[ARCHS_MOST]; /* in the order of expected_archs() */

static int argmax(const float *x, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

static int greedy_matches(struct session *s, const struct ref *r, const float *last, json_t *greedy, struct error *err)
{
    int32_t id = argmax(last, r->n_vocab);
    float *logits = malloc((size_t)r->n_vocab * sizeof *logits);
    size_t i, n = json_array_size(greedy);
    for (i = 0; i < n && id == json_integer_value(json_array_get(greedy, i)); i++) {
        if (i + 1 == n || feed(s, &id, 1, r->n_token + (int)i, 1, logits, err))
            continue;
        id = argmax(logits, r->n_vocab);
    }
    free(logits);
    if (i < n)
        error_set(err, ERR_BUG, "greedy id %zu is %d, recorded %lld", i, id,
                  (long long)json_integer_value(json_array_get(greedy, i)));
    return i == n;
}

/* What rounding keys and values may add to the median with --exact. (The largest error says nothing: where the scores of two experts are
 * near each other, another one is chosen.) */
static const double kv_median[KV_TYPES] = {[KV_F16] = 1e-3, [KV_Q8_0] = 3e-2};

static int check(struct session *s, const struct options *o, const struct ref *r, json_t *entry, char *line,
                 size_t room, struct error *err)
{
    size_t values = (size_t)r->n_token * (size_t)r->n_vocab;
    float *x = malloc(values * sizeof *x), largest, median;
    int chunk = o->chunk && o->chunk < s->plan.n_chunk ? o->chunk : s->plan.n_chunk;
    int ok = feed(s, r->token, r->n_token, 0, chunk, x, err) == 0;
    if (ok) {
        errors(r, x, &largest, &median);
        json_t *int8 = json_object_get(entry, "libllama_int8_activations");
        double tolerance = json_number_value(json_object_get(entry, "tolerance"));
        int quantised = int8 && !o->session.plan_request.exact, rounded = o->session.plan_request.kv != KV_F32;
        double allowed = quantised ? 1.25 * json_number_value(json_object_get(int8, "median")) : tolerance;
        if (rounded)
            allowed = kv_median[o->session.plan_request.kv] + (quantised ? allowed : 0);
        ok = (double)(quantised || rounded ? median : largest) <= allowed;
        if (!ok)
            error_set(err, ERR_BUG, "error %.3g (median %.3g), allowed %.3g%s", (double)largest, (double)median,
                      allowed, quantised || rounded ? " (median)" : "");
        json_t *greedy = json_object_get(entry, "greedy");
        if (ok && greedy && !quantised && !rounded)
            ok = greedy_matches(s, r, x + values - (size_t)r->n_vocab, greedy, err);
        struct store_stats st = {0};
        if (s->model->store)
            store_stats(s->model->store, &st);
        snprintf(line, room, "max %.2e median %.2e hash %016llx  misses %llu evictions %llu", (double)largest,
                 (double)median, (unsigned long long)hash64(x, values * sizeof *x, 0), (unsigned long long)st.misses,
                 (unsigned long long)st.evictions);
    }
    free(x);
    return ok;
}

static int is_model(const char *name)
{
    size_t n = strlen(name);
    return n > 5 && strcmp(name + n - 5, ".gguf") == 0;
}

static void run_file(const struct options *o, const char *path)
{
    char dir[4096], name[256], refpath[4400], line[256] = "";
    const char *slash = strrchr(path, '/');
    snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    snprintf(name, sizeof name, "%s", slash ? slash + 1 : path);
    name[strlen(name) - 5] = 0;
    snprintf(refpath, sizeof refpath, "%s/%s.ref", dir, name);

    struct error err = {0};
    struct ref r;
    json_t *root = NULL, *entry = index_entry(dir, name, &root);
    const char *arch = json_string_value(json_object_get(entry, "arch"));
    arch = arch ? arch : "";
    int expected = expected_in(expected_archs(), arch);
    struct session *s = NULL;
    if (ref_read(&r, refpath) || !entry) {
        printf("FAIL %-24s no .ref, or no entry in INDEX.json\n", name);
        failed++;
    } else if (expected < 0 && *arch && !arch_by_name(arch)) {
        printf("later %-23s architecture %s\n", name, arch);
    } else if (expected < 0 && *arch) {
        printf("FAIL %-24s architecture %s runs and is not in tests/expected.h\n", name, arch);
        failed++;
    } else {
        struct options mine = *o;
        int rows = r.n_token > o->chunk && o->chunk ? o->chunk : r.n_token;
        int n_ctx = (int)json_integer_value(
            json_object_get(root, "n_ctx")); /* of the reference: ropes may depend on it */
        mine.session.plan_request.n_ctx = r.n_token + 32 > n_ctx ? r.n_token + 32 : n_ctx;
        if (mine.session.plan_request.how != PLAN_MINIMUM)
            mine.session.plan_request.n_chunk = rows;
        int ok = session_prepare(&s, path, &mine.session, 0, &err) == 0 && session_load(s, &mine.session, &err) == 0 &&
                 check(s, &mine, &r, entry, line, sizeof line, &err);
        printf("%s %-24s %s%s\n", ok ? "ok  " : "FAIL", name, line, ok ? "" : err.text);
        *(ok ? &passed : &failed) += 1;
        if (expected >= 0 && expected < ARCHS_MOST)
            arch_passed[expected] += ok;
    }
    session_close(s);
    ref_free(&r);
    json_decref(root);
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

/* A file of a folder that its INDEX.json does not know is a model whose entry is missing, or one that was renamed. */
static void check_listed(const char *dir, const char *file)
{
    char name[256];
    json_t *root = NULL;
    snprintf(name, sizeof name, "%.*s", (int)strlen(file) - 5, file);
    if (!index_entry(dir, name, &root)) {
        printf("FAIL %-24s has no entry in INDEX.json\n", name);
        failed++;
    }
    json_decref(root);
}

static void run_folder(const struct options *o, const char *path)
{
    struct dirent **entry;
    char file[4400];
    int n = scandir(path, &entry, NULL, by_name);
    for (int i = 0; i < n; i++) {
        if (is_model(entry[i]->d_name))
            check_listed(path, entry[i]->d_name);
        free(entry[i]);
    }
    if (n >= 0)
        free(entry);
    json_t *root = NULL, *model;
    size_t i;
    index_entry(path, "", &root);
    if (json_array_size(json_object_get(root, "models")) == 0) {
        printf("FAIL %s has no INDEX.json with models\n", path);
        failed++;
    }
    json_array_foreach(json_object_get(root, "models"), i, model)
    {
        snprintf(file, sizeof file, "%s/%s.gguf", path, json_string_value(json_object_get(model, "name")));
        run_file(o, file);
    }
    json_decref(root);
}

static void check_archs(void)
{
    for (int i = 0; expected_archs()[i]; i++)
        if (i >= ARCHS_MOST || !arch_passed[i]) {
            printf("FAIL no model of the architecture %s has passed\n", expected_archs()[i]);
            failed++;
        }
}

static void run_path(const struct options *o, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || S_ISDIR(st.st_mode)) {
        run_folder(o, path);
    } else if (is_model(path)) {
        run_file(o, path);
    } else {
        printf("FAIL %s is no .gguf file\n", path);
        failed++;
    }
}

static int print_tiers(void)
{
    for (int tier = TIER_SCALAR; tier <= (int)cpu_best_tier(); tier++)
        printf("%s\n", cpu_tier_name((enum cpu_tier)tier));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--tiers") == 0)
        return print_tiers();
    struct options o = {
        .session = {.plan_request = {.how = PLAN_WHOLE, .kv = KV_F32, .all_logits = 1}, .tier = cpu_best_tier()}};
    for (int i = 1; i < argc;) {
        int used = strncmp(argv[i], "--", 2) == 0 ? option(&o, argv + i) : 0;
        if (used == 0 && argv[i][0] == '-') {
            fprintf(stderr, "golden: %s is not an option\n", argv[i]);
            return 2;
        }
        if (used == 0)
            run_path(&o, argv[i++]);
        i += used;
    }
    if (o.all)
        check_archs();
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed > 0;
}
