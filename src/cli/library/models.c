/* See models.h. */
#include "cli/library/models.h"

#include "cli/common/cli.h"
#include "cli/common/progress.h"

#include <stdio.h>
#include <string.h>

static int check(const char *command, const char *flag, const char *path, int want_rank)
{
    struct stoker_about about;
    struct stoker_error err;
    if (!path)
        return 0;
    if (stoker_about(&about, path, &err))
        return report(&err);
    int is_rank = strcmp(about.pooling, "rank") == 0, makes = *about.pooling && strcmp(about.pooling, "none");
    if (makes && is_rank == want_rank)
        return 0;
    fprintf(stderr, "stoker %s: %s %s: it %s\n", command, flag, path,
            want_rank ? "judges no pairs of a query and a passage: use a model that ranks"
                      : "makes no vectors of texts: use an embedding model");
    return 1;
}

int library_models_check(const char *command, const struct library_models *m)
{
    int status = check(command, "--embed", m->embed, 0);
    return status ? status : check(command, "--rerank", m->rerank, 1);
}

int library_models_open(struct library_models *m)
{
    struct progress loading;
    struct stoker_error err;
    struct error why = {0};
    const char *path = m->embed ? m->embed : m->rerank;
    const struct stoker_options o = {.use = STOKER_USE_VECTORS,
                                     .memory = m->memory,
                                     .library = m->beside,
                                     .rerank = m->embed ? m->rerank : NULL,
                                     .progress = progress_show_loading,
                                     .progress_arg = &loading};
    if (!path)
        return 0;
    progress_begin(&loading, "loading", PROGRESS_BYTES, 0);
    int failed = stoker_open(&m->engine, path, &o, &err);
    progress_end(&loading);
    if (failed) {
        m->engine = NULL;
        return report(&err);
    }
    if (!m->embed || encoder_begin(&m->encoder, m->engine, path, &why) == 0)
        return 0;
    fprintf(stderr, "stoker: %s\n", why.text);
    library_models_close(m);
    return 1;
}

int library_models_join(struct library_models *m, struct library *l, uint64_t ram, struct error *err)
{
    int n = m->embed ? encoder_join(&m->encoder, l, ram, err) : 0;
    struct error why = {0};
    if (m->rerank && ranker_join(&m->ranker, stoker_encoder(m->engine, STOKER_RERANK), m->rerank, l, &why))
        fprintf(stderr, "stoker: %s\n", why.text); /* searches are not ranked */
    return n;
}

void library_models_close(struct library_models *m)
{
    encoder_end(&m->encoder);
    stoker_close(m->engine);
    m->engine = NULL;
}
