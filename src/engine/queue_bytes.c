/* What the queue of requests takes, for the plan: apart from engine.c, which makes the queue under a plan that must exist first. */
#include "engine/engine.h"

uint64_t engine_queue_bytes(int n_queue, int n_parallel, int n_ctx, int predictions)
{
    uint64_t texts = (uint64_t)n_ctx * (predictions ? 2 : 1) * sizeof(stoker_token);
    uint64_t job = sizeof(struct job) + EVENTS * sizeof(struct stoker_event) + texts + pick_queued_bytes();
    uint64_t begun = 2 * (uint64_t)n_parallel;
    return n_queue ? ((uint64_t)n_queue + begun) * job + begun * pick_begun_bytes() : 0;
}

uint64_t embed_queue_bytes(int n_queue, int n_parallel)
{
    uint64_t job = sizeof(struct job) + sizeof(struct embed_job) + EVENTS * sizeof(struct stoker_event);
    return n_queue ? ((uint64_t)n_queue + 2 * (uint64_t)n_parallel) * job : 0;
}
