/* What an answer looks like: see chat.h. */
#include "cli/chat/chat.h"

#include "base/utf8.h"
#include "cli/common/cli.h"
#include "cli/common/flags.h"
#include "cli/common/settings.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static volatile sig_atomic_t dimmed; /* the terminal shows reasoning */

static void flush(struct chat_shown *s)
{
    s->any = 1;
    if (fflush(stdout) && !s->lost)
        s->lost = errno;
}

static void show(struct chat_shown *s, const char *text, size_t n)
{
    if (s->quiet || n == 0)
        return;
    fwrite(text, 1, n, stdout);
    flush(s);
}

/* Whether the terminal has shown of itself what was typed: Ctrl-C, or a line. Of one that has not ended nothing tells. */
static int is_echoed(struct chat_shown *s)
{
    int typed = 0, before = s->typed;
    if (isatty(STDIN_FILENO) && ioctl(STDIN_FILENO, FIONREAD, &typed) == 0)
        s->typed = typed;
    return chat_interrupts || (s->any && typed != before);
}

/* Of what the model says lines are broken between words, on a terminal as wide as it is by now. */
static void show_words(struct chat_shown *s, const char *text, size_t n)
{
    if (!s->wraps || s->quiet || n == 0) {
        show(s, text, n);
        return;
    }
    s->wrap.columns = wrap_columns(STDOUT_FILENO);
    if (is_echoed(s))
        wrap_unsure(&s->wrap);
    wrap_write(&s->wrap, stdout, text, n);
    flush(s);
}

/* Bytes that a text begins with: 1: a character that a terminal shows, or a blank or line end; 0: a control, or no whole character, which
 * may be half of one. */
static int is_for_terminal(const char *text, size_t n, size_t *length)
{
    uint32_t c;
    if (utf8_read(text, n, length, &c) != UTF8_WHOLE)
        return 0;
    return c == '\n' || c == '\t' || c == '\r' || (c >= 0x20 && c < 0x7F) || c >= 0xA0;
}

/* A model wrote it: on a terminal nothing of it hides, colours or moves what else is shown there. Elsewhere it stays as it is. */
static void show_answer(struct chat_shown *s, const char *text, size_t n)
{
    size_t good = 0, length;
    while (s->terminal && good < n) {
        if (is_for_terminal(text + good, n - good, &length)) {
            good += length;
            continue;
        }
        show_words(s, text, good);
        show_words(s, UTF8_REPLACEMENT, sizeof UTF8_REPLACEMENT - 1);
        text += good + length;
        n -= good + length;
        good = 0;
    }
    show_words(s, text, n);
}

void show_end(struct chat_shown *s)
{
    static const char plain[] = "\033[0m\n";
    if (dimmed) {
        show(s, plain, sizeof plain - 1);
        s->wrap = (struct wrap){0};
    }
    dimmed = 0;
}

void show_plain(void)
{
    static const char plain[] = "\033[0m\n";
    if (dimmed && write(STDOUT_FILENO, plain, sizeof plain - 1) < 0)
        dimmed = 0;
}

/* Reasoning is for a person at a terminal, dimmed; calls are shown when they are asked about. */
void show_piece(struct chat_shown *s, const struct stoker_piece *p)
{
    static const char dim[] = "\033[2m";
    if (p->kind == STOKER_PIECE_REASONING && s->terminal) {
        if (!dimmed && !s->quiet) {
            dimmed = 1;
            show(s, dim, sizeof dim - 1);
        }
        show_answer(s, p->text, p->n);
    } else if (p->kind == STOKER_PIECE_CONTENT) {
        show_end(s);
        show_answer(s, p->text, p->n);
    }
}

/* ---- JSON ------------------------------------------------------------------------------------------------------------------ */

static size_t character(const char *text, size_t n)
{
    for (size_t k = 1; k <= n && k <= 4; k++) {
        json_t *whole = json_stringn(text, k);
        json_decref(whole);
        if (whole)
            return k;
    }
    return 0;
}

/* The bytes as text, U+FFFD for each that is part of no character. */
static json_t *lossy_string(const char *bytes, size_t n)
{
    json_t *whole = json_stringn(bytes, n);
    char *text = whole ? NULL : malloc(3 * n + 1);
    size_t at = 0, k;
    for (size_t i = 0; text && i < n; i += k ? k : 1) {
        k = character(bytes + i, n - i);
        memcpy(text + at, k ? bytes + i : "\357\277\275", k ? k : 3);
        at += k ? k : 3;
    }
    if (text)
        whole = json_stringn(text, at);
    free(text);
    return whole;
}

static json_t *one_logprob(const struct stoker *s, stoker_token id, double logprob)
{
    size_t n;
    const char *piece = stoker_templates_piece(stoker_templates_of(s), id, &n);
    json_t *bytes = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(bytes, json_integer((unsigned char)piece[i]));
    return json_pack("{s:o, s:i, s:f, s:o}", "token", lossy_string(piece, n), "id", id, "logprob", logprob, "bytes",
                     bytes);
}

json_t *logprob_json(const struct stoker *s, const struct stoker_event *token)
{
    json_t *top = json_array(), *o = one_logprob(s, token->u.token.id, token->u.token.logprob);
    for (size_t i = 0; i < token->u.token.n_top; i++)
        json_array_append_new(top, one_logprob(s, token->u.token.top[i].id, token->u.token.top[i].logprob));
    json_object_set_new(o, "top_logprobs", top);
    return o;
}

/* The seed is written by hand: JSON's integers have 64 bits, jansson's only 63. */
static void print_with_seed(const json_t *o, uint64_t seed)
{
    char *text = o ? json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    if (text)
        printf("%.*s,\"seed\":%llu}\n", (int)strlen(text) - 1, text, (unsigned long long)seed);
    free(text);
}

void print_answer_json(const json_t *message, const json_t *logprobs, const json_t *sources,
                       const struct stoker_string *stop, const struct stoker_event *end)
{
    static const char *const reasons[] = {"stop", "length", "cancelled"};
    json_t *content = json_object_get(message, "content");
    json_t *o = json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:I, s:O}", "text",
                          json_is_string(content) ? json_incref(content) : json_string(""), "end",
                          reasons[end->u.end.reason], "prompt_tokens", (json_int_t)end->u.end.n_prompt, "cached_tokens",
                          (json_int_t)end->u.end.n_cached, "tokens", (json_int_t)end->u.end.n_generated,
                          "drafted_tokens", (json_int_t)end->u.end.n_drafted, "accepted_tokens",
                          (json_int_t)end->u.end.n_accepted, "prompt_seconds", end->u.end.prompt_seconds, "seconds",
                          end->u.end.generate_seconds, "peak_rss", (json_int_t)peak_bytes(), "message", message);
    if (o && stop)
        json_object_set_new(o, "stopped_by", json_stringn(stop->text, stop->n));
    if (o && logprobs)
        json_object_set_new(o, "logprobs", json_pack("{s:O}", "content", logprobs));
    if (o && sources)
        json_object_update(o, (json_t *)sources);
    if (o && flags_print_config()) {
        json_object_set_new(o, "config", settings_json());
        json_object_set_new(o, "model_hash", json_string(flags_print_config()));
        json_object_set_new(o, "version", json_string(stoker_version()));
    }
    print_with_seed(o, end->u.end.seed);
    json_decref(o);
}

static const char *member(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));
    return s ? s : "";
}

void print_sources(const json_t *list)
{
    size_t i;
    const json_t *o;
    json_array_foreach(list, i, o)
    {
        const char *date = member(o, "date");
        printf("%s[%d] %s, %s%s%s\n", i ? "" : "\n", (int)json_integer_value(json_object_get(o, "n")),
               member(o, "title"), member(o, "source"), *date ? ", " : "", date);
    }
}

/* ---- statistics ------------------------------------------------------------------------------------------------------------- */

/* A prompt reads experts by sweeps and an answer by tokens: waits of both together would tell of neither. They part behind the step of the
 * prompt's last row, which makes the first token: what was done until then is divided by rows, the rest by the further tokens. */
static void print_streaming(const struct stoker_stats *before, const struct stoker_stats *behind_prompt,
                            const struct stoker_stats *now, const struct stoker_event *end)
{
    uint64_t tokens = now->generated_tokens - behind_prompt->generated_tokens + (uint64_t)end->u.end.end_sampled,
             steps = now->steps -
                     behind_prompt->steps; /* fewer with drafts, one more where the last one's token was not wanted */
    print_stream_line(stderr, "prompt: ", before, behind_prompt, (size_t)(behind_prompt->rows - before->rows));
    print_stream_line(stderr, "answer: ", behind_prompt, now, (size_t)(tokens > steps ? tokens : steps));
}

void print_answer_stats(struct chat *c, const struct stoker_stats *before, const struct stoker_stats *behind_prompt,
                        const struct stoker_event *end)
{
    struct stoker_stats now;
    struct stoker_plan plan;
    stoker_stats_of(c->engine, &now);
    stoker_plan_of(c->engine, &plan);
    size_t computed = end->u.end.n_prompt - end->u.end.n_cached, n = end->u.end.n_generated;
    fputc('\n', stderr);
    fprintf(stderr, "prompt %zu tokens in %.2f s (%.1f tok/s)", computed, end->u.end.prompt_seconds,
            end->u.end.prompt_seconds > 0 ? (double)computed / end->u.end.prompt_seconds : 0);
    if (end->u.end.n_cached)
        fprintf(stderr, " and %zu known", end->u.end.n_cached);
    fprintf(stderr, ", answer %zu tokens in %.2f s (%.1f tok/s), %s", n, end->u.end.generate_seconds,
            end->u.end.generate_seconds > 0 && n > 1 ? (double)(n - 1) / end->u.end.generate_seconds : 0, now.cpu_tier);
    if (c->request.sampling.temperature > 0)
        fprintf(stderr, ", seed %llu", (unsigned long long)end->u.end.seed);
    fputc('\n', stderr);
    print_drafts(stderr, "", before, &now);
    print_streaming(before, n ? behind_prompt : &now, &now, end);
    print_table_lines(stderr, before, &now);
    print_plan_line(stderr, &plan);
    if (!now.no_energy || (c->stats > 1 && !c->named_types))
        print_energy_line(stderr, before, &now, computed + n);
    if (!c->named_types++)
        print_scalar_types(stderr, &plan);
    if (c->stats > 1)
        print_stream_table(stderr, &plan, before, &now, computed + n);
}
