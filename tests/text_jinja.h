/* What the tests of the template language share: reading JSON files, rendering a template with a context. */
#ifndef TEXT_JINJA_TEST_H
#define TEXT_JINJA_TEST_H

#include "base/clock.h"
#include "text/jinja/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The clock of all expected texts. */
static const struct jinja_clock test_clock = {2026, 11, 20, 12, 0, 0};

static inline const char *copy_of(struct jrun *r, const char *bytes, size_t n)
{
    return jstring_copy(r, bytes, n, ORIGIN_TEMPLATE)->bytes;
}

/* A text of a dict, "" absent. */
static inline const char *word_of(struct jrun *r, const struct jdict *d, const char *key)
{
    const struct jvalue *v = jdict_find(r, d, key);
    return v && v->type == J_STRING ? copy_of(r, v->u.s->bytes, v->u.s->n) : "";
}

/* A whole file, in the run's memory; NULL: it is not there. */
static inline const struct jstring *load_text(struct jrun *r, const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    fseek(f, 0, SEEK_END);
    size_t n = (size_t)ftell(f);
    char *text = jalloc(r, n + 1);
    rewind(f);
    n = fread(text, 1, n, f);
    fclose(f);
    return jstring_of(r, text, n, ORIGIN_TEMPLATE);
}

/* J_NONE when the file is absent or wrong, after a line that says so. */
static inline struct jvalue load_json(struct jrun *r, const char *path)
{
    const struct jstring *text = load_text(r, path);
    const char *problem = "cannot be read";
    size_t where = 0;
    struct jvalue v = JNONE;
    if (text)
        v = jjson_parse(r, text->bytes, text->n, ORIGIN_TEMPLATE, &problem, &where);
    if (!problem)
        return v;
    printf("%s: %s at byte %zu\n", path, problem, where);
    return JNONE;
}

/* Compile and render with a context in JSON; 0, or -1 and why. What *out and *e point to lies in the arena. */
static inline int render_text(const struct jstring *template, const struct jstring *context, struct arena *arena,
                              struct jinja_text *out, struct jinja_error *e)
{
    struct jinja_template *t;
    struct jrun run;
    jmp_buf trap;
    const char *problem;
    if (jinja_compile(&t, template->bytes, template->n, e) != 0)
        return -1;
    jrun_begin(&run, arena, context->n, e);
    run.clock = &test_clock;
    run.trap = &trap;
    int rc = -1;
    if (!setjmp(trap)) {
        run.context = jjson_parse(&run, context->bytes, context->n, ORIGIN_TEMPLATE, &problem, NULL);
        rc = jinja_render(t, &run, out);
    }
    jinja_free(t);
    return rc;
}

#endif
