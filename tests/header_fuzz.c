/* links: engine text model store op machine kernel format base
 *
 * Hostile files, in process: whatever a file's header says, opening it and running four tokens ends with one sentence or with a
 * finished run; never with a crash, a hang, a leak or a claim of a bug in stoker.
 *
 *     build/tests/header_fuzz [--whole] [MODEL...]      qwen3moe, mixtral, qwen2moe of tests/data/golden, nomic-bert-moe,
 *                                                       jina-bert-v2-rank of tests/data/embeddings; of the other architectures of
 *                                                       models of vectors and scores one flip and one cut of RARELY
 *
 *     flips      every byte of the header changed once
 *     cuts       the file cut at every byte of its header, and around every tensor
 *     keys       single values replaced by absurd ones; the sentence must name the key
 *     overlaps   each tensor moved onto its neighbour: refused
 *
 * Under sanitizers one flip and one cut of ONE_OF are tried, unless --whole is given: plain builds try them all.
 *
 * The cases run in forked workers, each with a copy of the model on a tmpfs (fresh files on a disk would be written back). A
 * worker that dies fails one case: its number is in shared memory, and another worker continues after it. alarm()
 * ends a case that hangs. A lost file descriptor shows at once, lost memory in the worker's resident size, or under ASan. */
#include "base/clock.h"
#include "base/cpu.h"
#include "format/gguf.h"
#include "gguf_write.h"
#include "sanitized.h"
#include "stoker.h"
#include "temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 8, SECONDS_A_CASE = 20, N_TOKENS = 4, ONE_OF = SANITIZED ? 3 : 1, RARELY = 16 };

/* Pages that a worker may grow by over thousands of cases; ASan keeps freed memory back for a while, and finds leaks itself. */
#ifdef __SANITIZE_ADDRESS__
enum { GROWTH = 1 << 20 };
#else
enum { GROWTH = 1 << 13 };
#endif

/* Shared with the workers; each writes its own. */
struct tally {
    volatile long at; /* the case it is busy with */
    volatile long runs, sentences, failures;
};

static struct tally *tally;
static char folder[TEMPORARY_PATH];
static long passed, failed, one_of = ONE_OF; /* flips, and cuts */

struct model {
    const char *path, *name;
    uint8_t *bytes;
    size_t size, header; /* header: bytes before the data of tensors */
    uint64_t *edge;      /* [n_edge] where tensors begin and end */
    size_t n_edge;
    const struct lie *lies; /* [n_lie] */
    size_t n_lie;
};

/* ---- one case ---------------------------------------------------------------------------------------------------------------- */

struct outcome {
    int finished;                      /* ran to the end; else: */
    struct stoker_error err, text_err; /* text_err: of the vocabulary; a model without one still takes and gives ids */
};

static struct stoker_options options(long number)
{
    static const char *const readers[] = {NULL, "threads", "buffered"};
    return (struct stoker_options){.memory = number % 2 ? STOKER_MEMORY_MIN : STOKER_MEMORY_MAX,
                                   .n_ctx = 64,
                                   .n_chunk = 16,
                                   .n_threads = 1,
                                   .reader = readers[number % 3],
                                   .reader_depth = 8};
}

struct heard {
    struct stoker_text *text;
    int strange;
};

static int on_token(void *arg, stoker_token id)
{
    struct heard *h = arg;
    const char *text = "";
    if (h->text && stoker_text_next(h->text, id, &text) > 0 && !text)
        h->strange = 1;
    return 0;
}

/* A text's vector or scores. */
static void embed(struct stoker *s, const struct stoker_encoder *e, struct outcome *o)
{
    static const stoker_token ids[N_TOKENS] = {1, 2, 3, 0};
    const struct stoker_tokens text = {ids, N_TOKENS};
    struct stoker_event ev = {0};
    stoker_id id;
    float *out = calloc(N_TOKENS * e->n_out, sizeof *out); /* a row a token with pooling none */
    const struct stoker_embed request = {.text = &text, .n_text = 1, .out = out};
    o->finished = out && stoker_submit_embed(s, &request, &id, &o->err) == 0;
    while (o->finished && stoker_next_event(s, id, -1, &ev) == 1)
        if (ev.kind == STOKER_FAILED) {
            o->err = ev.error;
            o->finished = 0;
        }
    free(out);
}

static void use_encoder(struct stoker *s, const struct stoker_encoder *e, struct outcome *o)
{
    static const struct stoker_string query = {"Hello", 5}, document = {"w\xc3\xb6rld [SEP] \xff 12345\n", 21};
    stoker_token *ids;
    size_t n;
    int cut;
    if (stoker_tokenize(s, document.text, document.n, 1, 1, &ids, &n, &o->text_err) == 0)
        stoker_free(ids);
    struct stoker_query *q = NULL;
    if (e->is_rank && stoker_query_open(&q, s, &query, NULL, NULL, &o->text_err) == 0 &&
        stoker_query_pair(q, &document, &ids, &n, &cut, &o->text_err) == 0)
        stoker_free(ids);
    stoker_query_close(q);
    embed(s, e, o);
}

/* What a typical caller does: a plan, text to tokens and back, an answer. */
static void use(struct stoker *s, struct outcome *o)
{
    static const char text[] = "Hello, w\xc3\xb6rld <|im_start|> 12345\n";
    struct stoker_message m = {"user", text, sizeof text - 1};
    struct stoker_plan plan;
    struct stoker_error err = {0}; /* a model without a chat template is no error */
    stoker_token *ids = NULL, prompt[N_TOKENS] = {1, 2, 3, 0};
    size_t n = 0;
    struct stoker_encoder encoder;
    stoker_plan_of(s, &plan);
    if (stoker_encoder_of(s, &encoder) == 0) {
        use_encoder(s, &encoder, o);
        return;
    }
    if (stoker_tokenize(s, text, sizeof text - 1, 1, 1, &ids, &n, &o->text_err) == 0)
        stoker_free(ids);
    if (stoker_chat(s, &m, 1, 0, &ids, &n, &err) == 0)
        stoker_free(ids);
    struct heard h = {.text = stoker_text_open(s)};
    struct stoker_request r = {.prompt = prompt, .n_prompt = N_TOKENS, .max_tokens = N_TOKENS, .ignore_end = 1};
    o->finished = stoker_generate(s, &r, on_token, &h, NULL, &o->err) == 0 && !h.strange;
    if (h.text)
        stoker_text_end(h.text, &(const char *){NULL});
    stoker_text_close(h.text);
}

static struct outcome attempt(const char *path, long number)
{
    struct outcome o = {0};
    struct stoker_options opt = options(number);
    struct stoker *s = NULL;
    alarm(SECONDS_A_CASE);
    if (stoker_open(&s, path, &opt, &o.err) == 0) {
        use(s, &o);
        stoker_close(s);
    }
    alarm(0);
    return o;
}

/* 1: one line of printable text that does not claim a bug in stoker. */
static const char *wrong_sentence(const struct stoker_error *err)
{
    if (err->code == STOKER_OK || strlen(err->text) < 20)
        return "no sentence";
    if (err->code == STOKER_ERR_BUG)
        return "says it is a bug";
    for (const char *t = err->text; *t; t++)
        if ((unsigned char)*t < 32 || *t == 127)
            return "the sentence is not printable";
    return NULL;
}

static int next_fd(void)
{
    int fd = dup(0);
    close(fd);
    return fd;
}

static long resident_pages(void)
{
    long size, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%ld %ld", &size, &resident) != 2)
        resident = 0;
    if (f)
        fclose(f);
    return resident;
}

static void fail(struct tally *t, const struct model *m, const char *what, const char *why, const char *text)
{
    t->failures++;
    printf("    %s, %s: %s%s%s\n", m->name, what, why, *text ? ": " : "", text);
}

/* expect: what the sentence must hold. */
static void judge(struct tally *t, const struct model *m, const char *what, const struct outcome *o, const char *expect)
{
    const char *wrong = o->finished ? NULL : wrong_sentence(&o->err);
    const char *wrong_text = o->text_err.code ? wrong_sentence(&o->text_err) : NULL;
    if (wrong)
        fail(t, m, what, wrong, o->err.text);
    else if (wrong_text)
        fail(t, m, what, wrong_text, o->text_err.text);
    else if (o->finished)
        t->runs++;
    else if (!strstr(o->err.text, expect))
        fail(t, m, what, "the sentence does not name the cause", o->err.text);
    else
        t->sentences++;
}

/* ---- a worker and its copy ----------------------------------------------------------------------------------------------------- */

struct copy {
    char path[128];
    int fd;
};

static int write_all(int fd, const uint8_t *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t wrote = pwrite(fd, bytes + at, n - at, (off_t)at);
        if (wrote <= 0)
            return -1;
        at += (size_t)wrote;
    }
    return ftruncate(fd, (off_t)n);
}

static int make_copy(struct copy *c, const struct model *m, int worker)
{
    snprintf(c->path, sizeof c->path, "%s/%d.gguf", folder, worker);
    c->fd = open(c->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return c->fd < 0 ? -1 : write_all(c->fd, m->bytes, m->size);
}

/* A changed byte: never the same, sometimes one bit, sometimes all bits. */
static uint8_t flip_of(size_t at)
{
    static const uint8_t change[] = {0x01, 0x80, 0xff, 0x10, 0x02, 0x7f, 0x40, 0x04, 0x20, 0xfe, 0x08};
    return change[at % sizeof change];
}

static void flip(struct tally *t, const struct model *m, const struct copy *c, long i)
{
    long at = i * one_of;
    char what[64];
    uint8_t b = m->bytes[at] ^ flip_of((size_t)at);
    snprintf(what, sizeof what, "byte %ld is 0x%02x instead of 0x%02x", at, b, m->bytes[at]);
    if (pwrite(c->fd, &b, 1, at) != 1)
        fail(t, m, what, "the copy cannot be written", "");
    struct outcome o = attempt(c->path, at);
    judge(t, m, what, &o, "");
    if (pwrite(c->fd, &m->bytes[at], 1, at) != 1)
        fail(t, m, what, "the copy cannot be written", "");
}

/* Lengths decrease from case to case, so that truncating the same copy suffices. */
static uint64_t length_of_cut(const struct model *m, long i)
{
    return (size_t)i < m->n_edge ? m->edge[i] : m->header - 1 - ((uint64_t)i - m->n_edge);
}

static void cut(struct tally *t, const struct model *m, const struct copy *c, long i)
{
    char what[64];
    uint64_t length = length_of_cut(m, i * one_of);
    snprintf(what, sizeof what, "cut to %llu bytes", (unsigned long long)length);
    if (ftruncate(c->fd, (off_t)length) != 0)
        fail(t, m, what, "the copy cannot be cut", strerror(errno));
    struct outcome o = attempt(c->path, i);
    if (o.finished)
        fail(t, m, what, "runs all the same", "");
    else
        judge(t, m, what, &o, "");
}

typedef void case_fn(struct tally *t, const struct model *m, const struct copy *c, long i);

/* Cases first, first + step, ... of a worker, then its exit status. */
static int work(int worker, const struct model *m, case_fn *run, long first, long end, long step)
{
    struct tally *t = &tally[worker];
    struct copy c;
    if (make_copy(&c, m, worker)) {
        printf("    %s: the copy %s cannot be written: %s\n", m->name, c.path, strerror(errno));
        return 1;
    }
    int fd = -1;
    long pages = 0, done = 0;
    for (long i = first; i < end; i += step, done++) {
        t->at = i;
        run(t, m, &c, i);
        if (fd >= 0 && next_fd() != fd) {
            fail(t, m, "file descriptors", "one was lost in the case before", "");
            fd = next_fd();
        }
        if (done == 16) { /* by now one-time allocations have been made */
            fd = next_fd();
            pages = resident_pages();
        }
    }
    t->at = end;
    if (pages && resident_pages() > pages + GROWTH)
        fail(t, m, "memory", "the worker has grown", "");
    close(c.fd);
    return 0;
}

static pid_t start(int worker, const struct model *m, case_fn *run, long first, long end, long step)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        int status = work(worker, m, run, first, end, step);
        fflush(stdout);
        exit(status); /* not _exit: here ASan looks for leaks */
    }
    return pid;
}

/* All cases of a kind, over as many workers as there are cores. */
static void run_cases(const struct model *m, const char *kind, case_fn *run, long n)
{
    int workers = cpu_usable_cores() < WORKERS ? cpu_usable_cores() : WORKERS;
    pid_t pid[WORKERS];
    double began = clock_seconds();
    memset(tally, 0, WORKERS * sizeof *tally);
    for (int w = 0; w < workers; w++)
        pid[w] = start(w, m, run, w, n, workers);
    for (int w = 0; w < workers; w++) {
        int status = 1;
        while (pid[w] > 0 && waitpid(pid[w], &status, 0) == pid[w] && status != 0) {
            long at = tally[w].at;
            char what[64];
            snprintf(what, sizeof what, "case %ld of %s", at, kind);
            fail(&tally[w], m, what,
                 !WIFSIGNALED(status)          ? "the worker failed, or leaked"
                 : WTERMSIG(status) == SIGALRM ? "hangs"
                                               : strsignal(WTERMSIG(status)),
                 "");
            pid[w] = at + workers < n && tally[w].failures < 20 ? start(w, m, run, at + workers, n, workers) : 0;
        }
    }
    struct tally sum = {0};
    for (int w = 0; w < workers; w++) {
        sum.runs += tally[w].runs;
        sum.sentences += tally[w].sentences;
        sum.failures += tally[w].failures;
    }
    if (sum.failures == 0 && sum.runs + sum.sentences != n) {
        printf("    %s: %ld of %ld cases were run\n", m->name, sum.runs + sum.sentences, n);
        sum.failures++;
    }
    printf("%s %s: %ld %s, %ld sentences, %ld finished runs, %.1f s\n", sum.failures ? "FAIL" : "ok  ", m->name, n,
           kind, sum.sentences, sum.runs, clock_seconds() - began);
    passed += sum.runs + sum.sentences;
    failed += sum.failures;
}

/* ---- values ---------------------------------------------------------------------------------------------------------------- */

enum change { SET_INT, SET_REAL, SET_TEXT, SET_WORDS, REMOVE };

/* A key of the model's architecture (without its prefix), or a whole one; what it becomes; what the sentence must hold, NULL:
 * the key. The run may also finish where `may_run`. */
struct lie {
    const char *key;
    enum change change;
    int64_t i;
    double f;
    const char *text, *expect;
    int may_run;
};

static const struct lie lies[] = {
    {"block_count", SET_INT, 0},
    {"block_count", SET_INT, -1},
    {"block_count", SET_INT, 100000},
    {"block_count", SET_INT, 1000, .expect = "blk."},
    {"block_count", SET_INT, INT64_MIN},
    {"block_count", SET_TEXT, .text = "two"},
    {"block_count", SET_REAL, .f = 2},
    {"block_count", SET_WORDS, .text = "2"},
    {"block_count", REMOVE},
    {"embedding_length", SET_INT, 0},
    {"embedding_length", SET_INT, INT32_MAX},
    {"embedding_length", SET_INT, INT64_MAX},
    {"embedding_length", SET_INT, 63, .expect = "token_embd.weight"},
    {"embedding_length", REMOVE},
    {"context_length", SET_INT, 0},
    {"context_length", SET_INT, -5},
    {"context_length", SET_INT, INT64_MAX},
    {"context_length", SET_INT, 1 << 30, .may_run = 1},
    {"context_length", SET_INT, 1, .may_run = 1},
    {"context_length", REMOVE},
    {"attention.head_count", SET_INT, 0},
    {"attention.head_count", SET_INT, -1},
    {"attention.head_count", SET_INT, INT32_MAX},
    {"attention.head_count", SET_INT, 3, .expect = "head"},
    {"attention.head_count", REMOVE},
    {"attention.head_count_kv", SET_INT, 0},
    {"attention.head_count_kv", SET_INT, 3, .expect = "head_count_kv"},
    {"attention.head_count_kv", SET_INT, INT64_MAX},
    {"attention.key_length", SET_INT, 0},
    {"attention.key_length", SET_INT, 15, .expect = ""},
    {"attention.key_length", SET_INT, INT32_MAX},
    {"attention.value_length", SET_INT, 0},
    {"attention.value_length", SET_INT, 17, .expect = ""},
    {"rope.dimension_count", SET_INT, 0},
    {"rope.dimension_count", SET_INT, 3},
    {"rope.dimension_count", SET_INT, 1 << 20},
    {"rope.freq_base", SET_REAL, .f = -10000},
    {"rope.freq_base", SET_REAL, .f = 0},
    {"rope.freq_base", SET_REAL, .f = NAN},
    {"rope.freq_base", SET_REAL, .f = INFINITY},
    {"rope.freq_base", SET_TEXT, .text = "10000"},
    {"rope.scaling.type", SET_TEXT, .text = "fantastic"},
    {"rope.scaling.type", SET_INT, 1},
    {"attention.layer_norm_rms_epsilon", SET_REAL, .f = -1},
    {"attention.layer_norm_rms_epsilon", SET_REAL, .f = NAN},
    {"attention.layer_norm_rms_epsilon", SET_REAL, .f = 1e30},
    {"expert_count", SET_INT, 0, .expect = ""}, /* a llama without experts is dense: then its tensors are missing */
    {"expert_count", SET_INT, INT32_MAX},
    {"expert_count", SET_INT, 13, .expect = "ffn_"},
    {"expert_count", SET_INT, 1, .expect = "expert_used_count"},
    {"expert_used_count", SET_INT, 0},
    {"expert_used_count", SET_INT, 1000},
    {"expert_used_count", SET_INT, -1},
    {"expert_used_count", REMOVE},
    {"general.architecture", SET_TEXT, .text = "qwen4moe", .expect = "nearest"},
    {"general.architecture", SET_TEXT, .text = "", .expect = "nearest"},
    {"general.architecture", SET_INT, 3},
    {"general.architecture", REMOVE},
    {"general.alignment", SET_INT, 0},
    {"general.alignment", SET_INT, 3},
    {"general.alignment", SET_INT, INT64_MAX},
    {"tokenizer.ggml.tokens", REMOVE, .may_run = 1},
    {"tokenizer.ggml.tokens", SET_WORDS, .text = "one", .may_run = 1},
    {"tokenizer.ggml.tokens", SET_INT, 7, .may_run = 1},
    {"tokenizer.ggml.merges", SET_WORDS, .text = "nospace", .may_run = 1},
    {"tokenizer.ggml.model", SET_TEXT, .text = "unheard-of", .may_run = 1},
    {"tokenizer.ggml.eos_token_id", SET_INT, INT32_MAX, .may_run = 1},
    {"tokenizer.ggml.eos_token_id", SET_INT, -1, .may_run = 1},
    {"tokenizer.ggml.bos_token_id", SET_INT, INT64_MIN, .may_run = 1},
    {"tokenizer.ggml.token_type", SET_INT, 0, .may_run = 1},
};

/* Of models that give vectors or scores. A key that one of them does not have may be of no use to it. */
static const struct lie lies_of_encoders[] = {
    {"block_count", SET_INT, 0},
    {"block_count", SET_INT, 1000, .expect = "blk."},
    {"block_count", SET_INT, INT64_MIN},
    {"block_count", REMOVE},
    {"embedding_length", SET_INT, 0},
    {"embedding_length", SET_INT, INT32_MAX},
    {"embedding_length", SET_INT, 44, .expect = ""},
    {"embedding_length", REMOVE},
    {"context_length", SET_INT, 0},
    {"context_length", SET_INT, INT64_MAX},
    {"context_length", SET_INT, 1 << 30, .may_run = 1},
    {"context_length", SET_INT, 1, .expect = "positions"},
    {"context_length", REMOVE},
    {"attention.head_count", SET_INT, 0},
    {"attention.head_count", SET_INT, INT32_MAX},
    {"attention.head_count", REMOVE},
    {"attention.layer_norm_epsilon", SET_REAL, .f = -1},
    {"attention.layer_norm_epsilon", SET_REAL, .f = NAN},
    {"attention.layer_norm_epsilon", SET_TEXT, .text = "small"},
    {"attention.layer_norm_epsilon", REMOVE},
    {"attention.causal", SET_INT, 0},
    {"attention.causal", SET_TEXT, .text = "no"},
    {"attention.causal", REMOVE, .may_run = 1},
    {"pooling_type", SET_INT, -1},
    {"pooling_type", SET_INT, 5},
    {"pooling_type", SET_INT, INT64_MAX},
    {"pooling_type", SET_TEXT, .text = "mean"},
    {"pooling_type", SET_INT, 0, .may_run = 1},
    {"pooling_type", SET_INT, 3, .may_run = 1},
    {"pooling_type", SET_INT, 4, .expect = "cls.", .may_run = 1},
    {"pooling_type", REMOVE},
    {"classifier.output_labels", SET_INT, 1, .may_run = 1}, /* no rank: never read */
    {"classifier.output_labels", SET_TEXT, .text = "yes", .may_run = 1},
    {"moe_every_n_layers", SET_INT, 1, .may_run = 1},
    {"moe_every_n_layers", SET_INT, INT64_MIN, .may_run = 1},
    {"moe_every_n_layers", SET_INT, 1000, .expect = ".ffn_up", .may_run = 1},
    {"attention.max_alibi_bias", SET_REAL, .f = -8, .may_run = 1},
    {"attention.max_alibi_bias", SET_REAL, .f = INFINITY, .may_run = 1},
    {"tokenizer.ggml.token_type_count", SET_INT, 0},
    {"tokenizer.ggml.token_type_count", SET_INT, 3, .expect = "token_types"},
    {"tokenizer.ggml.token_type_count", SET_INT, INT64_MAX},
    {"tokenizer.ggml.token_type_count", SET_TEXT, .text = "2"},
    {"tokenizer.ggml.token_type_count", REMOVE, .may_run = 1},
    {"tokenizer.ggml.unknown_token_id", REMOVE, .may_run = 1},
    {"tokenizer.ggml.unknown_token_id", SET_INT, INT64_MAX, .may_run = 1},
    {"tokenizer.ggml.cls_token_id", REMOVE, .may_run = 1},
    {"tokenizer.ggml.cls_token_id", SET_INT, -1, .may_run = 1},
    {"tokenizer.ggml.seperator_token_id", REMOVE, .may_run = 1},
    {"tokenizer.ggml.seperator_token_id", SET_INT, 1 << 20, .may_run = 1},
    {"tokenizer.ggml.tokens", SET_WORDS, .text = "[UNK]", .may_run = 1},
    {"tokenizer.ggml.tokens", REMOVE, .may_run = 1},
    {"tokenizer.ggml.model", SET_TEXT, .text = "t5", .may_run = 1},
    {"tokenizer.ggml.precompiled_charsmap", SET_TEXT, .text = "cut", .may_run = 1},
    {"tokenizer.chat_template.rerank", SET_TEXT, .text = "{query", .may_run = 1},
    {"tokenizer.chat_template.rerank", SET_INT, 1, .may_run = 1},
    {"general.architecture", SET_TEXT, .text = "nomic-brt", .expect = "nearest"},
};

static void write_lie(struct gguf_writer *w, const char *key, const struct lie *l)
{
    struct gguf_string word = {l->text, l->text ? strlen(l->text) : 0};
    switch (l->change) {
    case SET_INT:
        gguf_write_value(w, &(struct gguf_value){.key = {key, strlen(key)}, .kind = GGUF_I64, .n = 1, .as.i = l->i});
        break;
    case SET_REAL:
        gguf_write_f32(w, key, (float)l->f);
        break;
    case SET_TEXT:
        gguf_write_string(w, key, word.text, word.length);
        break;
    case SET_WORDS:
        gguf_write_strings(w, key, &word, 1);
        break;
    case REMOVE:
        break;
    }
}

static void full_key(const struct gguf *g, const char *key, char *out, size_t room)
{
    struct gguf_string arch = {"", 0};
    struct error err = {0};
    gguf_str(g, "general.architecture", &arch, &err);
    int whole = strncmp(key, "general.", 8) == 0 || strncmp(key, "tokenizer.", 10) == 0;
    snprintf(out, room, "%s%s%s", whole ? "" : arch.text, whole ? "" : ".", key);
}

/* The model with one key changed. */
static int write_changed(const struct model *m, const struct gguf *g, const struct lie *l, const char *key,
                         const char *path, struct error *err)
{
    struct gguf_writer w;
    gguf_write_begin(&w, path, 32);
    for (uint64_t i = 0; i < g->n_value; i++)
        if (strcmp(g->value[i].key.text, key) != 0)
            gguf_write_value(&w, &g->value[i]);
    write_lie(&w, key, l);
    for (uint64_t i = 0; i < g->n_tensor; i++)
        gguf_write_tensor(&w, g->tensor[i].name, g->tensor[i].type, g->tensor[i].n_dims, g->tensor[i].ne);
    for (uint64_t i = 0; i < g->n_tensor; i++)
        gguf_write_data(&w, m->bytes + g->tensor[i].offset, g->tensor[i].n_bytes);
    return gguf_write_end(&w, err);
}

static void lie(struct tally *t, const struct model *m, const struct copy *c, long i)
{
    const struct lie *l = &m->lies[i];
    struct error err = {0};
    struct gguf *g;
    char key[128], what[256], value[64] = "absent", path[160];
    snprintf(path, sizeof path, "%s.lie", c->path);
    if (gguf_open(&g, m->path, &err)) {
        fail(t, m, "keys", "the model cannot be read", err.text);
        return;
    }
    full_key(g, l->key, key, sizeof key);
    if (l->change == SET_INT)
        snprintf(value, sizeof value, "%lld", (long long)l->i);
    else if (l->change == SET_REAL)
        snprintf(value, sizeof value, "%g", l->f);
    else if (l->text)
        snprintf(value, sizeof value, "\"%s\"", l->text);
    snprintf(what, sizeof what, "%s is %s", key, value);
    if (write_changed(m, g, l, key, path, &err))
        fail(t, m, what, "cannot be written", err.text);
    gguf_close(g);

    struct outcome o = attempt(path, i);
    if (o.finished && !l->may_run)
        fail(t, m, what, "runs all the same", "");
    else
        judge(t, m, what, &o, l->expect ? l->expect : l->key);
    unlink(path);
}

/* ---- overlaps ---------------------------------------------------------------------------------------------------------------- */

/* The place of tensor i's offset in the header: behind its name, dimensions and type. */
static size_t place_of_offset(const struct model *m, const char *name, int n_dims)
{
    size_t length = strlen(name);
    for (size_t at = 0; at + 8 + length < m->header; at++) {
        uint64_t n;
        memcpy(&n, m->bytes + at, sizeof n);
        if (n == length && memcmp(m->bytes + at + 8, name, length) == 0)
            return at + 8 + length + 4 + 8 * (size_t)n_dims + 4;
    }
    return 0;
}

/* Tensor i begins where its neighbour does: the one before, or for the first the one behind. */
static void overlap(struct tally *t, const struct model *m, const struct copy *c, long i)
{
    struct error err = {0};
    struct gguf *g;
    char what[160];
    if (gguf_open(&g, m->path, &err)) {
        fail(t, m, "overlaps", "the model cannot be read", err.text);
        return;
    }
    const struct gguf_tensor *mine = &g->tensor[i], *other = &g->tensor[i > 0 ? i - 1 : 1];
    uint64_t offset = other->offset - g->file->data_start;
    size_t at = place_of_offset(m, mine->name, mine->n_dims);
    snprintf(what, sizeof what, "%s lies on %s", mine->name, other->name);
    if (at == 0 || pwrite(c->fd, &offset, 8, (off_t)at) != 8)
        fail(t, m, what, "its offset cannot be changed", "");
    struct outcome o = attempt(c->path, i);
    if (o.finished)
        fail(t, m, what, "runs all the same", "");
    else
        judge(t, m, what, &o, "overlap");
    if (at == 0 || pwrite(c->fd, m->bytes + at, 8, (off_t)at) != 8)
        fail(t, m, what, "its offset cannot be put back", "");
    gguf_close(g);
}

/* ---- models ------------------------------------------------------------------------------------------------------------------ */

static int falling(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x < y) - (x > y);
}

/* Lengths around each tensor's ends, so that some data is missing. */
static int find_edges(struct model *m, const struct gguf *g)
{
    m->edge = calloc(4 * g->n_tensor, sizeof *m->edge);
    for (uint64_t i = 0; m->edge && i < g->n_tensor; i++) {
        uint64_t begin = g->tensor[i].offset, end = begin + g->tensor[i].n_bytes;
        m->edge[m->n_edge++] = begin;
        m->edge[m->n_edge++] = begin + 1;
        m->edge[m->n_edge++] = (begin + end) / 2;
        m->edge[m->n_edge++] = end - 1;
    }
    if (m->edge)
        qsort(m->edge, m->n_edge, sizeof *m->edge, falling);
    return m->edge ? 0 : -1;
}

static int load(struct model *m, const struct gguf *g)
{
    char key[128];
    full_key(g, "pooling_type", key, sizeof key);
    int encoder = gguf_find(g, key) != NULL;
    m->lies = encoder ? lies_of_encoders : lies;
    m->n_lie = encoder ? sizeof lies_of_encoders / sizeof *lies_of_encoders : sizeof lies / sizeof *lies;
    m->size = g->file->size;
    m->header = g->file->data_start;
    m->bytes = malloc(m->size);
    if (!m->bytes || find_edges(m, g))
        return -1;
    return pread(g->file->fd, m->bytes, m->size, 0) == (ssize_t)m->size ? 0 : -1;
}

static long sampled(size_t n) { return ((long)n + one_of - 1) / one_of; }

/* has_keys: the lies are about keys that it has. */
static void run_model(const char *path, int has_keys)
{
    const char *slash = strrchr(path, '/');
    struct model m = {.path = path, .name = slash ? slash + 1 : path};
    struct error err = {0};
    struct gguf *g;
    struct outcome o = attempt(path, 0);
    if (!o.finished || gguf_open(&g, path, &err)) {
        printf("FAIL %s: %s%s\n", path, o.err.text, err.text);
        failed++;
        return;
    }
    if (load(&m, g) == 0) {
        run_cases(&m, "flips", flip, sampled(m.header));
        run_cases(&m, "cuts", cut, sampled(m.n_edge + m.header));
        if (has_keys)
            run_cases(&m, "keys", lie, (long)m.n_lie);
        run_cases(&m, "overlaps", overlap, (long)g->n_tensor);
    } else {
        printf("FAIL %s: cannot be read\n", path);
        failed++;
    }
    free(m.bytes);
    free(m.edge);
    gguf_close(g);
}

static void remove_folder(void)
{
    char path[128];
    for (int w = 0; w < WORKERS; w++) {
        snprintf(path, sizeof path, "%s/%d.gguf", folder, w);
        unlink(path);
    }
    rmdir(folder);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        int has_keys, is_rare;
    } models[] = {{TEST_DATA "/golden/qwen3moe.gguf", 1, 0},
                  {TEST_DATA "/golden/mixtral.gguf", 1, 0},
                  {TEST_DATA "/golden/qwen2moe.gguf", 1, 0},
                  {TEST_DATA "/embeddings/nomic-bert-moe.gguf", 1, 0},
                  {TEST_DATA "/embeddings/jina-bert-v2-rank.gguf", 1, 0},
                  {TEST_DATA "/embeddings/nomic-bert.gguf", 1, 1},
                  {TEST_DATA "/embeddings/jina-bert-v3.gguf", 1, 1},
                  {TEST_DATA "/embeddings/bert-rank.gguf", 0, 1},
                  {TEST_DATA "/embeddings/modern-bert.gguf", 0, 1},
                  {TEST_DATA "/embeddings/gemma-embed-dense.gguf", 0, 1},
                  {TEST_DATA "/embeddings/qwen3-rerank.gguf", 0, 1}};
    size_t bytes = WORKERS * sizeof *tally;
    tally = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tally == MAP_FAILED || temporary_folder(folder, "fuzz")) {
        fprintf(stderr, "header_fuzz: no memory or no folder to work in: %s\n", strerror(errno));
        return 1;
    }
    int is_whole = argc > 1 && strcmp(argv[1], "--whole") == 0, first = 1 + is_whole;
    one_of = is_whole ? 1 : ONE_OF;
    for (int i = first; i < argc; i++)
        run_model(argv[i], 1);
    for (size_t i = 0; argc == first && i < sizeof models / sizeof *models; i++) {
        one_of = is_whole ? 1 : models[i].is_rare ? ONE_OF * RARELY : ONE_OF;
        run_model(models[i].path, models[i].has_keys);
    }
    remove_folder();
    munmap(tally, bytes);
    printf("%ld passed, %ld failed, 0 skipped\n", passed, failed);
    return failed > 0;
}
