/* Reading what an answer may be: form.h. */
#include "cli/common/form.h"

#include "base/error.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 2 << 20 };

static int read_text(struct answer_form *form, const char *flag, const char *path, struct stoker_answer *a)
{
    struct error err = {0};
    a->text = form->file = file_read(path, MOST, &a->n, &err);
    if (!a->text)
        fprintf(stderr, "stoker run: %s %s\n", flag, err.text);
    return a->text ? 0 : err.code == ERR_IO ? 1 : 2;
}

/* A schema is JSON itself, or a file's name: no name that anybody has begins with a brace. */
static int is_json(const char *text)
{
    text += strspn(text, " \t\r\n");
    return *text == '{' || !strcmp(text, "true") || !strcmp(text, "false");
}

int form_read(struct answer_form *f, struct stoker_answer *a)
{
    if (!!f->schema + !!f->grammar + !!f->regex > 1) {
        fprintf(stderr, "stoker run: --json-schema, --grammar and --regex: one of them at a time\n");
        return 2;
    }
    if (f->grammar) {
        a->language = STOKER_GBNF;
        return read_text(f, "--grammar", f->grammar, a);
    }
    a->language = f->schema ? STOKER_JSON_SCHEMA : f->regex ? STOKER_REGEX : STOKER_ANY_TEXT;
    if (f->schema && !is_json(f->schema))
        return read_text(f, "--json-schema", f->schema, a);
    a->text = f->schema ? f->schema : f->regex;
    a->n = a->text ? strlen(a->text) : 0;
    return 0;
}

void form_free(struct answer_form *f) { free(f->file); }
