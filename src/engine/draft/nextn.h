/* What a layer of the model that predicts further tokens has of a sequence (docs/spec/drafts.md 8). The pair of a position is its token and
 * the row h that the model left at the position before it (struct batch); ../step/nextn.h makes them. */
#ifndef ENGINE_DRAFT_NEXTN_H
#define ENGINE_DRAFT_NEXTN_H

#include <stdint.h>

enum { NEXTN_MOST = 4 }; /* drafts of a sequence in a step: each is made from the one before it, and holds less often */
enum { NEXTN_BEHIND = 32 }; /* pairs that may wait: so many at once take little more than one */

struct nextn {
    uint64_t text; /* its number; 0: none yet */
    int n;         /* the layer has keys and values of the pairs of positions [1, n) */
    int first, at; /* h has the rows of positions [first, at), those of pairs that wait; at 0: none is known */
    float *h;      /* [nextn_rows()][model_h_width()] */
};

/* Rows of a sequence's h: a step with n_draft drafts finds place behind those that wait. */
static inline int nextn_rows(int n_draft) { return NEXTN_BEHIND + n_draft + 2; }

#endif
