/* What the tables of sessions and engines take, for the plan: apart from who makes them, because they have a plan made first. */
#include "engine/engine.h"

#include "base/checked.h"

uint64_t session_logits_bytes(int n_vocab, int n_logits, int n_chunk, int n_parallel, int n_ctx)
{
    uint64_t history = sizeof(struct sampling_history) + round_up(sampler_history_most(n_vocab, (size_t)n_ctx), 64) +
                       round_up((uint64_t)n_vocab, 64) + 2 * 64;
    uint64_t rows = (uint64_t)n_chunk * (3 * sizeof(int32_t) + sizeof(struct sequence *) + 1);
    return (uint64_t)n_logits * (uint64_t)n_vocab * sizeof(float) + sampler_bytes(n_vocab) + rows +
           (uint64_t)n_parallel * history + 9 * 64;
}

uint64_t engine_queue_bytes(int n_queue, int n_parallel, int n_ctx)
{
    uint64_t job = sizeof(struct job) + EVENTS * sizeof(struct stoker_event) + (uint64_t)n_ctx * sizeof(stoker_token) +
                   pick_queued_bytes();
    uint64_t begun = 2 * (uint64_t)n_parallel;
    return n_queue ? ((uint64_t)n_queue + begun) * job + begun * pick_begun_bytes() : 0;
}
