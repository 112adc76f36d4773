/* What evaluations share: see eval.h. */
#include "base/error.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/reqmem.h"
#include "base/utf8.h"
#include "cli/common/cli.h"
#include "cli/common/progress.h"
#include "cli/eval/eval.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

const char *eval_called = "eval";

enum { TEXT_MOST = 256 << 20 }; /* of stoker_tokenize() */

size_t eval_reading_most(const struct eval_command *c, size_t kept)
{
    uint64_t memory = c->options.memory;
    if (memory == 0 || memory == STOKER_MEMORY_MIN || memory == STOKER_MEMORY_MAX)
        return SIZE_MAX / 4;
    return memory / 2 > kept ? memory / 2 - kept : 0;
}

int eval_too_much(struct error *err, const char *name)
{
    *err = (struct error){0};
    return error_set(err, ERR_MEMORY,
                     "%s: reading it takes more than half of --memory: give more memory, or less to read at a time",
                     name);
}

const char *eval_name_of(const char *path) { return strcmp(path, "-") == 0 ? "stdin" : path; }

char *eval_file_read(const struct eval_command *c, const char *path, size_t most, size_t kept, size_t *n,
                     struct error *err)
{
    size_t may = eval_reading_most(c, kept), bound = may < most ? may : most;
    char *bytes = strcmp(path, "-") == 0 ? file_read_stream(stdin, "stdin", bound, n, err)
                                         : file_read(path, bound, n, err);
    if (!bytes && err->code == ERR_INPUT && may < most)
        eval_too_much(err, eval_name_of(path));
    return bytes;
}

/* NULL after the sentence; *status is the exit status then: 1 where it cannot be read, as of every file, 2 for what is in it. */
static char *read_text(const struct eval_command *c, const char *path, size_t kept, size_t *n, int *status)
{
    struct error err = {0};
    char *bytes = eval_file_read(c, path, TEXT_MOST, kept, n, &err);
    size_t valid = bytes ? utf8_valid(bytes, *n) : 0;
    if (bytes && valid < *n)
        error_set(&err, ERR_INPUT, "%s is not valid UTF-8 at byte %zu (0x%02X)", eval_name_of(path), valid,
                  (uint8_t)bytes[valid]);
    else if (bytes && *n == 0)
        error_set(&err, ERR_INPUT, "%s is empty: nothing to evaluate", eval_name_of(path));
    if (err.code == 0)
        return bytes;
    *status = eval_fail(&err);
    free(bytes);
    return NULL;
}

/* What the vocabulary puts before a text: the first token of one, unless it is there without it. */
static int find_bos(stoker_token *bos, const struct stoker_vocab *v, struct stoker_error *err)
{
    stoker_token *with = NULL, *without = NULL;
    size_t n_with, n_without;
    int failed = stoker_vocab_tokenize(v, "a", 1, 1, 0, &with, &n_with, err) ||
                 stoker_vocab_tokenize(v, "a", 1, 0, 0, &without, &n_without, err);
    *bos = !failed && n_with && (n_without == 0 || with[0] != without[0]) ? with[0] : -1;
    stoker_free(with);
    stoker_free(without);
    return failed;
}

int eval_vocab_of(const struct eval_command *c, stoker_token *bos, int *n_vocab)
{
    struct stoker_vocab *v = NULL;
    struct stoker_error err;
    int failed = stoker_vocab_open(&v, c->model, NULL, &err) || find_bos(bos, v, &err);
    *n_vocab = failed ? 0 : stoker_vocab_size(v);
    stoker_vocab_close(v);
    return failed ? report(&err) : 0;
}

/* The text's tokens; what they take in all is added to t->reading. -1: *err. */
static int tokenize(struct eval_text *t, const struct eval_command *c, const struct stoker_vocab *v, const char *path,
                    const char *bytes, size_t n, struct stoker_error *err)
{
    struct reqmem budget;
    struct reqmem_account account = {.of = &budget};
    reqmem_init(&budget, eval_reading_most(c, t->reading), 0);
    reqmem_enter(&account, 0);
    int failed = stoker_vocab_tokenize(v, bytes, n, 1, c->parse_special, &t->token, &t->n_token, err);
    reqmem_leave();
    t->reading += (size_t)account.peak;
    struct error why;
    if (failed && reqmem_short(&account) != REQMEM_ENOUGH) {
        eval_too_much(&why, eval_name_of(path));
        *err = (struct stoker_error){.code = STOKER_ERR_MEMORY};
        snprintf(err->text, sizeof err->text, "%s", why.text);
    }
    return failed;
}

int eval_text_read(struct eval_text *t, const struct eval_command *c, const char *path, size_t kept)
{
    struct stoker_vocab *v = NULL;
    struct stoker_error err;
    size_t n;
    *t = (struct eval_text){.bos = -1};
    int status = 0;
    char *bytes = read_text(c, path, kept, &n, &status);
    if (!bytes)
        return status;
    sha256(bytes, n, t->sha256);
    t->reading = kept + n;
    int failed = stoker_vocab_open(&v, c->model, NULL, &err) || tokenize(t, c, v, path, bytes, n, &err) ||
                 find_bos(&t->bos, v, &err);
    t->n_vocab = failed ? 0 : stoker_vocab_size(v);
    stoker_vocab_close(v);
    free(bytes);
    return failed ? report(&err) : 0;
}

void eval_text_free(struct eval_text *t)
{
    stoker_free(t->token);
    *t = (struct eval_text){0};
}

size_t eval_own_bytes(const struct eval_command *c, size_t own_bytes, size_t reading)
{
    return c->options.memory == STOKER_MEMORY_MIN && reading > own_bytes ? reading : own_bytes;
}

int eval_open(struct stoker **s, struct eval_command *c, size_t own_bytes)
{
    struct stoker_error err;
    struct progress loading;
    progress_begin(&loading, "loading", PROGRESS_BYTES, 0);
    c->options.server = own_bytes;
    c->options.progress = progress_show_loading;
    c->options.progress_arg = &loading;
    int failed = stoker_open(s, c->model, &c->options, &err);
    progress_end(&loading);
    return failed ? report(&err) : 0;
}

int eval_open_rows(struct stoker **s, struct eval_command *c, size_t own_bytes, int n_vocab)
{
    int status = eval_open(s, c, own_bytes);
    if (status || stoker_n_vocab(*s) == n_vocab)
        return status;
    fprintf(stderr, "stoker eval: %s has %d tokens and %d logits: base files need one a token\n", c->model, n_vocab,
            stoker_n_vocab(*s));
    stoker_close(*s);
    *s = NULL;
    return 2;
}

int eval_fail(const struct error *err)
{
    fprintf(stderr, "stoker %s: %s\n", eval_called, err->text);
    return err->code == ERR_INPUT || err->code == ERR_MEMORY ? 2 : 1;
}

void eval_hex(const uint8_t hash[SHA256_BYTES], char out[2 * SHA256_BYTES + 1])
{
    for (int i = 0; i < SHA256_BYTES; i++)
        snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

json_t *eval_json_hash(const uint8_t hash[SHA256_BYTES])
{
    char hex[2 * SHA256_BYTES + 1];
    eval_hex(hash, hex);
    return json_string(hex);
}

int eval_hash_read(uint8_t hash[SHA256_BYTES], const char *hex)
{
    if (!hex || strlen(hex) != 2 * SHA256_BYTES)
        return -1;
    for (int i = 0; i < SHA256_BYTES; i++) {
        int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return -1;
        hash[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

json_t *eval_header(const struct eval_command *c, const char *name)
{
    struct stoker_about about;
    struct stoker_error err;
    uint64_t model;
    char hash[17];
    if (stoker_about(&about, c->model, &err) || stoker_model_hash(&model, c->model, &err)) {
        report(&err);
        return NULL;
    }
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)model);
    json_t *o = json_pack("{s:s, s:i, s:s, s:s, s:s, s:b, s:s}", "eval", name, "version", 1, "program",
                          stoker_version(), "model", about.name, "hash", hash, "exact", c->options.exact, "kv",
                          c->options.kv ? c->options.kv : "f16");
    if (!o)
        fprintf(stderr, "stoker eval: no memory for results\n");
    return o;
}

void eval_print_json(const json_t *o)
{
    json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(17));
    putchar('\n');
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

void eval_catch_interrupts(void)
{
    struct sigaction before, a = {.sa_handler = on_interrupt, .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN) /* nohup's child outlives its terminal */
        sigaction(SIGHUP, &a, NULL);
}

int eval_is_interrupted(void) { return interrupted != 0; }
