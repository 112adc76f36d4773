/* --json-schema, --grammar, --regex: what an answer may be. */
#ifndef CLI_COMMON_FORM_H
#define CLI_COMMON_FORM_H

#include "stoker.h"

struct answer_form {
    const char *schema, *grammar, *regex; /* as given; NULL: not */
    char *file;                           /* what was read */
};

/* Fill *a from the flags; its text lives as long as the form. 0, or an exit status after a sentence on stderr. */
int form_read(struct answer_form *f, struct stoker_answer *a);
void form_free(struct answer_form *f);

#endif
