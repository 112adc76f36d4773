/* links: text format base */
/* Chat templates against their cases: templates [FOLDER or FILE] (without: templates of the test data; its README tells the formats).
 * A folder: every JSON file in it that holds cases. A file: its cases, with the templates and requests beside it.
 *
 *   renderings   a template with a context: text or error        refused   requests that no template takes
 *   wire         a request: text, origins, joined, continues     caps      what the probes find
 *   security     a request: text, origins, and what is tokens    contexts  the messages that a template is handed */
#include "text/chat/template_inner.h"
#include "text/tools/format.h"
#include "text_fixture.h"
#include "text_jinja.h"

#include <dirent.h>
#include <libgen.h>
#include <stdarg.h>

enum { MAX_TEMPLATES = 512 };

static const struct template_options at_test_clock = {.clock = &test_clock};
static int n_passed, n_failed;
static struct jrun run; /* everything that is read from files lives here */
static const char *folder;
static struct jvalue names; /* index.json: J_DICT, or J_NONE */
static struct loaded {
    const char *name;
    struct chat_template *template;
} loaded[MAX_TEMPLATES];
static int n_loaded;

static void verdict(const char *kind, const char *a, const char *b, const char *why)
{
    n_passed += why == NULL;
    n_failed += why != NULL;
    if (why)
        printf("FAIL %s %s %s: %s\n", kind, a, b, why);
}

static const char *explain(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *explain(const char *format, ...)
{
    static char text[2000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return text;
}

/* ---- files ---- */

static struct jvalue load_beside(const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, R_OK) == 0 ? load_json(&run, path) : JNONE;
}

static const struct jvalue *member(struct jvalue v, const char *name)
{
    return v.type == J_DICT ? jdict_find(&run, v.u.dict, name) : NULL;
}

static const char *word(struct jvalue v, const char *name) { return word_of(&run, v.u.dict, name); }

/* The row of a list whose name it is. */
static struct jvalue named(struct jvalue list, const char *name)
{
    for (size_t i = 0; list.type == J_LIST && i < list.u.list->n; i++)
        if (strcmp(word(list.u.list->item[i], "name"), name) == 0)
            return list.u.list->item[i];
    return JNONE;
}

static const struct jstring *source_of(const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    const struct jstring *s = load_text(&run, path);
    if (!s)
        verdict("template", name, "", "cannot be read");
    return s ? s : jstring_word(&run, "");
}

/* bos_token or eos_token of a template, NULL: it has none. */
static const char *token_of(const char *template, const char *which)
{
    const struct jvalue *row = member(names, template), *v = row ? member(*row, which) : NULL;
    return v && v->type == J_STRING ? copy_of(&run, v->u.s->bytes, v->u.s->n) : NULL;
}

static const struct chat_template *template_of(const char *name)
{
    for (int i = 0; i < n_loaded; i++)
        if (strcmp(loaded[i].name, name) == 0)
            return loaded[i].template;
    const struct jstring *source = source_of(name);
    struct error err = {0};
    struct chat_template *t = NULL;
    if (n_loaded == MAX_TEMPLATES || template_create(&t, source->bytes, source->n, token_of(name, "bos_token"),
                                                     token_of(name, "eos_token"), NULL, &err) != 0) {
        verdict("template", name, "", err.text);
        return NULL;
    }
    loaded[n_loaded++] = (struct loaded){copy_of(&run, name, strlen(name)), t};
    return t;
}

/* ---- comparing ---- */

static const char *differs(const struct jinja_text *got, const struct jstring *want)
{
    size_t at = 0;
    while (at < got->n && at < want->n && got->bytes[at] == want->bytes[at])
        at++;
    if (at == got->n && at == want->n)
        return NULL;
    size_t from = at > 20 ? at - 20 : 0;
    return explain("from byte %zu on \"%.80s\" instead of \"%.80s\"", from,
                   copy_of(&run, got->bytes + from, got->n - from), copy_of(&run, want->bytes + from, want->n - from));
}

/* "t34 u9 a5" */
static const char *spans_text(const struct jinja_text *t)
{
    char *text = jalloc(&run, t->n_span * 24 + 1), *to = text;
    for (size_t i = 0; i < t->n_span; i++)
        to += sprintf(to, "%s%c%zu", i ? " " : "", "tau"[t->span[i].origin], t -> span[i].n);
    return text;
}

static int same_error(const char *kind, const char *message, enum jinja_error_kind got, const char *raised)
{
    if (strcmp(kind, "raise") == 0)
        return got == JINJA_RAISE && strcmp(raised, message) == 0;
    return got == JINJA_RUNTIME || got == JINJA_COMPILE;
}

/* ---- renderings: a context as it is ---- */

static const struct jstring *context_of(const char *template, struct jvalue conversation)
{
    struct jdict *d = jdict_new(&run);
    const char *bos = token_of(template, "bos_token"), *eos = token_of(template, "eos_token");
    jdict_put(&run, d, "tools", JNONE);
    jdict_put(&run, d, "documents", JNONE);
    if (bos)
        jdict_put(&run, d, "bos_token", jstr(jstring_word(&run, bos)));
    if (eos)
        jdict_put(&run, d, "eos_token", jstr(jstring_word(&run, eos)));
    const struct jvalue *context = member(conversation, "context");
    for (size_t i = 0; context && i < context->u.dict->n; i++)
        jdict_set(&run, d, context->u.dict->entry[i].key, context->u.dict->entry[i].value);
    return jjson_write(&run, jdictv(d), &jjson_plain);
}

static const char *check_rendering(struct jvalue c, const struct jlist *texts, struct jvalue conversation)
{
    struct arena arena;
    struct jinja_text out;
    struct jinja_error e;
    const char *template = word(c, "template"), *why = NULL;
    const struct jvalue *text = member(c, "text");
    arena_init_growing(&arena);
    int rc = render_text(source_of(template), context_of(template, conversation), &arena, &out, &e);
    if (rc == 0)
        why = text ? differs(&out, texts->item[text->u.i].u.s) : "an error is due";
    else if (text)
        why = explain("%s", e.text);
    else if (!same_error(word(c, "kind"), word(c, "error"), e.kind,
                         e.raised ? copy_of(&run, e.raised, e.n_raised) : ""))
        why = explain("another error: %s", e.text);
    arena_free(&arena);
    return why;
}

static void check_renderings(struct jvalue file)
{
    struct jvalue conversations = load_beside("conversations.json");
    const struct jlist *texts = member(file, "texts")->u.list, *cases = member(file, "cases")->u.list;
    for (size_t i = 0; i < cases->n; i++) {
        struct jvalue c = cases->item[i], conversation = named(conversations, word(c, "conversation"));
        verdict("rendering", word(c, "template"), word(c, "conversation"),
                conversation.type == J_DICT ? check_rendering(c, texts, conversation) : "no such conversation");
    }
}

/* ---- wire: requests ---- */

static const struct jstring *request_of(struct jvalue row)
{
    const struct jvalue *request = member(row, "request");
    return request ? jjson_write(&run, *request, &jjson_plain) : jstring_word(&run, "");
}

static int flag(struct jvalue v, const char *name)
{
    const struct jvalue *f = member(v, name);
    return f && jtruth(*f);
}

static const char *check_wire(struct jvalue c, const struct jlist *texts, struct jvalue row)
{
    const struct chat_template *t = template_of(word(c, "template"));
    const struct jstring *request = request_of(row);
    struct template_prompt p;
    struct template_error e;
    const struct jvalue *text = member(c, "text"), *runs = member(c, "runs");
    if (!t)
        return "no template";
    if (template_render(t, NULL, request->bytes, request->n, &at_test_clock, &p, &e) != 0) {
        if (text)
            return explain("%s", e.text);
        return same_error(word(c, "kind"), word(c, "error"), e.kind, e.raised) ? NULL
                                                                               : explain("another error: %s", e.text);
    }
    const char *why = text ? differs(&p.text, texts->item[text->u.i].u.s) : "an error is due";
    if (!why && runs && strcmp(spans_text(&p.text), copy_of(&run, runs->u.s->bytes, runs->u.s->n)) != 0)
        why = explain("origins %.600s instead of %.600s", spans_text(&p.text), runs->u.s->bytes);
    if (!why && (p.joined != flag(c, "joined") || p.continues != flag(c, "continues")))
        why = "joined or continues otherwise";
    template_prompt_free(&p);
    return why;
}

static void check_wires(struct jvalue file)
{
    struct jvalue requests = load_beside("wire_requests.json");
    const struct jlist *texts = member(file, "texts")->u.list, *cases = member(file, "cases")->u.list;
    for (size_t i = 0; i < cases->n; i++) {
        struct jvalue c = cases->item[i], row = named(requests, word(c, "request"));
        verdict("wire", word(c, "template"), word(c, "request"),
                row.type == J_DICT ? check_wire(c, texts, row) : "no such request");
    }
}

/* ---- contexts ---- */

static const char *check_context(struct jvalue c, const struct jstring *request)
{
    const struct chat_template *t = template_of(word(c, "template"));
    char path[120] = "";
    struct template_prompt p;
    struct template_error e;
    if (!t)
        return "no template";
    if (template_render(t, NULL, request->bytes, request->n, &at_test_clock, &p, &e) != 0)
        return explain("%s", e.text);
    int joined = p.joined;
    template_prompt_free(&p);
    struct conversation conversation = {.run = &run, .template = t, .caps = template_caps_of(t), .path = path};
    conversation_begin(&conversation, request->bytes, request->n);
    conversation_read(&conversation);
    conversation_shape(&conversation);
    if (joined)
        conversation_join_neighbours(&conversation);
    struct jvalue context = conversation_context(&conversation);
    const struct jvalue *tools = member(context, "tools");
    const char *sent = !tools ? "undefined" : tools->type == J_NONE ? "null" : "sent";
    if (strcmp(sent, word(c, "tools")) != 0)
        return explain("tools are %s instead of %s", sent, word(c, "tools"));
    const char *const compared[] = {"messages", "add_generation_prompt", "enable_thinking", "thinking"};
    for (size_t i = 0; i < sizeof compared / sizeof *compared; i++) {
        const struct jvalue *got = member(context, compared[i]), *want = member(c, compared[i]);
        if (!got != !want)
            return explain("%s is %s", compared[i], got ? "there" : "missing");
        struct jinja_text text = {0};
        if (!got)
            continue;
        text.bytes = jjson_write(&run, *got, &jjson_plain)->bytes;
        text.n = jjson_write(&run, *got, &jjson_plain)->n;
        const char *why = differs(&text, jjson_write(&run, *want, &jjson_plain));
        if (why)
            return why;
    }
    return NULL;
}

static void check_contexts(struct jvalue file)
{
    struct jvalue requests = load_beside("wire_requests.json");
    for (size_t i = 0; i < file.u.list->n; i++) {
        struct jvalue c = file.u.list->item[i], row = named(requests, word(c, "request"));
        verdict("context", word(c, "template"), word(c, "request"),
                row.type == J_DICT ? check_context(c, request_of(row)) : "no such request");
    }
}

/* ---- refused ---- */

static const char *check_refused(struct jvalue c, const char *template)
{
    const struct chat_template *t = template_of(template);
    const struct jstring *request = request_of(c);
    struct template_prompt p;
    struct template_error e;
    if (!t)
        return "no template";
    if (template_render(t, NULL, request->bytes, request->n, &at_test_clock, &p, &e) == 0) {
        template_prompt_free(&p);
        return "was rendered";
    }
    if (e.kind != JINJA_REQUEST || strcmp(e.path, word(c, "path")) != 0 || !strstr(e.text, e.path))
        return explain("another error: %s", e.text);
    return NULL;
}

static void check_refusals(struct jvalue file)
{
    for (size_t i = 0; i < file.u.list->n; i++)
        for (size_t k = 0; names.type == J_DICT && k < names.u.dict->n; k++) {
            const struct jstring *template = names.u.dict->entry[k].key.u.s;
            const char *name = copy_of(&run, template->bytes, template->n);
            verdict("refused", name, word(file.u.list->item[i], "name"), check_refused(file.u.list->item[i], name));
        }
}

/* ---- security ---- */

static const char *compare_runs(const struct jinja_text *text, const struct jlist *runs)
{
    size_t at = 0;
    for (size_t i = 0; i < runs->n; i++) {
        const struct jvalue *pair = runs->item[i].u.list->item;
        /* neighbours of one origin may be apart in the data */
        for (size_t k = 0; k < pair[1].u.s->n; k++, at++) {
            size_t span = 0, end = 0;
            while (span < text->n_span && (end += text->span[span].n) <= at)
                span++;
            if (at >= text->n || text->bytes[at] != pair[1].u.s->bytes[k] ||
                "tau"[text->span[span].origin] != pair[0].u.s->bytes[0])
                return explain("other text or origin at byte %zu: %.60s", at,
                               copy_of(&run, text->bytes + at, text->n - at));
        }
    }
    return at == text->n ? NULL : "more text than expected";
}

static void add_tokens(struct small_vocab *v, const struct jvalue *list, int type, uint8_t *reach, uint8_t kind)
{
    for (size_t i = 0; list && i < list->u.list->n; i++) {
        const struct jstring *s = list->u.list->item[i].u.s;
        reach[small_add(v, copy_of(&run, s->bytes, s->n), type, 0)] = kind;
    }
}

/* The prompt through a vocabulary of bytes and the case's tokens. */
static const char *compare_pieces(const struct template_prompt *p, struct jvalue c, const struct jlist *pieces)
{
    static struct small_vocab v;
    static uint8_t reach[MAX_SMALL];
    struct tokenizer *t = NULL;
    struct error err = {0};
    struct token_list ids = {0};
    const char *why = NULL;
    small_begin(&v, "gpt2");
    memset(reach, 0, sizeof reach);
    add_tokens(&v, member(c, "control_tokens"), TOKEN_CONTROL, reach, ORIGIN_TEMPLATE);
    add_tokens(&v, member(c, "user_defined_tokens"), TOKEN_USER, reach, ORIGIN_ASSISTANT);
    if (small_load(&v, &t, &err) != 0 || template_tokens(p, t, reach, &ids, &err) != 0)
        why = explain("%s", err.text);
    size_t at = 0;
    for (size_t i = 0; !why && i < pieces->n; i++) {
        const struct jvalue *pair = pieces->item[i].u.list->item;
        const struct jstring *text = pair[1].u.s;
        if (jstring_is(pair[0].u.s, "tok")) {
            const struct gguf_string *token = at < ids.n && ids.id[at] >= 256 ? &v.token[ids.id[at]] : NULL;
            if (!token || token->length != text->n || memcmp(token->text, text->bytes, text->n) != 0)
                why = explain("piece %zu is not the token %.60s", i, text->bytes);
            at++;
            continue;
        }
        for (size_t k = 0; !why && k < text->n; k++, at++)
            if (at >= ids.n || ids.id[at] != (uint8_t)text->bytes[k])
                why = explain("piece %zu is not plain at its byte %zu", i, k);
    }
    if (!why && at != ids.n)
        why = "more ids than pieces";
    token_list_free(&ids);
    tokenizer_destroy(t);
    return why;
}

static const char *check_security(struct jvalue c)
{
    const struct chat_template *t = template_of(word(c, "template"));
    const struct jstring *request = request_of(c);
    struct template_prompt p;
    struct template_error e;
    if (!t)
        return "no template";
    if (template_render(t, NULL, request->bytes, request->n, &at_test_clock, &p, &e) != 0)
        return explain("%s", e.text);
    const char *why = compare_runs(&p.text, member(c, "runs")->u.list);
    if (!why)
        why = compare_pieces(&p, c, member(c, "pieces")->u.list);
    template_prompt_free(&p);
    return why;
}

static void check_securities(struct jvalue file)
{
    for (size_t i = 0; i < file.u.list->n; i++)
        verdict("security", word(file.u.list->item[i], "id"), word(file.u.list->item[i], "note"),
                check_security(file.u.list->item[i]));
}

/* ---- caps ---- */

static const char *compare_word(struct jvalue caps, const char *name, const char *got)
{
    const struct jvalue *v = member(caps, name);
    if (!v)
        return NULL;
    int same = got ? v->type == J_STRING && jstring_is(v->u.s, got) : v->type == J_NONE;
    return same ? NULL : explain("%s is %s, not %s", name, got ? got : "null", jtext(&run, *v)->bytes);
}

static const char *compare_flag(struct jvalue caps, const char *name, int got)
{
    const struct jvalue *v = member(caps, name);
    return !v || v->u.i == (got != 0) ? NULL : explain("%s is %s", name, got ? "true" : "false");
}

static const char *compare_generated(struct jvalue caps, const char *name, const char *got)
{
    const struct jvalue *all = member(caps, "generation_prompt"), *v = all ? member(*all, name) : NULL;
    if (!v)
        return NULL;
    const char *want = copy_of(&run, v->u.s->bytes, v->u.s->n);
    want += strncmp(want, "…", strlen("…")) == 0 ? strlen("…") : 0; /* what follows the user's text */
    return got && strcmp(got, want) == 0 ? NULL : explain("generation_prompt.%s is \"%s\"", name, got ? got : "null");
}

static const char *check_caps(struct jvalue w, const char *name)
{
    static const char *const arguments[] = {NULL, "object", "string"}, *const ids[] = {"any", "alnum9", "kimi"};
    static const char *const fields[] = {NULL, "reasoning_content", "reasoning", "thinking", "thinking_parts"};
    static const char *const thinking[] = {"other", "on", "off"}, *const generated[] = {"default", "on", "off"};
    const struct chat_template *t = template_of(name);
    const char *why = NULL;
    if (!t)
        return "no template";
    const struct template_caps *c = template_caps_of(t);
    const struct {
        const char *name;
        int got;
    } flags[] = {{"system", c->system},
                 {"system_later", c->system_later},
                 {"developer", c->developer},
                 {"parts", c->parts},
                 {"string", c->string},
                 {"tools", c->tools},
                 {"needs_descriptions", c->needs_descriptions},
                 {"tool_calls", c->tool_calls},
                 {"call_with_text", c->call_with_text},
                 {"parallel", c->parallel},
                 {"id_rendered", c->id_rendered},
                 {"tool_results", c->tool_results}};
    for (size_t i = 0; !why && i < sizeof flags / sizeof *flags; i++)
        why = compare_flag(w, flags[i].name, flags[i].got);
    for (size_t i = 0; !why && i < 3; i++)
        why = compare_generated(w, generated[i], c->generation_prompt[i]);
    if (!why && !(why = compare_word(w, "format", c->format->name)) &&
        !(why = compare_word(w, "tools_absent", c->tools_undefined ? "undefined" : "null")) &&
        !(why = compare_word(w, "arguments", arguments[c->arguments])) && !(why = compare_word(w, "id", ids[c->id])) &&
        !(why = compare_word(w, "reasoning", fields[c->reasoning])) &&
        !(why = compare_word(w, "thinking_default", thinking[c->thinking_default])))
        why = compare_word(w, "thinking_var", c->thinking_var);
    return why;
}

static void check_all_caps(struct jvalue file)
{
    for (size_t i = 0; i < file.u.dict->n; i++) {
        const struct jentry *e = &file.u.dict->entry[i];
        const char *name = copy_of(&run, e->key.u.s->bytes, e->key.u.s->n);
        verdict("caps", name, "", check_caps(e->value, name));
    }
}

/* ---- which file is what ---- */

static void check_file(const char *path)
{
    struct jvalue file = load_json(&run, path);
    const struct jvalue *cases = member(file, "cases");
    struct jvalue first = file.type == J_LIST && file.u.list->n   ? file.u.list->item[0]
                          : cases && cases->u.list->n             ? cases->u.list->item[0]
                          : file.type == J_DICT && file.u.dict->n ? file.u.dict->entry[0].value
                                                                  : JNONE;
    if (file.type == J_NONE)
        verdict("file", path, "", "cannot be read");
    else if (cases && member(first, "conversation"))
        check_renderings(file);
    else if (cases && member(first, "request"))
        check_wires(file);
    else if (file.type == J_DICT && member(first, "format"))
        check_all_caps(file);
    else if (member(first, "pieces"))
        check_securities(file);
    else if (member(first, "path"))
        check_refusals(file);
    else if (member(first, "template") && member(first, "messages"))
        check_contexts(file);
}

static void check_folder(void)
{
    struct dirent **entry;
    int n = scandir(folder, &entry, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char path[4096];
        const char *end = strrchr(entry[i]->d_name, '.');
        snprintf(path, sizeof path, "%s/%s", folder, entry[i]->d_name);
        if (end && strcmp(end, ".json") == 0)
            check_file(path);
        free(entry[i]);
    }
    if (n >= 0)
        free(entry);
}

static void check(const char *path)
{
    DIR *d = opendir(path);
    if (d)
        closedir(d);
    folder = d ? path : dirname(strdup(path));
    names = load_beside("index.json");
    if (d)
        check_folder();
    else
        check_file(path);
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : TEST_DATA "/templates";
    struct arena arena;
    struct jinja_error e;
    jmp_buf trap;
    arena_init_growing(&arena);
    jrun_begin(&run, &arena, (size_t)1 << 30, &e);
    run.work_limit = UINT64_MAX;
    run.clock = &test_clock;
    run.trap = &trap;
    if (setjmp(trap))
        verdict("file", "", "", e.text);
    else
        check(path);
    if (n_passed + n_failed == 0)
        verdict("file", path, "", "holds no cases");
    for (int i = 0; i < n_loaded; i++)
        template_destroy(loaded[i].template);
    arena_free(&arena);
    printf("%d passed, %d failed\n", n_passed, n_failed);
    return n_failed > 0;
}
