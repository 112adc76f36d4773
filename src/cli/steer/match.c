/* See match.h. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "cli/steer/match.h"

#include "cli/steer/steer.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

struct match {
    pcre2_code *code;
    pcre2_match_data *data;
};

int match_open(struct match **out, const struct steer_command *c)
{
    int why;
    PCRE2_SIZE at;
    PCRE2_UCHAR text[160];
    struct match *m = *out = NULL;
    if (!c->match)
        return 0;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)c->match, PCRE2_ZERO_TERMINATED, PCRE2_UTF, &why, &at, NULL);
    if (!code) {
        pcre2_get_error_message(why, text, sizeof text);
        fprintf(stderr, "stoker %s: --match %.80s: %s at %zu\n", c->name, c->match, (char *)text, (size_t)at);
        return 2;
    }
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    if (data && (m = malloc(sizeof *m))) {
        *m = (struct match){code, data};
        *out = m;
        return 0;
    }
    pcre2_match_data_free(data);
    pcre2_code_free(code);
    fprintf(stderr, "stoker %s: no memory for --match\n", c->name);
    return 1;
}

int match_find(struct match *m, const char *text, size_t n)
{
    int found = pcre2_match(m->code, (PCRE2_SPTR)text, n, 0, 0, m->data, NULL);
    return found >= 0 ? 1 : found == PCRE2_ERROR_NOMATCH ? 0 : -1;
}

void match_close(struct match *m)
{
    if (!m)
        return;
    pcre2_match_data_free(m->data);
    pcre2_code_free(m->code);
    free(m);
}
