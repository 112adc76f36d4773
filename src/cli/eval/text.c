/* What evaluations share: see eval.h. */
#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"
#include "cli/common/cli.h"
#include "cli/common/progress.h"
#include "cli/eval/eval.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MOST = 256 << 20 }; /* of stoker_tokenize() */

static int read_file(struct eval_text *t, const char *path)
{
    struct error err = {0};
    t->bytes = strcmp(path, "-") == 0 ? file_read_stream(stdin, "stdin", TEXT_MOST, &t->n, &err)
                                      : file_read(path, TEXT_MOST, &t->n, &err);
    size_t valid = t->bytes ? utf8_valid(t->bytes, t->n) : 0;
    if (t->bytes && valid < t->n)
        error_set(&err, ERR_INPUT, "%s is not valid UTF-8 at byte %zu (0x%02X)", path, valid, (uint8_t)t->bytes[valid]);
    else if (t->bytes && t->n == 0)
        error_set(&err, ERR_INPUT, "%s is empty: nothing to evaluate", path);
    if (err.code)
        fprintf(stderr, "stoker eval: %s\n", err.text);
    return err.code ? 2 : 0;
}

/* What the vocabulary puts before an empty text, if it did so before this one. */
static int find_bos(struct eval_text *t, const struct stoker_vocab *v, struct stoker_error *err)
{
    stoker_token *front = NULL;
    size_t n = 0;
    if (stoker_vocab_tokenize(v, "", 0, 1, 0, &front, &n, err))
        return -1;
    t->bos = n && t->n_token && front[0] == t->token[0] ? front[0] : -1;
    stoker_free(front);
    return 0;
}

int eval_text_read(struct eval_text *t, const struct eval_command *c)
{
    struct stoker_vocab *v = NULL;
    struct stoker_error err;
    *t = (struct eval_text){.bos = -1};
    int status = read_file(t, c->text);
    if (status)
        return status;
    int failed = stoker_vocab_open(&v, c->model, NULL, &err) ||
                 stoker_vocab_tokenize(v, t->bytes, t->n, 1, c->parse_special, &t->token, &t->n_token, &err) ||
                 find_bos(t, v, &err);
    stoker_vocab_close(v);
    return failed ? report(&err) : 0;
}

void eval_text_free(struct eval_text *t)
{
    free(t->bytes);
    stoker_free(t->token);
    *t = (struct eval_text){0};
}

int eval_open(struct stoker **s, struct eval_command *c)
{
    struct stoker_error err;
    struct progress loading;
    progress_begin(&loading, "loading", PROGRESS_BYTES, 0);
    c->options.progress = progress_show_loading;
    c->options.progress_arg = &loading;
    int failed = stoker_open(s, c->model, &c->options, &err);
    progress_end(&loading);
    return failed ? report(&err) : 0;
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

void eval_catch_interrupts(void)
{
    struct sigaction a = {.sa_handler = on_interrupt, .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
}

int eval_is_interrupted(void) { return interrupted != 0; }
