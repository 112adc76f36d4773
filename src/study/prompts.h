/* A file of prompts: one a line, \n \t \\ \" \xHH stand for those characters, empty lines are left out. */
#ifndef STUDY_PROMPTS_H
#define STUDY_PROMPTS_H

#include "base/sha256.h"

#include <stddef.h>

struct error;

struct study_prompts {
    char *text;                        /* of all, one behind another */
    size_t *at;                        /* [n + 1] prompt i is text + at[i], at[i + 1] - at[i] bytes */
    size_t *line;                      /* [n] where it stands, from 1 */
    size_t n;                          /* at least 1 */
    char sha256[2 * SHA256_BYTES + 1]; /* of the file */
};

/* -1: ERR_IO, ERR_MEMORY; ERR_INPUT: an escape that there is not, no prompt at all. */
int study_prompts_read(struct study_prompts *p, const char *path, struct error *err);
void study_prompts_free(struct study_prompts *p);

#endif
