/* A template from its source: line ends, tokens, tree; and what is known of it afterwards. See jinja.h. */
#include "text/jinja/tree.h"

#include <stdlib.h>
#include <string.h>

/* The largest of 54 templates of publishers, 17 KB, takes 0.01 million steps and 512 KiB; 1 MiB of plain text 1.3 MiB. What is held
 * afterwards is in the plan (jinja_bytes); while a template is compiled that is refused, nothing else of the plan is there yet. */
enum { COMPILING_MILLION_STEPS = 5, COMPILED_BYTES = 8 << 20 };

/* Every end of line as \n, and one at the very end dropped. */
static void take_source(struct jrun *r, struct jinja_template *t, const char *source, size_t n)
{
    char *copy = jalloc(r, n + 1);
    size_t to = 0;
    for (size_t i = 0; i < n; i++) {
        if (source[i] == '\r') {
            copy[to++] = '\n';
            i += i + 1 < n && source[i + 1] == '\n';
        } else {
            copy[to++] = source[i];
        }
    }
    to -= to > 0 && copy[to - 1] == '\n';
    copy[to] = 0;
    t->source = copy;
    t->n = to;
}

/* The names read, for jinja_reads(). */
static void keep_names(struct jparser *p)
{
    size_t n = 0;
    for (const struct jnamed *named = p->named; named; named = named->next)
        n++;
    p->template->word = jalloc_array(p->run, n, sizeof *p->template->word);
    for (const struct jnamed *named = p->named; named; named = named->next)
        p->template->word[p->template->n_word++] = named->node->name;
}

struct source {
    struct jinja_template *template;
    const char *text;
    size_t n;
};

static int compile(struct jrun *r, void *arg)
{
    const struct source *s = arg;
    struct jinja_template *t = s->template;
    struct jparser p = {.run = r, .template = t};
    size_t n_token;
    take_source(r, t, s->text, s->n);
    r->template = t;
    if (s->n > JINJA_SOURCE_MAX)
        jfail_compile(r, 0, "the template has %zu bytes; at most %d are supported", s->n, JINJA_SOURCE_MAX);
    p.token = jlex(r, t->source, t->n, &n_token);
    t->body = jparse_template(&p);
    t->scope = p.scope;
    keep_names(&p);
    return 0;
}

int jinja_compile(struct jinja_template **out, const char *source, size_t n, struct jinja_error *err)
{
    struct jrun r;
    struct jinja_template *t = calloc(1, sizeof *t);
    struct source from = {t, source, n};
    *out = NULL;
    if (!t) {
        *err = (struct jinja_error){.kind = JINJA_MEMORY, .text = "no memory to compile the template"};
        return -1;
    }
    arena_init_growing(&t->arena);
    jrun_begin(&r, &t->arena, 0, err);
    r.compiles = 1;
    r.work_limit = (uint64_t)COMPILING_MILLION_STEPS * JMILLION_STEPS;
    r.memory_limit = COMPILED_BYTES;
    if (jrun_protect(&r, compile, &from) != 0) {
        jinja_free(t);
        return -1;
    }
    *out = t;
    return 0;
}

void jinja_free(struct jinja_template *t)
{
    if (!t)
        return;
    arena_free(&t->arena);
    free(t);
}

size_t jinja_bytes(const struct jinja_template *t) { return sizeof *t + t->arena.total; }

const char *jinja_source(const struct jinja_template *t, size_t *n)
{
    *n = t->n;
    return t->source;
}

int jinja_reads(const struct jinja_template *t, const char *name)
{
    for (size_t i = 0; i < t->n_word; i++)
        if (jstring_is(t->word[i], name))
            return 1;
    return 0;
}
