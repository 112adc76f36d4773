/* links: engine text model store op machine kernel format base
 *
 * What the library gives for a prompt under a control vector, for tests/cli/make.sh: the rows behind the output norm, as f32, to stdout.
 *
 *     steered_rows MODEL.gguf VECTOR.gguf SCALE FIRST LAST TEXT     with the vector at SCALE on layers FIRST to LAST */
#include "stoker.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed(const struct stoker_error *err)
{
    fprintf(stderr, "%s\n", err->text);
    return 1;
}

static int record(struct stoker *s, const struct stoker_steer *list, const stoker_token *id, size_t n)
{
    struct stoker_error err;
    struct stoker_tensor t;
    struct stoker_event e;
    stoker_id job;
    struct stoker_capture c = {.taps = 1u << STOKER_TAP_FINAL, .no_tokens = 1, .n_rows = n, .n_requests = 1};
    if (stoker_capture_layout(s, &c, &t, 1, &err) != 1)
        return failed(&err);
    c.memory = malloc(t.bytes);
    c.n_memory = t.bytes;
    struct stoker_request q = {
        .prompt = id, .n_prompt = n, .only_score = 1, .steer = list, .n_steer = 1, .capture = &c};
    int status = stoker_submit(s, &q, &job, &err) ? failed(&err) : 0;
    while (!status && stoker_next_event(s, job, -1, &e) == 1 && e.kind != STOKER_END)
        if (e.kind == STOKER_FAILED)
            status = failed(&e.error);
    if (!status)
        fwrite(c.memory, 1, c.n_memory, stdout);
    free(c.memory);
    return status;
}

int main(int argc, char **argv)
{
    const struct stoker_options o = {
        .n_ctx = 256, .exact = 1, .kv = "f32", .capture_memory = 1 << 20, .steer_memory = 1 << 20};
    struct stoker_error err;
    struct stoker *s;
    stoker_token *id = NULL;
    size_t n;
    if (argc != 7)
        return 2;
    if (stoker_open(&s, argv[1], &o, &err))
        return failed(&err);
    struct stoker_vector *v = NULL;
    int status = stoker_vector_open(&v, s, AT_FDCWD, argv[2], &err) ||
                         stoker_tokenize(s, argv[6], strlen(argv[6]), 1, 1, &id, &n, &err)
                     ? failed(&err)
                     : 0;
    const struct stoker_steer list = {.vector = v,
                                      .amount = (float)atof(argv[3]),
                                      .has_amount = 1,
                                      .has_layers = 1,
                                      .layer_first = atoi(argv[4]),
                                      .layer_last = atoi(argv[5])};
    status = status ? status : record(s, &list, id, n);
    stoker_free(id);
    stoker_vector_close(v);
    stoker_close(s);
    return status;
}
