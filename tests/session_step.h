/* A step of a session for tests that want nothing between computing and committing, as the engine does. */
#ifndef TESTS_SESSION_STEP_H
#define TESTS_SESSION_STEP_H

#include "engine/session.h"

/* 0, or -1 with the sentence in *err; then nothing is committed. */
static inline int session_forward(struct session *s, struct batch *b, struct error *err)
{
    if (model_forward(s->model, b, err))
        return -1;
    session_commit(b);
    return 0;
}

#endif
