/* --json-schema, --grammar, --regex: what an answer may be. */
#ifndef CLI_COMMON_FORM_H
#define CLI_COMMON_FORM_H

#include "stoker.h"

struct answer_form {
    const char *schema, *grammar, *regex; /* values of the flags; NULL: not given. At most one may be given */
    char *file;                           /* the contents of the file that one of them names */
};

/* Sets language and text of *a from the flags; the text lives as long as the form. 0, or an exit status after a sentence on stderr. */
int form_read(struct answer_form *f, struct stoker_answer *a);
void form_free(struct answer_form *f);

#endif
