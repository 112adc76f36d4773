/* stoker run: one prompt, or lines from stdin as a chat.
 *
 * The answer goes to stdout as it comes; everything else goes to stderr. The first Ctrl-C ends the answer, the second the
 * program. A chat's earlier turns stay in the sequence: only what is new of the conversation is computed. */
#include "cli.h"
#include "flags.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "stoker run [MODEL.gguf] [flags]: answer a prompt, or chat line by line.\n\n"
    "  stoker run                                     chat with the embedded model; Ctrl-D ends\n"
    "  stoker run -p 'What is the capital of Japan?'  one answer\n"
    "  stoker run MODEL.gguf -p 'Hi' --memory 6GiB    a model that is bigger than the memory it gets\n"
    "  echo 'Hello' | stoker run --temp 0 --stats     every line of stdin is a turn\n\n"
    "MODEL.gguf: a file, or the first part of a split one; without it the embedded model.\n\n";

struct chat {
    struct stoker *engine;
    struct stoker_request request; /* sampling and limits; prompt is filled per turn */
    struct stoker_message *message;
    size_t n, cap;
    char **owned; /* texts of the messages */
    int think, json, stats;
    stoker_id last; /* to continue from */
};

static volatile sig_atomic_t interrupts;

static void on_interrupt(int sig)
{
    if (++interrupts > 1) { /* nothing to put right on the terminal: it was never changed */
        signal(sig, SIG_DFL);
        raise(sig);
    }
}

static size_t invalid_utf8(const char *text, size_t n)
{
    const unsigned char *s = (const unsigned char *)text;
    for (size_t i = 0; i < n;) {
        size_t more = s[i] < 0x80                   ? 0
                      : s[i] >= 0xc2 && s[i] < 0xe0 ? 1
                      : s[i] >= 0xe0 && s[i] < 0xf0 ? 2
                      : s[i] >= 0xf0 && s[i] < 0xf5 ? 3
                                                    : 9;
        if (more == 9 || i + more >= n)
            return i;
        unsigned char low = s[i] == 0xe0   ? 0xa0
                            : s[i] == 0xf0 ? 0x90
                                           : 0x80,
                      high = s[i] == 0xed   ? 0x9f
                             : s[i] == 0xf4 ? 0x8f
                                            : 0xbf;
        for (size_t k = 1; k <= more; k++, low = 0x80, high = 0xbf)
            if (s[i + k] < low || s[i + k] > high)
                return i;
        i += more + 1;
    }
    return n;
}

static int add_message(struct chat *c, const char *role, const char *text, size_t n)
{
    if (c->n == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 16;
        struct stoker_message *m = realloc(c->message, c->cap * sizeof *m);
        char **o = m ? realloc(c->owned, c->cap * sizeof *o) : NULL;
        if (m)
            c->message = m;
        if (!o)
            return -1;
        c->owned = o;
    }
    char *copy = malloc(n + 1);
    if (!copy)
        return -1;
    memcpy(copy, text, n);
    copy[n] = 0;
    c->owned[c->n] = copy;
    c->message[c->n++] = (struct stoker_message){role, copy, n};
    return 0;
}

/* ---- one answer ------------------------------------------------------------------------------------------------------------- */

struct answer {
    struct stoker_text *text;
    char *bytes; /* all of it, for the conversation and --json */
    size_t n, cap;
    int quiet;
    int lost; /* errno: nobody reads on, or the disk is full */
};

static void emit(struct answer *a, const char *text, size_t n)
{
    if (n == 0)
        return;
    if (!a->quiet) {
        fwrite(text, 1, n, stdout);
        if (fflush(stdout) && !a->lost)
            a->lost = errno;
    }
    if (a->n + n > a->cap) {
        size_t cap = (a->n + n) * 2 + 256;
        char *grown = realloc(a->bytes, cap);
        if (!grown)
            return;
        a->bytes = grown;
        a->cap = cap;
    }
    memcpy(a->bytes + a->n, text, n);
    a->n += n;
}

static void print_json(const struct answer *a, const struct stoker_event *end)
{
    static const char *const reasons[] = {"stop", "length", "cancelled"};
    json_t *o = json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:f, s:f}", "text",
                          json_stringn(a->bytes ? a->bytes : "", a->n), "end", reasons[end->u.end.reason],
                          "prompt_tokens", (json_int_t)end->u.end.n_prompt, "cached_tokens",
                          (json_int_t)end->u.end.n_cached, "tokens", (json_int_t)end->u.end.n_generated, "seed",
                          (json_int_t)end->u.end.seed, "prompt_seconds", end->u.end.prompt_seconds, "seconds",
                          end->u.end.generate_seconds);
    if (o) {
        json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        putchar('\n');
    }
    json_decref(o);
}

static void print_stats(const struct chat *c, const struct stoker_stats *before, const struct stoker_event *end)
{
    struct stoker_stats now;
    struct stoker_plan plan;
    stoker_stats_of(c->engine, &now);
    stoker_plan_of(c->engine, &plan);
    size_t computed = end->u.end.n_prompt - end->u.end.n_cached, n = end->u.end.n_generated;
    fputc('\n', stderr);
    print_plan_line(stderr, &plan);
    print_stream_table(stderr, &plan, before, &now, computed + n);
    fprintf(stderr, "prompt %zu tokens in %.2f s (%.1f tok/s), answer %zu tokens in %.2f s (%.1f tok/s), %s", computed,
            end->u.end.prompt_seconds, end->u.end.prompt_seconds > 0 ? (double)computed / end->u.end.prompt_seconds : 0,
            n, end->u.end.generate_seconds,
            end->u.end.generate_seconds > 0 && n > 1 ? (double)(n - 1) / end->u.end.generate_seconds : 0, now.cpu_tier);
    if (c->request.sampling.temperature > 0)
        fprintf(stderr, ", seed %llu", (unsigned long long)end->u.end.seed);
    fputc('\n', stderr);
    print_stream_line(stderr, before, &now, computed + n);
}

/* Take events until the last one. 0, or the exit status of a failure. */
static int follow(struct chat *c, stoker_id id, struct answer *a, struct stoker_event *end)
{
    int cancelled = 0;
    for (;;) {
        int got = stoker_next_event(c->engine, id, 100, end);
        if (got < 0)
            return 1;
        if ((interrupts || a->lost) && !cancelled) {
            stoker_cancel(c->engine, id);
            cancelled = 1;
        }
        const char *text;
        if (got == 0)
            continue;
        if (end->kind == STOKER_TOKEN && a->text)
            emit(a, text, stoker_text_next(a->text, end->u.token.id, &text));
        if (end->kind == STOKER_FAILED) {
            report(&end->error);
            return 1;
        }
        if (end->kind == STOKER_END)
            return 0;
    }
}

/* How much of a prompt the next turn's will begin with: templates may open an answer otherwise than they repeat it. */
static size_t lasting(const struct chat *c, const stoker_token *prompt, size_t n)
{
    struct stoker_message *m = malloc((c->n + 2) * sizeof *m);
    stoker_token *next = NULL;
    size_t n_next = 0, same = 0;
    struct stoker_error ignored;
    if (!m)
        return n;
    memcpy(m, c->message, c->n * sizeof *m);
    m[c->n] = (struct stoker_message){"assistant", "A", 1};
    m[c->n + 1] = (struct stoker_message){"user", "B", 1};
    if (stoker_chat(c->engine, m, c->n + 2, c->think, &next, &n_next, &ignored))
        n_next = 0;
    while (same < n && same < n_next && prompt[same] == next[same])
        same++;
    free(next);
    free(m);
    return same;
}

static int answer(struct chat *c)
{
    struct stoker_error err;
    struct stoker_stats before;
    stoker_token *prompt = NULL;
    if (stoker_chat(c->engine, c->message, c->n, c->think, &prompt, &c->request.n_prompt, &err))
        return report(&err), 1;
    c->request.prompt = prompt;
    c->request.resume = c->last;
    c->request.keep = 1;
    size_t same = lasting(c, prompt, c->request.n_prompt);
    c->request.snapshot_at = &same;
    c->request.n_snapshot_at = same > 0 && same < c->request.n_prompt;
    stoker_stats_of(c->engine, &before);
    stoker_id id;
    int failed = stoker_submit(c->engine, &c->request, &id, &err);
    free(prompt);
    if (failed)
        return report(&err), 1;

    struct answer a = {.text = stoker_text_open(c->engine), .quiet = c->json};
    struct stoker_event end;
    const char *text;
    interrupts = 0;
    int status = follow(c, id, &a, &end);
    if (a.text)
        emit(&a, text, stoker_text_end(a.text, &text));
    stoker_text_close(a.text);
    if (status == 0) {
        c->last = id;
        if (!c->json)
            putchar('\n');
        else
            print_json(&a, &end);
        if (fflush(stdout) && !a.lost)
            a.lost = errno;
        if (a.lost) {
            fprintf(stderr, "stoker: the answer cannot be written: %s\n", strerror(a.lost));
            clearerr(stdout);
            status = 1;
        } else if (end.u.end.reason == STOKER_END_CANCELLED && !c->json)
            fprintf(stderr, "(stopped)\n");
        if (c->stats)
            print_stats(c, &before, &end);
        add_message(c, "assistant", a.bytes ? a.bytes : "", a.n);
    }
    free(a.bytes);
    return status;
}

static int turn(struct chat *c, const char *text, size_t n)
{
    size_t bad = invalid_utf8(text, n);
    if (bad < n) {
        fprintf(stderr,
                "stoker: the prompt is not valid UTF-8 at byte %zu (0x%02x); convert it, for example with iconv\n", bad,
                (unsigned char)text[bad]);
        return 1;
    }
    if (n == 0) {
        fprintf(stderr, "stoker: the prompt is empty; give some text with -p or on stdin\n");
        return 1;
    }
    if (add_message(c, "user", text, n)) {
        fprintf(stderr, "stoker: no memory for the conversation\n");
        return 1;
    }
    return answer(c);
}

/* Lines of stdin, one turn each; an empty line is not a turn. Ctrl-C at the prompt ends. */
static int converse(struct chat *c)
{
    int terminal = isatty(STDIN_FILENO), turns = 0, status = 0;
    char *line = NULL;
    size_t room = 0;
    for (;;) {
        if (terminal) {
            fputs("> ", stderr);
            fflush(stderr);
        }
        interrupts = 0;
        ssize_t n = getline(&line, &room, stdin);
        if (n < 0)
            break;
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            n--;
        if (n == 0)
            continue;
        turns++;
        int failed = turn(c, line, (size_t)n);
        status = failed ? failed : status;
        if (failed && !terminal)
            break;
    }
    free(line);
    if (terminal)
        fputc('\n', stderr);
    else if (turns == 0) {
        fprintf(stderr, "stoker: the prompt is empty; give some text with -p or on stdin\n");
        return 1;
    }
    return status;
}

int cmd_run(int argc, char **argv)
{
    struct stoker_options o = {.progress = show_loading};
    struct chat c = {.request = {.sampling = stoker_sampling_defaults()}};
    struct stoker_sampling *s = &c.request.sampling;
    const char *prompt = NULL, *system = NULL, *think = "off", *model = NULL;
    const struct flag mine[] = {
        {"-p", "--prompt", FLAG_TEXT, &prompt, 0, 0, "TEXT", "one prompt; without it: lines of stdin"},
        {"--system", NULL, FLAG_TEXT, &system, 0, 0, "TEXT", "system message"},
        {"-n", "--max-tokens", FLAG_INT, &c.request.max_tokens, 1, 1 << 30, "N",
         "longest answer (default: the room that is left)"},
        {"--temp", NULL, FLAG_REAL, &s->temperature, -1, 100, "T",
         "temperature (default 0.8; 0: always the likeliest token)"},
        {"--top-k", NULL, FLAG_INT, &s->top_k, -1, 1 << 30, "N", "of the N likeliest tokens (default 40; 0: off)"},
        {"--top-p", NULL, FLAG_REAL, &s->top_p, 0, 1, "P", "of the likeliest that make up P (default 0.95; 1: off)"},
        {"--min-p", NULL, FLAG_REAL, &s->min_p, 0, 1, "P", "not below P times the likeliest (default 0.05; 0: off)"},
        {"--seed", NULL, FLAG_SEED, s, 0, 0, "N", "same seed, same answer (default: drawn)"},
        {"--ignore-eos", NULL, FLAG_SWITCH, &c.request.ignore_end, 0, 0, NULL, "go on behind the end of the text"},
        {"--think", NULL, FLAG_TEXT, &think, 0, 0, "on|off", "let the model think first (default off)"},
        {"--stats", NULL, FLAG_SWITCH, &c.stats, 0, 0, NULL, "plan, cache and speed after each answer"},
        {"--json", NULL, FLAG_SWITCH, &c.json, 0, 0, NULL, "each answer as a JSON object"},
    };
    const struct flag_table tables[] = {{mine, sizeof mine / sizeof *mine}, model_flags(&o)};
    int n_rest, status = flags_parse("run", usage, tables, 2, argc, argv, &model, 1, &n_rest);
    if (status != FLAGS_DONE)
        return status;
    if (strcmp(think, "on") != 0 && strcmp(think, "off") != 0) {
        fprintf(stderr, "stoker run: --think %s: on or off\n", think);
        return 2;
    }
    c.think = strcmp(think, "on") == 0;
    if (!model && !(model = embedded_model()))
        return 1;

    struct stoker_error err;
    if (stoker_open(&c.engine, model, &o, &err)) {
        end_loading();
        return report(&err);
    }
    end_loading();
    struct sigaction act = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &act, NULL);
    if (system)
        add_message(&c, "system", system, strlen(system));
    status = prompt ? turn(&c, prompt, strlen(prompt)) : converse(&c);
    stoker_close(c.engine);
    for (size_t i = 0; i < c.n; i++)
        free(c.owned[i]);
    free(c.owned);
    free(c.message);
    return status;
}
