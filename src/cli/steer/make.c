/* stoker steer make: what texts of one kind have in a model that texts of another kind lack, as a control vector. The ends of the wanted
 * layers go to a file without a name; when all are there the model is closed, and a layer at a time is looked at. */
#include "base/error.h"
#include "cli/activations/part.h"
#include "cli/common/cli.h"
#include "cli/common/progress.h"
#include "cli/steer/steer.h"
#include "study/contrast.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char side[] = "--positive and --negative";

struct make {
    struct steer_command *c;
    struct study_prompts positive, negative;
    struct study_sequences q; /* positive ones, then negative ones */
    struct stoker_about about;
    char model_hash[17];
    int range[2];    /* of --layers */
    int first, last; /* layers that are recorded */
    struct stoker_tensor *tensor;
    size_t n_tensor;
    int fd;
    size_t rows[2]; /* positive, negative: of each tensor */
    float *v;       /* [n_tensor][n_embd] */
    int best;       /* tensor with the largest difference against its rows */
    double best_ratio;
    double residual, moved; /* norms summed over the layers: of the mean rows, of the directions */
};

static int wrong(const struct make *m, const char *sentence)
{
    fprintf(stderr, "stoker %s: %s\n", m->c->name, sentence);
    return 2;
}

static int is(const char *word, const char *value) { return strcmp(word, value) == 0; }

/* ---- what is asked ------------------------------------------------------------------------------------------------------------ */

static int check(struct make *m)
{
    const struct steer_command *c = m->c;
    const char *end = c->out ? strrchr(c->out, '.') : NULL;
    if (!c->positive || !c->negative)
        return wrong(m, "which texts? --positive FILE and --negative FILE, a prompt a line");
    if (!end || !is(end, ".gguf"))
        return wrong(m, "-o needs a file that ends in .gguf");
    if (is(c->norm, "raw") && is(c->method, "pca"))
        return wrong(m, "--norm raw is of --method mean: a principal component has no length of its own");
    if (is(c->norm, "raw") && c->mode && is(c->mode, "project"))
        return wrong(m, "--mode project takes unit directions out: leave --norm raw away");
    return c->think && !c->chat ? wrong(m, "--think is of --chat") : steer_layers(c, m->range);
}

static int read_prompts(struct make *m)
{
    struct error err = {0};
    const struct steer_command *c = m->c;
    if (study_prompts_read(&m->positive, c->positive, &err) || study_prompts_read(&m->negative, c->negative, &err))
        return steer_fail(c, &err);
    if (m->positive.n != m->negative.n && (is(c->method, "pca") || is(c->positions, "all"))) {
        fprintf(stderr,
                "stoker %s: %s have %zu and %zu prompts, and %s compares pairs: give equally many, or take --method "
                "mean with --positions last or mean\n",
                c->name, side, m->positive.n, m->negative.n, is(c->method, "pca") ? "--method pca" : "--positions all");
        return 2;
    }
    return 0;
}

/* Layers that can be named: direction.0 is none, and none is behind the last. */
static int check_layers(struct make *m, int n_layer)
{
    const struct steer_command *c = m->c;
    int least = 1 - c->shift, most = n_layer - 1 - c->shift, is_given = m->range[0] >= 0;
    m->first = is_given ? m->range[0] : least;
    m->last = is_given ? m->range[1] : most;
    if (most < least) {
        fprintf(stderr, "stoker %s: the model has %d layers, and a control vector names those from 1 on\n", c->name,
                n_layer);
        return 1;
    }
    if (m->first >= least && m->last <= most)
        return 0;
    fprintf(stderr, "stoker %s: --layers %d-%d: with --shift %d layers %d to %d of the model can be named\n", c->name,
            m->first, m->last, c->shift, least, most);
    return 2;
}

/* ---- tokens ------------------------------------------------------------------------------------------------------------------ */

/* Of a pair the shorter prompt is made as long as the other, with the last token of a space. */
static int pad_pairs(struct make *m, const struct stoker *s)
{
    struct study_sequences q = {0};
    struct stoker_error err;
    stoker_token *space = NULL;
    size_t n, pairs = m->q.n / 2;
    if (stoker_tokenize(s, " ", 1, 0, 0, &space, &n, &err))
        return report(&err);
    stoker_token pad = n ? space[n - 1] : 0;
    int status = 0;
    for (size_t i = 0; i < m->q.n && !status; i++) {
        const size_t *first = m->q.first + i, *other = m->q.first + (i < pairs ? i + pairs : i - pairs);
        size_t mine = first[1] - first[0], its = other[1] - other[0];
        status = steer_add(&q, m->c, m->q.token + first[0], mine, pad, its > mine ? its - mine : 0);
    }
    stoker_free(space);
    steer_sequences_free(&m->q);
    m->q = q;
    return status;
}

static int make_tokens(struct make *m, const struct stoker *s)
{
    int status = steer_tokens(&m->q, m->c, s, &m->positive, m->c->positive);
    status = status ? status : steer_tokens(&m->q, m->c, s, &m->negative, m->c->negative);
    if (!status && is(m->c->positions, "all"))
        status = pad_pairs(m, s);
    size_t n = m->positive.n;
    m->rows[0] = is(m->c->positions, "all") && !status ? m->q.first[n] : n;
    m->rows[1] = is(m->c->positions, "all") && !status ? m->q.first[m->q.n] - m->q.first[n] : m->negative.n;
    return status;
}

/* ---- rows --------------------------------------------------------------------------------------------------------------------- */

/* Beside the vector that is written: its folder is where the user has room. */
static int open_rows(struct make *m)
{
    char dir[PATH_MAX], *slash;
    if ((size_t)snprintf(dir, sizeof dir, "%s", m->c->out) >= sizeof dir)
        return wrong(m, "-o: the path is too long");
    slash = strrchr(dir, '/');
    if (slash)
        slash[slash == dir] = 0;
    else
        snprintf(dir, sizeof dir, ".");
    m->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (m->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
        char name[PATH_MAX + 32];
        snprintf(name, sizeof name, "%s/.stoker-rows-XXXXXX", dir);
        m->fd = mkostemp(name, O_CLOEXEC);
        if (m->fd >= 0)
            unlink(name);
    }
    if (m->fd >= 0)
        return 0;
    fprintf(stderr, "stoker %s: -o: no file can be made in %s: %s\n", m->c->name, dir, strerror(errno));
    return 1;
}

static int stopped(void *arg)
{
    (void)arg;
    return part_interrupted;
}

static void show(void *arg, size_t done, size_t total) { progress_show(arg, done, total); }

static int record(struct make *m, struct stoker *s, unsigned char *layer)
{
    struct progress p;
    struct stoker_error err;
    const char *positions = m->c->positions;
    struct study_record r = {.s = s, .q = &m->q, .stopped = stopped, .progress = show, .arg = &p};
    r.capture = (struct stoker_capture){.taps = 1u << STOKER_TAP_RESID_POST,
                                        .layer = layer,
                                        .from = {is(positions, "last") ? -1 : 0, is(positions, "last")},
                                        .reduce = is(positions, "mean") ? STOKER_REDUCE_MEAN : STOKER_REDUCE_NONE,
                                        .no_tokens = 1,
                                        .fd = m->fd};
    m->n_tensor = (size_t)(m->last - m->first + 1);
    m->tensor = calloc(m->n_tensor, sizeof *m->tensor);
    if (!m->tensor) {
        fprintf(stderr, "stoker %s: no memory for %zu tensors\n", m->c->name, m->n_tensor);
        return 1;
    }
    if (study_record_layout(&r, m->tensor, m->n_tensor, &m->n_tensor, &err))
        return report(&err);
    progress_begin(&p, "recording", PROGRESS_TOKENS, 0);
    int status = study_record_run(&r, &err);
    progress_end(&p);
    return status < 0 ? report(&err) : status ? 130 : 0;
}

static int run_model(struct make *m)
{
    struct stoker *s;
    struct stoker_error err;
    if (stoker_open(&s, m->c->model, &m->c->options, &err))
        return report(&err);
    int n_layer = stoker_layers(s, NULL, 0), status = check_layers(m, n_layer);
    unsigned char *layer = calloc((size_t)n_layer, 1);
    for (int l = m->first; layer && !status && l <= m->last; l++)
        layer[l] = 1;
    status = status ? status : layer ? make_tokens(m, s) : 1;
    status = status ? status : open_rows(m);
    status = status ? status : record(m, s, layer);
    free(layer);
    stoker_close(s);
    return status;
}

/* ---- directions --------------------------------------------------------------------------------------------------------------- */

static void print_layer(struct make *m, size_t i, const struct contrast *k)
{
    double ratio = k->residual > 0 ? k->difference / k->residual : 0;
    int layer = m->first + (int)i;
    if (i == 0)
        printf("layer  difference    residual   ratio  share  separation\n");
    printf("%5d  %10.5g  %10.5g  %6.3f", layer, k->difference, k->residual, ratio);
    if (k->has_pairs)
        printf("  %5.3f  %10.3f\n", k->share, k->separation);
    else
        printf("  %5s  %10s\n", "-", "-");
    if (i == 0 || ratio > m->best_ratio) {
        m->best = layer;
        m->best_ratio = ratio;
    }
    if (k->iterations && !(k->change < CONTRAST_SETTLED))
        fprintf(stderr,
                "stoker %s: layer %d: not settled after %d iterations, the last changed it by %.3g, %.4f of the "
                "one before; raise --pca-iter\n",
                m->c->name, layer, k->iterations, k->change, k->ratio);
}

static int make_directions(struct make *m)
{
    const struct steer_command *c = m->c;
    int n_embd = (int)m->about.n_embd, status = 0;
    struct progress p;
    m->v = malloc(m->n_tensor * (size_t)n_embd * sizeof *m->v);
    if (!m->v) {
        fprintf(stderr, "stoker %s: no memory for %zu directions\n", c->name, m->n_tensor);
        return 1;
    }
    const struct contrast_wants w = {.pca = is(c->method, "pca"),
                                     .drop_equal = is(c->positions, "all"),
                                     .orthogonalize = c->orthogonalize,
                                     .unit = is(c->norm, "unit"),
                                     .iterations = c->iterations,
                                     .memory = c->options.capture_memory,
                                     .stopped = stopped};
    progress_begin(&p, "comparing layers", PROGRESS_ITEMS, 0);
    for (size_t i = 0; i < m->n_tensor && !status; i++) {
        struct contrast k;
        struct error err = {0};
        const struct stoker_tensor *t = &m->tensor[i];
        const struct contrast_rows r = {.fd = m->fd,
                                        .at = t->offset,
                                        .n_embd = n_embd,
                                        .n_stream = (int)(t->shape[1] / m->about.n_embd),
                                        .n_positive = m->rows[0],
                                        .n_negative = m->rows[1],
                                        .layer = m->first + (int)i};
        status = contrast_layer(&r, &w, m->v + i * (size_t)n_embd, &k, &err) ? steer_fail(c, &err) : 0;
        progress_end(&p);
        if (!status) {
            print_layer(m, i, &k);
            m->residual += k.residual;
            m->moved += steer_norm(m->v + i * (size_t)n_embd, (size_t)n_embd);
        }
        progress_show(&p, i + 1, m->n_tensor);
    }
    progress_end(&p);
    if (!status)
        printf("best ratio: layer %d\n", m->best);
    return status;
}

/* What a layer adds stays in the rows of those behind it, so all layers together count: much less than a mean row changes no answer, much
 * more leaves nothing of it. 0: none; a projection needs no scale. */
static double scale_of(const struct make *m)
{
    if ((m->c->mode && is(m->c->mode, "project")) || !(m->residual > 0) || !(m->moved > 0))
        return 0;
    return steer_scale(m->residual / (double)m->n_tensor / m->moved);
}

static void print_scale(const struct make *m, double scale)
{
    if (scale > STOKER_SCALE_MOST)
        printf("scale to begin with: above %d, which is too large for a flag; %s\n", STOKER_SCALE_MOST,
               is(m->c->norm, "raw") ? "the texts hardly differ there: choose other texts, or other layers"
                                     : "make it with --norm raw");
    else if (scale > 0)
        printf("scale to begin with: %g (all layers together add as much as the mean residual, %.4g): "
               "--control-vector-scaled %s:%g\n",
               scale, m->residual / (double)m->n_tensor, m->c->out, scale);
}

static int write_vector(struct make *m)
{
    const struct steer_command *c = m->c;
    char method[160];
    double scale = scale_of(m);
    struct vector_row *row = calloc(m->n_tensor, sizeof *row);
    for (size_t i = 0; row && i < m->n_tensor; i++)
        row[i] = (struct vector_row){m->first + (int)i + c->shift, m->v + i * m->about.n_embd};
    if (!row) {
        fprintf(stderr, "stoker %s: no memory for %zu directions\n", c->name, m->n_tensor);
        return 1;
    }
    snprintf(method, sizeof method, "%s, %s%s, %s%s", is(c->method, "pca") ? "principal component" : "mean difference",
             is(c->positions, "last")   ? "last position"
             : is(c->positions, "mean") ? "mean of positions"
                                        : "all positions",
             c->orthogonalize ? ", orthogonal to the negative mean" : "", c->norm,
             c->shift ? ", named by the layer behind" : "");
    const struct stoker_pair more[] = {{"model_hash", m->model_hash},
                                       {"positive_sha256", m->positive.sha256},
                                       {"negative_sha256", m->negative.sha256}};
    const struct steer_file f = {.projects = c->mode && is(c->mode, "project"),
                                 .method = method,
                                 .base_model = m->about.name,
                                 .model_hint = m->about.arch,
                                 .is_measured_there = 1,
                                 .scale = scale > STOKER_SCALE_MOST ? 0 : scale,
                                 .more = more,
                                 .n_more = sizeof more / sizeof *more};
    int status = steer_write_file(c, &f, row, m->n_tensor, (int)m->about.n_embd);
    free(row);
    if (!status)
        print_scale(m, scale);
    return status;
}

/* What the command itself holds while the model is open; what it takes to compare rows comes when that is closed. */
static uint64_t own_bytes(const struct make *m)
{
    return steer_tokens_bytes(m->c, &m->positive) + steer_tokens_bytes(m->c, &m->negative);
}

static int prepare(struct make *m)
{
    struct stoker_error err;
    uint64_t hash;
    int status = check(m);
    status = status ? status : read_prompts(m);
    if (status)
        return status;
    if (stoker_about(&m->about, m->c->model, &err) || stoker_model_hash(&hash, m->c->model, &err))
        return report(&err);
    snprintf(m->model_hash, sizeof m->model_hash, "%016llx", (unsigned long long)hash);
    m->c->options.server = own_bytes(m);
    return 0;
}

int steer_make(struct steer_command *c)
{
    struct make m = {.c = c, .fd = -1};
    int status = prepare(&m);
    part_signals();
    status = status ? status : run_model(&m);
    steer_sequences_free(&m.q);
    status = status ? status : make_directions(&m);
    status = status ? status : write_vector(&m);
    study_prompts_free(&m.positive);
    study_prompts_free(&m.negative);
    free(m.tensor);
    free(m.v);
    if (m.fd >= 0)
        close(m.fd);
    return part_interrupted ? 130 : status;
}
