/* stoker run: one prompt, or lines from stdin as a chat.
 *
 * The answer goes to stdout as it comes; everything else goes to stderr. The first Ctrl-C ends the answer, the second the
 * program. A chat's earlier turns stay in the sequence: only what is new of the conversation is computed. */
#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/form.h"
#include "cli/tools.h"

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
    struct stoker_request request; /* sampling and limits; prompt and constraint are filled per turn */
    json_t *message;               /* the conversation so far: OpenAI's messages */
    struct cli_tools tools;
    struct stoker_reply_options reply; /* prompt is filled per turn */
    int n_call;                        /* calls so far, for their ids */
    int json, stats;
    const char *think; /* "on", "off"; NULL: as the template has it */
    stoker_id last;    /* to continue from */
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

/* message is given away. -1: no memory, or NULL. */
static int add_message(struct chat *c, json_t *message) { return json_array_append_new(c->message, message); }

static json_t *text_message(const char *role, const char *text, size_t n)
{
    return json_pack("{s:s, s:o}", "role", role, "content", json_stringn(text, n));
}

/* ---- one answer ------------------------------------------------------------------------------------------------------------- */

struct answer {
    struct stoker_reply *reply;
    int quiet, terminal;
    int shown;  /* something was */
    int dimmed; /* the terminal shows reasoning */
    int lost;   /* errno: nobody reads on, or the disk is full */
};

static void show(struct answer *a, const char *text, size_t n)
{
    if (a->quiet || n == 0)
        return;
    a->shown = 1;
    fwrite(text, 1, n, stdout);
    if (fflush(stdout) && !a->lost)
        a->lost = errno;
}

static void end_dimming(struct answer *a)
{
    static const char plain[] = "\033[0m\n";
    if (a->dimmed)
        show(a, plain, sizeof plain - 1);
    a->dimmed = 0;
}

/* Reasoning is for a person at a terminal, dimmed; calls are shown when they are asked about. */
static void on_piece(void *arg, const struct stoker_piece *p)
{
    static const char dim[] = "\033[2m";
    struct answer *a = arg;
    if (p->kind == STOKER_PIECE_REASONING && a->terminal) {
        if (!a->dimmed)
            show(a, dim, sizeof dim - 1);
        a->dimmed = 1;
        show(a, p->text, p->n);
    } else if (p->kind == STOKER_PIECE_CONTENT) {
        end_dimming(a);
        show(a, p->text, p->n);
    }
}

/* message: what the answer was, as OpenAI's message. */
static void print_json(const json_t *message, const struct stoker_event *end)
{
    static const char *const reasons[] = {"stop", "length", "cancelled"};
    json_t *content = json_object_get(message, "content");
    json_t *o = json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:O}", "text",
                          json_is_string(content) ? json_incref(content) : json_string(""), "end",
                          reasons[end->u.end.reason], "prompt_tokens", (json_int_t)end->u.end.n_prompt, "cached_tokens",
                          (json_int_t)end->u.end.n_cached, "tokens", (json_int_t)end->u.end.n_generated, "seed",
                          (json_int_t)end->u.end.seed, "prompt_seconds", end->u.end.prompt_seconds, "seconds",
                          end->u.end.generate_seconds, "message", message);
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
    struct stoker_error err;
    int cancelled = 0, over = 0;
    for (;;) {
        int got = stoker_next_event(c->engine, id, 100, end);
        if (got < 0)
            return 1;
        if ((interrupts || a->lost || over) && !cancelled) {
            stoker_cancel(c->engine, id);
            cancelled = 1;
        }
        if (got == 0)
            continue;
        if (end->kind == STOKER_TOKEN && !over && (over = stoker_reply_token(a->reply, end->u.token.id, &err)) < 0)
            return report(&err);
        if (end->kind == STOKER_FAILED) {
            report(&end->error);
            return 1;
        }
        if (end->kind == STOKER_END) {
            if (over)
                end->u.end.reason = STOKER_END_TEXT;
            return 0;
        }
    }
}

/* Messages as the model reads them. */
static int render(const struct chat *c, json_t *messages, struct stoker_prompt *out, struct stoker_error *err)
{
    *err = (struct stoker_error){STOKER_ERR_MEMORY, "no memory for the conversation"};
    json_t *o = json_pack("{s:O}", "messages", messages);
    if (o && c->tools.shown)
        json_object_set(o, "tools", c->tools.shown);
    if (o && c->think)
        json_object_set_new(o, "enable_thinking", json_boolean(strcmp(c->think, "on") == 0));
    char *text = o ? json_dumps(o, JSON_PRESERVE_ORDER) : NULL;
    int failed = !text || stoker_prompt(stoker_templates_of(c->engine), text, strlen(text), out, NULL, err);
    free(text);
    json_decref(o);
    return failed ? -1 : 0;
}

/* How much of a prompt the next turn's will begin with: templates may open an answer otherwise than they repeat it. */
static size_t lasting(const struct chat *c, const struct stoker_prompt *p)
{
    struct stoker_prompt next = {0};
    struct stoker_error ignored;
    size_t same = 0;
    json_t *m = json_copy(c->message);
    json_array_append_new(m, text_message("assistant", "A", 1));
    json_array_append_new(m, text_message("user", "B", 1));
    if (m && render(c, m, &next, &ignored) == 0)
        while (same < p->n_token && same < next.n_token && p->token[same] == next.token[same])
            same++;
    stoker_prompt_free(&next);
    json_decref(m);
    return same;
}

/* Hand the conversation over; the reply will take its answer apart. */
static int begin(struct chat *c, struct answer *a, stoker_id *id)
{
    struct stoker_error err;
    struct stoker_prompt prompt = {0};
    int failed = render(c, c->message, &prompt, &err);
    size_t same = failed ? 0 : lasting(c, &prompt);
    if (!failed) {
        c->request.prompt = c->reply.prompt = prompt.token;
        c->request.n_prompt = c->reply.n_prompt = prompt.n_token;
        c->request.resume = c->last;
        c->request.keep = 1;
        c->request.snapshot_at = &same;
        c->request.n_snapshot_at = same > 0 && same < prompt.n_token;
        failed = stoker_reply_open(&a->reply, c->engine, &c->reply, on_piece, a, &err);
    }
    if (!failed) {
        c->request.constraint = stoker_reply_constraint(a->reply);
        failed = stoker_submit(c->engine, &c->request, id, &err);
    }
    stoker_prompt_free(&prompt);
    return failed ? report(&err), 1 : 0;
}

/* The answer as a message; its calls get ids of their own, for an answer may repeat those of an earlier one. */
static json_t *answer_message(struct chat *c, const struct answer *a)
{
    char id[32];
    size_t i;
    json_t *call;
    const char *text = stoker_reply_message(a->reply);
    json_t *message = text ? json_loads(text, JSON_ALLOW_NUL, NULL) : NULL;
    json_array_foreach(json_object_get(message, "tool_calls"), i, call)
    {
        snprintf(id, sizeof id, "call_%d", c->n_call++);
        json_object_set_new(call, "id", json_string(id));
    }
    return message;
}

/* Results of the answer's calls, asked for one by one, become messages. 1: there is something for the model to go on with. */
static int take_results(struct chat *c, const struct answer *a, const json_t *message)
{
    size_t n_call = stoker_reply_n_call(a->reply);
    for (size_t i = 0; i < n_call; i++) {
        const json_t *call = json_array_get(json_object_get(message, "tool_calls"), i);
        const char *arguments, *name;
        size_t n, n_result = 0;
        name = stoker_reply_call(a->reply, i, &arguments, &n);
        char *result = tools_ask(&c->tools, name, arguments, n, &n_result);
        json_t *m = result ? text_message("tool", result, n_result) : NULL;
        free(result);
        json_object_set(m, "tool_call_id", json_object_get(call, "id"));
        if (!m || add_message(c, m))
            return 0;
    }
    return n_call > 0;
}

/* What is printed behind an answer. */
static int conclude(struct chat *c, struct answer *a, const json_t *message, const struct stoker_event *end)
{
    if (c->json)
        print_json(message, end);
    else if (a->shown || stoker_reply_n_call(a->reply) == 0)
        putchar('\n');
    if (fflush(stdout) && !a->lost)
        a->lost = errno;
    if (a->lost) {
        fprintf(stderr, "stoker: the answer cannot be written: %s\n", strerror(a->lost));
        clearerr(stdout);
        return 1;
    }
    if (end->u.end.reason == STOKER_END_CANCELLED && !c->json)
        fprintf(stderr, "(stopped)\n");
    return 0;
}

/* One answer; *more: results of its calls were added to the conversation. */
static int answer(struct chat *c, int *more)
{
    struct stoker_stats before;
    struct stoker_event end;
    struct stoker_error err;
    stoker_id id;
    struct answer a = {.quiet = c->json, .terminal = isatty(STDOUT_FILENO)};
    *more = 0;
    stoker_stats_of(c->engine, &before);
    interrupts = 0;
    int status = begin(c, &a, &id);
    if (status == 0)
        status = follow(c, id, &a, &end);
    if (status == 0 && stoker_reply_end(a.reply, &err))
        status = report(&err);
    end_dimming(&a);
    if (status == 0) {
        json_t *message = answer_message(c, &a);
        c->last = id;
        status = conclude(c, &a, message, &end);
        if (c->stats)
            print_stats(c, &before, &end);
        add_message(c, json_incref(message));
        if (status == 0 && end.u.end.reason != STOKER_END_CANCELLED && !c->json)
            *more = take_results(c, &a, message);
        json_decref(message);
    }
    stoker_reply_close(a.reply);
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
    size_t before = json_array_size(c->message);
    if (add_message(c, text_message("user", text, n))) {
        fprintf(stderr, "stoker: no memory for the conversation\n");
        return 1;
    }
    int status, more;
    do
        status = answer(c, &more);
    while (status == 0 && more);
    while (status != 0 && json_array_size(c->message) > before) /* a turn that failed was never said */
        json_array_remove(c->message, json_array_size(c->message) - 1);
    return status;
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
    const char *prompt = NULL, *system = NULL, *model = NULL, *tools = NULL, *close = NULL;
    struct answer_form form = {0};
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
        {"--think", NULL, FLAG_TEXT, &c.think, 0, 0, "on|off",
         "let the model think first (default: as its template has it)"},
        {"--chat-template", NULL, FLAG_TEXT, &o.chat_template, 0, 0, "FILE|NAME",
         "chat template (default: the model's own)"},
        {"--tools", NULL, FLAG_TEXT, &tools, 0, 0, "FILE", "tools the model may call; asks before it runs one"},
        {"--tool-format", NULL, FLAG_TEXT, &o.tool_format, 0, 0, "NAME",
         "how calls are written (default: as the template does)"},
        {"--no-tool-grammar", NULL, FLAG_SWITCH, &c.reply.unchecked, 0, 0, NULL, "recognise calls, do not govern them"},
        {"--json-schema", NULL, FLAG_TEXT, &form.schema, 0, 0, "FILE|JSON", "answer with JSON that fits this schema"},
        {"--grammar", NULL, FLAG_TEXT, &form.grammar, 0, 0, "FILE", "answer with a text of this GBNF grammar"},
        {"--regex", NULL, FLAG_TEXT, &form.regex, 0, 0, "PATTERN", "answer with a text that matches"},
        {"--close-at-limit", NULL, FLAG_TEXT, &close, 0, 0, "on|off",
         "end calls and JSON well before the limit cuts them (default on; off for --grammar and --regex)"},
        {"--stats", NULL, FLAG_SWITCH, &c.stats, 0, 0, NULL, "plan, cache and speed after each answer"},
        {"--json", NULL, FLAG_SWITCH, &c.json, 0, 0, NULL, "each answer as a JSON object"},
    };
    const struct flag_table tables[] = {{mine, sizeof mine / sizeof *mine}, model_flags(&o)};
    int n_rest, status = flags_parse("run", usage, tables, 2, argc, argv, &model, 1, &n_rest);
    if (status != FLAGS_DONE)
        return status;
    const struct {
        const char *name, *value;
    } switches[] = {{"--think", c.think}, {"--close-at-limit", close}};
    for (int i = 0; i < 2; i++)
        if (switches[i].value && strcmp(switches[i].value, "on") != 0 && strcmp(switches[i].value, "off") != 0) {
            fprintf(stderr, "stoker run: %s %s: on or off\n", switches[i].name, switches[i].value);
            return 2;
        }
    c.reply.free_limit = close && strcmp(close, "off") == 0;
    if ((status = form_read(&form, &c.reply.answer)) != 0) {
        form_free(&form);
        return status;
    }
    c.reply.answer.free_limit = close ? c.reply.free_limit : !form.schema;
    if (!model && !(model = embedded_model()))
        return 1;

    if (tools_read(&c.tools, tools) || !(c.message = json_array())) {
        tools_free(&c.tools);
        form_free(&form);
        return 1;
    }
    c.reply.tools = c.tools.json;
    c.reply.n_tools = c.tools.n;

    struct stoker_error err;
    if (stoker_open(&c.engine, model, &o, &err)) {
        end_loading();
        tools_free(&c.tools);
        form_free(&form);
        json_decref(c.message);
        return report(&err);
    }
    end_loading();
    struct sigaction act = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &act, NULL);
    if (system)
        add_message(&c, text_message("system", system, strlen(system)));
    status = prompt ? turn(&c, prompt, strlen(prompt)) : converse(&c);
    stoker_close(c.engine);
    tools_free(&c.tools);
    form_free(&form);
    json_decref(c.message);
    return status;
}
