/* See masks.h. */
#include "engine/step/masks.h"

#include "base/error.h"
#include "engine/admission.h"

int masks_awaited_by(const struct job *j) { return j && j->constraint_state && !j->mask_ready; }

int masks_awaited(const struct stoker *s)
{
    for (int i = 0; i < s->session->plan.n_parallel; i++)
        if (masks_awaited_by(s->active[i]))
            return 1;
    return 0;
}

/* A mask that finds no memory may wait until an older answer frees some. The oldest answer never waits, so there is no deadlock. */
static int may_wait(const struct stoker *s, const struct job *j, const struct error *err)
{
    for (int i = 0; err->code == ERR_MEMORY && i < s->session->plan.n_parallel; i++)
        if (s->active[i] && s->active[i]->constraint_state && s->active[i]->id < j->id)
            return 1;
    return 0;
}

/* A slice of the mask for the job's next token, of at most `work`: as constraint_mask_some(). */
static int slice_of_mask(struct job *j, uint64_t work, struct error *err)
{
    int64_t left = (int64_t)(j->max_history - j->n_history) + 1; /* the end token needs no position of its own */
    return constraint_mask_some(j->constraint_state, j->cut_at_limit ? INT64_MAX : left, j->mask, work, err);
}

/* Computes a slice of a job's mask, of at most `work`. Returns the work that it took. */
static uint64_t work_on_mask(struct stoker *s, struct job *j, uint64_t work)
{
    struct error err = {0};
    int n = slice_of_mask(j, work, &err);
    uint64_t took = constraint_work(j->constraint->constraint);
    if (n == CONSTRAINT_AGAIN || (n < 0 && may_wait(s, j, &err)))
        return took;
    j->mask_ready = n >= 0;
    if (n >= 0 && j->n_generated == 0) /* while nothing was told of the answer */
        n = pick_check_bias(&j->pick, j->mask, s->session->model->p.n_vocab, 0, &err);
    if (n < 0)
        job_fail(s, j, &err);
    return took;
}

void masks_work(struct stoker *s)
{
    int n = 0, parallel = s->session->plan.n_parallel;
    uint64_t took = s->mask_work;
    for (int i = 0; i < parallel; i++)
        n += masks_awaited_by(s->active[i]);
    for (int i = 0; i < parallel && n > 0 && took < MASK_WORK_PER_STEP; i++) {
        struct job *j = s->active[(s->first_mask + i) % parallel];
        if (masks_awaited_by(j))
            took += work_on_mask(s, j, (MASK_WORK_PER_STEP - took) / (uint64_t)n--);
    }
    s->first_mask = (s->first_mask + 1) % parallel;
    s->mask_work = took;
}

void masks_end(struct stoker *s)
{
    if (s->mask_work > s->counters.mask_work_most) {
        pthread_mutex_lock(&s->lock);
        s->counters.mask_work_most = s->mask_work;
        pthread_mutex_unlock(&s->lock);
    }
    s->mask_work = 0;
}

int masks_next(struct stoker *s, struct job *j)
{
    struct error err = {0};
    if (!j->constraint_state)
        return 1;
    if (s->mask_work >= MASK_WORK_PER_STEP)
        return 0;
    j->mask_ready = slice_of_mask(j, MASK_WORK_PER_STEP - s->mask_work, &err) >= 0;
    s->mask_work += constraint_work(j->constraint->constraint);
    return j->mask_ready;
}
