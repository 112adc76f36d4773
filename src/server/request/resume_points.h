/* Where in a prompt later requests are likely to leave its text: models with recurrent states can be resumed there and nowhere else.
 *
 *     system and tools | message | ... | message | opening of the answer
 *                      ^         ^     ^         ^
 *
 * server.md, part 9, kinds 1 and 2: the end of the first message, and of the newest ones. Templates do not say where their messages end,
 * but most end them with a token of its own: the first structural one behind the last words of the prompt. */
#ifndef SERVER_REQUEST_RESUME_POINTS_H
#define SERVER_REQUEST_RESUME_POINTS_H

#include "stoker.h"

enum { RESUME_POINTS = 12 };

/* Positions of p into at, ascending, within [1, n_token]. Returns how many, at most RESUME_POINTS. */
size_t resume_points(const struct stoker_templates *t, const struct stoker_prompt *p, size_t at[RESUME_POINTS]);

#endif
