/* stoker run: one prompt, of -p, files and stdin, or a chat: on a terminal with line editing, or a line a turn. The conversation itself:
 * chat/chat.h. */
#include "cli/chat/chat.h"
#include "cli/chat/prompt.h"
#include "cli/common/cli.h"
#include "cli/common/flags.h"
#include "cli/common/form.h"
#include "cli/common/profile.h"
#include "cli/common/progress.h"
#include "cli/common/sampling_flags.h"
#include "cli/common/steer_flags.h"
#include "cli/common/user_folder.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
    "stoker run [MODEL.gguf] [flags]: answer a prompt, or chat.\n\n"
    "  stoker run                                     chat with the embedded model; Ctrl-D ends\n"
    "  stoker run -p 'What is the capital of Japan?'  one answer\n"
    "  stoker run MODEL.gguf -p 'Hi' --memory 6GiB    a model that is bigger than the memory it gets\n"
    "  stoker run -p 'Summarise this:' -f notes.txt   -p, then files, then stdin, with empty lines between them\n"
    "  dmesg | stoker run -p 'What went wrong?'\n"
    "  stoker run --lines <questions.txt              every line is a turn of one chat\n"
    "  stoker run --session garden                    a chat that is kept, and found again; --sessions lists them\n\n"
    "MODEL.gguf: a file, or the first part of a split one; without it the embedded model.\n\n";

/* --lines: lines of stdin, one turn each; an empty line is not a turn. */
static int converse(struct chat *c)
{
    int turns = 0, status = 0;
    char *line = NULL;
    size_t cap = 0;
    for (ssize_t n; status == 0 && (chat_interrupts = 0, n = getline(&line, &cap, stdin)) >= 0;) {
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            n--;
        if (n == 0)
            continue;
        turns++;
        status = chat_turn(c, line, (size_t)n);
    }
    free(line);
    if (turns == 0) {
        fprintf(stderr, "stoker: the prompt is empty; give some lines on stdin\n");
        return 1;
    }
    return status;
}

/* One answer; Ctrl-C that ended it is how the program ends. */
static int answer_once(struct chat *c, const struct prompt_text *prompt)
{
    int status = chat_turn(c, prompt->text, prompt->n);
    return status == 0 && chat_interrupts ? 128 + SIGINT : status;
}

/* Values of flags that are not fields of struct chat. */
struct run {
    const char *prompt, *system, *model, *tools, *mcp, *close, *session, *forget;
    char cache_dir[PATH_MAX];
    struct text_list file, library;
    struct prompt_text text; /* of one answer; NULL: a chat */
    int lines, sessions, no_profile;
    int logprobs; /* -1: none */
    uint64_t library_ram;
    struct answer_form form;
    struct sampling_flags sampling;
    struct steer_flags steer;
    struct text_list stop;
    struct stoker_string stop_of[TEXTS_MOST];
    struct stoker_options options;
};

static int parse(struct run *r, struct chat *c, int argc, char **argv)
{
    const struct flag mine[] = {
        {"-p", "--prompt", FLAG_TEXT, &r->prompt, 0, 0, "TEXT", "one prompt; - is stdin; without it: a chat, or stdin",
         .heading = "Prompt and answer"},
        {"-f", "--file", FLAG_TEXTS, &r->file, 0, 0, "FILE",
         "a file of the prompt, behind -p; - is stdin; may be repeated"},
        {"--lines", NULL, FLAG_SWITCH, &r->lines, 0, 0, NULL, "every line of stdin is a turn of a chat"},
        {"--system", NULL, FLAG_TEXT, &r->system, 0, 0, "TEXT", "system message"},
        {"-n", "--max-tokens", FLAG_LIMIT, &c->request.max_tokens, 0, 1 << 30, "N",
         "longest answer (default: what the context has left)"},
        {"--stop", NULL, FLAG_TEXTS, &r->stop, 0, 0, "TEXT", "ends the answer, and is not shown; may be repeated"},
        {"--ignore-eos", NULL, FLAG_SWITCH, &c->request.ignore_end, 0, 0, NULL, "go on behind the end of the text"},
        {"--think", NULL, FLAG_ON_OFF, &c->think, 0, 0, "on|off",
         "let the model think first (default: as its template has it)"},
        {"--chat-template", NULL, FLAG_TEXT, &r->options.chat_template, 0, 0, "FILE|NAME",
         "chat template (default: the model's own)"},
        {"--tools", NULL, FLAG_TEXT, &r->tools, 0, 0, "FILE", "tools the model may call; asks before it runs one",
         .heading = "Tools, and answers of a form"},
        {"--library", NULL, FLAG_TEXTS, &r->library, 0, 0, "NAME",
         "let the model search this source of the library, and cite it; all: every one; DIR/: of this folder"},
        {"--embed", NULL, FLAG_TEXT, &r->options.embed, 0, 0, "FILE.gguf",
         "search the library by vectors of this embedding model too"},
        {"--library-ram", NULL, FLAG_BYTES, &r->library_ram, 0, 0, "BYTES",
         "of such vectors that stay in memory; others are read for each search (default 0)"},
        {"--rerank", NULL, FLAG_TEXT, &r->options.rerank, 0, 0, "FILE.gguf",
         "put what searches of the library find in the order of this model, which judges pairs"},
        {"--mcp", NULL, FLAG_TEXT, &r->mcp, 0, 0, "FILE",
         "let the model call the tools of the MCP servers of this file; asks before it runs one that \"allow\" lacks"},
        {"--tool-format", NULL, FLAG_TEXT, &r->options.tool_format, 0, 0, "NAME",
         "how calls are written (default: as the template does)"},
        {"--no-tool-grammar", NULL, FLAG_SWITCH, &c->reply.unchecked, 0, 0, NULL,
         "recognise calls, do not govern them"},
        {"--json-schema", NULL, FLAG_TEXT, &r->form.schema, 0, 0, "FILE|JSON",
         "answer with JSON that fits this schema"},
        {"--grammar", NULL, FLAG_TEXT, &r->form.grammar, 0, 0, "FILE", "answer with a text of this GBNF grammar"},
        {"--regex", NULL, FLAG_TEXT, &r->form.regex, 0, 0, "PATTERN", "answer with a text that matches"},
        {"--close-at-limit", NULL, FLAG_ON_OFF, &r->close, 0, 0, "on|off",
         "end calls and JSON well before the limit cuts them (default on; off for --grammar and --regex)"},
        {"--session", NULL, FLAG_TEXT, &r->session, 0, 0, "NAME",
         "go on with the conversation of this name, and keep it and what was computed of it",
         .heading = "Conversations that are kept"},
        {"--sessions", NULL, FLAG_SWITCH, &r->sessions, 0, 0, NULL, "list the conversations that --session keeps"},
        {"--forget", NULL, FLAG_TEXT, &r->forget, 0, 0, "NAME", "remove the conversation that --session NAME keeps"},
        {"--cache-dir", NULL, FLAG_TEXT, &r->options.cache_dir, 0, 0, "DIR",
         "keep what was computed of prompts there (default: of --session and /save, in ~/.cache/stoker)"},
        {"--cache-disk", NULL, FLAG_BYTES, &r->options.cache_disk, 1, 0, "BYTES", "of files there (default 8G)"},
        {"--stats", NULL, FLAG_DETAIL, &c->stats, 0, 0, NULL,
         "speed and memory after each answer; --stats=full: all counters too", .heading = "What is shown"},
        {"--no-wrap", NULL, FLAG_SWITCH, &c->no_wrap, 0, 0, NULL,
         "on a terminal: do not break long lines of answers between words"},
        {"--json", NULL, FLAG_SWITCH, &c->json, 0, 0, NULL, "each answer as a JSON object"},
        {"--logprobs", NULL, FLAG_INT, &r->logprobs, 0, STOKER_TOP, "N",
         "with --json: how likely each token was, and the N likeliest"},
        {"--no-profile", NULL, FLAG_SWITCH, &r->no_profile, 0, 0, NULL,
         "not what stoker tune found for this model and budget", .heading = "Profiles"},
    };
    const struct flag_table tables[] = {{mine, sizeof mine / sizeof *mine},
                                        model_flags(&r->options),
                                        sampling_flags(&r->sampling),
                                        steer_flags_sae(&r->steer)};
    int n_rest, status = flags_parse("run", usage, tables, 4, argc, argv, &r->model, 1, &n_rest);
    if (status != FLAGS_DONE)
        return status;
    if (r->sessions)
        return conversations_list(stdout);
    if (r->forget)
        return conversation_forget(r->forget);
    if (sampling_flags_check("run", &r->sampling))
        return 2;
    for (int i = 0; i < r->stop.n; i++)
        if (*r->stop.text[i] == 0) {
            fprintf(stderr, "stoker run: --stop: a text that is not empty is expected\n");
            return 2;
        }
    if (r->lines && (r->prompt || r->file.n)) {
        fprintf(stderr, "stoker run: --lines reads turns from stdin; leave out -p and -f\n");
        return 2;
    }
    if ((r->options.embed || r->options.rerank) && r->library.n == 0) {
        fprintf(stderr, "stoker run: %s is for searches of the library: name its sources by --library\n",
                r->options.embed ? "--embed" : "--rerank");
        return 2;
    }
    if (r->library_ram && !r->options.embed) {
        fprintf(stderr, "stoker run: --library-ram is for vectors of the library: name their model by --embed\n");
        return 2;
    }
    if (r->logprobs >= 0 && !c->json) {
        fprintf(stderr, "stoker run: --logprobs are shown with --json\n");
        return 2;
    }
    return FLAGS_DONE;
}

/* What flags say of requests and answers. */
static int prepare(struct run *r, struct chat *c)
{
    int status = form_read(&r->form, &c->reply.answer);
    c->tools.quiet = c->json;
    c->reply.free_limit = r->close && strcmp(r->close, "off") == 0;
    c->reply.answer.free_limit = r->close ? c->reply.free_limit : !r->form.schema;
    c->request.wants_logprobs = r->logprobs >= 0;
    c->request.n_top_logprobs = r->logprobs >= 0 ? r->logprobs : 0;
    for (int i = 0; i < r->stop.n; i++)
        r->stop_of[i] = (struct stoker_string){r->stop.text[i], strlen(r->stop.text[i])};
    c->reply.stop = r->stop_of;
    c->reply.n_stop = (size_t)r->stop.n;
    if (status == 0 && !(r->model = model_of(r->model)))
        status = 1;
    if (status == 0 && !r->lines && (r->prompt || r->file.n || !isatty(STDIN_FILENO)))
        status = prompt_read(&r->text, r->prompt, &r->file);
    if (status == 0)
        status = tools_open(&c->tools, r->tools, &r->library, r->mcp);
    r->options.server = prompt_bytes(&r->text);
    r->options.library = tools_memory(&c->tools, &r->options) + r->library_ram;
    if (status == 0)
        status = steer_flags_plan("run", &r->steer, r->model, &r->options);
    if (status == 0 && !r->no_profile)
        profile_take(r->model, &r->options);
    if (status == 0 && !(c->message = json_array()))
        status = 1;
    if (status == 0 && r->session)
        status = conversation_open(&c->conversation, c, r->session);
    return status;
}

static int is_chat(const struct run *r) { return !r->text.text && !r->lines; }

/* Where a person may come back to a conversation, what was computed of it can be kept: of a session always, else once /save asks for it.
 * 1: a folder was chosen here. */
static int choose_cache_dir(struct run *r)
{
    if (r->options.cache_dir || (!r->session && !is_chat(r)) || user_path(r->cache_dir, USER_CACHE, "prefixes") ||
        (mkdir(r->cache_dir, 0700) && errno != EEXIST))
        return 0;
    r->options.cache_dir = r->cache_dir;
    r->options.cache_on_request = !r->session;
    return 1;
}

/* Nobody asked for the folder: where it takes too much memory, or cannot be had, it is left out; in the least memory always, for that
 * is the least without it. */
static int open_with_folder(struct run *r, struct chat *c, struct stoker_error *err)
{
    int failed = -1, has_memory = r->options.memory != STOKER_MEMORY_MIN;
    if (has_memory) {
        failed = stoker_open(&c->engine, r->model, &r->options, err);
        has_memory = !failed || err->code != STOKER_ERR_MEMORY;
    }
    if (!has_memory || (failed && err->code == STOKER_ERR_IO)) {
        r->options.cache_dir = NULL;
        failed = stoker_open(&c->engine, r->model, &r->options, err);
    }
    if (!failed && !has_memory && r->session)
        fprintf(stderr, "stoker: the conversation is kept, but not what is computed of it: that takes more --memory\n");
    return failed;
}

static int open_engine(struct run *r, struct chat *c)
{
    struct stoker_error err;
    struct progress loading;
    progress_begin(&loading, "loading", PROGRESS_BYTES, 0);
    r->options.progress = progress_show_loading;
    r->options.progress_arg = &loading;
    wrap_locale();
    int failed = choose_cache_dir(r) ? open_with_folder(r, c, &err)
                                     : stoker_open(&c->engine, r->model, &r->options, &err);
    progress_end(&loading);
    c->can_keep = !failed && r->options.cache_dir;
    return failed ? report(&err) : 0;
}

static int run_model(struct run *r, struct chat *c)
{
    struct stoker_error err;
    int status = open_engine(r, c);
    if (status != 0)
        return status;
    if (steer_flags_open("run", &r->steer, c->engine, &err))
        return report(&err);
    if ((status = tools_search(&c->tools, c->engine, &r->options, r->library_ram)) != 0)
        return status;
    if ((status = tools_join(&c->tools, c->engine, c->reply.unchecked, c->message)) != 0)
        return status;
    c->request.steer = r->steer.list;
    c->request.n_steer = r->steer.n_list;
    c->request.sampling = stoker_sampling_of(c->engine);
    sampling_flags_apply(&r->sampling, &c->request.sampling);
    chat_catch_signals();
    if (r->system && chat_system(c, r->system)) {
        fprintf(stderr, "stoker run: --system is not valid UTF-8\n");
        return 1;
    }
    return is_chat(r) ? chat_terminal(c) : r->lines ? converse(c) : answer_once(c, &r->text);
}

int cmd_run(int argc, char **argv)
{
    static struct run r = {.logprobs = -1, .options = {.draft = "auto"}};
    struct chat c = {0};
    int status = parse(&r, &c, argc, argv);
    if (status != FLAGS_DONE)
        return status;
    if ((status = prepare(&r, &c)) == 0)
        status = run_model(&r, &c);
    if (status == 0 && c.conversation.is_behind) /* a sentence has said so */
        status = 1;
    steer_flags_free(&r.steer);
    stoker_close(c.engine);
    conversation_close(&c.conversation);
    tools_free(&c.tools);
    prompt_free(&r.text);
    form_free(&r.form);
    buffer_free(&c.attached);
    json_decref(c.message);
    return status;
}
