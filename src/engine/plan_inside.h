/* What the files of the plan share: a configuration, and what all configurations of a plan have in common.
 *
 *     plan.c          the request is checked, limits are found, a plan that does not fit is refused
 *     plan_choose.c   which configuration: what is given up, and what grows
 *     plan_price.c    what a configuration takes
 *
 * struct plan_config (plan.h) says how large everything may be. */
#ifndef ENGINE_PLAN_INSIDE_H
#define ENGINE_PLAN_INSIDE_H

#include "engine/plan.h"

#define MIB       (UINT64_C(1) << 20)
#define GIB       (UINT64_C(1) << 30)
#define MAX_BYTES (UINT64_C(1) << 60)

enum { SCRATCH_MEMOS = 256 };
struct scratch_memo {
    int n_chunk, n_logits, on_disk; /* n_chunk 0: empty; on_disk: a bit a table */
    struct step_scratch scratch;
};

/* What every configuration has in common. */
struct planner {
    struct model *m;
    const struct plan_request *request;
    struct plan base; /* what does not depend on the configuration */
    int floor[EXPERT_CLASSES], knee[EXPERT_CLASSES], all[EXPERT_CLASSES]; /* slots of a class */
    int can_stream;                                                       /* tables of rows on disk save memory */
    struct speed_model speed;
    struct speed_rates rates;
    struct scratch_memo *memo; /* [SCRATCH_MEMOS]: steps that were measured */
};

/* ---- the price (plan_price.c) ---- */

/* What a configuration takes: all parts but slack; total is their sum. A function of model, request and configuration that changes none
 * of them, so that searches may ask it as often as they like. */
struct plan plan_price(const struct planner *pl, const struct plan_config *c);
uint64_t plan_slack(uint64_t memory);
int plan_fits(const struct planner *pl, const struct plan_config *c, uint64_t memory);
uint64_t plan_memory_for(uint64_t sum); /* the smallest M with sum + slack(M) <= M */
int plan_pages_of(int n_ctx);
/* What it takes that rows of drafts may be in a step, with the layer that predicts, if it is bound, but without its experts. */
uint64_t plan_draft_bytes(const struct planner *pl, const struct plan_config *c);
/* The model becomes as the plan has it. */
void plan_apply(struct model *m, const struct plan *p);

/* ---- the choice (plan_choose.c) ---- */

/* Sets floor, knee and all. */
void plan_slot_limits(struct planner *pl);
/* Nothing is given up; everything is that may be. */
struct plan_config plan_full_config(const struct planner *pl);
struct plan_config plan_minimal_config(const struct planner *pl);
/* The same with a usual chunk and the knee: a plan without which sequences, prefixes and the context do not grow. */
struct plan_config plan_usual(const struct planner *pl, const struct plan_config *c);
/* Do tables of rows on disk, with what reads them, take less than resident ones? */
int plan_may_stream(const struct planner *pl);
/* The configuration for this memory, without drafts that are priced. 0: none fits. */
int plan_choose(const struct planner *pl, struct plan_config *c, uint64_t memory);
/* Gives a configuration that has given up these PLAN_CUT_* as many drafts that are priced as find a place, at least
 * half of those that it has: the layer which is bound since is worth the others. 0: none does, and *c is as it was. */
int plan_place_drafts(const struct planner *pl, struct plan_config *c, uint64_t memory, unsigned degraded);
/* Bytes of prefixes that are kept where there is memory for them. */
uint64_t plan_asked_cache(const struct planner *pl);
/* PLAN_CUT_* of what a configuration gives up. */
unsigned plan_cuts(const struct planner *pl, const struct plan_config *c);

#endif
