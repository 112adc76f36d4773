/* A step of a session for tests that want nothing between computing and committing, as the engine does. */
#ifndef TESTS_SESSION_STEP_H
#define TESTS_SESSION_STEP_H

#include "engine/session.h"

/* 0, or -1 with the sentence in *err: rows left because something could not be read. */
static inline int session_forward(struct session *s, struct batch *b, struct error *err)
{
    b->row_error = err;
    model_forward(s->model, b);
    session_commit(b);
    return err->code == ERR_NONE ? 0 : -1;
}

#endif
