/* What a layer of the model that predicts further tokens has of a sequence (docs/spec/drafts.md 8). The pair of a position is its token and
 * the row behind the model's last norm at the position before it; ../step/nextn.h makes them. */
#ifndef ENGINE_DRAFT_NEXTN_H
#define ENGINE_DRAFT_NEXTN_H

#include <stdint.h>

enum { NEXTN_MOST = 4 }; /* drafts of a sequence in a step: each is made from the one before it, and holds less often */

struct nextn {
    uint64_t text; /* its number; 0: none yet */
    int n;         /* the layer has keys and values of the pairs of positions [1, n) */
    int at;        /* h is that of position at - 1; 0: it is not known */
    float *h;      /* [n_embd] */
};

#endif
