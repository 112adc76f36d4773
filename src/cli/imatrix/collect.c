/* The run: see imatrix.h. Chunks that fit whole into a step share it, so that a model that streams reads each expert once for all of them;
 * between two such groups nothing is on its way, and the sums are those of whole chunks. */
#include "cli/imatrix/imatrix.h"

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "cli/common/cli.h"
#include "cli/common/progress.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAIT_MS = 100, SEQUENCES = 4 /* where there is memory for them */ };

struct run {
    struct imatrix_command *m;
    struct eval_texts text;
    struct stoker *engine;
    struct imatrix_state state; /* chunks from m->from on */
    size_t n_saved;             /* chunks of the last snapshot */
    struct progress progress;
    struct flight {
        stoker_id id;
        stoker_token *token;        /* [n_ctx] */
        struct stoker_score *score; /* [n_ctx] */
    } flight[EVAL_IN_FLIGHT];
    char what[1024], state_path[PATH_MAX], sha256[2 * SHA256_BYTES + 1];
    uint64_t model_hash;
};

/* ---- what the sums follow from -------------------------------------------------------------------------------------------------- */

/* Of one text its hash, of several the hash of theirs. */
static void hash_texts(struct run *r)
{
    uint8_t hash[SHA256_BYTES];
    struct sha256 all;
    sha256_begin(&all);
    for (int i = 0; i < r->text.n_part; i++)
        sha256_add(&all, r->text.part[i].sha256, SHA256_BYTES);
    sha256_end(&all, hash);
    eval_hex(r->text.n_part == 1 ? r->text.part[0].sha256 : hash, r->sha256);
}

/* Chunks have their numbers behind those of the texts before, of which --chunks may leave some out. */
static uint64_t hash_of_numbers(const struct run *r)
{
    uint64_t hash = 0;
    for (int i = 0; i < r->text.n_part; i++)
        hash = hash64(&r->text.part[i].first, sizeof r->text.part[i].first, hash);
    return hash;
}

static int describe(struct run *r)
{
    const struct eval_command *c = &r->m->c;
    struct stoker_error err;
    hash_texts(r);
    if (stoker_model_hash(&r->model_hash, c->model, &err))
        return report(&err);
    snprintf(r->what, sizeof r->what,
             "model %016" PRIx64 ", text %s, chunks of %d from %d on, numbers %016" PRIx64
             ", kv %s%s%s%s, by stoker %s",
             r->model_hash, r->sha256, c->n_ctx, r->m->from, hash_of_numbers(r), c->options.kv ? c->options.kv : "f16",
             c->options.exact ? ", exact" : "", c->parse_special ? ", special" : "", r->m->no_ppl ? ", no ppl" : "",
             stoker_version());
    return 0;
}

/* ---- files ---------------------------------------------------------------------------------------------------------------------- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int write_file(struct run *r, struct importance_sums *s, size_t n, struct error *err)
{
    const char *dataset[TEXTS_MOST];
    for (int i = 0; i < r->text.n_part; i++)
        dataset[i] = base_name(eval_name_of(r->text.part[i].name));
    const struct importance_notes notes = {.dataset = dataset,
                                           .n_dataset = (uint64_t)r->text.n_part,
                                           .n_chunks = (uint32_t)r->state.n_done,
                                           .chunk_size = (uint32_t)r->m->c.n_ctx,
                                           .text_sha256 = r->sha256,
                                           .model_hash = r->model_hash,
                                           .n_tokens = r->state.n_done * (uint64_t)r->m->c.n_ctx};
    return importance_write(r->m->out, r->m->form, s, n, &notes, err);
}

/* What it takes to go on, and the file as far as it is: in this order, so that a file without a state is a whole one. */
static int save(struct run *r, struct error *err)
{
    struct importance_sums *s = NULL;
    size_t n;
    int failed = imatrix_sums(r->m, r->engine, &s, &n, err) || imatrix_state_write(&r->state, r->engine, err) ||
                 write_file(r, s, n, err);
    free(s);
    r->n_saved = r->state.n_done;
    return failed ? -1 : 0;
}

static int exists(const char *path)
{
    struct stat s;
    return lstat(path, &s) == 0;
}

/* 1: writing the file, which is another one's name until it is whole, would write over what is read. */
static int writes_over(const char *path, const char *read)
{
    char part[PATH_MAX + 8];
    snprintf(part, sizeof part, "%s.part", path);
    return file_is_same(path, read) || file_is_same(part, read);
}

/* What is read, which no run may write; NULL: neither file is that. */
static const char *read_file(const struct run *r)
{
    const struct eval_command *c = &r->m->c;
    for (int i = -1; i < (int)c->texts.n; i++) {
        const char *read = i < 0 ? c->model : c->texts.text[i];
        if (read && (writes_over(r->m->out, read) || writes_over(r->state_path, read)))
            return read;
    }
    return NULL;
}

static int refuse_names(const struct run *r)
{
    const struct imatrix_command *m = r->m;
    const char *read = read_file(r);
    int has_state = exists(r->state_path);
    if (read) {
        fprintf(stderr, "stoker imatrix: -o %s writes over %s, which is read; name another file\n", m->out, read);
        return 2;
    }
    if (m->resume && !m->force && !has_state && exists(m->out)) {
        fprintf(stderr, "stoker imatrix: %s is whole, and nothing is left to go on with; --force begins anew\n",
                m->out);
        return 2;
    }
    if (m->resume || m->force || (!has_state && !exists(m->out)))
        return imatrix_refuse_place(m->out, m->resume || m->force);
    fprintf(stderr,
            has_state ? "stoker imatrix: %s is of a run that did not end: --resume goes on, --force begins anew\n"
                      : "stoker imatrix: %s is there; --force replaces it\n",
            has_state ? r->state_path : m->out);
    return 2;
}

/* ---- chunks --------------------------------------------------------------------------------------------------------------------- */

static size_t n_left(const struct run *r) { return r->state.n_chunk - r->state.n_done; }

/* Chunks of a group: with --until-count each is looked at by itself, so that the end does not depend on the plan. */
static size_t at_a_time(const struct run *r)
{
    struct stoker_plan p;
    stoker_plan_of(r->engine, &p);
    int n = p.n_chunk / r->m->c.n_ctx;
    n = n < p.n_parallel ? n : p.n_parallel;
    n = n < EVAL_IN_FLIGHT ? n : EVAL_IN_FLIGHT;
    return n < 1 || r->m->until_count ? 1 : (size_t)n;
}

static struct stoker_request request_of(const struct run *r, struct flight *f, size_t chunk)
{
    const struct eval_command *c = &r->m->c;
    size_t n = (size_t)c->n_ctx;
    memcpy(f->token, r->text.token + (chunk + (size_t)r->m->from) * n, n * sizeof *f->token);
    if (r->text.bos >= 0)
        f->token[0] = r->text.bos;
    return (struct stoker_request){.prompt = f->token,
                                   .n_prompt = n,
                                   .score_from = r->m->no_ppl ? 0 : (size_t)eval_first_scored(c->n_ctx),
                                   .score = f->score,
                                   .only_score = 1,
                                   .no_cache = 1};
}

static int finish_flight(struct run *r, struct flight *f, size_t chunk, struct error *err)
{
    struct stoker_event e = {.kind = STOKER_PROGRESS};
    while (f->id) {
        uint64_t n = (uint64_t)r->m->c.n_ctx;
        progress_show(&r->progress, chunk * n, r->state.n_chunk * n);
        if (stoker_next_event(r->engine, f->id, WAIT_MS, &e) != 1)
            continue;
        if (e.kind == STOKER_END || e.kind == STOKER_FAILED)
            f->id = 0;
    }
    return e.kind == STOKER_FAILED ? error_set(err, ERR_IO, "chunk %zu: %s", chunk + (size_t)r->m->from, e.error.text)
                                   : 0;
}

static int take_scores(struct run *r, const struct flight *f, size_t chunk, struct error *err)
{
    struct eval_ppl_chunk *c = &r->state.chunk[chunk];
    *c = (struct eval_ppl_chunk){0};
    for (int i = eval_first_scored(r->m->c.n_ctx); !r->m->no_ppl && i < r->m->c.n_ctx; i++) {
        double v = -f->score[i].logprob;
        if (!isfinite(v))
            return error_set(err, ERR_FORMAT, "chunk %zu: the token at position %d has no probability",
                             chunk + (size_t)r->m->from, i);
        c->n++;
        c->sum += v;
        c->squares += v * v;
    }
    return 0;
}

static int run_group(struct run *r, size_t n, struct error *err)
{
    struct stoker_request q[EVAL_IN_FLIGHT];
    stoker_id id[EVAL_IN_FLIGHT];
    struct stoker_error why;
    size_t first = r->state.n_done;
    int failed = 0;
    for (size_t i = 0; i < n; i++)
        q[i] = request_of(r, &r->flight[i], first + i);
    if (stoker_submit_all(r->engine, q, n, id, &why))
        return error_set(err, ERR_IO, "chunk %zu: %s", first + (size_t)r->m->from, why.text);
    for (size_t i = 0; i < n; i++)
        r->flight[i].id = id[i];
    for (size_t i = 0; i < n; i++) /* all of them: their memory is in use */
        failed |= finish_flight(r, &r->flight[i], first + i, err);
    for (size_t i = 0; i < n && !failed; i++)
        failed |= take_scores(r, &r->flight[i], first + i, err);
    r->state.n_done += failed ? 0 : n;
    return failed;
}

/* 1: every expert has as many rows as it shall. */
static int is_enough(const struct run *r)
{
    struct importance_sums *s = NULL;
    struct error err = {0};
    size_t n;
    int enough = 0;
    if (r->m->until_count && imatrix_sums(r->m, r->engine, &s, &n, &err) == 0) {
        struct coverage c = imatrix_cover(s, n);
        enough = c.experts && c.least >= r->m->until_count;
    }
    free(s);
    return enough;
}

/* 0; 1: interrupted; -1. What is there is saved, unless a chunk has failed: then the last snapshot is what holds. */
static int run_chunks(struct run *r, struct error *err)
{
    size_t most = at_a_time(r);
    while (n_left(r) && !is_enough(r)) {
        size_t n = n_left(r) < most ? n_left(r) : most;
        if (run_group(r, n, err))
            return -1;
        if (eval_is_interrupted())
            return save(r, err) ? -1 : 1;
        if (r->state.n_done - r->n_saved >= (size_t)r->m->save_every && n_left(r) && save(r, err))
            return -1;
    }
    return 0;
}

/* ---- the end -------------------------------------------------------------------------------------------------------------------- */

static void print_json(const struct run *r, const struct importance_sums *s, size_t n, const struct eval_ppl *ppl,
                       const char *left_out)
{
    json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:o}", "path", r->m->out, "entries", (json_int_t)n, "chunks",
                          (json_int_t)r->state.n_done, "tokens", (json_int_t)r->state.n_done * r->m->c.n_ctx, "experts",
                          imatrix_cover_json(s, n));
    if (o && ppl)
        json_object_set_new(o, "ppl", json_real(ppl->ppl));
    if (o)
        json_object_set_new(o, "left_out", left_out ? json_string(left_out) : json_null());
    eval_print_json(o);
    json_decref(o);
}

static void print(const struct run *r, const struct importance_sums *s, size_t n, const struct eval_ppl *ppl,
                  const char *left_out)
{
    struct coverage c = imatrix_cover(s, n);
    imatrix_show_experts(s, n);
    if (c.unseen || c.few)
        printf("%" PRIu64 " of %" PRIu64 " experts have seen no row, %" PRIu64 " fewer than %d: a longer text, or one "
               "of more kinds, reaches more\n",
               c.unseen, c.experts, c.few, COVERAGE_FEW);
    if (left_out)
        printf("not collected: %s\n", left_out);
    if (ppl)
        printf("PPL = %.4f +/- %.5f over the second half of each chunk\n", ppl->ppl, ppl->error);
    printf("%s: %zu tensors, %zu %s of %d tokens\n", r->m->out, n, r->state.n_done,
           r->state.n_done == 1 ? "chunk" : "chunks", r->m->c.n_ctx);
}

static int finish(struct run *r, struct error *err)
{
    struct importance_sums *s = NULL;
    struct eval_ppl ppl;
    size_t n = 0;
    int failed = imatrix_sums(r->m, r->engine, &s, &n, err);
    if (!failed && n == 0)
        failed = error_set(err, ERR_INPUT, "%s has no matrix that rows are multiplied with", r->m->c.model);
    failed = failed || write_file(r, s, n, err);
    char *left_out = failed ? NULL : imatrix_left_out(r->m->c.model, s, n, err);
    failed = failed || err->code || (!r->m->no_ppl && eval_ppl_sum(&ppl, r->state.chunk, r->state.n_done, err));
    if (!failed) {
        unlink(r->state_path);
        (r->m->json ? print_json : print)(r, s, n, r->m->no_ppl ? NULL : &ppl, left_out);
    }
    free(left_out);
    free(s);
    return failed ? -1 : 0;
}

/* ---- the command ---------------------------------------------------------------------------------------------------------------- */

static int begin(struct run *r, struct error *err)
{
    struct eval_command *c = &r->m->c;
    size_t n_ctx = (size_t)c->n_ctx, all = r->text.n_chunk;
    r->state = (struct imatrix_state){.path = r->state_path, .what = r->what, .n_chunk = all - (size_t)r->m->from};
    r->state.chunk = calloc(r->state.n_chunk, sizeof *r->state.chunk);
    for (int i = 0; i < EVAL_IN_FLIGHT; i++) {
        r->flight[i].token = malloc(n_ctx * sizeof(stoker_token));
        r->flight[i].score = malloc(n_ctx * sizeof(struct stoker_score));
        if (!r->flight[i].token || !r->flight[i].score || !r->state.chunk)
            return error_set(err, ERR_MEMORY, "no memory for %zu chunks", all);
    }
    c->options.n_ctx = c->n_ctx;
    c->options.defaults.n_parallel = SEQUENCES;
    c->options.use = STOKER_USE_TEXT;
    c->options.importance = 1;
    return 0;
}

static size_t own_bytes(const struct run *r)
{
    size_t n_ctx = (size_t)r->m->c.n_ctx;
    size_t own = r->text.n_chunk * (n_ctx * sizeof(stoker_token) + sizeof *r->state.chunk) +
                 EVAL_IN_FLIGHT * n_ctx * (sizeof(stoker_token) + sizeof(struct stoker_score));
    return eval_own_bytes(&r->m->c, own, r->text.reading);
}

static int run(struct run *r)
{
    struct error err = {0};
    int status = begin(r, &err) ? eval_fail(&err) : eval_open(&r->engine, &r->m->c, own_bytes(r));
    if (status)
        return status;
    if (!r->m->resume)
        unlink(r->state_path);
    int how = r->m->resume ? imatrix_state_read(&r->state, r->engine, &err) : 0;
    if (how < 0)
        return imatrix_refuse(&err);
    r->n_saved = r->state.n_done;
    eval_catch_interrupts();
    progress_begin(&r->progress, "collecting", PROGRESS_TOKENS, r->state.n_done * (uint64_t)r->m->c.n_ctx);
    how = run_chunks(r, &err);
    progress_end(&r->progress);
    if (how > 0)
        fprintf(stderr, "stoker imatrix: interrupted behind chunk %zu; the same command with --resume goes on\n",
                r->state.n_done + (size_t)r->m->from);
    if (how == 0)
        how = finish(r, &err);
    return how < 0 ? eval_fail(&err) : how > 0 ? 130 : 0;
}

int imatrix_collect(struct imatrix_command *m)
{
    static struct run r;
    r = (struct run){.m = m};
    eval_called = "imatrix";
    if (snprintf(r.state_path, sizeof r.state_path, "%s.state", m->out) >= (int)sizeof r.state_path) {
        fprintf(stderr, "stoker imatrix: the path of -o is too long\n");
        return 2;
    }
    int status = refuse_names(&r);
    if (status == 0)
        status = eval_texts_read(&r.text, &m->c);
    if (status == 0 && (size_t)m->from >= r.text.n_chunk) {
        fprintf(stderr, "stoker imatrix: --from-chunk %d: the text has %zu\n", m->from, r.text.n_chunk);
        status = 2;
    }
    if (status == 0)
        status = describe(&r);
    if (status == 0)
        status = run(&r);
    stoker_close(r.engine);
    for (int i = 0; i < EVAL_IN_FLIGHT; i++) {
        free(r.flight[i].token);
        free(r.flight[i].score);
    }
    free(r.state.chunk);
    eval_texts_free(&r.text);
    return status;
}
